"""Files and folders that are written to their end, or not at all."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


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
        `.partial-<name>`, beside `path`. Nothing stays of it when the block raises, and what an
        earlier process that was killed has left of it is written over.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{path.name}")
    partial.unlink(missing_ok=True)
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


@contextmanager
def made_by_one(place: str | os.PathLike[str], what: str | None = None) -> Iterator[None]:
    """Wait, and say so, while another process makes what is kept at a place in a cache.

    Parameters
    ----------
    place : path-like
        The folder that it is in is made if need be.
    what : str, optional
        What the other process makes; the place's name by default.
    """
    place = Path(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{place}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"Waiting for another process, which makes {what or place.name} ...", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
