"""Checkpoints that a training goes on from: sealed when they are whole, and found again."""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

from transformers.trainer import TRAINER_STATE_NAME

from .kept_arrays import written_whole

SEAL = "checksums.json"  # the last file of a checkpoint to be written


def seal(checkpoint: str | os.PathLike) -> None:
    """Write the checksums of all files of a checkpoint beside them: now it is whole.

    Parameters
    ----------
    checkpoint : folder
    """
    with written_whole(Path(checkpoint, SEAL)) as partial:
        checksums = file_checksums(checkpoint, "**/*")
        partial.write_text(json.dumps(checksums, indent=1), encoding="utf-8")


def file_checksums(folder: str | os.PathLike, pattern: str = "*") -> dict[str, str]:
    """Return digests of the files in a folder, but for a seal and what is being written.

    Parameters
    ----------
    folder : path-like
    pattern : str
        Of their paths within the folder; those of folders in it are left out by default.

    Returns
    -------
    dict of {str: str}
        By path within the folder.
    """
    paths = (path for path in sorted(Path(folder).glob(pattern)) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in paths
        if path.name != SEAL and not path.name.startswith(".") and path.suffix != ".partial"
    }


def damaged_file(folder: str | os.PathLike, checksums: Mapping[str, str]) -> Path | None:
    """Return a file that is not what its checksum says, or is gone; None if all are.

    Parameters
    ----------
    folder : path-like
    checksums : {str: str}
        Of `file_checksums`; other files are not looked at.
    """
    for name, digest in checksums.items():
        path = Path(folder, name)
        if not path.is_file() or _digest(path) != digest:
            return path
    return None


def last_checkpoint(folder: str | os.PathLike) -> str | None:
    """Return the newest whole checkpoint of a training, whose best one is whole too.

    Parameters
    ----------
    folder : path-like
        With the checkpoints, `checkpoint-<step>`.

    Returns
    -------
    str or None
        None where there is no whole one.

    Warns
    -----
    UserWarning
        A file is damaged, so that an older checkpoint is taken. One that is not sealed was cut
        off when it was written, or removed in part, and is passed over in silence.
    """
    sealed = [path.parent for path in Path(folder).glob(f"checkpoint-*/{SEAL}")]
    for checkpoint in sorted(sealed, key=_step, reverse=True):
        damaged = _damaged_in(checkpoint)
        best = None if damaged else best_beside(checkpoint)
        damaged = damaged or (best and _damaged_in(best))
        if not damaged:
            return str(checkpoint)
        warnings.warn(
            f"{damaged} is damaged: {checkpoint.name} is passed over, for an older one or the "
            "beginning",
            stacklevel=1,
        )
    return None


def best_beside(checkpoint: str | os.PathLike) -> Path | None:
    """Return the best checkpoint up to one, which lies beside it wherever both were moved to."""
    state = json.loads(Path(checkpoint, TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    best = state["best_model_checkpoint"]
    return None if best is None else Path(checkpoint).with_name(Path(best).name)


def _step(checkpoint):
    return int(checkpoint.name.rpartition("-")[2])


def _damaged_in(checkpoint):
    path = checkpoint / SEAL
    try:
        checksums = json.loads(path.read_text(encoding="utf-8"))
        return damaged_file(checkpoint, checksums)
    except (OSError, ValueError, AttributeError):  # no file, no JSON, no object
        return path


def _digest(path):
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
