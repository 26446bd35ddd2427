"""Brain-tune a speech model: train it to predict the fMRI of a person who listens to stories.

    accelerate launch recipes/tune.py                                   # the phantom, in minutes
    accelerate launch recipes/tune.py --config recipes/configs/ds003020.yaml --data <folder>

The model that was tuned, one tuned on block-permuted responses, and the pretrained one are then
compared by how well they predict a story that none of them heard. With several participants one
backbone is tuned for all, with a head for each. `--targets` adds models that are tuned on what a
speech or text model makes of the same stories, all else being equal.
"""

import dataclasses
import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from transformers import AutoConfig, AutoFeatureExtractor

from datasets_scripts import training_windows
from datasets_scripts.names import check_name
from evaluate_metrics import Scores, tuning_figure
from evaluate_metrics.reports.alignment import notes, table
from modeling_braintune import (
    OBJECTIVES,
    AutoModelForBrainTuning,
    BrainTuningArguments,
    license_of,
    model_card,
    save_card,
)
from recipes.align import RecordingArguments, align
from recipes.arguments import parse_arguments
from recipes.encoding import layer_features
from recipes.estimate import estimate
from recipes.phantom import DATA, MODELS, phantom_data, phantom_model
from recipes.process import one_line_errors, prepare_process
from recipes.publish import check_access, publish_checkpoint
from recipes.targets import MODEL_OF, PERMUTED, brains, listener, windows
from recipes.teacher_targets import DTYPES
from recipes.train import CURVE, FEATURES, train, write_json

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "phantom.yaml"
RESULTS, SETTINGS, FIGURE = "results.json", "settings.json", "alignment-{}.png"
ARGUMENTS = "training_arguments.json"
REPRESENTATIONS = "representations"  # kept while the run lasts
# What does not change a result: what is printed of a run, and where it goes to
PRINTING = ("disable_tqdm", "log_level", "log_level_replica")
PUBLISHING = ("push_to_hub", "hub_model_id", "hub_private_repo", "hub_revision", "hub_token")


