"""Fine-tune speech models to recognise speech, and compare how many errors they make.

    python recipes/asr.py --model outputs/phantom/brain-tuned outputs/phantom/random \\
        --baseline phantom-wav2vec2                                     # the phantom, in minutes
    python recipes/asr.py --config recipes/configs/asr.yaml --data <folder of TIMIT> \\
        --model outputs/ds003020/brain-tuned --baseline facebook/wav2vec2-base

Every model is tuned as a whole, but for its frozen feature encoder, by connectionist temporal
classification (CTC), all else being equal: Moussa et al. 2025, section 3.4.3. A run that was
interrupted goes on when the same command is given again.
"""

import copy
import dataclasses
import json
import math
import re
import shutil
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import jiwer
import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForCTC,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    Wav2Vec2BertProcessor,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2PhonemeCTCTokenizer,
    Wav2Vec2Processor,
    set_seed,
)
from transformers.trainer import TRAINING_ARGS_NAME

from datasets_scripts import Timit
from datasets_scripts.features.phones import is_silence
from datasets_scripts.names import check_name
from evaluate_metrics.reports.alignment import BASELINE
from evaluate_metrics.statistics import bootstrap_interval
from modeling_braintune.configuration_braintune import checkpoint_model_type
from modeling_braintune.layer_representations import receptive_field
from modeling_braintune.representation_cache import model_facts
from recipes.arguments import parse_arguments
from recipes.estimate import seconds_of
from recipes.phantom import DATA, MODELS, phantom_model
from recipes.probe import (
    COLUMNS,
    SENTENCES,
    SPLITS,
    open_clips,
    sounds,
    write_report,
)
from recipes.process import one_line_errors, prepare_process
from recipes.report import labelled_models, tuned_on
from recipes.train import LossBar, last_checkpoint, write_json
from recipes.tune import RESULTS, SETTINGS, check_output

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "phantom-asr.yaml"
COLLECTIONS = {DATA: SENTENCES, "timit": Timit}
UNITS = {"phones": "phone", "characters": "word"}  # and what errors are counted in
FAMILIES = (
    *("data2vec-audio", "hubert", "sew", "sew-d", "unispeech", "unispeech-sat"),
    *("wav2vec2", "wav2vec2-bert", "wav2vec2-conformer", "wavlm"),
)
SAMPLING_RATE = 16000
HEAD_FIELDS = ("auto_map", "brain", "num_voxels")  # of a head that is left behind
# Where and how a run is shown, which does not change its result
SHOWN = ("output_dir", "run_name", "disable_tqdm", "logging_steps")


@dataclass(kw_only=True)
class AsrArguments:
    """Which models learn to recognise what."""

    model: list[str] = field(
        metadata={"help": f"Checkpoint folders, names on the Hub, or {', '.join(MODELS)}."}
    )
    baseline: str | None = field(
        default=None, metadata={"help": "Model that the others are compared with."}
    )
    collection: str = field(metadata={"help": f"What the clips are of: {', '.join(COLLECTIONS)}."})
    data: str = field(
        metadata={
            "help": "Folder of the collection, or name of a prepared data set on the Hub; "
            f"'{DATA}' is made."
        }
    )
    units: str = field(
        default="phones",
        metadata={
            "help": "phones, without silences; or characters, of lower-cased text without "
            "punctuation other than apostrophes."
        },
    )
    max_unusable: float = field(
        default=0.01,
        metadata={
            "help": "Share of a split's clips that may be unreadable, and that may be without a "
            "transcript or too short for it."
        },
    )
    overwrite_output_dir: bool = field(
        default=False, metadata={"help": "Replace what an earlier run left of these models."}
    )

    def __post_init__(self):
        check_name("collection", self.collection, COLLECTIONS)
        check_name("units", self.units, UNITS)
        self.names = labelled_models(self.model, self.baseline)

    @property
    def task(self):
        return f"{self.collection}/asr_{self.units}"


@dataclass
class AsrTrainingArguments(TrainingArguments):
    """Training arguments by which the validation clips' error rate chooses the step."""

    eval_strategy: str = field(default="steps", metadata={"help": "When to validate."})
    save_strategy: str = field(default="steps", metadata={"help": "When to save: as eval."})
    load_best_model_at_end: bool = field(
        default=True, metadata={"help": "Take the step with the fewest validation errors."}
    )
    metric_for_best_model: str = field(default="wer", metadata={"help": "What chooses the step."})
    greater_is_better: bool = field(default=False, metadata={"help": "Of what chooses the step."})
    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Sounds are read when asked for: no column is unused."}
    )
    dataloader_pin_memory: bool = field(
        default_factory=torch.cuda.is_available,
        metadata={"help": "Pin batches in memory; by default where there is a GPU."},
    )
    per_device_eval_batch_size: int = field(
        default=1,
        metadata={"help": "1: padding would be transcribed too, and changes what models hear."},
    )

    def __post_init__(self):
        super().__post_init__()
        if self.per_device_eval_batch_size != 1:
            raise ValueError(
                "per_device_eval_batch_size must be 1, since padding would be transcribed too; "
                f"got {self.per_device_eval_batch_size}"
            )


