"""Train a speech model on the sound of the stories alone: what is gained without any brain?

    accelerate launch recipes/stimulus_tune.py                          # the phantom, in a minute
    accelerate launch recipes/stimulus_tune.py --config recipes/configs/stimulus.yaml \\
        --data <folder>

The control of Moussa et al. 2025, section 3.3.1: wav2vec 2.0's self-supervised pretraining goes on
with the windows that brain-tuning is done on. The result, `<output_dir>/stimulus-tuned`, is an
ordinary checkpoint, which `recipes/align.py` measures.
"""

import copy
import dataclasses
import hashlib
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    PrinterCallback,
    ProgressCallback,
    set_seed,
)
from transformers.trainer import TRAINING_ARGS_NAME

from datasets_scripts import TrainingWindows
from modeling_braintune import (
    BrainTuningArguments,
    BrainTuningCollator,
    license_of,
    save_card,
    stimulus_card,
)
from modeling_braintune.stimulus import FAMILIES, SelfSupervisedTrainer, load_for_pretraining
from recipes.align import RecordingArguments
from recipes.arguments import parse_arguments
from recipes.process import one_line_errors, prepare_process
from recipes.train import LossBar, Patience, last_checkpoint, write_json
from recipes.tune import RESULTS, SETTINGS, TuneArguments, check_output, materials, run_settings

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "phantom-stimulus.yaml"
NAME = "stimulus-tuned"


@dataclass(kw_only=True)
class StimulusArguments(RecordingArguments):
    """Which model goes on learning from the sound of which stories.

    A configuration of `recipes/tune.py` will do: what says how to tune on a brain is passed over.
    """

    model: str = field(
        metadata={
            "help": f"Checkpoint folder or name on the Hub, of {' or '.join(FAMILIES)}, or "
            "phantom-wav2vec2."
        }
    )
    participant: str = field(
        metadata={"help": "Whose TRs the windows follow; the responses are not looked at."}
    )
    validation_stories: list[str] = field(metadata={"help": "Stories that decide when to stop."})
    n_trs_per_window: int = field(default=5, metadata={"help": "Sound per training window."})
    mask_time_prob: float = field(
        default=0.65, metadata={"help": "Share of the frames in masked spans, did none overlap."}
    )
    mask_time_length: int = field(default=10, metadata={"help": "Frames in a masked span."})
    early_stopping_patience: int = field(
        default=3, metadata={"help": "Evaluations without a better validation loss before the end."}
    )
    attn_implementation: str | None = field(
        default=None,
        metadata={
            "help": "sdpa, flash_attention_2 or eager; the fastest that torch itself has if none."
        },
    )
    overwrite_output_dir: bool = field(
        default=False, metadata={"help": "Replace what an earlier run left in the output folder."}
    )

    def __post_init__(self):
        named = [*self.train_stories, *self.validation_stories, self.test_story]
        twice = sorted({story for story in named if named.count(story) > 1})
        if twice:
            raise ValueError(
                "train_stories, validation_stories and test_story must name a story once, got "
                f"{', '.join(twice)} again"
            )


def sound_windows(arguments, participant, stories):
    """The windows that brain-tuning is done on, with a zero in place of each response.

    Parameters
    ----------
    arguments : StimulusArguments
    participant : Participant
    stories : list of str

    Returns
    -------
    TrainingWindows
    """
    silenced = [
        dataclasses.replace(story, responses=np.zeros((len(story.tr_times), 1)), repeats=None)
        for story in participant.stories(stories)
    ]
    return TrainingWindows(silenced, n_trs_per_window=arguments.n_trs_per_window)


def fingerprint(recordings):
    """Digest of sounds and the bounds of their windows, all that stimulus-tuning follows from.

    Parameters
    ----------
    recordings : list of (audio, windows)
        As those of `TrainingWindows`.

    Returns
    -------
    str, of 64 hexadecimal digits
    """
    digest = hashlib.sha256()
    for recording in recordings:
        for values in recording:
            digest.update(np.ascontiguousarray(values))
    return digest.hexdigest()


