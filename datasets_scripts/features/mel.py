"""Short-time spectra on the mel scale: filter bank energies and cepstral coefficients."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import dct, rfft
from scipy.signal.windows import hann

from .power_spectrum import check_mono

LENGTH = 0.025  # seconds of a frame
STRIDE = 0.010  # seconds from frame to frame
FLOOR = 1e-10  # energy of a band in silence
FRAMES_AT_ONCE = 4096


def fbank(audio: np.ndarray, sampling_rate: int = 16000, n_bands: int = 80) -> np.ndarray:
    """Log mel energies of 25 ms frames every 10 ms.

    A frame is weighted by a Hann taper, and the squared magnitudes of its spectrum are weighted by
    triangles whose corners are equally spaced from 0 Hz to the Nyquist frequency on the mel scale
    of O'Shaughnessy (1987), 2595 log10(1 + f / 700). A triangle has height 1 and reaches to the
    peaks of its neighbours. Frames lie wholly within the sound.

    Parameters
    ----------
    audio : floating array of shape (n_samples,)
        Mono; full scale is 1.
    sampling_rate : int
        Samples per second.
    n_bands : int

    Returns
    -------
    float32 array of shape (n_frames, n_bands)
        Natural logarithms, at least log(1e-10). At 16000 samples per second there are
        1 + (n_samples - 400) // 160 frames.

    Raises
    ------
    TypeError
        The sound is not floating.
    ValueError
        The sound is not mono, is not finite or shorter than a frame; or there are more bands than
        a frame's spectrum can tell apart.
    """
    audio = check_mono(audio)
    length, stride = _frame_samples(sampling_rate)
    if len(audio) < length:
        raise ValueError(
            f"audio must hold a frame of {length} samples ({LENGTH} s), got {len(audio)}"
        )
    # Zeros after the frame: without them the lowest triangles would fall between two frequencies.
    n_fft = 4 * length
    filters = _triangles(np.arange(n_fft // 2 + 1) * sampling_rate / n_fft, n_bands)
    if not filters.any(axis=0).all():
        raise ValueError(f"n_bands must be fewer: a band is empty, got {n_bands}")
    frames = sliding_window_view(audio, length)[::stride]
    taper = hann(length, sym=False)
    energies = np.empty((len(frames), n_bands), dtype=np.float32)
    for first in range(0, len(frames), FRAMES_AT_ONCE):
        block = slice(first, first + FRAMES_AT_ONCE)
        spectra = rfft(frames[block] * taper, n_fft, axis=1)
        energies[block] = np.log(np.maximum(np.abs(spectra) ** 2 @ filters, FLOOR))
    return energies


def mfcc(
    audio: np.ndarray, sampling_rate: int = 16000, n_coefficients: int = 13, n_bands: int = 80
) -> np.ndarray:
    """Mel-frequency cepstral coefficients of 25 ms frames every 10 ms.

    The first coefficients of the orthonormal cosine transform (DCT-II) of `fbank`
    (Davis and Mermelstein 1980).

    Parameters
    ----------
    audio : floating array of shape (n_samples,)
        Mono; full scale is 1.
    sampling_rate : int
        Samples per second.
    n_coefficients : int
    n_bands : int

    Returns
    -------
    float32 array of shape (n_frames, n_coefficients)
        The first coefficient is the mean log energy times sqrt(n_bands).

    Raises
    ------
    TypeError
        The sound is not floating.
    ValueError
        As `fbank`, or fewer than 1 or more than `n_bands` coefficients.
    """
    if not 1 <= n_coefficients <= n_bands:
        raise ValueError(f"n_coefficients must lie in 1 to {n_bands}, got {n_coefficients}")
    energies = fbank(audio, sampling_rate, n_bands)
    return dct(energies, type=2, norm="ortho", axis=1)[:, :n_coefficients]


def frame_times(n_frames: int, sampling_rate: int = 16000) -> np.ndarray:
    """Midpoints of the frames of `fbank` and `mfcc`.

    Parameters
    ----------
    n_frames : int
    sampling_rate : int
        Samples per second of the sound: a frame and a stride are whole numbers of samples.

    Returns
    -------
    float64 array of shape (n_frames,)
        Seconds from the start of the sound.
    """
    length, stride = _frame_samples(sampling_rate)
    return (np.arange(n_frames) * stride + length / 2) / sampling_rate


def _frame_samples(sampling_rate):
    return round(LENGTH * sampling_rate), round(STRIDE * sampling_rate)


def _triangles(frequencies, n_bands):
    """Weights of the bands, (n_frequencies,) in Hz to (n_frequencies, n_bands)."""
    highest = 2595 * np.log10(1 + frequencies[-1] / 700)
    corners = 700 * (10 ** (np.linspace(0, highest, n_bands + 2) / 2595) - 1)
    peaks = np.eye(n_bands + 2)[1:-1]
    return np.stack([np.interp(frequencies, corners, peak) for peak in peaks], axis=1)