class FiniteLoss(TrainerCallback):
    """End a training that has diverged."""

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        if not math.isfinite(metrics["eval_loss"]):
            raise FloatingPointError(
                f"the validation loss is {metrics['eval_loss']} at step {state.global_step}: lower "
                "learning_rate, or max_grad_norm"
            )


class TranscribedClips:
    """Clips of a split, as Trainer takes them.

    Parameters
    ----------
    clips : Dataset
        With sound files in `audio`.
    texts : list of str
        What is said in each, phones or words between spaces.
    labels : list of list of int
        The same as the model's classes.
    """

    def __init__(self, clips, texts, labels):
        self.files, self.sounds = list(clips["file"]), sounds(clips)
        self.texts, self.labels = texts, labels
        self.fingerprint = clips._fingerprint

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        return {"audio": self.sounds[index], "labels": self.labels[index]}


def transcripts(clips, units):
    """What is said in clips, as it is recognised and counted.

    Parameters
    ----------
    clips : Dataset
        With intervals in `phones`, or with `text`.
    units : str
        "phones": labels other than silences. "characters": words in small letters; hyphens, dashes
        and slashes part words, other punctuation is dropped, apostrophes stay.

    Returns
    -------
    list of str
        Phones or words with a space between each two.
    """
    if units == "phones":
        return [
            " ".join(p["label"] for p in phones if not is_silence(p["label"]))
            for phones in clips["phones"]
        ]
    parted = (re.sub(r"[-–—/]", " ", text.lower().replace("’", "'")) for text in clips["text"])
    return [" ".join(re.sub(r"[^\w\s']|_", "", text).split()) for text in parted]


def tokens_of(text, units):
    """The tokens that a transcript is made of: phones, or characters with "|" between words."""
    return text.split() if units == "phones" else list(text.replace(" ", "|"))


def ctc_tokenizer(texts, units):
    """Make a tokenizer whose vocabulary is what transcripts are made of.

    Parameters
    ----------
    texts : list of str
    units : str
        A key of `UNITS`.

    Returns
    -------
    Wav2Vec2PhonemeCTCTokenizer for phones, Wav2Vec2CTCTokenizer for characters
        Its vocabulary is the sorted tokens, then <unk>, then <pad>, CTC's blank.
    """
    tokens = sorted({token for text in texts for token in tokens_of(text, units)})
    vocabulary = {token: number for number, token in enumerate([*tokens, "<unk>", "<pad>"])}
    special = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": None, "eos_token": None}
    with TemporaryDirectory() as folder:  # the classes take a file
        path = Path(folder) / "vocab.json"
        write_json(path, vocabulary)
        if units == "phones":
            return Wav2Vec2PhonemeCTCTokenizer(str(path), do_phonemize=False, **special)
        return Wav2Vec2CTCTokenizer(str(path), **special)


def check_family(checkpoint):
    """Refuse a checkpoint that is not of a self-supervised family with a class for CTC.

    Raises
    ------
    ValueError, FileNotFoundError
    """
    family = checkpoint_model_type(checkpoint)
    if family not in FAMILIES:
        raise ValueError(
            f"{checkpoint} is of model type {family!r}, which is not compared by CTC: give a "
            f"self-supervised model, of {', '.join(FAMILIES)}"
        )


def ctc_config(checkpoint, tokenizer):
    """Configuration of a recogniser around a checkpoint's backbone."""
    config = AutoConfig.from_pretrained(
        checkpoint,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        ctc_loss_reduction="mean",
    )
    for name in HEAD_FIELDS:
        if hasattr(config, name):
            delattr(config, name)
    return config


