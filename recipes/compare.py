"""Compare brain-tuning with its controls: is it the brain, or just more training?

    accelerate launch recipes/compare.py                                # the phantom
    accelerate launch recipes/compare.py --config recipes/configs/ds003020.yaml --data <folder> \\
        --participants UTS03

For one participant and one pretrained model, tunes on the responses, on permuted ones, on what a
speech model and a text model make of the stories, and on the sound alone (Moussa et al. 2025,
section 3.3.1), all else being equal, and measures each as `recipes/align.py` does. What is in the
output folder already, of an interrupted run or of `recipes/tune.py`, is not done again.
"""

import copy
import dataclasses
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from datasets_scripts import low_level_features
from evaluate_metrics.reports.alignment import BASELINE, comparison_report, notes, table
from evaluate_metrics.reports.seeds import gains_by_seed
from modeling_braintune import BrainTuningArguments
from modeling_braintune.configuration_braintune import checkpoint_model_type
from modeling_braintune.model_card import CARD
from modeling_braintune.stimulus import FAMILIES
from recipes.align import align
from recipes.arguments import parse_arguments
from recipes.encoding import layer_features
from recipes.estimate import estimate
from recipes.phantom import CACHE, DATA
from recipes.process import one_line_errors, prepare_process
from recipes.stimulus_tune import NAME as STIMULUS
from recipes.stimulus_tune import StimulusArguments, stimulus_tune
from recipes.targets import MODEL_OF, listener, tuned_on, windows
from recipes.train import CURVE, FEATURES, write_json
from recipes.tune import (
    DEFAULT_CONFIG,
    RESULTS,
    SETTINGS,
    TuneArguments,
    changed_settings,
    describe,
    described,
    materials,
    run_settings,
    tune_models,
    tuned_folders,
)

CONFIGS = Path(__file__).parent / "configs"
REPORT = "compare"  # .json, .csv, .md and .png
TUNED = MODEL_OF["responses"]
# Settings that say which models there are and how they are measured, not how one is tuned
NOT_OF_A_MODEL = {"targets", "layers", "evaluation_length", "evaluation_stride"}


@dataclass(kw_only=True)
class CompareArguments(TuneArguments):
    """Which controls brain-tuning is compared with."""

    targets: list[str] = field(
        default_factory=lambda: ["responses", "permuted", "speech_model", "text_model"],
        metadata={"help": f"What a model each is tuned on: {', '.join(MODEL_OF)}."},
    )
    stimulus: bool = field(
        default=True,
        metadata={
            "help": "Also a model that goes on with self-supervised training on the stories' "
            f"sound; families that can: {', '.join(FAMILIES)}."
        },
    )
    stimulus_config: str | None = field(
        default=None,
        metadata={
            "help": "YAML file of settings for that; stimulus.yaml beside this recipe's other "
            "configurations if none, or phantom-stimulus.yaml."
        },
    )
    more_text_teachers: list[str] = field(
        default_factory=list,
        metadata={"help": "A model each that is tuned on what these make of the words."},
    )
    more_text_layers: list[int] | None = field(
        default=None,
        metadata={"help": "Their layers, such as every third; all with the embedding if none."},
    )
    seeds: list[int] | None = field(
        default=None,
        metadata={"help": "Do it all with each of these seeds, in folders seed-<n>."},
    )
    low_level: bool = field(
        default=True, metadata={"help": "Also measure the impact of low-level features."}
    )
    cache_dir: str = field(
        default=str(CACHE / "representations"),
        metadata={"help": "Keeps representations, and what was measured of each model."},
    )

    def __post_init__(self):
        super().__post_init__()
        if len(self.participants) > 1:
            raise ValueError(
                "participants: models are compared for one at a time, got "
                f"{', '.join(self.participants)}"
            )
        if "responses" not in self.targets:
            raise ValueError("targets must hold responses, which the others are controls of")
        if self.heads_only:
            raise ValueError("heads_only leaves all models' layers as they were: drop it")
        names = [*MODEL_OF.values(), STIMULUS, *map(_tuned_by, self.more_text_teachers)]
        if len(set(names)) < len(names):
            raise ValueError(
                f"more_text_teachers must end in different names, got {self.more_text_teachers}"
            )


def _tuned_by(teacher):
    return f"{Path(teacher).name}-tuned"


