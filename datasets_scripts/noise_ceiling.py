"""How well a voxel's response can be predicted at all, and the voxels worth predicting."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from .names import check_name
from .zscore import zscore_responses

VOXELS_AT_ONCE = 2048
FEWEST_OTHERS = 2  # listeners: one alone would be as noisy as the listener it is to judge
HIGHEST = 1.01  # a ceiling estimated from z-scored repeats may pass 1 by less than a hundredth


def noise_ceiling(repeats: np.ndarray, n_scored: int | None = None) -> np.ndarray:
    """Highest correlation that a prediction can reach with the mean of repeats.

    The normalised correlation coefficient of Schoppe et al. 2016: with every repeat z-scored over
    time, N repeats and their mean y, the signal power is SP = (N var(y) - 1) / (N - 1) and the
    ceiling of the mean of M repeats CCmax = 1 / sqrt(1 + (1 / SP - 1) / M).

    Parameters
    ----------
    repeats : array of shape (n_repeats, n_trs, n_voxels)
        Responses to one story heard repeatedly.
    n_scored : int, optional
        M, where the mean that is predicted is that of other repeats than these. N by default.

    Returns
    -------
    array of shape (n_voxels,), of the floating type of `repeats`
        From 0 to 1; 0 where the signal power is not positive, NaN for voxels that are NaN or
        constant in any repeat.

    Raises
    ------
    ValueError
        Fewer than two repeats or two TRs, an array of another shape, or no scored repeat.
    """
    repeats = np.asarray(repeats)
    if repeats.ndim != 3 or min(repeats.shape[:2]) < 2:
        raise ValueError(
            "repeats must be of shape (n_repeats, n_trs, n_voxels) with at least two repeats and "
            f"two TRs, got {repeats.shape}"
        )
    n_scored = len(repeats) if n_scored is None else n_scored
    if n_scored < 1:
        raise ValueError(f"n_scored must be at least 1, got {n_scored}")
    ceiling = np.full(repeats.shape[2], np.nan, dtype=np.result_type(repeats, np.float32))
    # In blocks: a float64 copy of all voxels of a participant would take gigabytes.
    for first in range(0, len(ceiling), VOXELS_AT_ONCE):
        block = repeats[:, :, first : first + VOXELS_AT_ONCE]
        live = np.flatnonzero((np.ptp(block, axis=1) > 0).all(axis=0))
        ceiling[first + live] = _ceiling_of_live(block[:, :, live].astype(np.float64), n_scored)
    return ceiling


def _ceiling_of_live(repeats, n_scored):
    n_repeats = len(repeats)
    repeats -= repeats.mean(axis=1, keepdims=True)
    repeats /= repeats.std(axis=1, keepdims=True, ddof=1)
    variance = repeats.mean(axis=0).var(axis=0, ddof=1)
    signal_power = np.maximum((n_repeats * variance - 1) / (n_repeats - 1), 0)
    with np.errstate(divide="ignore"):
        return 1 / np.sqrt(1 + (1 / signal_power - 1) / n_scored)


def ceiling_across_listeners(responses: np.ndarray, others: Iterable[np.ndarray]) -> np.ndarray:
    """Correlation of a listener's responses with the mean of other listeners'.

    In place of a noise ceiling where nobody heard a story repeatedly: how well what other people
    share predicts this one (inter-subject correlation, Nastase et al. 2019). It is no bound on
    models that predict what is a listener's own.

    Parameters
    ----------
    responses : array of shape (n_trs, n_voxels)
        Of the listener.
    others : iterable of arrays of shape (n_trs, n_voxels)
        Of at least two others to the same story, whose voxels lie where the listener's do. Each
        is z-scored over time before the mean.

    Returns
    -------
    float32 array of shape (n_voxels,)
        From 0 to 1; 0 where the correlation is negative, NaN for voxels that are NaN or constant
        in any listener.

    Raises
    ------
    ValueError
        Fewer than two others, or another shape.
    """
    mean, n_others = np.zeros(responses.shape, np.float32), 0
    for other in others:
        if other.shape != responses.shape:
            raise ValueError(
                f"responses of all listeners must be of shape {responses.shape}, got {other.shape}"
            )
        mean += zscore_responses(other.astype(np.float32))
        n_others += 1
    if n_others < FEWEST_OTHERS:
        raise ValueError(f"at least {FEWEST_OTHERS} other listeners are needed, got {n_others}")
    own = zscore_responses(responses.astype(np.float32))
    correlation = np.einsum("tv,tv->v", own, zscore_responses(mean)) / len(own)
    return correlation.clip(0, 1)  # NaN stays


def passing_noise(
    n_repeats: int,
    n_trs: int,
    threshold: float = 0.4,
    n_scored: int | None = None,
    autocorrelation: float = 0.0,
    seed: int = 0,
    n_voxels: int = 4000,
) -> float:
    """Share of voxels without any signal whose noise ceiling passes the threshold all the same.

    Simulated, since it depends on all of these: with few repeats the share is large.

    Parameters
    ----------
    n_repeats, n_trs : int
        That noise ceilings are computed from.
    threshold : float
    n_scored : int, optional
        As `noise_ceiling`.
    autocorrelation : float
        From one TR to the next, of a first-order autoregressive process; 0 is white noise.
    seed, n_voxels : int
        Of the simulation.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        As `noise_ceiling`.
    """
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n_repeats, n_trs, n_voxels), dtype=np.float32)
    noise[:, 0] /= (1 - autocorrelation**2) ** 0.5  # as if it had begun long before
    noise = lfilter([1], [1, -autocorrelation], noise, axis=1)
    return float((noise_ceiling(noise, n_scored) > threshold).mean())


def read_noise_ceiling(path: str | PathLike[str], n_voxels: int) -> np.ndarray:
    """Read noise ceilings that were computed elsewhere, such as published ones.

    Parameters
    ----------
    path : path-like
        File .npy of shape (n_voxels,), in the order of the responses' voxels: numbers from 0 to 1,
        NaN for dead voxels.
    n_voxels : int
        Of the participant.

    Returns
    -------
    float32 array of shape (n_voxels,)

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        No .npy file, or not a number from 0 to 1 for each voxel.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file of noise ceilings")
    try:
        with open(path, "rb") as file:
            ceiling = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: not an array of numbers in a .npy file ({error})") from error
    if ceiling.shape != (n_voxels,) or ceiling.dtype.kind not in "fiu":
        raise ValueError(
            f"{path}: expected the noise ceiling of each of the {n_voxels} voxels, shape "
            f"({n_voxels},), got shape {ceiling.shape} of {ceiling.dtype}"
        )
    wrong = np.flatnonzero((ceiling < 0) | (ceiling > HIGHEST))
    if len(wrong):
        raise ValueError(
            f"{path}: noise ceilings must be from 0 to 1, or NaN for dead voxels; got "
            f"{ceiling[wrong[0]]:g} for voxel {wrong[0]}, and {len(wrong) - 1} more"
        )
    return ceiling.astype(np.float32)


