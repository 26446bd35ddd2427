"""Brain-tune a speech model: train it to predict the fMRI of people who listen to stories.

    accelerate launch recipes/tune.py                                   # the phantom, in minutes
    accelerate launch recipes/tune.py --config recipes/configs/ds003020.yaml --data <folder> \\
        --participants UTS03

The model that was tuned, one tuned on permuted responses, and the pretrained one are then compared
by how well they predict a story that none of them heard. `--seeds 0 1 2` repeats all that and says
what holds over seeds. With several participants one backbone is
tuned for all, with a head for each. `--targets` adds models that are tuned on what a speech or text
model makes of the same stories, all else being equal.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recipes.command.process import one_line_errors, prepare_process

from evaluate_metrics import tuning_figure
from evaluate_metrics.reports import BASELINE, file_name, still_falling, table, title_of
from modeling_braintune import check_access, publish_checkpoint
from recipes.command.arguments import CONFIGS, parse_arguments
from recipes.command.cache import representations_folder
from recipes.command.checkpoints import checkpoint, recordings_folder
from recipes.command.output_folder import (
    RESULTS,
    check_output,
    claim_output,
    finished_results,
    remove,
    run_settings,
    write_checked,
)
from recipes.command.sole_run import sole_run
from recipes.command.vocabulary import Seeds
from recipes.stages.cards import describe
from recipes.stages.controls import BRAIN_TUNED, TARGETS
from recipes.stages.encoding import Extraction, share_in_representations
from recipes.stages.estimates import estimate
from recipes.stages.measuring import head_alignments, measure
from recipes.stages.recordings import (
    check_scoring,
    described,
    open_recordings,
    tuning_listener,
)
from recipes.stages.seeds import with_seeds
from recipes.stages.shared_space import check_surfaces
from recipes.stages.starting_model import check_starting_model
from recipes.stages.targets import teachers, windows
from recipes.stages.training import (
    FEATURES,
    SELECTION,
    made_by_tuning,
    steps_left,
    tune_models,
    tuned_targets,
)
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

DEFAULT_CONFIG = CONFIGS / "phantom.yaml"
PERMUTED = TARGETS["permuted"].model
FIGURE = "alignment-{}.png"
BACKBONE = "backbone"  # of heads that were tuned on a frozen one


def tune(arguments: TuningOptions, training: TrainerOptions) -> dict[str, Any] | None:
    """Tune, compare, and write checkpoints, results and a figure to the output folder.

    Parameters
    ----------
    arguments : TuningOptions
    training : TrainerOptions

    Returns
    -------
    dict
        As written to `results.json`: "participants" {name: what `measure` gives, with
        "n_tuning_voxels" and "heads"}, "curves" {model: losses} and "seconds". None on all
        processes but the first.

    Raises
    ------
    FileExistsError
        The output folder holds a finished run, or one with other settings.
    FloatingPointError
        The loss is no longer finite.
    ValueError, FileNotFoundError, PermissionError, ConnectionError
        As the parts that read, select, tune, measure and publish.
    """
    started = time.time()
    is_main = training.process_index == 0
    say = print if is_main else lambda *_: None
    output = Path(training.output_dir)
    settings, made = run_settings(arguments, training), made_by_a_run(arguments)

    # The output folder, the models and the recordings
    with training.main_process_first(local=False):
        if training.push_to_hub:
            if is_main:
                check_access(training.push_to_hub, private=training.private or None)
            if not training.overwrite_output_dir and finished_results(output, settings):
                return publish(arguments, training, say) if is_main else None
        if is_main:
            if (output / RESULTS).exists():  # of a run that was killed at its very end
                remove([output / FEATURES])
            check_output(output, settings, made, overwrite=training.overwrite_output_dir)
        pretrained = checkpoint(arguments.pretrained, say)
        check_starting_model(arguments, pretrained, training.world_size)
        for teacher in teachers(arguments):
            checkpoint(teacher)
        data = recordings_folder(arguments.data, say)
        participants = open_recordings(data, arguments)
        check_scoring(participants, arguments)
        if arguments.shared_space:
            check_surfaces(participants)
        listeners = [tuning_listener(participant, arguments) for participant in participants]

    # Pairs of sound and targets: all that can be wrong with them is said before the work begins
    teaching = {"device": training.device, "progress": not training.disable_tqdm, "say": say}
    targets = tuned_targets(arguments.targets, arguments.heads_only)
    pairs = windows(arguments, listeners, targets, training.seed, located=checkpoint, **teaching)
    for one in listeners:
        say(described(one, arguments))
    if is_main:
        ahead = estimate(arguments, training, pretrained, pairs[targets[0]][0], listeners)
        left = 1.0 * len(models_of(arguments))
        if not training.overwrite_output_dir:
            shares = {m: steps_left(output, m, ahead.n_steps) for m in models_of(arguments)}
            for model, share in shares.items():
                if share < 1:
                    done = f"going on at {1 - share:.0%} of its steps" if share else "is tuned"
                    say(f"{model}: {done}, in {output}/")
            left = sum(shares.values())
        minutes = ahead.minutes(left, 1 if arguments.heads_only else 1 + len(targets))
        say(f"Estimated time: {minutes:.0f} min ({ahead})")
    with training.main_process_first(local=False):  # before any process looks at what is there
        if is_main:
            claim_output(output, settings, made, overwrite=training.overwrite_output_dir)

    # A model for each target
    curves = tune_models(arguments, training, pretrained, listeners, pairs, say)

    # What tuning changed, on a story that no model heard
    checkpoints = {BASELINE: pretrained} | {name: output / name for name in reversed(curves)}
    if arguments.heads_only:
        checkpoints = {BACKBONE: pretrained}  # which all heads share
    extraction = Extraction.of(
        arguments,
        device=training.device,
        precision=arguments.torch_precision,
        cache_dir=representations_folder(arguments.cache_dir),
    )
    if not is_main:
        for one in listeners:
            share_in_representations(checkpoints.values(), one.represented, extraction)
        return None
    results: dict[str, Any] = {"participants": {}, "curves": curves}
    for one in listeners:
        say(f"Measuring on {one.test.name!r}, as heard by {one.name} ...")
        scores = measure(
            one,
            checkpoints,
            arguments,
            extraction,
            pairs=[(BRAIN_TUNED, PERMUTED)] if PERMUTED in curves else [],
            progress=not training.disable_tqdm,
        )
        for large in ("change", "per_voxel"):
            del scores[large]
        scores["notes"] += still_falling(curves)
        if arguments.heads_only:
            scores["notes"].append(
                f"Heads alone were tuned: their {BACKBONE} is that of "
                f"{Path(arguments.pretrained).name}, unchanged, and is measured once."
            )
        scores["n_tuning_voxels"] = len(one.voxels)
        scores["heads"] = head_alignments(one, arguments, training, curves)
        results["participants"][one.name] = scores
        say(table(scores))
        draw(scores, curves, output)
    results["seconds"] = round(time.time() - started, 1)

    # What is left: cards, results, and nothing that was kept for the run only
    figures = {
        f"Alignment of {name}, and the losses of tuning": FIGURE.format(file_name(name))
        for name in results["participants"]
    }
    for name in curves:
        describe(name, arguments, training, results, pretrained, figures)
    write_checked(output / RESULTS, results)
    remove([output / FEATURES])
    say(f"Checkpoints, {RESULTS} and figures are in {output}/ ({results['seconds']:.0f} s)")
    if training.push_to_hub:
        publish(arguments, training, say)
    return results


def models_of(arguments: TuningOptions) -> list[str]:
    """Return the names of the models that are tuned, those by which a step is chosen among them."""
    targets = tuned_targets(arguments.targets or [], arguments.heads_only)
    chosen = [t for t in targets if arguments.refit and not TARGETS[t].is_permuted]
    return [TARGETS[t].model for t in targets] + [TARGETS[t].model + SELECTION for t in chosen]


def made_by_a_run(arguments: TuningOptions) -> list[str]:
    """Return the names of all that a run makes in its output folder."""
    figures = [FIGURE.format(file_name(participant)) for participant in arguments.participants]
    return [RESULTS, *figures, *made_by_tuning(models_of(arguments))]


def draw(scores: dict[str, Any], curves: dict[str, Any], output: Path) -> None:
    """Draw alignment by model and region, and the losses of tuning."""
    path = output / FIGURE.format(file_name(scores["participant"]))
    tuning_figure(
        scores["alignment"],
        curves,
        path,
        title=title_of(scores),
        normalisation=scores["normalisation"],
    )


def publish(arguments: TuningOptions, training: TrainerOptions, say: Callable) -> dict[str, Any]:
    """Upload the first target's checkpoint, the brain-tuned one; return the results of its run."""
    output = Path(training.output_dir)
    address = publish_checkpoint(
        output / TARGETS[arguments.targets[0]].model,
        training.push_to_hub,
        private=training.private or None,
    )
    say(f"Uploaded to {training.push_to_hub}: {address}")
    return finished_results(output, run_settings(arguments, training))


def tuned_with_seed(arguments: TuningOptions, training: TrainerOptions) -> dict[str, Any] | None:
    """Tune unless that is done with the same settings; return each participant's results."""
    settings = run_settings(arguments, training)
    results = finished_results(training.output_dir, settings) or tune(arguments, training)
    return results and results["participants"]


def main() -> None:
    with one_line_errors():
        repeated, arguments, training = parse_arguments(
            (Seeds, TuningOptions, TrainerOptions), DEFAULT_CONFIG
        )
        prepare_process(training.device, training.world_size)
        training.log_level_replica = "error"
        with sole_run(training.output_dir, training.process_index == 0):
            if repeated.seeds:
                with_seeds(repeated.seeds, training, lambda this: tuned_with_seed(arguments, this))
            else:
                tune(arguments, training)


if __name__ == "__main__":
    main()
