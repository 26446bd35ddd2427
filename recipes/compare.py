"""Compare brain-tuning with its controls: is it the brain, or just more training?

    accelerate launch recipes/compare.py                                # the phantom
    accelerate launch recipes/compare.py --config recipes/configs/ds003020.yaml --data <folder> \\
        --participants UTS03

For one participant and one pretrained model, tunes on the responses, on permuted ones, on what a
speech model and a text model make of the stories, and on the sound alone (Moussa et al. 2025,
section 3.3.1), all else being equal, and measures each as `recipes/align.py` does. What is in the
output folder already, of an interrupted run or of `recipes/tune.py`, is not done again.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recipes.command.process import one_line_errors, prepare_process

from datasets_scripts import check_phones
from evaluate_metrics.reports import (
    BASELINE,
    comparison_report,
    still_falling,
    table,
)
from modeling_braintune import CARD
from recipes.command.arguments import CONFIGS, keys_of, parse_arguments
from recipes.command.cache import representations_folder
from recipes.command.checkpoints import checkpoint, one_participant, recordings_folder
from recipes.command.output_folder import (
    CURVE,
    RESULTS,
    changed_settings,
    check_names,
    claim_output,
    earlier_settings,
    finished_curve,
    remove,
    run_settings,
)
from recipes.command.sole_run import sole_run
from recipes.stages.cards import describe
from recipes.stages.comparison import CompareOptions, compared, stimulus_options
from recipes.stages.controls import STIMULUS_TUNED
from recipes.stages.encoding import Extraction, share_in_representations
from recipes.stages.estimates import Estimate, estimate
from recipes.stages.measuring import head_alignments, measure
from recipes.stages.recordings import (
    TuningListener,
    described,
    open_recordings,
    tuning_listener,
)
from recipes.stages.seeds import with_seeds
from recipes.stages.starting_model import check_starting_model
from recipes.stages.stimulus import StimulusOptions, stimulus_tune
from recipes.stages.targets import teachers, windows
from recipes.stages.training import FEATURES, made_by_tuning, tune_models
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

DEFAULT_CONFIG = CONFIGS / "phantom.yaml"
REPORT, REPORT_ENDINGS = "compare", (".json", ".csv", ".png", "-layers.png")
# Settings that say which models there are and how they are measured, not how one is tuned
NOT_OF_A_MODEL = {
    *("targets", "layers", "evaluation_length", "evaluation_stride", "precision"),
    *("evaluation_chunk", "delays", "penalty_stories"),
}


def compare(arguments: CompareOptions, training: TrainerOptions) -> dict[str, Any] | None:
    """Tune what is not tuned yet, measure everything, and write the report.

    Parameters
    ----------
    arguments : CompareOptions
    training : TrainerOptions

    Returns
    -------
    dict
        What `recipes.stages.measuring.measure` gives, with "seed", "curves" and "heads"; as written
        to `compare.json`. None on all processes but the first.

    Raises
    ------
    FileExistsError
        The output folder holds models that were tuned with other settings.
    ValueError, FileNotFoundError, FloatingPointError
        As the parts that read, tune and measure.
    """
    started = time.time()
    is_main = training.process_index == 0
    say = print if is_main else lambda *_: None
    output = Path(training.output_dir)
    if training.push_to_hub:
        raise ValueError("push_to_hub: many models are tuned here; publish one with publish.py")

    # The output folder, the models and the recordings
    with training.main_process_first(local=False):
        pretrained = checkpoint(arguments.pretrained, say)
        check_starting_model(arguments, pretrained, training.world_size)
        for teacher in [*teachers(arguments), *arguments.more_text_teachers]:
            checkpoint(teacher)
        data = recordings_folder(arguments.data, say)
        stimulus = stimulus_options(arguments, training, pretrained) if arguments.stimulus else None
        if is_main:
            check_folder(output, arguments, training, stimulus)
        one_participant(arguments.participants)
        (participant,) = open_recordings(data, arguments)
        one = tuning_listener(participant, arguments)
        if arguments.low_level:
            check_phones(one.represented)
    say(described(one, arguments))

    # A model for each target, for each further teacher, and on the sound alone
    curves = tune_all(arguments, training, pretrained, one, say)
    if stimulus and finished_curve(output / STIMULUS_TUNED / RESULTS) is None:
        stimulus_tune(*stimulus, pretrained, participant, say)

    # What each gained on a story that none heard
    checkpoints = {BASELINE: pretrained} | {model: output / model for model in arguments.models}
    extraction = Extraction.of(
        arguments,
        device=training.device,
        precision=arguments.torch_precision,
        cache_dir=representations_folder(arguments.cache_dir),
    )
    if not is_main:
        share_in_representations(checkpoints.values(), one.represented, extraction)
        return None
    remove([output / FEATURES])
    say(f"Measuring {len(checkpoints)} models on {one.test.name!r}, as heard by {one.name} ...")
    results = measure(
        one,
        checkpoints,
        arguments,
        extraction,
        low_level=arguments.low_level,
        low_level_lags=arguments.low_level_lags,
        pairs=compared(arguments.models, list(arguments.further)),
        progress=not training.disable_tqdm,
    )
    for large in ("change", "per_voxel"):
        del results[large]
    heads = head_alignments(one, arguments, training, curves)
    results |= {"seed": training.seed, "curves": curves, "heads": heads}
    results["notes"] += still_falling(curves)

    # The report, and the cards of the models
    say(table(results))
    paths = comparison_report(results, output, REPORT)
    for model in (model for model in curves if not (output / model / CARD).exists()):
        describe(
            model,
            arguments.further.get(model, arguments),
            training,
            {"participants": {one.name: results}, "curves": curves},
            pretrained,
            {f"Alignment and low-level impact, {one.name}": f"{REPORT}.png"},
        )
    names = ", ".join(path.name for path in paths)
    say(f"Checkpoints, {names} are in {output}/ ({time.time() - started:.0f} s)")
    return results


def check_folder(
    output: Path,
    arguments: CompareOptions,
    training: TrainerOptions,
    stimulus: tuple[StimulusOptions, TrainerOptions] | None,
) -> None:
    """Refuse a folder of models that were tuned otherwise, or of files that are another's."""
    check_names(output, made_here(arguments))
    if training.overwrite_output_dir:
        return
    wanted = [(output, settings_of(arguments, training))]
    if stimulus:
        wanted.append((output / STIMULUS_TUNED, run_settings(*stimulus)))
    for folder, settings in wanted:
        changed = [key for key in changed_settings(folder, settings) if key not in NOT_OF_A_MODEL]
        if changed:
            raise FileExistsError(
                f"{folder} holds what was tuned with other settings ({', '.join(changed)}); "
                "give another --output_dir, or the same settings"
            )


