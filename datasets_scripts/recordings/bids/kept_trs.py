"""Which TRs of a story's scans are kept, and when they are in its sound."""

import math
import warnings

import numpy as np

from ..ds003020_anatomy import read_json
from .runs import Run

# Repeats are averaged TR by TR: their TRs may lie this much apart, in TRs from the sound's start.
REPEAT_TOLERANCE = 0.05
# Sidecars and headers round a TR, in thousandths of it; more than that is another TR.
TR_TOLERANCE = 1e-3
# Onsets are written as decimals: an edge that misses a TR's by less than this meets it.
EDGE_TOLERANCE = 1e-6


class NoTrsLeft(ValueError):
    """A sound, or a scan of it, is too short to leave TRs after the lead."""


def kept_trs(
    name: str, runs: list[Run], seconds: float, lead: float
) -> tuple[float, np.ndarray, list[slice]]:
    """TRs of the runs of one story that all of them hold.

    Parameters
    ----------
    name : str
        The story.
    runs : list of Run
        In which it was heard.
    seconds : float
        How long its sound is.
    lead : float
        Seconds left out at its start.

    Returns
    -------
    tr : float
        Seconds.
    tr_times : array of shape (n_trs,)
        Midpoints, in seconds from the start of the sound in the first run.
    kept : list of slice
        Of each run's TRs.

    Raises
    ------
    NoTrsLeft, ValueError
        As `read_bids`.

    Warns
    -----
    UserWarning
        As `read_bids`.
    """
    first = runs[0].sounds[name]
    tr = repetition_time(runs[0])
    shifts = [_shift(name, run, runs[0], seconds, tr) for run in runs]
    begin = math.ceil((first.story_start + lead) / tr - EDGE_TOLERANCE)
    begin = max([begin] + [-shift for shift in shifts])
    sound_end = math.floor((first.start + seconds) / tr + EDGE_TOLERANCE)
    scan_end = min(run.scan.n_trs - shift for run, shift in zip(runs, shifts, strict=True))
    end = min(sound_end, scan_end)

    short = f"{(sound_end - end) * tr:.2f} s before the last TR of {first.stim_file}"
    if end - begin < 2:  # one TR has no variance to z-score by
        raise NoTrsLeft(
            f"{runs[0].path}: fewer than two TRs of {name} are left after a lead of {lead} s; "
            f"the sound lasts {seconds:.2f} s from {first.start} s on, its story begins at "
            f"{first.story_start} s, and the scan ends {short}"
        )
    if end < sound_end:
        warnings.warn(
            f"{runs[0].path}: the scan of {name}, or of a repeat of it, ends {short}", stacklevel=2
        )
    tr_times = (np.arange(begin, end) + 0.5) * tr - first.start
    return tr, tr_times, [slice(begin + shift, end + shift) for shift in shifts]


def _shift(name, run, first_run, seconds, tr):
    """TRs by which the sound starts later in a run than in the first."""
    sound, first = run.sounds[name], first_run.sounds[name]
    if sound.last_event >= sound.start + seconds:
        raise ValueError(
            f"{run.events}: {sound.stim_file} lasts {seconds:.2f} s from {sound.start} s on, "
            f"got an event of it at {sound.last_event} s; it can be played once in a run"
        )
    if not math.isclose(repetition_time(run), tr, rel_tol=1e-6):
        raise ValueError(
            f"{run.path}: repeats of {name} must have one TR, got {repetition_time(run)} s here "
            f"and {tr} s in {first_run.path}"
        )
    shift = (sound.start - first.start) / tr
    if abs(shift - round(shift)) > REPEAT_TOLERANCE:
        raise ValueError(
            f"{run.events}: the TRs of repeats must lie alike on the sound, within "
            f"{REPEAT_TOLERANCE} TR; got {sound.stim_file} at {sound.start} s here and at "
            f"{first.start} s in {first_run.events}, {shift:.3f} TRs apart"
        )
    return round(shift)


def repetition_time(run: Run) -> float:
    """Seconds per TR: of the scan's own sidecar, of the raw data's, or of the image's header.

    Raises
    ------
    ValueError
        None of them gives it, a sidecar gives none that is sensible, or one that contradicts the
        header's.
    """
    in_header = run.scan.header_tr
    for path in run.sidecars:
        sidecar = read_json(path)
        if "RepetitionTime" in sidecar:
            tr = sidecar["RepetitionTime"]
            if not isinstance(tr, int | float) or not 0 < tr < math.inf:
                raise ValueError(f"{path}: RepetitionTime must be seconds, got {tr!r}")
            if in_header is not None and not math.isclose(tr, in_header, rel_tol=TR_TOLERANCE):
                raise ValueError(
                    f"{path}: RepetitionTime is {tr:g} s, but the header of {run.path} says "
                    f"{in_header:g} s; correct the one that is wrong"
                )
            return float(tr)
    if in_header is None:
        raise ValueError(
            f"{run.path}: neither a sidecar nor its header gives a TR; write RepetitionTime, in "
            f"seconds, to {run.scan.sidecar.name}"
        )
    return in_header
