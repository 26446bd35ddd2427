"""One run at a time in an output folder."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from filelock import FileLock, Timeout

LOCK, NOTE = ".braintune-lock", ".braintune-run.json"  # as long as a run lasts


@contextmanager
def sole_run(folder: str | PathLike, is_main: bool = True) -> Iterator[None]:
    """Keep other runs out of an output folder as long as this one lasts.

    Parameters
    ----------
    folder : path-like
        Made for the time, and gone again if nothing was written to it.
    is_main : bool
        Whether this is the first process of the run, the only one that does anything here.

    Raises
    ------
    FileExistsError
        Another run is at work in the folder; the message says which process it is.
    """
    if not is_main:
        yield
        return
    folder = Path(folder)
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock, note = FileLock(folder / LOCK), folder / NOTE
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FileExistsError(
            f"{folder}: another run is at work there{_who(note)}; wait for it, or give another "
            "--output_dir"
        ) from None
    try:
        who = {"process": os.getpid(), "machine": socket.gethostname(), "since": time.ctime()}
        note.write_text(json.dumps(who), encoding="utf-8")
        yield
    finally:
        for path in (note, folder / LOCK):
            path.unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # one that is not empty
            for path in new:
                path.rmdir()


def _who(note):
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        return f", process {told['process']} on {told['machine']} since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # which is just being written
        return ""
