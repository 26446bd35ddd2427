"""What frozen parts and the pretrained model make of training windows: computed once, kept."""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from operator import index
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import FeatureExtractionMixin
from transformers.utils import logging

from .collator import cut, model_inputs
from .kept_arrays import NOTE, written_whole
from .modeling_braintune import BrainTuningMixin
from .representation_cache import UNREAD_FIELDS, UNREAD_SETTINGS, weights_fingerprint
from .retention import STATES, pretrained_states

FORMAT = 2  # of files, and of how features are made: a new one leaves old files behind
BLOCK = 128  # windows in a file: what an interruption can cost
BLOCK_BYTES = 2**28  # of a file of fewer windows, where each takes much


def cached_features(
    model: BrainTuningMixin,
    feature_extractor: FeatureExtractionMixin,
    recordings: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    cache_dir: str | os.PathLike,
    dtype: torch.dtype | None = None,
    batch_size: int = 8,
    max_bytes: int | None = None,
    progress: bool = False,
) -> "CachedFeatures | None":
    """Compute what `model.frozen_features` gives for windows of sound, once for all passes.

    With frozen layers (`model.freeze_other_layers`) that is the output of the last one.

    A file holds a block of up to 128 windows, mapped into memory and not read before it is asked
    for; a window is checked whenever it is. The file is named after all that its features follow
    from (the frozen weights, the feature extractor, the sound, precision and kind of device), so
    that whoever tunes on the same sound shares it: the permuted control, later runs, other
    participants who heard it. Where windows take much, a file holds fewer of them.

    Features are those of a batch of `batch_size` windows under the model's own kernels. Training
    on them gives the loss and gradients of training on sound to the last bit where a kernel
    rounds alike in batches of every size, as at the size of wav2vec2-base on CPUs.

    Processes that ask for the same features at the same time, as under `torchrun`, share the
    blocks among them. An interrupted run goes on with the blocks that are missing or cut off.

    Parameters
    ----------
    model : a model for brain-tuning whose feature encoder is frozen
    feature_extractor : the checkpoint's own
    recordings : list of (audio, windows)
        Float arrays of shape (n_samples,), mono at 16 kHz, with int arrays of shape
        (n_windows, 2), start and end in samples. Windows may reach beyond the sound, where
        silence stands in.
    cache_dir : path-like
        Made if need be.
    dtype : torch.bfloat16 or torch.float16 if training runs under autocast to it, else None
    batch_size : int, windows per batch
    max_bytes : int, or None for no limit but free disk space
    progress : bool, whether to show a progress bar

    Returns
    -------
    CachedFeatures of the windows of all recordings in order, or None, with a warning that says
    why, if files would take more than `max_bytes` or than the disk has left

    Raises
    ------
    ValueError
        If the feature encoder is not frozen, windows differ in length or are no such bounds, or
        as `model.frozen_features` and `model_inputs`.
    """
    frozen = nn.ModuleList(model.frozen_parts())
    if any(parameter.requires_grad for parameter in frozen.parameters()):
        raise ValueError(
            "features stay what they are only while the feature encoder does: call "
            "model.freeze_feature_encoder() first"
        )
    facts = _facts(model, frozen, feature_extractor, dtype)
    if model.n_frozen_layers:
        facts |= {"n_frozen_layers": model.n_frozen_layers, "config": _config(model)}
    return _kept(
        model,
        feature_extractor,
        recordings,
        facts,
        model.frozen_features,
        "the frozen layers run" if model.n_frozen_layers else "the feature encoder runs",
        cache_dir=cache_dir,
        dtype=dtype,
        batch_size=batch_size,
        max_bytes=max_bytes,
        progress=progress,
    )


def cached_states(
    model: BrainTuningMixin,
    feature_extractor: FeatureExtractionMixin,
    recordings: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    cache_dir: str | os.PathLike,
    dtype: torch.dtype | None = None,
    batch_size: int = 8,
    max_bytes: int | None = None,
    progress: bool = False,
) -> "CachedFeatures | None":
    """Compute what `pretrained_states` gives for windows of sound, once for all passes.

    A window of 10 s takes 1.5 MB for each layer of a model of wav2vec2-base's size, 18 MB for all
    twelve. Frozen layers are left out. Files are kept and checked as those of `cached_features`.

    Parameters
    ----------
    model : a model for brain-tuning, as it was pretrained
    feature_extractor, recordings, cache_dir, dtype, batch_size, max_bytes, progress
        As in `cached_features`.

    Returns
    -------
    CachedFeatures or None, as `cached_features`

    Raises
    ------
    ValueError
        If windows differ in length or are no such bounds, or as `model_inputs`.
    """
    facts = _facts(model, model.base_model, feature_extractor, dtype)
    facts |= {"kind": STATES, "n_frozen_layers": model.n_frozen_layers, "config": _config(model)}
    return _kept(
        model,
        feature_extractor,
        recordings,
        facts,
        lambda inputs: pretrained_states(model, inputs),
        "the pretrained model runs",
        cache_dir=cache_dir,
        dtype=dtype,
        batch_size=batch_size,
        max_bytes=max_bytes,
        progress=progress,
    )


