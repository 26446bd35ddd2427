"""Windows of a story's sound: those that tune a model and those that measure it."""

from operator import index

import numpy as np


def training_windows(tr_times, tr, n_trs_per_window=5, sampling_rate=16000):
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


def evaluation_windows(n_samples, sampling_rate=16000, length=16.0, stride=0.1):
    """Bounds of causal windows over a whole sound (Moussa et al. 2025, section 3.2).

    A window ends at every multiple of the stride up to the end of the sound. Windows at its start
    are shorter, not padded.

    Parameters
    ----------
    n_samples : int
        Samples of the sound.
    sampling_rate : int
    length, stride : float
        Seconds.

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
    return np.stack([np.maximum(ends - round(length * sampling_rate), 0), ends], axis=1)


def cut(audio, start, stop):
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


class TrainingWindows:
    """Pairs of sound and response, one per TR: an indexed data set for a Trainer.

    The sound of a pair is cut when it is asked for. Of each story only the sound and the responses
    of the selected voxels are kept, so that an iterator of stories never has two in memory.

    Parameters
    ----------
    stories : iterable of Story
        All of one participant.
    voxels : array of int of shape (n_selected,), optional
        Indices of the voxels to predict, in the order of the labels. Every voxel by default.
    n_trs_per_window : int

    Attributes
    ----------
    voxels : int64 array of shape (n_selected,)
    responses : list of float32 array of shape (n_trs, n_selected)
        Of each story.

    Raises
    ------
    ValueError
        There is no story, or no voxel; a voxel index is out of range; a selected voxel is dead in
        a story; stories differ in participant, TR or number of voxels; a window is longer than a
        story's sound.
    """

    def __init__(self, stories, voxels=None, n_trs_per_window=5):
        self.responses, self._audio, self._windows = [], [], []
        for story in stories:
            kind = (story.participant, story.tr, story.responses.shape[1])
            if not self.responses:
                first_kind, first_name = kind, story.name
                self.voxels = _checked_voxels(voxels, n_voxels=kind[-1])
            if kind != first_kind:
                raise ValueError(
                    "stories must agree in participant, TR and number of voxels, got "
                    f"{first_kind} for {first_name} and {kind} for {story.name}"
                )
            windows = training_windows(
                story.tr_times, story.tr, n_trs_per_window, story.sampling_rate
            )
            _check_length(story, windows)
            self.responses.append(_selected_responses(story, self.voxels))
            self._audio.append(story.audio)
            self._windows.append(windows)
        if not self.responses:
            raise ValueError("stories must hold at least one Story, got none")
        self._ends = np.cumsum([len(windows) for windows in self._windows])

    def __len__(self):
        return int(self._ends[-1])

    def __getitem__(self, i):
        """Sound and response of a TR, counted over the stories in order.

        Returns
        -------
        dict
            "audio": float32 array of shape (n_samples,); "labels": float32 array of shape
            (n_selected,).
        """
        i = range(len(self))[index(i)]
        story = np.searchsorted(self._ends, i, side="right")
        row = i - self._ends[story]
        start, stop = self._windows[story][row]
        return {
            "audio": cut(self._audio[story], start, stop),
            "labels": self.responses[story][row],
        }


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


def _selected_responses(story, voxels):
    responses = np.ascontiguousarray(story.responses.take(voxels, axis=1), dtype=np.float32)
    dead = voxels[~np.isfinite(responses).all(axis=0)]
    if len(dead):
        raise ValueError(
            f"story {story.name}: {len(dead)} of {len(voxels)} selected voxels are dead (NaN): "
            f"{dead[:5]}...; select voxels with a noise ceiling"
        )
    return responses