def compare(arguments, training):
    """Tune what is not tuned yet, measure everything, and write the report.

    Parameters
    ----------
    arguments : CompareArguments
    training : BrainTuningArguments

    Returns
    -------
    dict
        What `align` gives, with "participant", "test_story", "seed", "notes" and "curves"; as
        written to `compare.json`. None on all processes but the first.

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
    (name,) = arguments.participants
    others = {
        _tuned_by(teacher): dataclasses.replace(
            arguments, text_teacher=teacher, text_layers=arguments.more_text_layers
        )
        for teacher in arguments.more_text_teachers
    }
    models = [*(MODEL_OF[target] for target in arguments.targets), *others]
    models += [STIMULUS] * arguments.stimulus
    with training.main_process_first(local=False):
        pretrained = materials(arguments, say)
        stimulus = _stimulus(arguments, training, pretrained) if arguments.stimulus else None
        if is_main:
            _check_settings(output, arguments, training, models, stimulus)
        one = listener(arguments, name)
    say(described(arguments, one))
    curves = _tuned(arguments, others, training, pretrained, one, models, say)
    if stimulus and not _is_tuned(output, STIMULUS):
        stimulus_tune(*stimulus)
    checkpoints = {BASELINE: pretrained} | {model: output / model for model in models}
    measured = {
        "layers": arguments.layers,
        "length": arguments.evaluation_length,
        "stride": arguments.evaluation_stride,
        "device": training.device,
        "cache_dir": arguments.cache_dir,
    }
    if not is_main:
        for checkpoint in checkpoints.values():
            layer_features(checkpoint, [*one.train, one.test], **measured)
        return None
    shutil.rmtree(output / FEATURES, ignore_errors=True)
    say(f"Measuring {len(checkpoints)} models on {one.test.name!r}, as heard by {name} ...")
    results = align(
        checkpoints,
        one.train,
        one.test,
        one.ceiling,
        one.measured_regions,
        threshold=arguments.ceiling_threshold,
        test_skip_trs=arguments.test_skip_trs,
        low_level=low_level_features(one.train, one.test) if arguments.low_level else None,
        pairs=_pairs(models, others),
        progress=not training.disable_tqdm,
        **measured,
    )
    for large in ("change", "per_voxel"):
        del results[large]
    results |= {
        "participant": name,
        "test_story": one.test.name,
        "seed": training.seed,
        "notes": [one.ceiling_note, *notes(results, one.participant.regions)],
        "curves": curves,
    }
    say(table(results))
    paths = comparison_report(results, output, REPORT)
    for model in curves:
        if not (output / model / CARD).exists():
            describe(
                model,
                others.get(model, arguments),
                training,
                {"participants": {name: results}, "curves": curves},
                pretrained,
                {f"Alignment and low-level impact, {name}": f"{REPORT}.png"},
            )
    say(
        f"Checkpoints, {', '.join(path.name for path in paths)} are in {output}/ "
        f"({time.time() - started:.0f} s)"
    )
    return results


def _tuned(arguments, others, training, pretrained, one, models, say):
    """Tune on every target, those of more teachers last; losses by model."""
    teaching = {"device": training.device, "progress": not training.disable_tqdm, "say": say}
    if training.process_index == 0:
        first = windows(arguments, [one], ["responses"])["responses"][0]
        ahead = estimate(arguments, training, pretrained, first, [one])
        say(plan(Path(training.output_dir), models, ahead, arguments.low_level))
    # Made before the work begins, so that whatever is wrong with them is said before it.
    runs = [(arguments, MODEL_OF, arguments.targets)]
    runs += [(changed, {"text_model": model}, ["text_model"]) for model, changed in others.items()]
    pairs = [
        windows(changed, [one], targets, training.seed, **teaching) for changed, _, targets in runs
    ]
    curves = {}
    for (changed, names, _), of_targets in zip(runs, pairs, strict=True):
        curves |= tune_models(changed, training, pretrained, [one], of_targets, say, names)
    return curves


def _pairs(models, others):
    """Brain-tuning with each control, and the text teacher with each other one."""
    text, permuted = MODEL_OF["text_model"], MODEL_OF["permuted_text_model"]
    pairs = [(TUNED, model) for model in models if model != TUNED]
    if text in models:
        pairs += [(text, model) for model in (permuted, *others) if model in models]
    return pairs


def _stimulus(arguments, training, pretrained):
    """Arguments of `stimulus_tune` for the same model, stories and seed."""
    family = checkpoint_model_type(pretrained)
    if family not in FAMILIES:
        raise ValueError(
            f"stimulus: self-supervised training takes models of {' and '.join(FAMILIES)}, "
            f"{arguments.model} is of {family}; give --stimulus false"
        )
    own = "phantom-stimulus.yaml" if arguments.data == DATA else "stimulus.yaml"
    words = ["--config", arguments.stimulus_config or str(CONFIGS / own)]
    for key in ("output_dir", "seed", "use_cpu", "disable_tqdm"):
        words += [f"--{key}", str(getattr(training, key))]
    stimulus, its_training = parse_arguments(
        (StimulusArguments, BrainTuningArguments),
        own,
        words,
        passed_over={key.name for key in dataclasses.fields(TuneArguments)},
    )
    shared = {key.name for key in dataclasses.fields(StimulusArguments)}
    shared &= {key.name for key in dataclasses.fields(TuneArguments)}
    same = {key: getattr(arguments, key) for key in shared - {"early_stopping_patience"}}
    same |= {"participant": arguments.participants[0], "train_stories": tuned_on(arguments)}
    return dataclasses.replace(stimulus, **same), its_training


def _check_settings(output, arguments, training, models, stimulus):
    """Refuse a folder of models that were tuned otherwise; note how they are tuned here."""
    if arguments.overwrite_output_dir:
        for folder in (*tuned_folders(output), *(output / model for model in models)):
            shutil.rmtree(folder, ignore_errors=True)
        (output / SETTINGS).unlink(missing_ok=True)
    added = {key.name for key in dataclasses.fields(CompareArguments)}
    added -= {key.name for key in dataclasses.fields(TuneArguments)}
    settings = run_settings(arguments, training)
    wanted = [(output, {key: value for key, value in settings.items() if key not in added})]
    if stimulus:
        wanted.append((output / STIMULUS, run_settings(*stimulus)))
    for folder, settings in wanted:
        if (folder / SETTINGS).exists():
            changed = [k for k in changed_settings(folder, settings) if k not in NOT_OF_A_MODEL]
            if changed:
                raise FileExistsError(
                    f"{folder} holds what was tuned with other settings ({', '.join(changed)}); "
                    "give another --output_dir, or the same settings"
                )
    if not (output / SETTINGS).exists():
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / SETTINGS, wanted[0][1])


def _is_tuned(output, model):
    return (output / model / (RESULTS if model == STIMULUS else CURVE)).exists()


def plan(output, models, ahead, low_level):
    """What will be done, and how long it will take, as text.

    Parameters
    ----------
    output : Path
    models : list of str
    ahead : Estimate
    low_level : bool

    Returns
    -------
    str
    """
    done = {model: _is_tuned(output, model) for model in models}
    width = max(map(len, models))
    n_features = 5 if low_level else 0
    minutes = ahead.minutes(list(done.values()).count(False), 1 + len(models), n_features)
    lines = [f"{model:<{width}}  {'is tuned' if done[model] else 'to do'}" for model in models]
    return "\n".join(
        [
            f"Models in {output}/:",
            *(f"  {line}" for line in lines),
            f"About {minutes:.0f} min ahead, with statistics to come: {ahead}"
            + ", once and again without each of five low-level features" * low_level,
        ]
    )


def main():
    with one_line_errors():
        arguments, training = parse_arguments(
            (CompareArguments, BrainTuningArguments),
            DEFAULT_CONFIG,
            renamed={"participant": "participants"},
        )
        prepare_process(training.device, training.world_size)
        training.log_level_replica = "error"
        if arguments.seeds is None:
            compare(arguments, training)
            return
        results = {}
        for seed in arguments.seeds:
            this = copy.copy(training)
            this.seed, this.output_dir = seed, str(Path(training.output_dir) / f"seed-{seed}")
            results[seed] = compare(arguments, this)
    if training.process_index == 0:
        path = Path(training.output_dir) / f"{REPORT}.md"
        path.write_text(gains_by_seed(results) + "\n")
        print(path.read_text())


if __name__ == "__main__":
    main()