def stimulus_tune(arguments, training):
    """Go on with a model's self-supervised pretraining; write it to `<output>/stimulus-tuned`.

    Parameters
    ----------
    arguments : StimulusArguments
    training : BrainTuningArguments
        There is no head for `head_learning_rate`.

    Returns
    -------
    dict
        As written to `results.json`: losses per masked frame, "train" and "validation" [[step,
        loss]], the "chosen_step", parts of the model that were "new", and "seconds".

    Raises
    ------
    FileExistsError
        There is a finished run, or one with other settings or another sound.
    FloatingPointError
        The loss is no longer finite.
    ValueError, FileNotFoundError
        As the parts that read, and `load_for_pretraining`.
    """
    started = time.time()
    is_main = training.process_index == 0
    say = print if is_main else lambda *_: None
    folder = Path(training.output_dir) / NAME
    with training.main_process_first(local=False):
        pretrained = materials(arguments, say)
        participant = arguments.open(arguments.participant)
        train, validation = (
            sound_windows(arguments, participant, stories)
            for stories in (arguments.train_stories, arguments.validation_stories)
        )
        set_seed(training.seed)  # of the new parts
        model, new = load_for_pretraining(
            pretrained,
            len(train[0]["audio"]),
            mask_time_prob=arguments.mask_time_prob,
            mask_time_length=arguments.mask_time_length,
            dtype=torch.float32,
            attn_implementation=arguments.attn_implementation,
        )
        heard = {"stories": arguments.train_stories, "data": fingerprint(train.recordings)}
        settings = run_settings(arguments, training) | {"stimulus_tuned": heard}
        if is_main:
            if arguments.overwrite_output_dir:
                shutil.rmtree(folder, ignore_errors=True)
            check_output(folder, settings, overwrite=False)
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / SETTINGS, settings)
    say(
        f"{len(train)} windows of {len(arguments.train_stories)} stories to train on, "
        f"{len(validation)} of {len(arguments.validation_stories)} to validate"
    )
    if new:
        say(f"New, since {pretrained} has none: {', '.join(new)}")

    training = copy.copy(training)
    training.output_dir = str(folder / "checkpoints")
    training.push_to_hub = False
    if training.world_size > 1 and model.config.layerdrop:
        # Processes that skip different layers would wait for one another's gradients.
        say("LayerDrop is off: several processes train one model")
        model.config.layerdrop = 0.0
    feature_extractor = AutoFeatureExtractor.from_pretrained(pretrained)
    trainer = SelfSupervisedTrainer(
        model=model,
        args=training,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=BrainTuningCollator(feature_extractor),
        processing_class=feature_extractor,
        callbacks=[Patience(arguments.early_stopping_patience)],
    )
    trainer.remove_callback(PrinterCallback if training.disable_tqdm else ProgressCallback)
    if not training.disable_tqdm:
        trainer.add_callback(LossBar())
    trainer.train(resume_from_checkpoint=last_checkpoint(training.output_dir))

    # Masks and such are of this training: whoever tunes the result starts from its own.
    model.config = AutoConfig.from_pretrained(pretrained)
    model.config.stimulus_tuned = heard
    trainer.save_model(str(folder))
    history = trainer.state.log_history
    results = {
        "train": [[row["step"], row["loss"]] for row in history if "loss" in row],
        "validation": [[row["step"], row["eval_loss"]] for row in history if "eval_loss" in row],
        "chosen_step": trainer.state.best_global_step,
        "new": new,
        "seconds": round(time.time() - started, 1),
    }
    if is_main:
        (folder / TRAINING_ARGS_NAME).unlink(missing_ok=True)  # pickled; they stand beside it
        save_card(stimulus_card(results, settings, license_of(pretrained)), folder)
        write_json(folder / RESULTS, results)
        shutil.rmtree(training.output_dir)
        say(
            f"Chosen at step {results['chosen_step']} and saved to {folder}/ "
            f"({results['seconds']:.0f} s)"
        )
    trainer.accelerator.wait_for_everyone()
    return results if is_main else None


def main():
    with one_line_errors():
        arguments, training = parse_arguments(
            (StimulusArguments, BrainTuningArguments),
            DEFAULT_CONFIG,
            passed_over={key.name for key in dataclasses.fields(TuneArguments)},
        )
        prepare_process(training.device, training.world_size)
        training.log_level_replica = "error"
        stimulus_tune(arguments, training)


if __name__ == "__main__":
    main()