def ctc_model(checkpoint, tokenizer, seed):
    """Load a checkpoint's backbone under a new head, which the seed alone determines.

    Parameters
    ----------
    checkpoint : folder or name on the Hub
        Plain, pretraining, brain-tuned or CTC; the head of the last is replaced.
    tokenizer : of `ctc_tokenizer`
    seed : int

    Returns
    -------
    the family's stock model for CTC, its feature encoder frozen
    """
    config = ctc_config(checkpoint, tokenizer)
    set_seed(seed)
    model = AutoModelForCTC.from_config(config, dtype=torch.float32)
    backbone = AutoModel.from_pretrained(checkpoint, config=config, dtype=torch.float32)
    setattr(model, model.base_model_prefix, backbone)
    if config.model_type != "wav2vec2-bert":  # which begins with mel energies
        model.freeze_feature_encoder()
    # Its forward passes keywords on, but the loss is a mean over the batch, not a share of it.
    model.accepts_loss_kwargs = False
    return model


def ctc_processor(checkpoint, tokenizer):
    """Join a checkpoint's feature extractor and a tokenizer."""
    bert = checkpoint_model_type(checkpoint) == "wav2vec2-bert"
    processor_class = Wav2Vec2BertProcessor if bert else Wav2Vec2Processor
    return processor_class(AutoFeatureExtractor.from_pretrained(checkpoint), tokenizer)


def ctc_batch(feature_extractor, items):
    """Pad clips as the feature extractor does, and labels with -100, which the loss passes over.

    Parameters
    ----------
    feature_extractor : the checkpoint's own
    items : list of {"audio": (n_samples,) at 16 kHz, "labels": list of int}

    Returns
    -------
    dict of tensors
    """
    inputs = feature_extractor(
        [item["audio"] for item in items],
        sampling_rate=SAMPLING_RATE,
        padding=True,
        return_tensors="pt",
    )
    labels = [torch.tensor(item["labels"]) for item in items]
    return {**inputs, "labels": pad_sequence(labels, batch_first=True, padding_value=-100)}


def frame_counter(checkpoint, tokenizer):
    """Function of a sound (n_samples,) that gives the number of frames a recogniser labels."""
    config = ctc_config(checkpoint, tokenizer)
    with torch.device("meta"):
        model = AutoModelForCTC.from_config(config)
    feature_extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    (name, *_) = feature_extractor.model_input_names

    def count(sound):
        if len(sound) < receptive_field(model):
            return 0
        inputs = feature_extractor(sound, sampling_rate=SAMPLING_RATE)[name][0]
        return int(model._get_feat_extract_output_lengths(len(inputs)))

    return count


