"""Files and folders that are written to their end, or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Name to write a file under: it becomes `path` when all is written.

    Parameters
    ----------
    path : path-like
        A file that is there already is replaced, and stays as it is if writing fails.

    Yields
    ------
    Path
        Beside `path`. Nothing stays of it when the block raises.
    """
    path = Path(path)
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def made_whole(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Folder to fill: it becomes `folder` when all is written.

    Parameters
    ----------
    folder : path-like
        Must not exist. Folders above it are made.

    Yields
    ------
    Path
        An empty folder, `<folder>.partial`. What an earlier process that was killed has left of it
        is removed first, and nothing stays of it when the block raises.
    """
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
