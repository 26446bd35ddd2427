"""Windows of a story's sound: those that tune a model and those that measure it."""

import warnings
from collections.abc import Iterable, Mapping
from operator import index

import numpy as np

from .story import Story, StoryResponses


def training_windows(
    tr_times: np.ndarray, tr: float, n_trs_per_window: int = 5, sampling_rate: int = 16000
) -> np.ndarray:
    """Bounds of the sound of the TRs up to and including each TR.

    Five TRs of 2 s are the 10 s that the haemodynamic response spans (Moussa et al. 2025,
    section 3.2).

    Parameters
    ----------
    tr_times : array of shape (n_trs,)
        TR midpoints in seconds from the start of the sound.
    tr : float
        Seconds per TR.
    n_trs_per_window : int
    sampling_rate : int

    Returns
    -------
    int64 array of shape (n_trs, 2)
        First sample of each window and the one after its last. All windows have one length; they
        may reach beyond the sound, where silence stands in (see `cut`).

    Raises
    ------
    ValueError
        `tr_times` is not one-dimensional, or a length is not positive.
    """
    tr_times = np.asarray(tr_times)
    if tr_times.ndim != 1:
        raise ValueError(f"tr_times must be of shape (n_trs,), got {tr_times.shape}")
    length = round(n_trs_per_window * tr * sampling_rate)
    if length < 1:
        raise ValueError(
            "a window must hold at least one sample, got "
            f"{n_trs_per_window} TRs of {tr} s at {sampling_rate} samples per second"
        )
    ends = np.rint((tr_times + tr / 2) * sampling_rate).astype(np.int64)
    return np.stack([ends - length, ends], axis=1)


def evaluation_windows(
    n_samples: int,
    sampling_rate: int = 16000,
    length: float = 16.0,
    stride: float = 0.1,
    n_each: int = 1,
) -> np.ndarray:
    """Bounds of causal windows over a whole sound (Moussa et al. 2025, section 3.2).

    A window ends at every multiple of the stride up to the end of the sound, or at every
    `n_each`-th of them and at the last one. Windows at the sound's start are shorter, not padded.

    Parameters
    ----------
    n_samples : int
        Samples of the sound.
    sampling_rate : int
    length, stride : float
        Seconds.
    n_each : int
        Moments, a stride apart, that each window stands for, its end being the last of them.

    Returns
    -------
    int64 array of shape (n_windows, 2)
        First sample of each window and the one after its last.

    Raises
    ------
    ValueError
        The length or the stride is below one sample, or the sound is shorter than the stride.
    """
    if min(length, stride) * sampling_rate < 1:
        raise ValueError(
            f"length and stride must last at least one sample, got {length} s and {stride} s"
        )
    step = stride * sampling_rate
    ends = np.rint(np.arange(1, n_samples / step + 2) * step).astype(np.int64)
    ends = ends[ends <= n_samples]
    if not len(ends):
        raise ValueError(
            f"a sound of {n_samples / sampling_rate:g} s is shorter than the stride of {stride} s"
        )
    last = np.append(np.arange(n_each - 1, len(ends) - 1, n_each), len(ends) - 1)
    ends = ends[last]
    return np.stack([np.maximum(ends - round(length * sampling_rate), 0), ends], axis=1)


