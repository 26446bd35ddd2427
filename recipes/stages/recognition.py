"""Recognition of speech: clips with transcripts, one model's training and test, and its costs."""

import copy
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import torch
from tqdm import tqdm
from transformers import PreTrainedTokenizer
from transformers.trainer import TRAINING_ARGS_NAME

from datasets_scripts.collections import TRANSCRIBED
from datasets_scripts.speech_tasks import (
    SPLITS,
    TranscribedClips,
    open_clips,
    sounds,
    transcripts,
)
from evaluate_metrics import count_errors, error_rate, loss_figure
from modeling_braintune import (
    CtcArguments,
    ctc_batch,
    ctc_model,
    ctc_processor,
    ctc_tokenizer,
    ctc_trainer,
    frame_counter,
    load_feature_extractor,
    model_facts,
    tokens_of,
    train_resumably,
    transcribed,
)
from recipes.command.output_folder import (
    LOGS,
    LOSSES,
    NOT_OF_A_RESULT,
    RESULTS,
    check_output,
    claim_output,
    end_training,
    finished_results,
    write_checked,
)
from recipes.command.trainer_options import check_trainer_options
from recipes.command.vocabulary import Decided, Output, Overwrite, Seed
from recipes.stages.timing import seconds_of

CHECKPOINTS = "checkpoints"  # of an unfinished training


@dataclass
class RecognitionOptions(Output, Overwrite, Seed, Decided, CtcArguments):
    """Options of the Trainer, but for those that a command decides."""

    command: ClassVar[str] = "asr"

    push_to_hub: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        check_trainer_options(self)
        super().__post_init__()


def check_one_process(training: CtcArguments) -> None:
    """Refuse to train recognisers by several processes or on several devices.

    Raises
    ------
    ValueError
    """
    if training.world_size > 1 or training.n_gpu > 1:
        raise ValueError(
            "recognisers are tuned by one process on one device, got "
            f"{training.world_size} processes and {training.n_gpu} devices: start this with "
            "python, and with CUDA_VISIBLE_DEVICES=0"
        )


def open_transcribed(
    collection: str,
    folder: str,
    units: str,
    checkpoints: Sequence[str],
    max_unusable: float = 0.01,
) -> tuple[dict[str, TranscribedClips], PreTrainedTokenizer, list[str]]:
    """Read the clips of all splits, and leave out those that tell nothing.

    Left out of all splits are clips without a transcript, and those that some model hears in too
    few frames: CTC needs one for each label and for each repetition between. Left out of
    validation and test are sentences that training clips speak too, such as TIMIT's two that all
    speakers read.

    Parameters
    ----------
    collection : str
        A key of `datasets_scripts.collections.TRANSCRIBED`.
    folder : str
        Of the collection, or name of a prepared data set on the Hub.
    units : str
        "phones" or "characters".
    checkpoints : sequence of folders or names on the Hub
    max_unusable : float
        Share of a split's clips that may be unreadable, and that may be without a transcript or
        too short for it.

    Returns
    -------
    splits : dict of {split: TranscribedClips}
    tokenizer : of `ctc_tokenizer`, by the training clips
    notes : list of str
        What is left out, and what no model can recognise.

    Raises
    ------
    ValueError
        More than `max_unusable` of a split cannot be used, or nothing is left of it; as
        `open_clips`.
    FileNotFoundError
        As `open_clips`.
    """
    columns = [f"{collection}/{column}" for column in ("phones", "text")]
    data, n_unreadable = open_clips(TRANSCRIBED[collection], folder, columns, max_unusable)
    notes = []
    if n_unreadable:
        notes.append(f"{n_unreadable} recordings are missing or unreadable, and left out.")
    spoken = set(transcripts(data["train"], "characters"))
    tokenizer = ctc_tokenizer(transcripts(data["train"], units), units)
    counters = [frame_counter(checkpoint, tokenizer) for checkpoint in checkpoints]
    splits = {}
    for split in SPLITS:
        clips = data[split]
        if split != "train":
            sentences = transcripts(clips, "characters")
            clips = clips.select([i for i, said in enumerate(sentences) if said not in spoken])
            if len(clips) < len(sentences):
                notes.append(
                    f"{len(sentences) - len(clips)} of {len(sentences)} {split} clips are left "
                    "out: training clips speak the same sentences."
                )
        texts = transcripts(clips, units)
        labels = [tokenizer.convert_tokens_to_ids(tokens_of(text, units)) for text in texts]
        unusable = _unusable(clips, labels, counters, split)
        if unusable:
            files = ", ".join(f"{clips[i]['file']}: {why}" for i, why in unusable.items())
            said = f"{len(unusable)} of {len(clips)} {split} clips cannot be used ({files})"
            if len(unusable) > max_unusable * len(clips):
                raise ValueError(f"{folder}: {said}, more than max_unusable={max_unusable:g}")
            notes.append(f"{said}, and are left out.")
        kept = [i for i in range(len(clips)) if i not in unusable]
        if not kept:
            raise ValueError(f"{folder}: no {split} clip is left; {' '.join(notes)}")
        splits[split] = TranscribedClips(
            clips.select(kept), [texts[i] for i in kept], [labels[i] for i in kept]
        )
    return splits, tokenizer, notes + _unknown(splits, tokenizer, units)


def _unusable(clips, labels, counters, split):
    """Which clips CTC cannot use, {row: why}."""
    unusable = {}
    heard = tqdm(sounds(clips), desc=f"Reading {split}", unit="clip", total=len(clips))
    for i, sound in enumerate(heard):
        n_needed = len(labels[i]) + sum(a == b for a, b in pairwise(labels[i]))
        n_frames = min(count(sound) for count in counters)
        if not labels[i]:
            unusable[i] = "no transcript"
        elif n_frames < n_needed:
            unusable[i] = f"{n_frames} frames for {n_needed} labels"
    return unusable