def _kept(
    model: BrainTuningMixin,
    feature_extractor: FeatureExtractionMixin,
    recordings: Sequence[tuple[np.ndarray, np.ndarray]],
    facts: dict[str, Any],
    run: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    else_: str,
    *,
    cache_dir: str | os.PathLike,
    dtype: torch.dtype | None,
    batch_size: int,
    max_bytes: int | None,
    progress: bool,
) -> "CachedFeatures | None":
    """What `run` makes of the inputs of windows, in blocks that are named after facts and sound."""
    _check_windows(recordings)
    cache_dir = Path(cache_dir)
    cache_dir.mkdir(parents=True, exist_ok=True)
    said = json.dumps(facts, sort_keys=True)

    def compute(clips):
        return _computed(model, feature_extractor, clips, dtype, batch_size, run)

    audio, windows = recordings[0]
    of_one = max(values.nbytes for values in compute(_clips(audio, windows[:1])).values())
    size = min(BLOCK, max(1, BLOCK_BYTES // of_one))
    paths, missing = [], {}
    for audio, windows in recordings:
        for first in range(0, len(windows), size):
            block = audio, windows[first : first + size]
            paths.append(cache_dir / f"{_digest(said, *block)}.safetensors")
            missing[paths[-1]] = block
    obstacle = _obstacle(missing, of_one, cache_dir, max_bytes)
    if obstacle:
        warnings.warn(f"{obstacle}: {else_} at every step", stacklevel=3)
        return None

    n_windows = sum(len(windows) for _, windows in missing.values())
    with logging.tqdm(total=n_windows, unit="window", disable=not progress) as bar:
        for wait in (False, True):  # first what nobody is computing, then what others were
            for path in list(missing):
                with suppress(Timeout), FileLock(path.with_suffix(".lock"), blocking=wait):
                    if not _is_stored(path):
                        tensors = compute(_clips(*missing[path]))
                        with written_whole(path) as partial:
                            save_file(tensors, partial, {NOTE: json.dumps(_checksums(tensors))})
                    bar.update(len(missing.pop(path)[1]))
    return CachedFeatures(paths)


class CachedFeatures:
    """A sequence of what `forward` takes in place of each window's sound.

    A window whose file is damaged is a ValueError that names the file, which is removed: whoever
    asks for the features again has them computed anew.

    Parameters
    ----------
    paths : list of the files of blocks, in order
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        blocks = {path: _loaded(path) for path in set(paths)}
        self._paths, self._blocks = paths, [blocks[path] for path in paths]
        self._ends = np.cumsum([len(checksums) for _, checksums in self._blocks])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        """Return the inputs of a window by name, each without the dimension of a batch."""
        i = range(len(self))[index(i)]
        k = np.searchsorted(self._ends, i, side="right")
        tensors, checksums = self._blocks[k]
        window = {name: values[i - self._ends[k]] for name, values in tensors.items()}
        if _checksum(window) != checksums[i - self._ends[k]]:
            self._paths[k].unlink(missing_ok=True)
            raise ValueError(
                f"{self._paths[k]} is damaged, and removed: the same command computes it again"
            )
        return window


class FeatureWindows:
    """Pairs of features and response: an indexed data set for a Trainer.

    Parameters
    ----------
    pairs : indexed data set of {"audio", "labels"} items whose `labels(i)` cuts no sound
    features : CachedFeatures of the same windows

    Raises
    ------
    ValueError
        If they are not equally many.
    """

    def __init__(self, pairs: Any, features: CachedFeatures) -> None:
        if len(pairs) != len(features):
            raise ValueError(f"got features of {len(features)} windows for {len(pairs)} pairs")
        self._pairs, self._features = pairs, features

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Return a window's inputs by name, and its "labels"."""
        return {**self._features[i], "labels": self._pairs.labels(i)}


class StateWindows:
    """The pairs of an indexed data set, each with the kept hidden states of its window.

    Parameters
    ----------
    pairs : indexed data set of items by name
    states : CachedFeatures of the same windows, from `cached_states`

    Raises
    ------
    ValueError
        If they are not equally many.
    """

    def __init__(self, pairs: Any, states: CachedFeatures) -> None:
        if len(pairs) != len(states):
            raise ValueError(f"got states of {len(states)} windows for {len(pairs)} pairs")
        self._pairs, self._states = pairs, states

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Return what the pair holds, and "pretrained_states"."""
        return {**self._pairs[i], **self._states[i]}


def _config(model):
    """What a configuration says of more than weights and modules, such as attention's heads."""
    fields = json.loads(model.config.to_json_string(use_diff=False))
    attention = {"attention": model.config._attn_implementation}
    return {key: fields[key] for key in fields.keys() - UNREAD_FIELDS} | attention


def _facts(model, parts, feature_extractor, dtype):
    """All that the features of a given sound follow from."""
    settings = json.loads(feature_extractor.to_json_string())
    return {
        "format": FORMAT,
        "model": type(model).__name__,
        "feature_encoder": repr(parts),
        "weights": weights_fingerprint(parts),
        "feature_extractor": {key: settings[key] for key in settings.keys() - UNREAD_SETTINGS},
        "dtype": str(dtype),
        "device": model.device.type,
    }


def _check_windows(recordings):
    if not recordings:
        raise ValueError("recordings must hold at least one (audio, windows), got none")
    lengths = set()
    for audio, windows in recordings:
        if audio.ndim != 1 or windows.ndim != 2 or windows.shape[1] != 2 or not len(windows):
            raise ValueError(
                "a recording must be audio of shape (n_samples,) with windows of shape "
                f"(n_windows, 2), got {audio.shape} with {windows.shape}"
            )
        lengths |= set((windows[:, 1] - windows[:, 0]).tolist())
    if len(lengths) > 1:
        raise ValueError(
            f"windows must be of one length, got {min(lengths)} to {max(lengths)} samples"
        )


def _clips(audio, windows):
    """The sound of each window; windows that overlap share the memory."""
    start = windows.min()
    sound = cut(audio, start, windows.max())
    return [sound[first:last] for first, last in windows - start]


def _digest(facts, audio, windows):
    digest = hashlib.sha256(facts.encode())
    start, stop = windows.min(), windows.max()
    digest.update(np.ascontiguousarray(windows - start, np.int64))
    digest.update(cut(audio, start, stop))
    return digest.hexdigest()


def _obstacle(missing, bytes_of_one, cache_dir, max_bytes):
    """Why the files have no room, in words; None if they have."""
    needed = bytes_of_one * sum(len(windows) for _, windows in missing.values())
    there = sum(path.stat().st_size for path in missing if path.exists())
    free = shutil.disk_usage(cache_dir).free
    if max_bytes is not None and needed > max_bytes:
        return f"features take {needed:,} bytes, more than max_bytes={max_bytes:,}"
    if needed - there > free:
        return f"features take {needed - there:,} more bytes, but {cache_dir} has {free:,} left"
    return None


@torch.no_grad()
def _computed(model, feature_extractor, clips, dtype, batch_size, run):
    """Features of clips of one length, and one row of the mask, where there is one, for all."""

    def prepare(first):
        return model_inputs(feature_extractor, clips[first : first + batch_size])

    batches = []
    with ThreadPoolExecutor() as pool:
        for inputs in pool.map(prepare, range(0, len(clips), batch_size)):
            inputs = {name: values.to(model.device) for name, values in inputs.items()}
            with torch.autocast(model.device.type, dtype, enabled=dtype is not None):
                features = run(inputs)
            batches.append({name: values.cpu() for name, values in features.items()})
    (name,) = {model.main_input_name, STATES} & batches[0].keys()
    shared = {key: values[:1].clone() for key, values in batches[0].items() if key != name}
    return {name: torch.cat([batch[name] for batch in batches]).contiguous(), **shared}


def _loaded(path):
    """Map a block; the row of the mask, which windows of one length share, stands for each."""
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        checksums = json.loads(file.metadata()[NOTE])
    return _expanded(tensors, len(checksums)), checksums


def _expanded(tensors, n_windows):
    return {name: values.expand(n_windows, *values.shape[1:]) for name, values in tensors.items()}


def _checksums(tensors):
    """Of each window of a block; a quick sum will do, since it is taken whenever one is read."""
    n_windows = max(map(len, tensors.values()))
    block = _expanded(tensors, n_windows)
    return [
        _checksum({name: values[i] for name, values in block.items()}) for i in range(n_windows)
    ]


def _checksum(window):
    value = 0
    for name, values in sorted(window.items()):
        value = crc32(f"{name} {values.dtype} {tuple(values.shape)}".encode(), value)
        value = crc32(values.contiguous().view(torch.uint8).numpy(), value)
    return value


def _is_stored(path):
    try:
        with safe_open(path, "pt") as file:  # which compares its size to what it is to hold
            return isinstance(json.loads(file.metadata()[NOTE]), list)
    except (FileNotFoundError, SafetensorError, KeyError, TypeError, ValueError):
        return False
