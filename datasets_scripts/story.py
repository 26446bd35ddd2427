"""One participant listening to one story, on the TR axis."""

from dataclasses import dataclass, field
from os import PathLike
from typing import BinaryIO, ClassVar, NamedTuple, NoReturn, TypeAlias

import numpy as np

SoundFile: TypeAlias = str | PathLike[str] | BinaryIO

# The time axis of LeBel et al. 2023 (Scientific Data 10:555) and the code published with it. The
# scanner's TR count exceeds the simulated axis by UNSIMULATED_TRS; the sound starts SOUND_START
# seconds into that axis; stored responses leave out LEAD_TRS at its start and TAIL_TRS at its end.
UNSIMULATED_TRS = 5
LEAD_TRS = 10
TAIL_TRS = 5
SOUND_START = 10.0


def stored_trs(raw_trs: int) -> slice:
    """Which of the TRs that the scanner took have stored responses.

    Parameters
    ----------
    raw_trs : int
        TRs that the scanner took during the story.

    Returns
    -------
    slice
        All but 10 TRs at the start and 10 at the end.

    Raises
    ------
    ValueError
        No TR is left.
    """
    trimmed = UNSIMULATED_TRS + LEAD_TRS + TAIL_TRS
    if raw_trs <= trimmed:
        raise ValueError(f"raw_trs must be above the {trimmed} that are trimmed, got {raw_trs}")
    return slice(LEAD_TRS, raw_trs - UNSIMULATED_TRS - TAIL_TRS)


def tr_midpoints(raw_trs: int, tr: float = 2.0) -> np.ndarray:
    """Midpoints of the TRs whose responses are stored.

    Parameters
    ----------
    raw_trs : int
        TRs that the scanner took during the story.
    tr : float
        Seconds per TR. The published axis takes 2.0 although the scanner took 2.0045
        (LeBel et al. 2023): the two part by 1.35 s over 300 TRs.

    Returns
    -------
    float64 array of shape (raw_trs - 20,)
        Seconds from the start of the sound.

    Raises
    ------
    ValueError
        No TR is left, or `tr` is not positive.
    """
    kept = stored_trs(raw_trs)
    if not tr > 0:
        raise ValueError(f"tr must be positive seconds, got {tr}")
    return np.arange(kept.start, kept.stop) * tr - SOUND_START + tr / 2


class Interval(NamedTuple):
    """What is said between two times.

    Parameters
    ----------
    start, end : float
        Seconds from the start of the sound.
    label : str
        A word, a phone, or a silence label such as "sp".
    """

    start: float
    end: float
    label: str


class StoryShape(NamedTuple):
    """How much was recorded of a story.

    Parameters
    ----------
    n_trs, n_voxels : int
    n_repeats : int
        0 for a story that was heard once.
    """

    n_trs: int
    n_voxels: int
    n_repeats: int


@dataclass(frozen=True, eq=False, kw_only=True)
class StoryResponses:
    """What one participant's brain did while a story was heard.

    Times are in seconds from the start of the sound.

    Parameters
    ----------
    name, participant : str
    tr : float
        Seconds per TR.
    tr_times : array of shape (n_trs,)
        Midpoints of the TRs.
    responses : float32 array of shape (n_trs, n_voxels)
        Z-scored; dead voxels are NaN. Float16 where it was prepared so.
    repeats : float32 array of shape (n_repeats, n_trs, n_voxels), or None
        The single presentations of a repeated story.

    Raises
    ------
    ValueError
        Shapes that do not fit one another, a TR that is not positive.
    """

    name: str
    participant: str
    tr: float
    tr_times: np.ndarray = field(repr=False)
    responses: np.ndarray = field(repr=False)
    repeats: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.tr > 0:
            self._refuse("tr", "positive seconds", self.tr)
        if self.responses.ndim != 2 or not self.responses.size:
            self._refuse("responses", "(n_trs, n_voxels), none of them 0", self.responses.shape)
        n_trs, n_voxels = self.responses.shape
        if self.tr_times.shape != (n_trs,):
            self._refuse("tr_times", f"one per response, ({n_trs},)", self.tr_times.shape)
        if self.repeats is not None and (
            self.repeats.ndim != 3 or self.repeats.shape[1:] != (n_trs, n_voxels)
        ):
            self._refuse("repeats", f"(n_repeats, {n_trs}, {n_voxels})", self.repeats.shape)

    def _refuse(self, what: str, expected: str, got: object) -> NoReturn:
        raise ValueError(
            f"story {self.name} of {self.participant}: {what} must be {expected}, got {got}"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Story(StoryResponses):
    """A story, how it sounded, and what one participant's brain did.

    Parameters
    ----------
    name, participant, tr, tr_times, responses, repeats
        As `StoryResponses`.
    audio : float32 array of shape (n_samples,)
        Mono, at `Story.sampling_rate` (16000 samples per second).
    audio_file : path-like or binary file
        The original recording, at its own rate.
    words, phones : list of Interval

    Raises
    ------
    ValueError
        An empty sound, or one of integers; as `StoryResponses`.
    """

    sampling_rate: ClassVar[int] = 16000

    audio: np.ndarray = field(repr=False)
    audio_file: SoundFile
    words: list[Interval] = field(default_factory=list, repr=False)
    phones: list[Interval] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.audio.dtype.kind != "f":
            self._refuse("audio", "floating with full scale 1", self.audio.dtype)
        if self.audio.ndim != 1 or not len(self.audio):
            self._refuse("audio", "(n_samples,) with at least one sample", self.audio.shape)