@dataclass(kw_only=True)
class TuneArguments(RecordingArguments):
    """What is tuned on which recordings, and how the result is measured."""

    model: str = field(
        metadata={"help": f"Checkpoint folder, name on the Hub, or one of {', '.join(MODELS)}."}
    )
    participants: list[str] = field(
        metadata={
            "help": "One, such as UTS03, or several who share the backbone; P01 and P02 are "
            "the phantom's."
        }
    )
    validation_stories: list[str] = field(metadata={"help": "Stories that decide when to stop."})
    tuning_stories: list[str] | None = field(
        default=None,
        metadata={
            "help": "Of the training stories, those to tune on; all if none. Encoding models are "
            "fitted on all of them, whatever was tuned on."
        },
    )
    n_trs_per_window: int = field(default=5, metadata={"help": "Sound per training window."})
    tuning_regions: list[str] | None = field(
        default=None, metadata={"help": "Regions to tune on; all that there are if none."}
    )
    heads_only: bool = field(
        default=False,
        metadata={
            "help": "Tune heads on a frozen backbone, such as those of new participants on one "
            "that others were tuned on."
        },
    )
    lora_rank: int = field(
        default=0,
        metadata={"help": "Tune adapters of this rank in place of the backbone's own weights."},
    )
    lora_alpha: float = field(
        default=32.0, metadata={"help": "What adapters add is scaled by lora_alpha / lora_rank."}
    )
    lora_dropout: float = field(default=0.1, metadata={"help": "Of the adapters' inputs."})
    targets: list[str] = field(
        default_factory=lambda: ["responses", "permuted"],
        metadata={"help": f"What a model each is tuned on: {', '.join(MODEL_OF)}."},
    )
    permute_across: bool = field(
        default=False,
        metadata={"help": "Permuted targets are another story's, in their order."},
    )
    speech_teacher: str = field(
        default="openai/whisper-medium", metadata={"help": "Whisper whose layers are targets."}
    )
    speech_layers: list[int] | None = field(
        default=None, metadata={"help": "Of its decoder; all with the embedding if none."}
    )
    text_teacher: str = field(
        default="openai-community/gpt2-medium",
        metadata={"help": "Causal language model whose layers are targets."},
    )
    text_layers: list[int] | None = field(
        default=None, metadata={"help": "Its layers; all with the embedding if none."}
    )
    text_context: int = field(
        default=512, metadata={"help": "Tokens that a text teacher reads at once."}
    )
    teacher_dtype: str = field(
        default="auto",
        metadata={
            "help": f"What teachers compute in: {', '.join(DTYPES)}; auto is what they are stored "
            "in. Large ones that are stored in float32 want bfloat16."
        },
    )
    teacher_language: str | None = field(
        default="english",
        metadata={"help": "Of the stories, for a speech teacher that knows several."},
    )
    objective: str = field(
        default="mse", metadata={"help": f"What is minimised: {', '.join(OBJECTIVES)}."}
    )
    apply_spec_augment: bool | None = field(
        default=None, metadata={"help": "Mask spans of the input; as the checkpoint says if none."}
    )
    layerdrop: float | None = field(
        default=None, metadata={"help": "Share of layers skipped; as the checkpoint says if none."}
    )
    dropout: float | None = field(
        default=None, metadata={"help": "Of the backbone; as the checkpoint says if none."}
    )
    early_stopping_patience: int = field(
        default=3, metadata={"help": "Evaluations without a better validation loss before the end."}
    )
    permutation_block: int = field(
        default=15,
        metadata={
            "help": "TRs per block of permuted responses; a teacher's are permuted one by one."
        },
    )
    attn_implementation: str | None = field(
        default=None,
        metadata={
            "help": "sdpa, flash_attention_2 or eager; the fastest that torch itself has if none."
        },
    )
    feature_cache_gb: float = field(
        default=100.0,
        metadata={
            "help": "Disk, in GB, for what the frozen feature encoder makes of the windows, which "
            "is then computed once for all epochs; 0 to compute it at every step."
        },
    )
    license: str | None = field(
        default=None,
        metadata={"help": "Of the pretrained model, and so of what is tuned; read from its card."},
    )
    data_license: str | None = field(default=None, metadata={"help": "Of the recordings."})
    overwrite_output_dir: bool = field(
        default=False, metadata={"help": "Replace what an earlier run left in the output folder."}
    )

    def __post_init__(self):
        splits = {
            "train_stories": self.train_stories,
            "validation_stories": self.validation_stories,
            "test_story": [self.test_story],
        }
        seen = {}
        for split, stories in splits.items():
            for story in stories:
                if story in seen:
                    raise ValueError(
                        f"story {story!r} is in {seen[story]} and in {split}; name it once"
                    )
                seen[story] = split
        tuned = self.tuning_stories or []
        for story in tuned:
            check_name("training story to tune on", story, self.train_stories)
        if len(set(tuned)) < len(tuned):
            raise ValueError(f"tuning_stories: name each story once, got {', '.join(tuned)}")
        if len(set(self.participants)) < len(self.participants):
            raise ValueError(f"name each participant once, got {', '.join(self.participants)}")
        self.participants = sorted(self.participants)  # as checkpoints have them
        for target in self.targets:
            check_name("target", target, MODEL_OF)
        check_name("teacher_dtype", self.teacher_dtype, DTYPES)
        self.targets = [target for target in MODEL_OF if target in self.targets]
        for target in PERMUTED.keys() & set(self.targets):
            if PERMUTED[target] not in self.targets:
                raise ValueError(
                    f"targets: {target} is taken at the step that is best for {PERMUTED[target]}; "
                    "name both"
                )
        if self.heads_only and self.lora_rank:
            raise ValueError("heads_only leaves nothing for adapters to change: drop lora_rank")


