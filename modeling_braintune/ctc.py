"""Speech recognition by connectionist temporal classification (CTC) on a checkpoint's backbone."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCTC,
    FeatureExtractionMixin,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizer,
    ProcessorMixin,
    Trainer,
    TrainingArguments,
    Wav2Vec2BertProcessor,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2PhonemeCTCTokenizer,
    Wav2Vec2Processor,
    set_seed,
)
from transformers.trainer_utils import PredictionOutput

from .brain import readable_weights
from .callbacks import FiniteLoss
from .collator import SAMPLING_RATE
from .configuration_braintune import checkpoint_model_type, without_fields
from .feature_extractor import load_feature_extractor
from .layer_representations import receptive_field
from .trainer import ShareableTrainer

FAMILIES = (
    *("data2vec-audio", "hubert", "sew", "sew-d", "unispeech", "unispeech-sat"),
    *("wav2vec2", "wav2vec2-bert", "wav2vec2-conformer", "wavlm"),
)
IGNORED = -100  # label that the loss passes over; Trainer pads predictions with it too


@dataclass
class CtcArguments(TrainingArguments):
    """Training arguments by which the validation clips' error rate chooses the step."""

    eval_strategy: str = field(
        default="steps",
        metadata={
            "help": "When the validation clips are transcribed: steps (the default), every "
            "eval_steps steps, or epoch."
        },
    )
    save_strategy: str = field(
        default="steps",
        metadata={
            "help": "When a checkpoint is saved: steps (the default) or epoch, as eval_strategy."
        },
    )
    load_best_model_at_end: bool = field(
        default=True,
        metadata={
            "help": "Whether the step with the lowest error rate on the validation clips is taken, "
            "not the last; true by default."
        },
    )
    metric_for_best_model: str = field(
        default="wer",
        metadata={"help": "Measure that chooses the step: wer (the default) or loss."},
    )
    greater_is_better: bool = field(
        default=False,
        metadata={"help": "Whether a higher value of that measure is better; false by default."},
    )
    remove_unused_columns: bool = field(
        default=False,
        metadata={
            "help": "Whether columns that the model does not take are dropped; false by default, "
            "since sounds are read when they are asked for."
        },
    )
    dataloader_pin_memory: bool = field(
        default_factory=torch.cuda.is_available,
        metadata={
            "help": "Whether batches are pinned in memory; by default true where there is a GPU."
        },
    )
    per_device_eval_batch_size: int = field(
        default=1,
        metadata={
            "help": "Number of clips that are transcribed at once; 1 by default, and nothing else, "
            "since padding would be transcribed too and changes what models hear."
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.per_device_eval_batch_size != 1:
            raise ValueError(
                "per_device_eval_batch_size must be 1, since padding would be transcribed too; "
                f"got {self.per_device_eval_batch_size}"
            )


def check_family(checkpoint: str | os.PathLike[str]) -> None:
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


def tokens_of(text: str, units: str) -> list[str]:
    """Divide a transcript into what is recognised.

    Parameters
    ----------
    text : str
        Phones or words with a space between each two.
    units : str
        "phones", or "characters", with "|" between words.

    Returns
    -------
    list of str
    """
    return text.split() if units == "phones" else list(text.replace(" ", "|"))


def ctc_tokenizer(texts: Iterable[str], units: str) -> PreTrainedTokenizer:
    """Make a tokenizer whose vocabulary is what transcripts are made of.

    Parameters
    ----------
    texts : iterable of str
    units : str
        As in `tokens_of`.

    Returns
    -------
    Wav2Vec2PhonemeCTCTokenizer for phones, Wav2Vec2CTCTokenizer for characters
        Its vocabulary is the sorted tokens, then <unk>, then <pad>, CTC's blank.
    """
    tokens = sorted({token for text in texts for token in tokens_of(text, units)})
    vocabulary = {token: number for number, token in enumerate([*tokens, "<unk>", "<pad>"])}
    special = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": None, "eos_token": None}
    with TemporaryDirectory() as folder:  # the classes take a file
        path = os.path.join(folder, "vocab.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(vocabulary, file)
        if units == "phones":
            return Wav2Vec2PhonemeCTCTokenizer(path, do_phonemize=False, **special)
        return Wav2Vec2CTCTokenizer(path, **special)


def ctc_config(
    checkpoint: str | os.PathLike[str], tokenizer: PreTrainedTokenizer
) -> PreTrainedConfig:
    """Return the configuration of a recogniser around a checkpoint's backbone."""
    config = AutoConfig.from_pretrained(
        checkpoint,
        trust_remote_code=False,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        ctc_loss_reduction="mean",
    )
    return without_fields(config)


def ctc_model(
    checkpoint: str | os.PathLike[str], tokenizer: PreTrainedTokenizer, seed: int
) -> PreTrainedModel:
    """Load a checkpoint's backbone under a new head, which the seed alone determines.

    The seed stays set for the training that follows.

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
    with readable_weights(checkpoint):
        backbone = AutoModel.from_pretrained(
            checkpoint, config=config, dtype=torch.float32, trust_remote_code=False
        )
    setattr(model, model.base_model_prefix, backbone)
    if config.model_type != "wav2vec2-bert":  # which begins with mel energies
        model.freeze_feature_encoder()
    # Its forward passes keywords on, but the loss is a mean over the batch, not a share of it.
    model.accepts_loss_kwargs = False
    return model


def ctc_processor(
    checkpoint: str | os.PathLike[str], tokenizer: PreTrainedTokenizer
) -> ProcessorMixin:
    """Join a checkpoint's feature extractor and a tokenizer."""
    bert = checkpoint_model_type(checkpoint) == "wav2vec2-bert"
    processor_class = Wav2Vec2BertProcessor if bert else Wav2Vec2Processor
    return processor_class(load_feature_extractor(checkpoint), tokenizer)


def ctc_batch(
    feature_extractor: FeatureExtractionMixin, items: Sequence[dict[str, Any]]
) -> dict[str, torch.Tensor]:
    """Pad clips as the feature extractor does, and labels with what the loss passes over.

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
    return {**inputs, "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED)}


def frame_counter(
    checkpoint: str | os.PathLike[str], tokenizer: PreTrainedTokenizer
) -> Callable[[np.ndarray], int]:
    """Return a function of a sound (n_samples,): the number of frames that a recogniser labels."""
    config = ctc_config(checkpoint, tokenizer)
    with torch.device("meta"):
        model = AutoModelForCTC.from_config(config)
    feature_extractor = load_feature_extractor(checkpoint)
    (name, *_) = feature_extractor.model_input_names

    def count(sound):
        if len(sound) < receptive_field(model):
            return 0
        inputs = feature_extractor(sound, sampling_rate=SAMPLING_RATE)[name][0]
        return int(model._get_feat_extract_output_lengths(len(inputs)))

    return count


def ctc_trainer(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    training: CtcArguments,
    train: Dataset,
    validation: Dataset,
    error_rate: Callable[[list[str], list[str]], float],
) -> Trainer:
    """Make the Trainer of a recogniser, which counts errors in the validation clips.

    The order of the batches follows from the seed and the number of clips alone.

    Parameters
    ----------
    model : of `ctc_model`
    processor : of `ctc_processor`
    training : CtcArguments
    train, validation : sequences of {"audio": (n_samples,), "labels": list of int}
        With `texts`, the transcripts.
    error_rate : callable
        Of transcripts and what is recognised in their place: the measure "wer".

    Returns
    -------
    Trainer
    """

    def metrics(prediction):
        return {"wer": error_rate(validation.texts, transcribed(prediction, processor))}

    return ShareableTrainer(
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


def transcribed(prediction: PredictionOutput, processor: ProcessorMixin) -> list[str]:
    """Return the transcripts that classes frame by frame, of `ctc_trainer`'s Trainer, stand for."""
    ids = prediction.predictions
    blank = processor.tokenizer.pad_token_id  # also of what Trainer pads clips to one length with
    return processor.tokenizer.batch_decode(np.where(ids == IGNORED, blank, ids))
