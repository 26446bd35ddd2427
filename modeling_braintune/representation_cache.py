"""Layer representations that are kept on disk, and that processes compute together."""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import nn
from transformers import FeatureExtractionMixin, PreTrainedModel
from transformers.utils import logging

from .collator import batches_of_equal_length
from .kept_arrays import checksum, keep, kept
from .layer_representations import (
    Represent,
    checked_request,
    encoder_of,
    frames_before,
    last_frame,
    measuring,
    represented,
    shape_of,
)

FORMAT = 1  # of entries, and of how representations are made: a new one leaves old entries behind
BLOCK = 128  # windows in a file: what an interruption can cost; batch sizes should divide it
WAIT = 0.1  # seconds between two looks at what other processes have finished
# What is said of a checkpoint's origin and head, which the encoder never reads.
UNREAD_FIELDS = {
    *("_name_or_path", "architectures", "auto_map", "dtype"),
    *("brain", "head_rank", "num_voxels"),
}
UNREAD_SETTINGS = {"_processor_class", "processor_class", "auto_map"}


def cached_representations(
    model: PreTrainedModel,
    feature_extractor: FeatureExtractionMixin,
    audio: np.ndarray,
    windows: np.ndarray,
    layers: Sequence[int] | None = None,
    *,
    cache_dir: str | os.PathLike,
    batch_size: int = 8,
    progress: bool = False,
    dtype: torch.dtype | None = None,
    facts: dict[str, Any] | None = None,
    frames_back: Sequence[int] | None = None,
) -> np.ndarray:
    """Return what `layer_representations` does, computed once.

    An entry of the cache is a folder of files, each with the representations of a block of 128
    windows, or somewhat more, and their checksum. It is named after all that they follow from:
    the encoder's weights and configuration, the feature extractor, audio, windows, layers, frames
    and precision, but not after `batch_size`, which matters to rounding alone. A batch is at most
    128 windows.

    Processes that ask for one entry at the same time, as under `accelerate launch`, share its
    blocks among them, and each returns the whole. Nothing but the folder need connect them. An
    interrupted run goes on with the blocks that are missing or damaged.

    Parameters
    ----------
    model, feature_extractor, audio, windows, layers, batch_size, progress, dtype, frames_back
        As in `layer_representations`.
    cache_dir : path-like
        Made if need be.
    facts : dict, optional
        `model_facts` of this model and request, which takes a pass over all weights: for many
        recordings it is asked for once.

    Returns
    -------
    representations : float32 array
        Of the shape that `layer_representations` gives.

    Raises
    ------
    ValueError
        As `layer_representations`.
    """
    clips, windows, layers = checked_request(model, audio, windows, layers, batch_size, dtype)
    if facts is None:
        facts = model_facts(model, feature_extractor, layers, dtype, frames_back)
    pool = last_frame if frames_back is None else partial(frames_before, frames_back)
    represent = partial(represented, model, feature_extractor, clips, layers, dtype, pool)
    entry = entry_of(cache_dir, _facts_with_sound(facts, audio, windows))
    return gathered_once(
        entry, represent, model, windows, layers, batch_size, progress, frames_back=frames_back
    )


def n_kept(
    audio: np.ndarray, windows: np.ndarray, *, cache_dir: str | os.PathLike, facts: dict[str, Any]
) -> int:
    """Count the windows whose representations are in the cache, without reading these.

    Parameters
    ----------
    audio : array of shape (n_samples,)
    windows : array of shape (n_windows, 2)
    cache_dir, facts
        As in `cached_representations`.

    Returns
    -------
    int
    """
    windows = np.asarray(windows, np.int64)
    entry = entry_of(cache_dir, _facts_with_sound(facts, audio, windows))
    return sum(len(b) for i, b in enumerate(_blocks(windows)) if _place(entry, i).exists())


def _facts_with_sound(facts, audio, windows):
    return facts | {
        "audio": checksum(np.asarray(audio, np.float32)),
        "windows": checksum(windows),
    }


def _place(entry, i):
    """File of a block of an entry."""
    return entry / f"{i:05d}.safetensors"