def tune(arguments, training):
    """Tune, compare, and write checkpoints, results and a figure to the output folder.

    Parameters
    ----------
    arguments : TuneArguments
    training : BrainTuningArguments

    Returns
    -------
    dict
        As written to `results.json`: "participants" {name: what `align` gives, with
        "n_tuning_voxels" and "notes"}, "curves" {model: losses} and "seconds". None on all
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
    settings = run_settings(arguments, training)
    with training.main_process_first(local=False):
        if training.push_to_hub and is_main:
            if not training.hub_model_id:
                raise ValueError("push_to_hub needs --hub_model_id <your name>/<repository>")
            check_access(training.hub_model_id, training.hub_token, training.hub_private_repo)
        if training.push_to_hub and _is_finished(output, settings, arguments):
            return _publish(arguments, training, say) if is_main else None
        if is_main:
            check_output(output, settings, arguments.overwrite_output_dir)
        pretrained = materials(arguments, say)
        listeners = [listener(arguments, name) for name in arguments.participants]

    # Made before the work begins, so that whatever is wrong with them is said before it.
    teaching = {"device": training.device, "progress": not training.disable_tqdm, "say": say}
    pairs = windows(arguments, listeners, arguments.targets, training.seed, **teaching)
    for one in listeners:
        say(described(arguments, one))
    if is_main:
        first = next(iter(pairs.values()))[0]
        ahead = estimate(arguments, training, pretrained, first, listeners)
        n_models = sum(_is_tuned(arguments, target) for target in pairs)
        say(f"About {ahead.minutes(n_models, 1 + n_models):.0f} min ahead: {ahead}")
        output.mkdir(parents=True, exist_ok=True)
        (output / SETTINGS).write_text(json.dumps(settings, indent=1))
    curves = tune_models(arguments, training, pretrained, listeners, pairs, say)

    # What it changed, on a story that no model heard
    checkpoints = {"pretrained": pretrained} | {name: output / name for name in reversed(curves)}
    measured = {
        "layers": arguments.layers,
        "length": arguments.evaluation_length,
        "stride": arguments.evaluation_stride,
        "device": training.device,
        "cache_dir": output / REPRESENTATIONS,  # what processes and participants share
    }
    if not is_main:
        for checkpoint in checkpoints.values():
            for one in listeners:
                layer_features(checkpoint, [*one.train, one.test], **measured)
        return None
    results = {"participants": {}, "curves": curves}
    for one in listeners:
        name, test = one.participant.name, one.test
        say(f"Measuring on {test.name!r}, as heard by {name} ...")
        scores = align(
            checkpoints,
            one.train,
            test,
            one.ceiling,
            one.measured_regions,
            threshold=arguments.ceiling_threshold,
            test_skip_trs=arguments.test_skip_trs,
            progress=not training.disable_tqdm,
            **measured,
        )
        for large in ("change", "per_voxel"):
            del scores[large]
        scores |= {
            "participant": name,
            "test_story": test.name,
            "n_tuning_voxels": len(one.voxels),
            "heads": {
                MODEL_OF[target]: _head_alignment(
                    output / MODEL_OF[target], one, arguments, training
                )
                for target in ("responses", "permuted")
                if MODEL_OF[target] in curves
            },
            "notes": [one.ceiling_note, *notes(scores, one.participant.regions)],
        }
        results["participants"][name] = scores
        say(table(scores))
        tuning_figure(
            scores["alignment"],
            results["curves"],
            output / FIGURE.format(name),
            title=f"{name}, story {test.name!r}, {scores['n_trs']} TRs",
        )
    results["seconds"] = round(time.time() - started, 1)
    figures = {
        f"Alignment of {name}, and the losses of tuning": FIGURE.format(name)
        for name in results["participants"]
    }
    for name in curves:
        describe(name, arguments, training, results, pretrained, figures)
    write_json(output / RESULTS, results)
    for kept in (REPRESENTATIONS, FEATURES):
        shutil.rmtree(output / kept, ignore_errors=True)
    say(f"Checkpoints, {RESULTS} and figures are in {output}/ ({results['seconds']:.0f} s)")
    if training.push_to_hub:
        _publish(arguments, training, say)
    return results


def described(arguments, one):
    """What a listener's windows and voxels are, in a line."""
    n_train, n_validation = (
        sum(len(story.tr_times) for story in stories) for stories in (one.tuning, one.validation)
    )
    regions = one.participant.regions
    where = (arguments.tuning_regions if regions else None) or regions or ["the whole brain"]
    return (
        f"{one.participant.name}: {n_train} windows of {len(one.tuning)} stories to tune on, "
        f"{n_validation} of {len(one.validation)} to validate; {len(one.voxels)} voxels of "
        f"{len(one.ceiling)}: noise ceiling above {arguments.ceiling_threshold} in "
        f"{' and '.join(where)}"
    )


