"""What each layer of a speech model makes of a whole clip: the mean over its frames."""

import hashlib
import os
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from transformers import FeatureExtractionMixin, PreTrainedModel
from transformers.utils import logging

from .layer_representations import (
    checked_audio,
    checked_settings,
    gathered,
    receptive_field,
    represented,
)
from .pooling import masked_mean
from .representation_cache import entry_of, gathered_once, model_facts


def clip_representations(
    model: PreTrainedModel,
    feature_extractor: FeatureExtractionMixin,
    clips: Sequence[np.ndarray],
    layers: Sequence[int] | None = None,
    *,
    names: Sequence[str] | None = None,
    cache_dir: str | os.PathLike | None = None,
    batch_size: int = 8,
    progress: bool = False,
    dtype: torch.dtype | None = None,
) -> np.ndarray:
    """Represent clips by the means of every layer over their real frames.

    The features of linear probes (Moussa et al. 2025, section 3.4.3). Each clip is normalised by
    itself. Clips share a batch if they are of equal length, or if the family pads all of them to
    one.

    Parameters
    ----------
    model : a model for brain-tuning, a stock backbone or a stock task model around one
    feature_extractor : the checkpoint's own
    clips : sequence of float arrays of shape (n_samples,), mono at 16 kHz
        Taken by number when they are needed, twice each: one that reads files spares the memory.
    layers : list of int, or None for all; 0 is the transformer's input
    names : sequence of str, optional
        What errors call the clips; their numbers by default.
    cache_dir : path-like, optional
        Keeps representations there as `cached_representations` does, by the clips' samples.
    batch_size : int, clips per batch
    progress : bool, whether to show progress bars
    dtype : torch.bfloat16 or None, as in `layer_representations`

    Returns
    -------
    representations : float32 array of shape (n_layers, n_clips, hidden)

    Raises
    ------
    ValueError
        If a clip is not finite mono audio, is shorter than the model's receptive field or longer
        than the feature extractor's chunk, or a layer or dtype is unknown.
    """
    layers = checked_settings(model, layers, batch_size, dtype)
    longest = getattr(feature_extractor, "n_samples", np.inf)
    lengths, digest = _measured(clips, names, receptive_field(model), longest, progress)
    # Clips that are padded to a chunk are all as long as any other.
    windows = np.stack([0 * lengths, lengths if longest == np.inf else 0 * lengths], axis=1)
    represent = partial(represented, model, feature_extractor, clips, layers, dtype, _mean)
    request = represent, model, windows, layers, batch_size, progress, "clip"
    if cache_dir is None:
        return gathered(*request)
    facts = model_facts(model, feature_extractor, layers, dtype) | {"clips": digest}
    return gathered_once(entry_of(cache_dir, facts), *request)


def _mean(hidden_states, mask):
    mask = None if mask is None else mask.to(hidden_states.device)
    return masked_mean(hidden_states.float(), mask)


def _measured(clips, names, shortest, longest, progress):
    """Numbers of samples, and a digest of them and the samples, of clips that are as they must."""
    lengths, digest = [], hashlib.sha256()
    bar = logging.tqdm(range(len(clips)), desc="Reading", unit="clip", disable=not progress)
    for number in bar:
        name = f"clip {number if names is None else names[number]}"
        clip = checked_audio(clips[number], name)
        if not shortest <= clip.size <= longest:
            reason = (
                f"shorter than the model's receptive field of {shortest}"
                if clip.size < shortest
                else f"longer than the {longest} that the feature extractor takes"
            )
            raise ValueError(f"{name} has {clip.size} samples, {reason}: leave it out")
        lengths.append(clip.size)
        digest.update(f"{clip.size} ".encode() + clip.tobytes())
    return np.array(lengths, dtype=np.int64), digest.hexdigest()
