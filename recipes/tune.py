"""Brain-tune a speech model: train it to predict the fMRI of a person who listens to stories.

    accelerate launch recipes/tune.py                                   # the phantom, in minutes
    accelerate launch recipes/tune.py --config recipes/configs/ds003020.yaml --data <folder>

The model that was tuned, one tuned on block-permuted responses, and the pretrained one are then
compared by how well they predict a story that none of them heard.
"""

import copy
import dataclasses
import json
import math
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoFeatureExtractor,
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    set_seed,
)

from datasets_scripts import (
    TrainingWindows,
    evaluation_windows,
    permute_blocks,
    select_voxels,
)
from evaluate_metrics import tuning_figure
from modeling_braintune import (
    AutoModelForBrainTuning,
    BrainTuningArguments,
    BrainTuningCollator,
    BrainTuningTrainer,
    RunningCorrelation,
    layer_representations,
)
from recipes.align import RecordingArguments, align
from recipes.arguments import parse_arguments
from recipes.phantom import DATA, MODELS, phantom_data, phantom_model
from recipes.process import prepare_process
from recipes.report import notes, table

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "phantom.yaml"
RESULTS, SETTINGS, FIGURE = "results.json", "settings.json", "alignment.png"
CURVE = "losses.json"


@dataclass(kw_only=True)
class TuneArguments(RecordingArguments):
    """What is tuned on which recordings, and how the result is measured."""

    model: str = field(
        metadata={"help": f"Checkpoint folder, name on the Hub, or one of {', '.join(MODELS)}."}
    )
    validation_stories: list[str] = field(metadata={"help": "Stories that decide when to stop."})
    n_trs_per_window: int = field(default=5, metadata={"help": "Sound per training window."})
    tuning_regions: list[str] | None = field(
        default=None, metadata={"help": "Regions to tune on; all that there are if none."}
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
        default=15, metadata={"help": "TRs per block that the random control permutes."}
    )
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


class Patience(EarlyStoppingCallback):
    """Early stopping that an interruption does not make more patient."""

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        evaluated = [row["step"] for row in state.log_history if "eval_loss" in row]
        best = state.best_global_step or 0
        self.early_stopping_patience_counter = sum(step > best for step in evaluated)

    def on_step_end(self, args, state, control, **kwargs):
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True


class StopAt(TrainerCallback):
    """End training at a given step, whatever the schedule still holds."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= self.step:
            control.should_training_stop = True
            control.should_save = False  # going on from there would be a step too many

    def on_epoch_end(self, args, state, control, **kwargs):
        self.on_step_end(args, state, control)


class LossBar(ProgressCallback):
    """A progress bar that carries the losses instead of printing them line by line."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self.training_bar is not None:
            losses = {name: logs[name] for name in ("loss", "eval_loss") if name in logs}
            self.losses = getattr(self, "losses", {}) | losses
            self.training_bar.set_postfix({k: f"{v:.4f}" for k, v in self.losses.items()})

    def on_prediction_step(self, *args, **kwargs):
        """Draw no second bar for the validation stories."""