def cut(audio: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Samples `start` to `stop` of a sound, zeros where they lie outside it.

    Parameters
    ----------
    audio : array of shape (n_samples,)
    start, stop : int
        May be negative or beyond the sound.

    Returns
    -------
    float32 array of shape (stop - start,)
    """
    clip = np.zeros(stop - start, dtype=np.float32)
    first, last = max(start, 0), min(stop, len(audio))
    if first < last:
        clip[first - start : last - start] = audio[first:last]
    return clip


def live_voxels(stories: Iterable[StoryResponses], voxels: np.ndarray) -> np.ndarray:
    """Voxels whose responses are finite at every TR of every story.

    Parameters
    ----------
    stories : iterable of StoryResponses
        All that voxels are used in: a voxel may be dead in one of them alone, as where the slab of
        one session did not reach it.
    voxels : int array of shape (n_selected,)

    Returns
    -------
    int array of shape (n_live,)
        In the order of `voxels`.
    """
    live = np.ones(len(voxels), dtype=bool)
    for story in stories:
        for response in story.responses:  # a TR at a time: all together could fill the memory
            live &= np.isfinite(response[voxels])
    return voxels[live]


class TrainingWindows:
    """Pairs of sound and response, one per TR: an indexed data set for a Trainer.

    The sound is cut and the responses of the selected voxels are picked when a pair is asked for,
    so that nothing is held but the stories themselves.

    Parameters
    ----------
    stories : iterable of Story
        All of one participant.
    voxels : array of int of shape (n_selected,), optional
        Indices of the voxels to predict, in the order of the labels. Every voxel by default. Those
        that are dead in a story are left out: select them by `live_voxels` where other stories'
        windows must have the same.
    n_trs_per_window : int
    order : int array of shape (n_all_trs,), optional
        For each TR, counted over the stories in order, the one whose response takes its place
        (`permute_stories`).

    Attributes
    ----------
    voxels : int64 array of shape (n_live,)
    n_samples : int
        Of each window's sound.

    Raises
    ------
    ValueError
        There is no story, or no voxel; a voxel index is out of range; every selected voxel is dead
        in a story; stories differ in participant, TR (by two milliseconds) or number of voxels; a
        window is longer than a story's sound; an order does not fit the stories.

    Warns
    -----
    UserWarning
        Voxels are left out.
    """

    def __init__(
        self,
        stories: Iterable[Story],
        voxels: np.ndarray | None = None,
        n_trs_per_window: int = 5,
        order: np.ndarray | None = None,
    ) -> None:
        self._stories = list(stories)
        if not self._stories:
            raise ValueError("stories must hold at least one Story, got none")
        first = self._stories[0]
        self.voxels = _checked_voxels(voxels, first.responses.shape[1])
        self._windows = []
        for story in self._stories:
            _check_alike(first, story)
            # One TR for all, so that all windows have one length.
            windows = training_windows(
                story.tr_times, first.tr, n_trs_per_window, story.sampling_rate
            )
            _check_length(story, windows)
            self._windows.append(windows)
        self.voxels = _live(self._stories, self.voxels)
        self._ends = np.cumsum([len(windows) for windows in self._windows])
        self._order = None if order is None else _checked_order(order, len(self))
        start, stop = self._windows[0][0]
        self.n_samples = int(stop - start)

    @property
    def recordings(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each story in order: its sound (n_samples,), and bounds of its windows (n_trs, 2)."""
        return [(s.audio, w) for s, w in zip(self._stories, self._windows, strict=True)]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, i: int) -> dict[str, np.ndarray]:
        """Sound and response of a TR, counted over the stories in order.

        Returns
        -------
        dict
            "audio": float32 array of shape (n_samples,); "labels": as `labels`.
        """
        k, row = _place(self._ends, i)
        return {
            "audio": cut(self._stories[k].audio, *self._windows[k][row]),
            "labels": self.labels(i),
        }

    def labels(self, i: int) -> np.ndarray:
        """Response of a TR, without its sound.

        Returns
        -------
        float32 array of shape (n_selected,)
        """
        k, row = _place(self._ends, i if self._order is None else self._order[i])
        responses = self._stories[k].responses[row]
        return responses[self.voxels].astype(np.float32, copy=False)


class JointWindows:
    """The training windows of several participants, by name: an indexed data set.

    Parameters
    ----------
    windows : dict of {participant: TrainingWindows}

    Attributes
    ----------
    voxels : dict of {participant: int64 array of shape (n_selected,)}
        In the order of the names, which is that of the labels too.
    n_samples : int
        Of each window's sound.

    Raises
    ------
    ValueError
        There is no participant, or their windows differ in length.
    """

    def __init__(self, windows: Mapping[str, TrainingWindows]) -> None:
        windows = dict(sorted(windows.items()))
        self._windows = list(windows.values())
        lengths = {name: pairs.n_samples for name, pairs in windows.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(
                "participants whose windows are of one length can be mixed, got "
                f"{lengths or 'none'} (samples): give them one TR"
            )
        (self.n_samples,) = set(lengths.values())
        self.voxels = {name: pairs.voxels for name, pairs in windows.items()}
        self._ends = np.cumsum([len(pairs) for pairs in self._windows])
        self._columns = np.cumsum([0, *map(len, self.voxels.values())])

    @property
    def recordings(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """As those of `TrainingWindows`, one participant's after the other's."""
        return [recording for pairs in self._windows for recording in pairs.recordings]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, i: int) -> dict[str, np.ndarray]:
        """Sound and response of a TR, counted over the participants in order.

        Returns
        -------
        dict
            "audio": float32 array of shape (n_samples,); "labels": as `labels`.
        """
        k, own = _place(self._ends, i)
        pair = self._windows[k][own]
        return pair | {"labels": self._among_all(k, pair["labels"])}

    def labels(self, i: int) -> np.ndarray:
        """Response of a TR, without its sound.

        Returns
        -------
        float32 array of shape (n_all_selected,)
            One participant's voxels after the other's, NaN but for those of the one who heard it.
        """
        k, own = _place(self._ends, i)
        return self._among_all(k, self._windows[k].labels(own))

    def _among_all(self, k, own):
        labels = np.full(self._columns[-1], np.nan, np.float32)
        labels[self._columns[k] : self._columns[k + 1]] = own
        return labels


class SharedWindows(JointWindows):
    """The training windows of several participants on one cortex: an indexed data set.

    A response is that of the voxel which a vertex lies in, whosever it is: a vertex is one target
    for all (Moussa & Toneva 2025, arXiv 2510.21520). A voxel that several vertices lie in counts as
    often.

    Parameters
    ----------
    windows : dict of {participant: TrainingWindows}
    voxel_of_vertex : dict of {participant: int array of shape (n_vertices,)}
        Indices in the recordings, -1 where a vertex lies in none (`Anatomy.fsaverage5`).
    vertices : int array of shape (n_columns,), optional
        Those to predict, as a head has them already; by default all in which a participant has a
        selected voxel.

    Attributes
    ----------
    voxels : int64 array of shape (n_columns,)
        Vertices, in the order of the labels, which are NaN where a participant has no voxel.
    n_samples : int
        Of each window's sound.

    Raises
    ------
    ValueError
        As `JointWindows`; the participants' vertices are of different cortices, or none of them
        lies in any of a participant's selected voxels.
    """

    def __init__(
        self,
        windows: Mapping[str, TrainingWindows],
        voxel_of_vertex: Mapping[str, np.ndarray],
        vertices: np.ndarray | None = None,
    ) -> None:
        super().__init__(windows)
        sizes = {name: len(voxel_of_vertex[name]) for name in self.voxels}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"participants must share one cortex, got {sizes} vertices")
        columns = [
            _columns_of(voxel_of_vertex[name], selected) for name, selected in self.voxels.items()
        ]
        if vertices is None:
            vertices = np.flatnonzero(np.any(np.stack(columns) >= 0, axis=0))
        self._selected = [of_vertex[vertices] for of_vertex in columns]
        for name, selected in zip(self.voxels, self._selected, strict=True):
            if not (selected >= 0).any():
                raise ValueError(
                    f"{name}: no vertex of the {len(vertices)} to predict lies in a voxel that was "
                    "selected"
                )
        self.voxels = np.asarray(vertices, np.int64)

    def _among_all(self, k, own):
        selected = self._selected[k]
        return np.where(selected < 0, np.float32(np.nan), own[selected])


