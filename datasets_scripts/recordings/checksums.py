"""Checksums of what is prepared: of a story's rows, and of what describes the rows in their files.

Rows are checked when a story is read: they pass through memory then in any case, so that
gigabytes are not read twice. What describes them lies at the ends of a file, and is checked when it
is opened, since readers would stumble over it. Sums are quick ones: they are to tell damage, not
forgery.
"""

import json
from collections.abc import Iterable
from os import SEEK_END, PathLike
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike

from ..whole_files import written_whole

SEAL = "checksums.json"
N_BYTES = 2**16  # at each end of a file: far more than any description takes


def seal(folder: str | PathLike[str]) -> None:
    """Write checksums of the ends of all files in a folder beside them, unless they are there.

    Parameters
    ----------
    folder : path-like
        With a prepared data set.
    """
    if not Path(folder, SEAL).exists():
        with written_whole(Path(folder, SEAL)) as partial:
            partial.write_text(json.dumps(_ends(folder)), encoding="utf-8")


def check_seal(folder: str | PathLike[str]) -> None:
    """Refuse a folder with a file whose ends are not what they were.

    Parameters
    ----------
    folder : path-like
        With a prepared data set; one without a seal is taken as it is.

    Raises
    ------
    ValueError
        The message names the file.
    """
    path = Path(folder, SEAL)
    if not path.exists():
        return
    try:
        said = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        said = {SEAL: "readable"}
    found = _ends(folder)
    for name in said:
        if said[name] != found.get(name):
            raise ValueError(
                f"{folder}/{name} is damaged: remove {folder}/, and it is prepared again"
            )


def _ends(folder):
    sums = {}
    for path in sorted(Path(folder).iterdir()):
        if path.name != SEAL and not path.name.startswith(".partial-"):
            with open(path, "rb") as file:
                start, size = file.read(N_BYTES), file.seek(0, SEEK_END)
                file.seek(max(0, size - N_BYTES))
                sums[path.name] = crc32(file.read(), crc32(start, size % 2**32))
    return sums


def responses_checksum(tr: float, tr_times: ArrayLike, values: np.ndarray) -> int:
    """Return a checksum of responses.

    Parameters
    ----------
    tr : float
    tr_times : array of shape (n_trs,)
    values : array of shape (n_trs, n_voxels), or (n_repeats, n_trs, n_voxels)
        As stored.

    Returns
    -------
    int
    """
    times = np.ascontiguousarray(tr_times, dtype=np.float64)
    facts = f"{float(tr)!r} {len(times)} {values.dtype} {values.shape[-1]}"
    return crc32(np.ascontiguousarray(values), crc32(times, crc32(facts.encode())))


def sound_checksum(sound: Any, words: Iterable[Any], phones: Iterable[Any]) -> int:
    """Return a checksum of what was heard.

    Parameters
    ----------
    sound : bytes-like
        The sound file.
    words, phones : list of (start, end, label)

    Returns
    -------
    int
    """
    tiers = [[list(interval) for interval in tier] for tier in (words, phones)]
    return crc32(sound, crc32(json.dumps(tiers).encode()))