def tune(arguments, training):
    """Tune, compare, and write checkpoints, results and a figure to the output folder.

    Parameters
    ----------
    arguments : TuneArguments
    training : BrainTuningArguments

    Returns
    -------
    dict
        As written to `results.json`; None on all processes but the first.

    Raises
    ------
    FileExistsError
        The output folder holds a finished run, or one with other settings.
    ValueError, FileNotFoundError
        As the parts that read, select, tune and measure.
    """
    started = time.time()
    is_main = training.process_index == 0
    say = print if is_main else lambda *_: None
    output = Path(training.output_dir)
    settings = run_settings(arguments, training)
    with training.main_process_first(local=False):
        if is_main:
            _check_output(output, settings, arguments.overwrite_output_dir)
        pretrained = _materials(arguments, say)
        participant = arguments.open()

    # Recordings, and the voxels whose responses can be predicted at all
    test, ceiling, ceiling_note = arguments.scored_story(participant)
    train = list(participant.stories(arguments.train_stories))
    validation = list(participant.stories(arguments.validation_stories))
    regions = participant.regions
    tuned_on = arguments.tuning_regions if regions else None
    voxels = select_voxels(ceiling, arguments.ceiling_threshold, regions, tuned_on)

    def windows(stories, orders=None):
        return TrainingWindows(stories, voxels, arguments.n_trs_per_window, orders)

    def orders(stories):
        for i, story in enumerate(stories):
            seed = [training.seed, i]
            yield permute_blocks(len(story.tr_times), arguments.permutation_block, seed)

    # Every voxel that will be measured must be live, or the run would fail at its end.
    TrainingWindows(train, select_voxels(ceiling, arguments.ceiling_threshold, regions))
    pairs = windows(train), windows(validation)
    permuted_pairs = windows(train, orders(train)), windows(validation, orders(validation))
    where = " and ".join(tuned_on or regions or ["the whole brain"])
    say(
        f"{arguments.participant}: {len(pairs[0])} windows of {len(train)} stories to tune on, "
        f"{len(pairs[1])} of {len(validation)} to validate; {len(voxels)} voxels of "
        f"{len(ceiling)}: noise ceiling above {arguments.ceiling_threshold} in {where}"
    )
    if is_main:
        say(_estimate(arguments, training, pretrained, pairs[0], [*train, test]))
        output.mkdir(parents=True, exist_ok=True)
        (output / SETTINGS).write_text(json.dumps(settings, indent=1))

    # Tuning; the random control ends at the step that was best for the brain-tuned model
    tuned = _train("brain-tuned", arguments, training, pretrained, pairs)
    chosen = tuned["chosen_step"]
    random = _train("random", arguments, training, pretrained, permuted_pairs, stop_at=chosen)
    if not is_main:
        return None

    # What it changed, on a story that no model heard
    say(f"Brain-tuned model chosen at step {chosen}. Measuring on {test.name!r} ...")
    results = align(
        {
            "pretrained": pretrained,
            "random": output / "random",
            "brain-tuned": output / "brain-tuned",
        },
        train,
        test,
        ceiling,
        regions or {"all": np.arange(len(ceiling))},
        layers=arguments.layers,
        length=arguments.evaluation_length,
        stride=arguments.evaluation_stride,
        threshold=arguments.ceiling_threshold,
        test_skip_trs=arguments.test_skip_trs,
        device=training.device,
        progress=not training.disable_tqdm,
    )
    for large in ("change", "per_voxel"):
        del results[large]
    results |= {
        "participant": arguments.participant,
        "test_story": test.name,
        "n_tuning_voxels": len(voxels),
        "curves": {"brain-tuned": tuned, "random": random},
        "seconds": round(time.time() - started, 1),
        "notes": [ceiling_note, *notes(results, regions)],
    }
    _write_json(output / RESULTS, results)
    say(table(results))
    tuning_figure(
        results["alignment"],
        results["curves"],
        output / FIGURE,
        title=f"{arguments.participant}, story {test.name!r}, {results['n_trs']} TRs",
    )
    say(f"Checkpoints, {RESULTS} and {FIGURE} are in {output}/ ({results['seconds']:.0f} s)")
    return results


def run_settings(arguments, training):
    """What a run's result follows from, as written to `settings.json`."""
    settings = dataclasses.asdict(arguments) | json.loads(training.to_json_string())
    del settings["overwrite_output_dir"]
    return settings


def _check_output(output, settings, overwrite):
    """Make room for a new run or leave what an interrupted one can go on from."""
    left = [output / name for name in (SETTINGS, RESULTS, FIGURE, "brain-tuned", "random")]
    if overwrite:
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if (output / RESULTS).exists():
        raise FileExistsError(
            f"{output} holds a finished run ({RESULTS}); give another --output_dir, or "
            "--overwrite_output_dir true to replace it"
        )
    if (output / SETTINGS).exists():
        found = json.loads((output / SETTINGS).read_text())
        changed = [key for key in settings if settings[key] != found.get(key)]
        if changed:
            raise FileExistsError(
                f"{output} holds an interrupted run with other settings ({', '.join(changed)}); "
                "go on with the same ones, or give --overwrite_output_dir true to start again"
            )


def _materials(arguments, say):
    """The pretrained model; the phantom's recordings and models are made if need be."""
    if arguments.data == DATA:
        data, made = phantom_data()
        say(f"{'Made' if made else 'Reusing'} the phantom recordings in {data}")
    if arguments.model not in MODELS:
        return arguments.model
    model, made = phantom_model(arguments.model)
    say(f"{'Made' if made else 'Reusing'} the pretrained model in {model}")
    return model


def _model(arguments, pretrained, n_voxels):
    # In float32 whatever the checkpoint is stored in: half precision is Trainer's to choose.
    model = AutoModelForBrainTuning.from_pretrained(
        pretrained, num_voxels=n_voxels, dtype=torch.float32
    )
    model.freeze_feature_encoder()
    model.set_training_switches(
        arguments.apply_spec_augment, arguments.layerdrop, arguments.dropout
    )
    return model