def _columns_of(voxel_of_vertex, selected):
    """Where among the selected voxels each vertex' one is, -1 for none."""
    columns = np.full(max(voxel_of_vertex.max(), selected.max()) + 2, -1)  # the last for no voxel
    columns[selected] = np.arange(len(selected))
    return columns[voxel_of_vertex]


def _place(ends, i):
    """Of an index over several parts: which part it is in, and its index there."""
    i = range(ends[-1])[index(i)]
    k = int(np.searchsorted(ends, i, side="right"))
    return k, i - (ends[k - 1] if k else 0)


def _checked_voxels(voxels, n_voxels):
    voxels = np.arange(n_voxels) if voxels is None else np.asarray(voxels)
    if voxels.ndim != 1 or not len(voxels):
        raise ValueError(f"voxels must hold at least one index, got shape {voxels.shape}")
    if not np.issubdtype(voxels.dtype, np.integer):
        raise ValueError(f"voxels must be whole-number indices, got {voxels.dtype}")
    wrong = voxels[(voxels < 0) | (voxels >= n_voxels)]
    if len(wrong):
        raise ValueError(
            f"voxels must lie in 0 to {n_voxels - 1}, got {len(wrong)} outside: {wrong[:3]}"
        )
    return voxels.astype(np.int64)


def _check_length(story, windows):
    n_samples = windows[0, 1] - windows[0, 0]
    if n_samples > len(story.audio):
        raise ValueError(
            f"story {story.name}: a window of {n_samples / story.sampling_rate:g} s is longer than "
            f"its sound of {len(story.audio) / story.sampling_rate:g} s; use fewer TRs per window"
        )


def _live(stories, voxels):
    live = live_voxels(stories, voxels)
    dead = np.setdiff1d(voxels, live)
    said = f"{len(dead)} of {len(voxels)} selected voxels are dead (NaN) in a story: {dead[:3]}"
    if not len(live):
        raise ValueError(f"{said}...; none is left to predict")
    if len(dead):
        warnings.warn(f"{said}...; they are left out", stacklevel=3)
    return live


def _check_alike(first, story):
    kinds = [(s.participant, s.tr, s.responses.shape[1]) for s in (first, story)]
    (participant, tr, n_voxels), other = kinds
    if abs(other[1] - tr) > 2e-3 or other != (participant, other[1], n_voxels):
        raise ValueError(
            "stories must agree in participant, TR and number of voxels, got "
            f"{kinds[0]} for {first.name} and {kinds[1]} for {story.name}"
        )


def _checked_order(order, n_trs):
    order = np.asarray(order)
    if order.shape != (n_trs,) or not np.isin(order, np.arange(n_trs)).all():
        raise ValueError(
            f"an order must hold {n_trs} TRs from 0 to {n_trs - 1}, got an array of shape "
            f"{order.shape}"
        )
    return order