def settings_of(arguments: CompareOptions, training: TrainerOptions) -> dict[str, Any]:
    """Return how models are tuned here, as `recipes/tune.py` would note it."""
    added = keys_of(CompareOptions) - keys_of(TuningOptions)
    settings = run_settings(arguments, training)
    return {key: value for key, value in settings.items() if key not in added}


def made_here(arguments: CompareOptions) -> list[str]:
    """Return the names of all that is made in the output folder."""
    return [*made_by_tuning(arguments.models), *(f"{REPORT}{ending}" for ending in REPORT_ENDINGS)]


def tune_all(
    arguments: CompareOptions,
    training: TrainerOptions,
    pretrained: str,
    one: TuningListener,
    say: Callable,
) -> dict[str, dict[str, Any]]:
    """Tune on every target, those of further teachers last; losses by model."""
    teaching = {"device": training.device, "progress": not training.disable_tqdm, "say": say}
    if training.process_index == 0:
        first = windows(arguments, [one], ["responses"], located=checkpoint)["responses"][0]
        ahead = estimate(arguments, training, pretrained, first, [one])
        again, output = training.overwrite_output_dir, Path(training.output_dir)
        done = [] if again else [m for m in arguments.models if is_tuned(output, m)]
        say(plan(output, arguments.models, done, ahead, arguments.n_removals))
    # Made before the work begins, so that whatever is wrong with them is said before it.
    runs = [(arguments, {}), *((own, {"text_model": m}) for m, own in arguments.further.items())]
    pairs = [
        windows(own, [one], own.targets, training.seed, located=checkpoint, **teaching)
        for own, _ in runs
    ]
    output, overwrite = Path(training.output_dir), training.overwrite_output_dir
    with training.main_process_first(local=False):  # before any process looks at what is there
        if training.process_index == 0:
            earlier = None if overwrite else earlier_settings(output)
            settings = earlier or settings_of(arguments, training)
            claim_output(output, settings, made_here(arguments), overwrite=overwrite)
    curves = {}
    for (own, names), of_targets in zip(runs, pairs, strict=True):
        curves |= tune_models(own, training, pretrained, [one], of_targets, say, names)
    return curves


def is_tuned(output: Path, model: str) -> bool:
    """Whether a model is tuned to the end in an output folder."""
    return (output / model / (RESULTS if model == STIMULUS_TUNED else CURVE)).exists()


def plan(output: Path, models: list[str], done: list[str], ahead: Estimate, n_removals: int) -> str:
    """What will be done, and how long it will take, as text.

    Parameters
    ----------
    output : Path
    models : list of str
    done : list of str
        Those that are tuned already.
    ahead : Estimate
    n_removals : int
        Of low-level features, after each of which a model is measured once more.

    Returns
    -------
    str
    """
    width = max(map(len, models))
    minutes = ahead.minutes(len(models) - len(done), 1 + len(models), n_removals)
    return "\n".join(
        [
            f"Models in {output}/:",
            *(f"  {m:<{width}}  {'is tuned' if m in done else 'to be tuned'}" for m in models),
            f"Estimated time: {minutes:.0f} min and statistics ({ahead}"
            + f", and for {n_removals} removals of low-level features" * (n_removals > 0)
            + ")",
        ]
    )


def main() -> None:
    with one_line_errors():
        arguments, training = parse_arguments((CompareOptions, TrainerOptions), DEFAULT_CONFIG)
        prepare_process(training.device, training.world_size)
        training.log_level_replica = "error"
        with sole_run(training.output_dir, training.process_index == 0):
            if not arguments.seeds:
                compare(arguments, training)
                return
            (name,) = arguments.participants
            with_seeds(arguments.seeds, training, lambda this: {name: compare(arguments, this)})


if __name__ == "__main__":
    main()