def _is_tuned(arguments, target):
    # Heads alone leave the representations as they were: there is nothing to control for.
    return not (arguments.heads_only and target in PERMUTED)


def tune_models(arguments, training, pretrained, listeners, pairs, say, names=MODEL_OF):
    """Tune a model on each target, to folders of the output folder; finished ones are left.

    Parameters
    ----------
    arguments : TuneArguments
    training : BrainTuningArguments
    pretrained : folder or name on the Hub
    listeners : list of Listener
    pairs : dict of {target: [training pairs, validation pairs]}
        From `windows`.
    say : callable
        Is told which step was chosen.
    names : dict of {target: str}
        The models'; those in the right order before those in a wrong one.

    Returns
    -------
    dict of {model: curve}
        As `train` gives them.

    Raises
    ------
    FileExistsError, FloatingPointError
        As `train`.
    """
    curves, chosen = {}, {}
    for target, name in names.items():
        if target not in pairs or not _is_tuned(arguments, target):
            continue
        curves[name] = train(
            name,
            arguments,
            training,
            pretrained,
            pairs[target],
            brains(arguments, listeners, target, pairs[target][0]),
            stop_at=chosen.get(PERMUTED.get(target)),
        )
        chosen[target] = curves[name]["chosen_step"]
        say(f"{name}: chosen at step {chosen[target]}")
    return curves


def _head_alignment(checkpoint, one, arguments, training):
    """How well a head predicts the test story by itself, {region: scores}."""
    model = AutoModelForBrainTuning.from_pretrained(checkpoint).to(training.device)
    feature_extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    test, voxels, skipped = one.test, one.voxels, arguments.test_skip_trs
    predictions = model.predict_responses(
        test.audio,
        feature_extractor,
        training_windows(test.tr_times, test.tr, arguments.n_trs_per_window)[skipped:],
        participant=one.participant.name,
        batch_size=training.per_device_eval_batch_size,
    )
    references = test.responses[skipped:, voxels].astype(np.float32)
    live = np.isfinite(references).all(axis=0) & (references.max(0) > references.min(0))
    scored = Scores(
        references=references[:, live],
        ceiling=one.ceiling[voxels[live]],
        regions={
            region: np.isin(voxels[live], indices)
            for region, indices in one.measured_regions.items()
        },
    )
    by_region = scored.alignment({"head": predictions[:, live]})
    kept = ("mean", "interval", "n_voxels")
    return {region: {key: s[key] for key in kept} for region, s in by_region.items()}


def describe(name, arguments, training, results, pretrained, figures):
    """Put the card of a checkpoint beside it, with figures, and its training arguments.

    Parameters
    ----------
    name : str
        The model's, and its folder's in the output folder.
    arguments : TuneArguments
    training : BrainTuningArguments
    results : dict
        Of `tune`.
    pretrained : folder or name on the Hub
    figures : dict of {caption: file in the output folder}
    """
    output, settings = Path(training.output_dir), run_settings(arguments, training)
    card = model_card(
        results,
        settings,
        AutoConfig.from_pretrained(output / name),
        name,
        repo=training.hub_model_id,
        base_license=arguments.license or license_of(pretrained),
        data_license=arguments.data_license,
        figures={caption: f"figures/{figure}" for caption, figure in figures.items()},
    )
    files = {f"figures/{figure}": output / figure for figure in figures.values()}
    save_card(card, output / name, files)
    # What folders are called on this machine is nobody else's business.
    public = {
        key: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for key, value in settings.items()
    }
    write_json(output / name / ARGUMENTS, public)


