"""From clips of audio to the batches that a family's models take."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import FeatureExtractionMixin

SAMPLING_RATE = 16000
SHORTEST = 400  # samples behind the first frame of a feature encoder, 25 ms


def check_floating(samples: np.ndarray, name: str) -> None:
    """Refuse integers, of which nobody knows what full scale is.

    Raises
    ------
    ValueError
    """
    if samples.dtype.kind != "f":
        raise ValueError(
            f"{name} must be float samples with full scale 1, got {samples.dtype}: divide integers "
            "by their full scale, 32768 for int16"
        )


def check_long_enough(samples: np.ndarray, name: str) -> None:
    """Refuse less sound than is behind a model's first frame.

    Raises
    ------
    ValueError
    """
    if len(samples) < SHORTEST:
        raise ValueError(
            f"{name} has {len(samples)} samples at 16 kHz, fewer than the {SHORTEST} (25 ms) that "
            "a model hears at the least"
        )


def model_inputs(
    feature_extractor: FeatureExtractionMixin, clips: Sequence[np.ndarray]
) -> dict[str, torch.Tensor]:
    """Prepare clips for a model, each normalised by itself.

    Parameters
    ----------
    feature_extractor : the checkpoint's own
    clips : list of float arrays of shape (n_samples,), 16 kHz

    Returns
    -------
    inputs : dict of tensors
        `input_values` (batch, samples) or `input_features`, which are (batch, mel bands, mel
        frames) of an extractor that pads clips to its chunk and (batch, frames, 2 x mel bands)
        of one that does not, and `attention_mask` where the extractor gives one: always for
        `input_features`.

    Raises
    ------
    ValueError
        If a clip is of integers, shorter than 25 ms or not one-dimensional, if clips differ in
        length and the family knows no padding, or if a clip is longer than the chunk.
    """
    clips = [np.asarray(clip) for clip in clips]
    for index, clip in enumerate(clips):
        if clip.ndim != 1 or clip.size == 0:
            raise ValueError(
                f"clip {index} must be mono audio of shape (n_samples,), got {clip.shape}"
            )
        check_floating(clip, f"clip {index}")
        check_long_enough(clip, f"clip {index}")
    clips = [clip.astype(np.float32, copy=False) for clip in clips]
    pads_to_chunk = hasattr(feature_extractor, "n_samples")
    lengths = [clip.size for clip in clips]
    if pads_to_chunk:
        # The extractor would cut the end off without a word.
        if max(lengths) > feature_extractor.n_samples:
            raise ValueError(
                f"clip {lengths.index(max(lengths))} has {max(lengths)} samples, but "
                f"{type(feature_extractor).__name__} takes at most {feature_extractor.n_samples} "
                f"({feature_extractor.n_samples / SAMPLING_RATE:g} s): use shorter windows"
            )
    elif len(set(lengths)) > 1 and not feature_extractor.return_attention_mask:
        raise ValueError(
            f"clips of {min(lengths)} to {max(lengths)} samples in one batch, but the model "
            "of a feature extractor with return_attention_mask=False would see their padding: use "
            "clips of equal length"
        )
    return dict(
        feature_extractor(
            clips,
            sampling_rate=SAMPLING_RATE,
            padding="max_length" if pads_to_chunk else "longest",
            return_attention_mask=True if pads_to_chunk else None,
            return_tensors="pt",
        )
    )


def cut(audio: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return samples `start` to `stop` of a sound, zeros where they lie outside it.

    Parameters
    ----------
    audio : array of shape (n_samples,)
    start, stop : int
        May be negative or beyond the sound.

    Returns
    -------
    float32 array of shape (stop - start,)
    """
    clip = np.zeros(stop - start, np.float32)
    first, last = max(start, 0), min(stop, len(audio))
    if first < last:
        clip[first - start : last - start] = audio[first:last]
    return clip


def batches_of_equal_length(windows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Yield window indices, at most `batch_size` at a time and all of one length, short first."""
    lengths = windows[:, 1] - windows[:, 0]
    order = np.argsort(lengths, kind="stable")
    changes = np.flatnonzero(np.diff(lengths[order])) + 1
    for group in np.split(order, changes):
        for first in range(0, len(group), batch_size):
            yield group[first : first + batch_size]


@dataclass
class BrainTuningCollator:
    """Make batches of {"audio": (n_samples,) at 16 kHz, "labels": (n_voxels,)} items.

    Labels are optional: evaluation windows have none. In place of "audio", or beside it, there may
    be tensors that are inputs already, by name, such as cached features.

    Parameters
    ----------
    feature_extractor : the checkpoint's own
    """

    feature_extractor: FeatureExtractionMixin

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return the model's inputs and "labels", a float32 (batch, n_voxels) tensor.

        Raises
        ------
        ValueError
            As `model_inputs`, if items have different numbers of voxels, or only some have labels.
        """
        names = items[0].keys() - {"audio", "labels"}
        inputs = {name: _stacked([item[name] for item in items]) for name in names}
        if "audio" in items[0]:
            inputs |= model_inputs(self.feature_extractor, [item["audio"] for item in items])
        n_labelled = sum("labels" in item for item in items)
        if not n_labelled:
            return inputs
        if n_labelled < len(items):
            raise ValueError(
                f"all items of a batch or none have labels, got {n_labelled} with them"
            )
        labels = [np.asarray(item["labels"], dtype=np.float32) for item in items]
        shapes = {label.shape for label in labels}
        if len(shapes) > 1 or labels[0].ndim != 1:
            raise ValueError(
                f"labels must have one shape (n_voxels,) in all items, got {sorted(shapes)}"
            )
        return {**inputs, "labels": torch.from_numpy(np.stack(labels))}


def _stacked(tensors):
    """Copy tensors into a batch, in pinned memory where a GPU will fetch it."""
    in_worker = torch.utils.data.get_worker_info() is not None
    batch = torch.empty(
        (len(tensors), *tensors[0].shape),
        dtype=tensors[0].dtype,
        pin_memory=torch.cuda.is_available() and not in_worker,
    )
    return torch.stack(tensors, out=batch)