def select_voxels(
    ceiling: np.ndarray,
    threshold: float = 0.4,
    regions: Mapping[str, np.ndarray] | None = None,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """Voxels that can be predicted, within regions where these are given.

    Moussa et al. 2025, section 3.2, tune on voxels with a noise ceiling above 0.4 in language and
    auditory regions.

    Parameters
    ----------
    ceiling : array of shape (n_voxels,)
        From `noise_ceiling`. Dead voxels (NaN) are never selected.
    threshold : float
        The ceiling of a selected voxel is above it.
    regions : dict of str to array of int, optional
        Voxel indices by region. The whole brain where there are none.
    names : list of str, optional
        The regions to select in. All of `regions` by default.

    Returns
    -------
    int64 array of shape (n_selected,)
        Voxel indices, sorted.

    Raises
    ------
    TypeError
        `names` is one name, not a list.
    ValueError
        An unknown region, a voxel index out of range, or no voxel selected.
    """
    ceiling = np.asarray(ceiling)
    if isinstance(names, str):
        raise TypeError(f"names must be a list of regions, got {names!r}; use [{names!r}]")
    regions = regions or {}
    if names is None and regions:
        names = list(regions)
    inside = np.full(len(ceiling), names is None)
    for name in names or []:
        check_name("region", name, regions)
        voxels = np.asarray(regions[name])
        wrong = voxels[(voxels < 0) | (voxels >= len(ceiling))]
        if len(wrong):
            raise ValueError(
                f"region {name!r} has {len(wrong)} voxels outside 0 to {len(ceiling) - 1}, "
                f"got {wrong[:3]}"
            )
        inside[voxels] = True
    live = ceiling[inside & ~np.isnan(ceiling)]
    selected = np.flatnonzero(inside & (ceiling > threshold))
    if not len(selected):
        where = "the whole brain" if names is None else f"the regions {list(names)}"
        raise ValueError(
            f"no voxel of {where} has a noise ceiling above {threshold}: {len(live)} are live and "
            f"their highest ceiling is {live.max(initial=0):.3f}; lower the threshold or select "
            "in other regions"
        )
    return selected