def _publish(arguments, training, say):
    """Upload the first target's checkpoint, the brain-tuned one; return the results of its run."""
    output = Path(training.output_dir)
    address = publish_checkpoint(
        output / MODEL_OF[arguments.targets[0]],
        training.hub_model_id,
        private=training.hub_private_repo,
        token=training.hub_token,
        revision=training.hub_revision,
    )
    say(f"Uploaded to {training.hub_model_id}: {address}")
    return json.loads((output / RESULTS).read_text())


def run_settings(arguments, training):
    """What a run's result follows from, as written to `settings.json`."""
    settings = dataclasses.asdict(arguments) | json.loads(training.to_json_string())
    return {
        key: value
        for key, value in settings.items()
        if key not in ("overwrite_output_dir", *PUBLISHING, *PRINTING)
    }


def _is_finished(output, settings, arguments):
    """Whether there is such a run already, which is not to be replaced."""
    return (
        not arguments.overwrite_output_dir
        and (output / RESULTS).exists()
        and not changed_settings(output, settings)
    )


def check_output(output, settings, overwrite):
    """Make room for a new run or leave what an interrupted one can go on from.

    Parameters
    ----------
    output : Path
    settings : dict
        Of `run_settings`.
    overwrite : bool

    Raises
    ------
    FileExistsError
        The folder holds a finished run, or one with other settings.
    """
    names = (SETTINGS, RESULTS, REPRESENTATIONS, FEATURES)
    left = [*(output / name for name in names), *output.glob(FIGURE.format("*"))]
    left += tuned_folders(output)
    if overwrite:
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if (output / RESULTS).exists():
        raise FileExistsError(
            f"{output} holds a finished run ({RESULTS}); give another --output_dir, or "
            "--overwrite_output_dir true to replace it"
        )
    if (output / SETTINGS).exists():
        changed = changed_settings(output, settings)
        if changed:
            raise FileExistsError(
                f"{output} holds an interrupted run with other settings ({', '.join(changed)}); "
                "go on with the same ones, or give --overwrite_output_dir true to start again"
            )


def tuned_folders(output):
    """Folders of models that were tuned in an output folder, or began to be."""
    names = {name + kind for name in MODEL_OF.values() for kind in ("", "-adapter")}
    finished = {path.parent.name for path in output.glob(f"*/{CURVE}")}
    return [output / name for name in sorted(names | finished)]


def changed_settings(folder, settings):
    """Keys of settings of which an earlier run in a folder had other values."""
    found = json.loads((folder / SETTINGS).read_text())
    settings = json.loads(json.dumps(settings))
    return [key for key in settings if settings[key] != found.get(key)]


def materials(arguments, say):
    """The pretrained model; the phantom's recordings and models are made if need be.

    Parameters
    ----------
    arguments : TuneArguments
    say : callable
        Is told what was made.

    Returns
    -------
    str or Path
        Folder or name on the Hub.
    """
    if arguments.data == DATA:
        data, made = phantom_data()
        say(f"{'Made' if made else 'Reusing'} the phantom recordings in {data}")
    if arguments.model not in MODELS:
        return arguments.model
    model, made = phantom_model(arguments.model)
    say(f"{'Made' if made else 'Reusing'} the pretrained model in {model}")
    return model


def main():
    with one_line_errors():
        arguments, training = parse_arguments(
            (TuneArguments, BrainTuningArguments),
            DEFAULT_CONFIG,
            renamed={"participant": "participants"},
        )
        prepare_process(training.device, training.world_size)
        training.log_level_replica = "error"
        tune(arguments, training)


if __name__ == "__main__":
    main()
