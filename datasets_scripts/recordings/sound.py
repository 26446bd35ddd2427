"""Sound files as mono samples at a model's rate."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import gcd
from os import PathLike
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from ..story import Interval, SoundFile, Story, StoryResponses


def with_sound(
    responses: StoryResponses, audio_file: SoundFile, words: list[Interval], phones: list[Interval]
) -> Story:
    """Read the sound that responses are to.

    Parameters
    ----------
    responses : StoryResponses
    audio_file : path-like or binary file
    words, phones : list of Interval

    Returns
    -------
    Story

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_recording`.
    """
    return Story(
        **vars(responses),
        audio=resample(*read_recording(audio_file), target=Story.sampling_rate),
        audio_file=audio_file,
        words=words,
        phones=phones,
    )


def read_recording(path: SoundFile) -> tuple[np.ndarray, int]:
    """Read a sound file, its channels averaged into one.

    Parameters
    ----------
    path : path-like or binary file
        Any format that libsndfile reads. A file is read from its start.

    Returns
    -------
    samples : float32 array of shape (n_samples,)
    sampling_rate : int
        Samples per second, as stored.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is not a readable sound, holds no samples, or samples that are not finite.
    """
    with _readable(path):
        channels, sampling_rate = soundfile.read(path, dtype="float32", always_2d=True)
    samples = channels.mean(axis=1)
    if not len(samples):
        raise ValueError(f"{path}: the recording is empty (0 samples)")
    n_bad = np.count_nonzero(~np.isfinite(samples))
    if n_bad:
        raise ValueError(f"{path}: {n_bad} of {len(samples)} samples are not finite")
    return samples, sampling_rate


def recording_seconds(path: SoundFile) -> float:
    """How long a sound lasts, which its header tells: nothing is decoded.

    Parameters
    ----------
    path : path-like or binary file
        Any format that libsndfile reads. MP3 is decoded, since its header is only a claim.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is not a readable sound.
    """
    with _readable(path):
        header = soundfile.info(path)
    if header.format == "MP3":
        samples, sampling_rate = read_recording(path)
        return len(samples) / sampling_rate
    return header.frames / header.samplerate


def recording_format(path: str | PathLike[str]) -> tuple[int, int]:
    """How a sound is stored, which its header tells: nothing is decoded.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    sampling_rate : int
        Samples per second.
    n_channels : int

    Raises
    ------
    FileNotFoundError, ValueError
        As `recording_seconds`.
    """
    with _readable(path):
        header = soundfile.info(path)
    return header.samplerate, header.channels


@contextmanager
def _readable(path: SoundFile) -> Iterator[None]:
    if hasattr(path, "seek"):
        path.seek(0)
    elif not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such recording")
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: not a readable sound file ({error})") from error


def resample(samples: np.ndarray, sampling_rate: int, target: int = 16000) -> np.ndarray:
    """Change the sampling rate by a polyphase filter that removes what the new rate cannot hold.

    Parameters
    ----------
    samples : array of shape (n_samples,)
    sampling_rate, target : int
        Samples per second before and after.

    Returns
    -------
    array of shape (ceil(n_samples * target / sampling_rate),), of the same floating type
    """
    if sampling_rate == target:
        return samples
    common = gcd(sampling_rate, target)
    return resample_poly(samples, target // common, sampling_rate // common)
