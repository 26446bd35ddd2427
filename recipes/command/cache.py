"""The folder that this package keeps things in, within the Hugging Face cache."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from huggingface_hub import constants


def cache_folder(*parts: str) -> Path:
    """Return a place in the cache; `HF_HOME` says where that is.

    Parameters
    ----------
    *parts : str
        Of the place's path.

    Returns
    -------
    Path
        It may not exist yet.
    """
    return Path(constants.HF_HOME, "braintune", *parts)


def representations_folder(chosen: str | None) -> Path:
    """Return the folder that keeps representations: the one that was chosen, or the default one."""
    return cache_folder("representations") if chosen is None else Path(chosen)


@contextmanager
def made_by_one(place: Path) -> Iterator[None]:
    """Wait, and say so, while another process makes what is kept at a place in the cache.

    Parameters
    ----------
    place : Path
        The folder that it is in is made if need be.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{place}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"Waiting for another process, which makes {place.name} ...", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
