"""Sound files as mono samples at a model's rate."""

from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly


def read_recording(path):
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
    if hasattr(path, "seek"):
        path.seek(0)
    elif not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such recording")
    try:
        channels, sampling_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: not a readable sound file ({error})") from error
    samples = channels.mean(axis=1)
    if not len(samples):
        raise ValueError(f"{path}: the recording is empty (0 samples)")
    n_bad = np.count_nonzero(~np.isfinite(samples))
    if n_bad:
        raise ValueError(f"{path}: {n_bad} of {len(samples)} samples are not finite")
    return samples, sampling_rate


def resample(samples, sampling_rate, target=16000):
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
