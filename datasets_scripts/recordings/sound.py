"""Sound files as mono samples at a model's rate."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from math import gcd
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import resample_poly

from ..story import Interval, SoundFile, Story, StoryResponses
from .annex import check_plain

# Chunk of samples, and byte order, by the first bytes of a file.
SAMPLES = {b"RIFF": (b"data", "<"), b"FORM": (b"SSND", ">")}
STREAMED = 0x7FFFF000  # bytes; programs that write to a pipe claim as much or more
# More than any story takes; a small compressed file can hold days of silence.
LONGEST = 6.0  # hours
MOST_SAMPLES = 2**31  # of all channels, as many as in 6 hours of 48 kHz stereo


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
        As `read_recording` and `check_lasts`.
    """
    samples, sampling_rate = read_recording(audio_file)
    check_lasts(len(samples) / sampling_rate, responses.name, responses.tr_times, responses.tr)
    return Story(
        **vars(responses),
        audio=resample(samples, sampling_rate, target=Story.sampling_rate),
        audio_file=audio_file,
        words=words,
        phones=phones,
    )


def check_lasts(seconds: float, story: str, tr_times: np.ndarray, tr: float) -> None:
    """Refuse a sound that ends before the last of a story's TRs begins.

    The sound of a whole recording may end within that TR, or at its end.

    Parameters
    ----------
    seconds : float
        How long the sound lasts.
    story : str
        Its name.
    tr_times : array of shape (n_trs,)
        Midpoints of the TRs, in seconds from the start of the sound.
    tr : float
        Seconds per TR.

    Raises
    ------
    ValueError
    """
    last = tr_times[-1] - tr / 2
    if seconds <= last:
        raise ValueError(
            f"story {story}: its sound ends at {seconds:.1f} s, but the last TR that is stored of "
            f"it at {last:.1f} s begins later; the recording is cut short, or it or the TR times "
            "are those of another story"
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
        The file is not a readable sound, is cut short, holds no samples, more than `LONGEST` hours
        of them, or samples that are not finite.
    """
    with _readable(path), soundfile.SoundFile(path) as file:
        _check_size(path, file)
        sampling_rate, claimed = file.samplerate, file.frames
        try:
            channels = file.read(dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"{path}: cut short or damaged: its header counts {claimed} samples, which cannot "
                f"all be read ({error})"
            ) from error
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
        The file is not a readable sound, longer than `LONGEST`, or a WAV or AIFF that is cut short.
    """
    with _readable(path):
        header = soundfile.info(path)
    _check_size(path, header)
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
    if not hasattr(path, "seek"):
        check_plain(path)
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: there is no such recording")
    with nullcontext(path) if hasattr(path, "seek") else open(path, "rb") as file:
        _check_whole(path, file)
    if hasattr(path, "seek"):
        path.seek(0)
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: not a readable sound file ({error})") from error


def _check_size(path, sound):
    """Refuse what no memory holds, by what a header counts: nothing is decoded."""
    if sound.frames > 2**62:  # libsndfile's word for not known
        raise ValueError(
            f"{path}: its header does not say how long it is, as where a program wrote to a pipe; "
            "write the file anew"
        )
    hours = sound.frames / sound.samplerate / 3600
    if hours > LONGEST or sound.frames * sound.channels > MOST_SAMPLES:
        raise ValueError(
            f"{path}: its header counts {sound.frames} samples of {sound.channels} channels, "
            f"{hours:.1f} hours; a recording may hold {LONGEST:g} hours, and {MOST_SAMPLES} "
            "samples of all channels: cut it into stories"
        )


def _check_whole(path: SoundFile, file: Any) -> None:
    """Refuse a header that counts other samples than there are, which libsndfile passes over."""
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    samples, order = SAMPLES.get(file.read(12)[:4], (None, ""))
    while samples and len(chunk := file.read(8)) == 8:
        name, size = struct.unpack(order + "4sI", chunk)
        there = n_bytes - file.tell()
        if name != samples:
            file.seek(size + size % 2, os.SEEK_CUR)
            continue
        if size == 0 < there:
            raise ValueError(
                f"{path}: its header was never finished: it counts 0 bytes of sound, and "
                f"{there} bytes follow; write the file anew, with a program that repairs headers"
            )
        if there < size < STREAMED:
            raise ValueError(
                f"{path}: cut short: its header counts {size} bytes of sound, but there are {there}"
            )
        return


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
