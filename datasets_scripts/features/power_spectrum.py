"""The spectrum of a recording on the TR axis."""

import warnings

import numpy as np
from scipy.fft import rfft
from scipy.signal.windows import hann

from ..windows import cut, training_windows

# The bands of Oota et al. 2024, whose low-level features Moussa et al. 2025 take: up to 15033 Hz.
N_BANDS = 448
LOWEST_EDGE = 25.0  # Hz
BANDWIDTH = 33.5  # Hz

FLOOR = 1e-10  # power of a band in silence, where a constant sound at full scale has 1


def power_bands(sampling_rate: int) -> np.ndarray:
    """Edges of the bands that a recording can hold, the columns of `power_spectrum`.

    Band k of the 448 reaches from 25 + 33.5 k Hz to 25 + 33.5 (k + 1) Hz. Bands that reach above
    the Nyquist frequency are left out; they are the last ones, so that the columns of recordings
    of different rates agree as far as both have them.

    Parameters
    ----------
    sampling_rate : int
        Samples per second of the recording.

    Returns
    -------
    float64 array of shape (n_bands, 2)
        Lower and upper edge of each band in Hz.

    Raises
    ------
    ValueError
        The rate is too low for a single band.
    """
    edges = LOWEST_EDGE + BANDWIDTH * np.arange(N_BANDS + 1)
    bands = np.stack([edges[:-1], edges[1:]], axis=1)
    bands = bands[bands[:, 1] <= sampling_rate / 2]
    if not len(bands):
        raise ValueError(
            f"sampling_rate must be at least {2 * edges[1]:g} for the lowest band of "
            f"{edges[0]:g} to {edges[1]:g} Hz, got {sampling_rate}"
        )
    return bands


def power_spectrum(
    audio: np.ndarray, sampling_rate: int, tr_times: np.ndarray, tr: float
) -> np.ndarray:
    """Log power of the sound of each TR in narrow bands (Oota et al. 2024).

    The sound of a TR, from tr / 2 before its midpoint to tr / 2 after it, is weighted by a Hann
    taper; its periodogram is scaled such that it adds up to the mean power of the sound (0.5 for a
    sine of amplitude 1), and summed over the bins with lower edge <= frequency < upper edge.

    Parameters
    ----------
    audio : floating array of shape (n_samples,)
        The original recording, mono, at its own rate; full scale is 1. Silence stands in for what
        lies outside it.
    sampling_rate : int
        Samples per second of `audio`.
    tr_times : array of shape (n_trs,)
        TR midpoints in seconds from the start of the sound.
    tr : float
        Seconds per TR.

    Returns
    -------
    float32 array of shape (n_trs, n_bands)
        Natural logarithm of the power, at least log(1e-10). The columns are the bands of
        `power_bands`: all 448 from 30066 samples per second on.

    Warns
    -----
    UserWarning
        Bands that the recording cannot hold are dropped; the message names them.

    Raises
    ------
    TypeError
        The sound is not floating.
    ValueError
        The sound is not mono, is empty or not finite; its rate is too low for any band, or the TR
        too short to tell the bands apart; `tr_times` is not one-dimensional.
    """
    audio = check_mono(audio)
    bands = power_bands(sampling_rate)
    windows = training_windows(tr_times, tr, n_trs_per_window=1, sampling_rate=sampling_rate)
    n_samples = round(tr * sampling_rate)
    frequencies = np.arange(n_samples // 2 + 1) * sampling_rate / n_samples
    first, last = frequencies.searchsorted(bands).T
    if (first == last).any():
        raise ValueError(
            f"a TR must last about {1 / BANDWIDTH:.2g} s or longer to tell bands of {BANDWIDTH} Hz "
            f"apart, got {tr} s"
        )
    if len(bands) < N_BANDS:
        warnings.warn(
            f"a recording of {sampling_rate} samples per second holds nothing above "
            f"{sampling_rate / 2:g} Hz: of {N_BANDS} bands the last {N_BANDS - len(bands)}, from "
            f"{bands[-1, 1]:g} to {LOWEST_EDGE + N_BANDS * BANDWIDTH:g} Hz, are dropped",
            stacklevel=2,
        )

    taper = hann(n_samples, sym=False)
    # Every bin of these bands stands for itself and for its negative frequency.
    scale = 2 / (n_samples * (taper**2).sum())
    powers = np.empty((len(windows), len(bands)), dtype=np.float32)
    for row, (start, stop) in zip(powers, windows, strict=True):
        periodogram = scale * np.abs(rfft(cut(audio, start, stop) * taper)) ** 2
        power = np.add.reduceat(periodogram[: last[-1]], first)
        row[:] = np.log(np.maximum(power, FLOOR))
    return powers


def check_mono(audio: np.ndarray) -> np.ndarray:
    """Refuse what is not one channel of finite floating samples.

    Parameters
    ----------
    audio : floating array of shape (n_samples,)

    Returns
    -------
    array of shape (n_samples,): `audio`.

    Raises
    ------
    TypeError
        The samples are not floating.
    ValueError
        There are several channels, no sample, or samples that are not finite.
    """
    audio = np.asarray(audio)
    if not np.issubdtype(audio.dtype, np.floating):
        raise TypeError(f"audio must be floating with full scale 1, got {audio.dtype}")
    if audio.ndim != 1 or not len(audio):
        raise ValueError(
            "audio must be mono, (n_samples,) with at least one sample; average its channels; "
            f"got {audio.shape}"
        )
    n_bad = np.count_nonzero(~np.isfinite(audio))
    if n_bad:
        raise ValueError(f"audio must be finite, got {n_bad} of {len(audio)} samples that are not")
    return audio