def _unknown(splits, tokenizer, units):
    """What validation and test clips hold that training clips do not."""
    notes, known = [], tokenizer.get_vocab()
    for split in SPLITS[1:]:
        tokens = [token for text in splits[split].texts for token in tokens_of(text, units)]
        unknown = [token for token in tokens if token not in known]
        if unknown:
            notes.append(
                f"{', '.join(sorted(set(unknown)))}: in no training clip, so that no model can "
                f"recognise what is {len(unknown)} of the {len(tokens)} {units} of {split}."
            )
    return notes


def recognise(
    folder: Path,
    checkpoint: str,
    splits: dict[str, TranscribedClips],
    tokenizer: PreTrainedTokenizer,
    units: str,
    training: RecognitionOptions,
) -> dict[str, Any]:
    """Tune one model and transcribe the test clips with it; go on where an interrupted run ended.

    Parameters
    ----------
    folder : Path
        Takes the tuned checkpoint, an ordinary one, and what is returned.
    checkpoint : folder or name on the Hub
    splits, tokenizer
        As `open_transcribed` returns them.
    units : str
    training : RecognitionOptions

    Returns
    -------
    dict
        "train" and "validation" [[step, loss]], "wer" [[step, validation error rate]],
        "chosen_step" and "seconds"; "clips", a list of {"file", "reference", "hypothesis",
        "errors", "words"}, of the test split.

    Raises
    ------
    FileExistsError
        The folder holds a run with other settings, clips or models.
    FloatingPointError
        The loss is no longer finite.
    """
    started = time.time()
    model = ctc_model(checkpoint, tokenizer, training.seed)
    processor = ctc_processor(checkpoint, tokenizer)
    options = json.loads(training.to_json_string())
    settings = {
        "model": model_facts(model, processor.feature_extractor, None, None),
        "clips": {split: clips.fingerprint for split, clips in splits.items()},
        "units": units,
        "training": {key: value for key, value in options.items() if key not in NOT_OF_A_RESULT},
        "batch": training.train_batch_size * training.gradient_accumulation_steps,
    }
    overwrite, logs = training.overwrite_output_dir, folder.parent / LOGS / folder.name
    if not overwrite and (results := finished_results(folder, settings)) is not None:
        end_training(folder / CHECKPOINTS, logs)  # of a run that was killed just then
        return results
    check_output(folder, settings, overwrite=overwrite)
    claim_output(folder, settings, overwrite=overwrite)

    training = copy.copy(training)
    training.output_dir = str(folder / CHECKPOINTS)
    trainer = ctc_trainer(
        model, processor, training, splits["train"], splits["validation"], _error_rate
    )
    curve = train_resumably(trainer)
    trainer.save_model(str(folder))
    (folder / TRAINING_ARGS_NAME).unlink()  # pickled; they are in the settings

    trainer.compute_metrics, test = None, splits["test"]
    heard = transcribed(trainer.predict(test), processor)
    errors, words = (counts.tolist() for counts in count_errors(test.texts, heard))
    columns = ("file", "reference", "hypothesis", "errors", "words")
    clips = zip(test.files, test.texts, heard, errors, words, strict=True)
    history = trainer.state.log_history
    results = curve | {
        "wer": [[row["step"], row["eval_wer"]] for row in history if "eval_wer" in row],
        "seconds": round(time.time() - started, 1),
        "clips": [dict(zip(columns, clip, strict=True)) for clip in clips],
    }
    loss_figure({folder.name: curve}, folder / LOSSES, title=f"Recognition by {folder.name}")
    write_checked(folder / RESULTS, results)
    end_training(training.output_dir, logs)
    return results


def _error_rate(references, hypotheses):
    return error_rate(*count_errors(references, hypotheses))


def expected_minutes(
    checkpoints: Sequence[str],
    splits: dict[str, TranscribedClips],
    tokenizer: PreTrainedTokenizer,
    training: CtcArguments,
) -> float:
    """Estimate how long models take, from a step and a clip of each timed on this machine.

    Parameters
    ----------
    checkpoints : sequence of folders or names on the Hub
        Of the models that are not finished.
    splits, tokenizer
        As `open_transcribed` returns them.
    training : CtcArguments

    Returns
    -------
    float
    """
    n_at_once = training.train_batch_size * training.gradient_accumulation_steps
    n_steps, per_epoch = training.max_steps, math.ceil(len(splits["train"]) / n_at_once)
    if n_steps <= 0:
        n_steps = math.ceil(training.num_train_epochs * per_epoch)
    every = per_epoch if training.eval_strategy == "epoch" else training.eval_steps
    n_evaluations = math.ceil(n_steps / every if every >= 1 else 1 / every)
    n_clips = len(splits["test"]) + n_evaluations * len(splits["validation"])
    seconds = 0.0
    for checkpoint in checkpoints:
        per_step, per_clip = _timed(checkpoint, splits["train"], tokenizer, training)
        seconds += n_steps * training.gradient_accumulation_steps * per_step + n_clips * per_clip
    return seconds / 60


def _timed(checkpoint, clips, tokenizer, training):
    """Seconds of a training batch, and of transcribing a clip."""
    model = ctc_model(checkpoint, tokenizer, training.seed).to(training.device)
    feature_extractor = load_feature_extractor(checkpoint)

    def loss(n):
        batch = ctc_batch(feature_extractor, [clips[i] for i in range(min(n, len(clips)))])
        return model(**{name: value.to(training.device) for name, value in batch.items()}).loss

    model.train()
    per_step = seconds_of(lambda: loss(training.train_batch_size).backward())
    model.eval()
    with torch.inference_mode():
        return per_step, seconds_of(lambda: loss(1))