def _train(name, arguments, training, pretrained, pairs, stop_at=None):
    """Tune one model to `<output>/<name>`; go on where an interrupted run ended.

    Returns its losses {"train": [[step, loss]], "validation": [...], "chosen_step"}.
    """
    folder = Path(training.output_dir) / name
    if (folder / CURVE).exists():
        return json.loads((folder / CURVE).read_text())
    training = copy.copy(training)
    training.output_dir = str(folder / "checkpoints")
    training.load_best_model_at_end = stop_at is None
    set_seed(training.seed)
    feature_extractor = AutoFeatureExtractor.from_pretrained(pretrained)
    trainer = BrainTuningTrainer(
        model=_model(arguments, pretrained, len(pairs[0].voxels)),
        args=training,
        train_dataset=pairs[0],
        eval_dataset=pairs[1],
        data_collator=BrainTuningCollator(feature_extractor),
        processing_class=feature_extractor,
        compute_metrics=RunningCorrelation(),
        callbacks=[
            Patience(arguments.early_stopping_patience) if stop_at is None else StopAt(stop_at)
        ],
    )
    trainer.remove_callback(PrinterCallback if training.disable_tqdm else ProgressCallback)
    if not training.disable_tqdm:
        trainer.add_callback(LossBar())
    trainer.train(resume_from_checkpoint=_last_checkpoint(training.output_dir))
    history = trainer.state.log_history
    curve = {
        "train": [[row["step"], row["loss"]] for row in history if "loss" in row],
        "validation": [[row["step"], row["eval_loss"]] for row in history if "eval_loss" in row],
        "chosen_step": stop_at or trainer.state.best_global_step,
    }
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        trainer.model.save_pretrained(folder)
        feature_extractor.save_pretrained(folder)
        _write_json(folder / CURVE, curve)
        shutil.rmtree(training.output_dir)
    trainer.accelerator.wait_for_everyone()
    return curve


def _last_checkpoint(folder):
    """The newest checkpoint that was written to its end: its state comes last."""
    complete = [path.parent for path in Path(folder).glob("checkpoint-*/trainer_state.json")]
    return str(max(complete, key=lambda path: int(path.name.split("-")[1]))) if complete else None


def _estimate(arguments, training, pretrained, pairs, stories):
    """What lies ahead, from one step and one batch of representations timed on this machine."""
    set_seed(training.seed)
    model = _model(arguments, pretrained, len(pairs.voxels)).to(training.device).train()
    feature_extractor = AutoFeatureExtractor.from_pretrained(pretrained)
    size = min(training.per_device_train_batch_size, len(pairs))
    items = [pairs[i] for i in range(size)]

    def step():
        batch = BrainTuningCollator(feature_extractor)(items)
        model(**{k: v.to(training.device) for k, v in batch.items()}).loss.backward()

    longest = max(stories, key=lambda story: len(story.audio))
    windows = evaluation_windows(
        len(longest.audio), length=arguments.evaluation_length, stride=arguments.evaluation_stride
    )[-8:]
    n_windows = sum(
        int(len(story.audio) / story.sampling_rate / arguments.evaluation_stride)
        for story in stories
    )
    per_step = _seconds(step)
    per_batch = _seconds(
        lambda: layer_representations(
            model, feature_extractor, longest.audio, windows, arguments.layers
        )
    )
    batch = size * training.gradient_accumulation_steps * training.world_size
    n_steps = training.max_steps
    if n_steps <= 0:
        n_steps = round(training.num_train_epochs * math.ceil(len(pairs) / batch))
    tuning = 2 * n_steps * per_step * training.gradient_accumulation_steps
    measuring = 3 * n_windows * per_batch / len(windows)
    return (
        f"About {(tuning + measuring) / 60:.0f} min ahead: twice up to {n_steps} steps of "
        f"{per_step:.2g} s, and {n_windows} representations by each of 3 models at "
        f"{1000 * per_batch / len(windows):.0f} ms, and then the encoding models"
    )


def _seconds(work):
    work()  # the first time also pays for what is made once
    start = time.perf_counter()
    work()
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter() - start


def _write_json(path, content):
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=1))
    partial.replace(path)


def main():
    try:
        arguments, training = parse_arguments((TuneArguments, BrainTuningArguments), DEFAULT_CONFIG)
        prepare_process(training.device, training.world_size)
        training.log_level_replica = "error"
        tune(arguments, training)
    except (ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
