"""Self-supervised training on the sound of the stories alone: the control without any brain.

Wav2vec 2.0's pretraining goes on with the windows that brain-tuning is done on (Moussa et al. 2025,
section 3.3.1).
"""

import copy
import dataclasses
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, set_seed
from transformers.trainer import TRAINING_ARGS_NAME

from datasets_scripts import Participant, TrainingWindows
from evaluate_metrics import loss_figure
from evaluate_metrics.reports import still_falling
from modeling_braintune import (
    CARD,
    BrainTuningCollator,
    Patience,
    SelfSupervisedTrainer,
    file_checksums,
    license_of,
    load_feature_extractor,
    load_for_pretraining,
    save_card,
    stimulus_card,
    train_resumably,
    without_fields,
)
from recipes.command.output_folder import (
    FILES,
    LOGS,
    LOSSES,
    RESULTS,
    check_output,
    claim_output,
    earlier_settings,
    end_training,
    run_settings,
    write_checked,
)
from recipes.stages.controls import STIMULUS_TUNED
from recipes.stages.tuning_options import TrainerOptions, Training


@dataclass(kw_only=True)
class StimulusOptions(Training):
    """Which model goes on learning from the sound of which stories.

    A participant's TRs say where windows lie; the responses are not looked at.
    """

    group = "Tuning"

    mask_time_prob: float = field(
        default=0.65,
        metadata={
            "help": "Share of the frames in masked spans, did none overlap, from 0 to 1; 0.65 by "
            "default."
        },
    )
    mask_time_length: int = field(
        default=10, metadata={"help": "Number of frames in a masked span; 10 by default."}
    )


def sound_windows(
    arguments: StimulusOptions, participant: Participant, stories: list[str]
) -> TrainingWindows:
    """The windows that brain-tuning is done on, with a zero in place of each response.

    Parameters
    ----------
    arguments : StimulusOptions
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


def fingerprint(recordings: list[tuple[np.ndarray, np.ndarray]]) -> str:
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


def stimulus_tune(
    arguments: StimulusOptions,
    training: TrainerOptions,
    pretrained: str,
    participant: Participant,
    say: Callable = print,
) -> dict[str, Any] | None:
    """Go on with a model's self-supervised pretraining; write it to `<output>/stimulus-tuned`.

    Parameters
    ----------
    arguments : StimulusOptions
    training : TrainerOptions
        There is no head for `head_learning_rate`.
    pretrained : folder or name on the Hub
    participant : Participant
    say : callable
        Is told of windows, of new parts of the model, and of the step that was chosen.

    Returns
    -------
    dict
        As written to `results.json`: losses per masked frame, "train" and "validation" [[step,
        loss]], the "chosen_step", parts of the model that were "new", and "seconds". None on all
        processes but the first.

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
    folder = Path(training.output_dir) / STIMULUS_TUNED
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
    checkpoints, logs = folder / "checkpoints", folder.parent / LOGS / folder.name
    if is_main:
        if earlier_settings(folder) and (folder / RESULTS).exists():
            end_training(checkpoints, logs)  # of a run that was killed at its very end
        check_output(folder, settings, overwrite=training.overwrite_output_dir)
        claim_output(folder, settings, overwrite=training.overwrite_output_dir)
    say(
        f"{len(train)} windows of {len(arguments.train_stories)} stories to train on, "
        f"{len(validation)} of {len(arguments.validation_stories)} to validate"
    )
    if new:
        say(f"New, since {pretrained} has none: {', '.join(new)}")

    training = copy.copy(training)
    training.output_dir = str(checkpoints)
    training.push_to_hub = None
    if training.world_size > 1 and model.config.layerdrop:
        # Processes that skip different layers would wait for one another's gradients.
        say("LayerDrop is off: several processes train one model")
        model.config.layerdrop = 0.0
    feature_extractor = load_feature_extractor(pretrained)
    trainer = SelfSupervisedTrainer(
        model=model,
        args=training,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=BrainTuningCollator(feature_extractor),
        processing_class=feature_extractor,
        callbacks=[Patience(arguments.early_stopping_patience)],
    )
    results = train_resumably(trainer)

    # Masks and such are of this training: whoever tunes the result starts from its own.
    own = AutoConfig.from_pretrained(pretrained, trust_remote_code=False)
    model.config = without_fields(own)
    model.config.stimulus_tuned = heard
    trainer.save_model(str(folder))
    results |= {"new": new, "seconds": round(time.time() - started, 1)}
    if is_main:
        (folder / TRAINING_ARGS_NAME).unlink(missing_ok=True)  # pickled; they stand beside it
        save_card(stimulus_card(results, settings, license_of(pretrained)), folder)
        curves = {STIMULUS_TUNED: results}
        loss_figure(curves, folder / LOSSES, title="Self-supervised training")
        files = file_checksums(folder)
        del files[CARD]  # which gets the numbers that are measured later
        write_checked(folder / RESULTS, results | {FILES: files})
        end_training(checkpoints, logs)
        say(
            f"Chosen at step {results['chosen_step']} and saved to {folder}/ "
            f"({results['seconds']:.0f} s)"
        )
        for note in still_falling(curves):
            say(note)
    trainer.accelerator.wait_for_everyone()
    return results if is_main else None
