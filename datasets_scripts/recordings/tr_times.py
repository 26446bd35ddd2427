"""When the scanner took each TR of a story, from the report of the stimulus presentation."""

import math
from os import PathLike
from pathlib import Path

import numpy as np

TRIGGERS = ("init-trigger", "trigger")
SOUND_START = "sound-start"


def read_tr_times(path: str | PathLike[str]) -> tuple[np.ndarray, float]:
    """Read the TRs of a story from the report that was written while it was played.

    One event a line: its time in seconds and its label. `init-trigger` and `trigger` mark the start
    of a TR, `sound-start` that of the sound; other events, and times without a label, are passed
    over.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    tr_times : float64 array of shape (n_triggers,)
        Midpoints of the TRs in seconds from the start of the sound.
    tr : float
        Seconds per TR: the median distance of two triggers.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        A line that begins with no time, fewer than two triggers, no sound-start or two, triggers
        that do not come in order, or two that are further apart than 1.5 TRs or closer than half a
        TR. The message names the file, and the line where there is one.
    """
    path = Path(path)
    triggers, sounds = {}, []
    # Labels hold what was presented, in any encoding; those that matter here are ASCII.
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        time, label = _event(path, number, line)
        if label in TRIGGERS:
            triggers[number] = time
        elif label == SOUND_START:
            sounds.append(time)
    if len(triggers) < 2:
        raise ValueError(f"{path}: expected a trigger for each TR, got {len(triggers)} triggers")
    if len(sounds) != 1:
        raise ValueError(f"{path}: expected one {SOUND_START}, got {len(sounds)}")
    starts = np.array(list(triggers.values()))
    tr = float(np.median(np.diff(starts)))
    for number, distance in zip(list(triggers)[1:], np.diff(starts), strict=True):
        if not 0.5 * tr <= distance <= 1.5 * tr or distance <= 0:
            raise ValueError(
                f"{path}: the trigger at line {number} comes {distance:g} s after the one before, "
                f"where a TR is {tr:g} s: one is missing, one too many, or they are out of order"
            )
    return starts + tr / 2 - sounds[0], tr


def _event(path, number, line):
    time, label = [*line.split(maxsplit=1), ""][:2]
    try:
        seconds = float(time)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"{path}: line {number} must begin with a time in seconds, got {line!r}")
    return seconds, label.strip()