def gathered_once(
    entry: Path,
    represent: Represent,
    model: PreTrainedModel,
    windows: np.ndarray,
    layers: Sequence[int],
    batch_size: int,
    progress: bool,
    unit: str = "window",
    frames_back: Sequence[int] | None = None,
) -> np.ndarray:
    """Do as `gathered`, but for the blocks that an entry of the cache holds already."""
    missing = {_place(entry, i): block for i, block in enumerate(_blocks(windows))}
    path_of = {index: path for path, block in missing.items() for index in block}
    representations = np.empty(shape_of(model, layers, windows, frames_back), np.float32)

    with (
        measuring(model),
        logging.tqdm(total=len(windows), unit=unit, disable=not progress) as bar,
        ExitStack() as claims,
    ):
        locks = {}

        def unclaimed_batches():
            for path, block in list(missing.items()):
                if lock := _claim(path, shape_of(model, layers, block, frames_back)):
                    claims.callback(lock.release)
                    locks[path] = lock
                    for batch in batches_of_equal_length(windows[block], batch_size):
                        yield block[batch]

        while missing:
            n_missing = len(missing)
            for path, block in list(missing.items()):
                values = stored(path, shape_of(model, layers, block, frames_back))
                if values is not None:
                    representations[:, missing.pop(path)] = values
                    bar.update(len(block))
            computed = represent(unclaimed_batches())
            for path, results in groupby(computed, key=lambda result: path_of[result[0][0]]):
                for batch, values in results:
                    representations[:, batch] = values
                    bar.update(len(batch))
                store(path, representations[:, missing.pop(path)])
                locks[path].release()
            if len(missing) == n_missing:
                time.sleep(WAIT)
    return representations


def weights_fingerprint(module: nn.Module) -> str:
    """Return a digest of every name, shape, type and value of a module's state.

    It is the same in every process and on every device.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def model_facts(
    model: PreTrainedModel,
    feature_extractor: FeatureExtractionMixin,
    layers: Sequence[int] | None,
    dtype: torch.dtype | None,
    frames_back: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return all that representations of any sound follow from, as JSON holds it."""
    encoder = encoder_of(model)
    fields = json.loads(encoder.config.to_json_string(use_diff=False))
    settings = json.loads(feature_extractor.to_json_string())
    return {
        "format": FORMAT,
        "encoder": type(encoder).__name__,
        "weights": weights_fingerprint(encoder),
        "config": {key: fields[key] for key in fields.keys() - UNREAD_FIELDS},
        "feature_extractor": {key: settings[key] for key in settings.keys() - UNREAD_SETTINGS},
        "layers": layers,
        "dtype": None if dtype is None else str(dtype),
        **({} if frames_back is None else {"frames_back": list(frames_back)}),
    }


def entry_of(cache_dir: str | os.PathLike, facts: dict[str, Any]) -> Path:
    """Return the folder of an entry, made if need be, with a note of what it holds."""
    text = json.dumps(facts, indent=1, sort_keys=True)
    folder = Path(cache_dir) / hashlib.sha256(text.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "facts.json"
    if not note.exists() or note.stat().st_size != len(text):  # all of it is ASCII
        note.write_text(text, encoding="utf-8")
    return folder


def _blocks(windows):
    """Divide windows into blocks, at least `BLOCK` indices each but for the last, short first.

    A block begins with a window of a new length, or a multiple of `BLOCK` into one length, so
    that blocks do not change which windows share a batch.
    """
    blocks, size = [], BLOCK
    for piece in batches_of_equal_length(windows, BLOCK):
        if size >= BLOCK:
            blocks.append([])
            size = 0
        blocks[-1].append(piece)
        size += len(piece)
    return [np.concatenate(block) for block in blocks]


def _claim(path, shape):
    """Lock a block that is to be computed; None if another process does so or has done so."""
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    if stored(path, shape) is None:
        return lock
    lock.release()
    return None


def store(path: Path, values: np.ndarray) -> None:
    """Write a block of representations, whole or not at all."""
    keep(path, {"representations": values})


def stored(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Read a block of representations; None if it is absent, damaged or of another shape."""
    found = kept(path)
    values = None if found is None else found.arrays.get("representations")
    return values if values is not None and values.shape == shape else None