def open_transcribed(arguments, checkpoints):
    """Read the clips of all splits, and leave out those that tell nothing.

    Left out of all splits are clips without a transcript, and those that some model hears in too
    few frames: CTC needs one for each label and for each repetition between. Left out of
    validation and test are sentences that training clips speak too, such as TIMIT's two that all
    speakers read.

    Parameters
    ----------
    arguments : AsrArguments
    checkpoints : list of folders or names on the Hub

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
    units, folder = arguments.units, arguments.data
    columns = [f"{arguments.collection}/{column}" for column in ("phones", "text")]
    build = COLLECTIONS[arguments.collection]
    data, n_unreadable = open_clips(build, folder, columns, arguments.max_unusable)
    notes = [f"{n_unreadable} recordings are unreadable, and left out."] if n_unreadable else []
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
            if len(unusable) > arguments.max_unusable * len(clips):
                raise ValueError(
                    f"{folder}: {said}, more than max_unusable={arguments.max_unusable:g} of them"
                )
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


def count_errors(references, hypotheses):
    """Count words, or phones, and errors in recognising them, clip by clip.

    Parameters
    ----------
    references, hypotheses : lists of str
        No reference is empty.

    Returns
    -------
    errors, words : int arrays of shape (n_clips,)
        Insertions, deletions and substitutions; words of the references. The sum of the errors
        over that of the words is jiwer's word error rate.
    """
    counted = [
        jiwer.process_words(reference, hypothesis)
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    errors = [c.insertions + c.deletions + c.substitutions for c in counted]
    words = [c.hits + c.deletions + c.substitutions for c in counted]
    return np.array(errors), np.array(words)


def ctc_trainer(model, processor, training, train, validation):
    """Trainer of a recogniser, that counts errors in the validation clips.

    The order of the batches follows from the seed and the number of clips alone.

    Parameters
    ----------
    model : of `ctc_model`
    processor : of `ctc_processor`
    training : AsrTrainingArguments
    train, validation : TranscribedClips

    Returns
    -------
    Trainer
    """

    def metrics(prediction):
        heard = processor.tokenizer.batch_decode(_ids(prediction, processor))
        return {"wer": error_rate(*count_errors(validation.texts, heard))}

    trainer = Trainer(
        model=model,
        args=training,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=partial(ctc_batch, processor.feature_extractor),
        processing_class=processor,
        compute_metrics=metrics,
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
        callbacks=[FiniteLoss()],
    )
    trainer.remove_callback(PrinterCallback if training.disable_tqdm else ProgressCallback)
    if not training.disable_tqdm:
        trainer.add_callback(LossBar())
    return trainer


def _ids(prediction, processor):
    """Classes frame by frame; Trainer pads clips to one length with -100, which is blank here."""
    ids = prediction.predictions
    return np.where(ids == -100, processor.tokenizer.pad_token_id, ids)


def recognise(folder, checkpoint, splits, tokenizer, arguments, training):
    """Tune one model and transcribe the test clips with it; go on where an interrupted run ended.

    Parameters
    ----------
    folder : Path
        Takes the tuned checkpoint, an ordinary one, and what is returned.
    checkpoint : folder or name on the Hub
    splits : dict of {split: TranscribedClips}
    tokenizer : of `ctc_tokenizer`
    arguments : AsrArguments
    training : AsrTrainingArguments

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
        "units": arguments.units,
        "training": {key: value for key, value in options.items() if key not in SHOWN},
    }
    if arguments.overwrite_output_dir:
        shutil.rmtree(folder, ignore_errors=True)
    if (folder / RESULTS).exists() and json.loads((folder / SETTINGS).read_text()) == settings:
        return json.loads((folder / RESULTS).read_text())
    check_output(folder, settings, overwrite=False)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SETTINGS, settings)

    training = copy.copy(training)
    training.output_dir = str(folder / "checkpoints")
    trainer = ctc_trainer(model, processor, training, splits["train"], splits["validation"])
    trainer.train(resume_from_checkpoint=last_checkpoint(training.output_dir))
    trainer.save_model(str(folder))
    (folder / TRAINING_ARGS_NAME).unlink()  # pickled; they are in the settings

    trainer.compute_metrics, test = None, splits["test"]
    heard = processor.tokenizer.batch_decode(_ids(trainer.predict(test), processor))
    errors, words = (counts.tolist() for counts in count_errors(test.texts, heard))
    columns = ("file", "reference", "hypothesis", "errors", "words")
    clips = zip(test.files, test.texts, heard, errors, words, strict=True)
    history = trainer.state.log_history
    results = {
        "train": [[row["step"], row["loss"]] for row in history if "loss" in row],
        "validation": [[row["step"], row["eval_loss"]] for row in history if "eval_loss" in row],
        "wer": [[row["step"], row["eval_wer"]] for row in history if "eval_wer" in row],
        "chosen_step": trainer.state.best_global_step,
        "seconds": round(time.time() - started, 1),
        "clips": [dict(zip(columns, clip, strict=True)) for clip in clips],
    }
    write_json(folder / RESULTS, results)
    shutil.rmtree(training.output_dir)
    return results


