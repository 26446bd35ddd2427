"""Arrays that are kept on disk: written whole or not at all, and checked when they are read."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

NOTE = "kept"  # in one entry, since a file's entries are in no order


class Kept(NamedTuple):
    """What `kept` reads: arrays by name, and what was said of them."""

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]


def keep(
    path: str | os.PathLike,
    arrays: Mapping[str, np.ndarray],
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write arrays to a safetensors file so that no reader ever sees a part of it.

    Parameters
    ----------
    path : path-like
    arrays : {str: array}
        Not empty.
    facts : dict, optional
        To be kept beside them; of what JSON holds.
    """
    # The file takes the memory as it lies.
    arrays = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    checksums = {name: checksum(values) for name, values in sorted(arrays.items())}
    note = json.dumps({"checksums": checksums, "facts": facts or {}})
    with written_whole(path) as partial:
        save_file(arrays, partial, {NOTE: f"{_digest(note)} {note}"})


def kept(path: str | os.PathLike) -> Kept | None:
    """Read what `keep` wrote.

    Returns
    -------
    Kept or None
        None if there is no such file, or it is damaged.
    """
    try:
        with safe_open(path, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            digest, _, said = (file.metadata() or {})[NOTE].partition(" ")
        note = json.loads(said)
        sound = note["checksums"] == {name: checksum(arrays[name]) for name in arrays}
        return Kept(arrays, note["facts"]) if sound and digest == _digest(said) else None
    except (FileNotFoundError, SafetensorError, KeyError, ValueError):
        return None


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def checksum(values: np.ndarray) -> str:
    """Return a digest of an array: its type, shape and bytes."""
    digest = hashlib.sha256(f"{values.dtype} {values.shape}\n".encode())
    digest.update(np.ascontiguousarray(values))
    return digest.hexdigest()


@contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Name to write a file under: it becomes `path` when all is written.

    A file that is there already is replaced, and stays as it is if writing fails. Who may read it
    is as for any new file.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch()
        mode = partial.stat().st_mode
        yield partial
        partial.chmod(mode)  # writers of safetensors let nobody else read
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def follow_umask(folder: str | os.PathLike) -> None:
    """Let those read weights in a folder who may read the configuration beside them.

    Writers of safetensors keep files to their owner, whatever the umask says.
    """
    for path in Path(folder).glob("*.safetensors"):
        shutil.copymode(Path(folder) / "config.json", path)