def asr(arguments, training):
    """Tune every model to recognise speech, count its errors, and write the report.

    Parameters
    ----------
    arguments : AsrArguments
    training : AsrTrainingArguments

    Returns
    -------
    dict
        - "rows": list of {column: value}, with the columns of `recipes.probe.COLUMNS`; a task is
          called "<collection>/asr_<units>". Measures are "wer", which is the phone error rate where
          the units are phones, and "1-wer".
        - "differences": {model: {"value", "interval"}} of 1 - WER from the baseline's, over the
          same resamples of test clips.
        - "chosen_step": {model: step}, "n_words" (or phones) of the test clips, "notes",
          "settings".

    Raises
    ------
    ValueError, FileNotFoundError, FileExistsError, FloatingPointError
        As `check_family`, `open_transcribed` and `recognise`.
    """
    if training.world_size > 1 or training.n_gpu > 1:
        raise ValueError(
            "recognisers are tuned by one process on one device, got "
            f"{training.world_size} processes and {training.n_gpu} devices: start this with "
            "python, and with CUDA_VISIBLE_DEVICES=0"
        )
    output = Path(training.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    checkpoints = {
        label: phantom_model(name)[0] if name in MODELS else name
        for label, name in arguments.names.items()
    }
    for checkpoint in checkpoints.values():
        check_family(checkpoint)
    splits, tokenizer, notes = open_transcribed(arguments, list(checkpoints.values()))
    sizes = ", ".join(f"{len(splits[split])} {split}" for split in SPLITS)
    print(f"{arguments.task}: {sizes} clips of {arguments.data}, {len(tokenizer) - 2} tokens")
    ahead = [name for label, name in checkpoints.items() if not (output / label / RESULTS).exists()]
    print(_estimate(ahead, splits, tokenizer, training))
    results = {}
    for label, checkpoint in checkpoints.items():
        results[label] = recognise(
            output / label, checkpoint, splits, tokenizer, arguments, training
        )
        print(f"{label}: chosen at step {results[label]['chosen_step']}")
    participants = {
        label: tuned_on(AutoConfig.from_pretrained(name)) for label, name in checkpoints.items()
    }
    notes.append("Intervals resample clips, as if those of one speaker were independent.")
    report = _report(results, participants, notes, arguments, training)
    write_report(report, output / "asr.json")
    print(table(report))
    print(f"asr.json, asr.csv and a checkpoint of each model are in {output}/")
    return report


def _estimate(checkpoints, splits, tokenizer, training):
    """What lies ahead, from a step and a clip of each model timed on this machine."""
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
    return f"About {seconds / 60:.1f} min ahead: {len(checkpoints)} models, {n_steps} steps each"


def _timed(checkpoint, clips, tokenizer, training):
    """Seconds of a training batch, and of transcribing a clip."""
    model = ctc_model(checkpoint, tokenizer, training.seed).to(training.device)
    feature_extractor = AutoFeatureExtractor.from_pretrained(checkpoint)

    def loss(n):
        batch = ctc_batch(feature_extractor, [clips[i] for i in range(min(n, len(clips)))])
        return model(**{name: value.to(training.device) for name, value in batch.items()}).loss

    model.train()
    per_step = seconds_of(lambda: loss(training.train_batch_size).backward())
    model.eval()
    with torch.inference_mode():
        return per_step, seconds_of(lambda: loss(1))


def _report(results, participants, notes, arguments, training):
    errors = {
        label: np.array([clip["errors"] for clip in result["clips"]])
        for label, result in results.items()
    }
    words = np.array([clip["words"] for clip in next(iter(results.values()))["clips"]])

    def measured(errors):
        rate = partial(error_rate, errors, words)
        return rate(), bootstrap_interval(rate, len(words), block=1)

    rows, differences = [], {}
    for label in results:
        wrong, (low, high) = measured(errors[label])
        values = {"wer": (wrong, low, high), "1-wer": (1 - wrong, 1 - high, 1 - low)}
        for measure, (value, *interval) in values.items():
            row = (label, participants[label], arguments.task, "all", None, measure, value)
            row += (len(words), "clips", *interval, None)
            rows.append(dict(zip(COLUMNS, row, strict=True)))
        if BASELINE in results and label != BASELINE:
            value, interval = measured(errors[BASELINE] - errors[label])
            differences[label] = {"value": value, "interval": interval}
    return {
        "rows": rows,
        "differences": differences,
        "chosen_step": {label: result["chosen_step"] for label, result in results.items()},
        "n_words": int(words.sum()),
        "notes": notes,
        "settings": dataclasses.asdict(arguments) | json.loads(training.to_json_string()),
    }


def error_rate(errors, words, clips=slice(None)):
    """Errors per word of the chosen clips.

    Parameters
    ----------
    errors, words : int arrays of shape (n_clips,)
        As `count_errors` has them.
    clips : slice or int array
        Of a resample; all by default.

    Returns
    -------
    float
    """
    return float(errors[clips].sum() / words[clips].sum())


def table(report):
    """The report as text, a line per model.

    Parameters
    ----------
    report : dict
        As `asr` returns it.

    Returns
    -------
    str
    """
    task, counted = report["rows"][0]["task"], UNITS[report["settings"]["units"]]
    lines = [
        "",
        f"{task}: {report['rows'][0]['n']} test clips, {report['n_words']} {counted}s "
        "[95 % interval over clips]",
        _line("", [f"{counted} error rate", "1 - that", f"gain over {BASELINE}"]),
    ]
    for wrong, right in zip(report["rows"][::2], report["rows"][1::2], strict=True):
        numbers = [(r["value"], r["interval_low"], r["interval_high"]) for r in (wrong, right)]
        cells = [_cell(*triple) for triple in numbers]
        gain = report["differences"].get(wrong["model"])
        cells += [_cell(gain["value"], *gain["interval"], "+")] if gain else []
        lines.append(_line(wrong["model"], cells))
    return "\n".join([*lines, "", *report["notes"], ""])


def _line(name, cells):
    return f"{name:<14}" + " ".join(f"{cell:<27}" for cell in cells).rstrip()


def _cell(value, low, high, sign=""):
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def main():
    with one_line_errors():
        arguments, training = parse_arguments((AsrArguments, AsrTrainingArguments), DEFAULT_CONFIG)
        prepare_process(training.device, training.world_size)
        asr(arguments, training)


if __name__ == "__main__":
    main()
