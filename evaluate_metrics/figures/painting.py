"""How values on the brain become colours, and grey where there is none."""

from collections.abc import Iterable
from typing import Any

import numpy as np

ALIGNMENT, CHANGE = "viridis", "RdBu_r"  # both can be read by colour-blind readers
ENDS = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}  # of the colour bar


def limit_of(values: Iterable[np.ndarray]) -> float:
    """Return the 99th percentile of the absolute values of all panels, 1 where all are 0 or NaN.

    Parameters
    ----------
    values : iterable of arrays
        Of each panel; NaN for none.

    Raises
    ------
    ValueError
        If some values are infinite.
    """
    given = np.concatenate([np.ravel(of_panel) for of_panel in values])
    if np.isinf(given).any():
        raise ValueError(
            f"values must be finite or NaN, got {np.isinf(given).sum()} infinite of {given.size}"
        )
    known = np.abs(given[~np.isnan(given)])
    return float(np.percentile(known, 99)) or 1.0 if known.size else 1.0


def colour_scale(
    values: Iterable[np.ndarray], change: bool = False, limit: float | None = None
) -> tuple[Any, str]:
    """One scale for all that is compared.

    Parameters
    ----------
    values : iterable of arrays
        Of each panel; NaN for none.
    change : bool
        Whether values are differences: colours then diverge from 0, otherwise they rise from it.
    limit : float, optional
        Largest value that has a colour of its own, that of `limit_of` by default.

    Returns
    -------
    colours : matplotlib.cm.ScalarMappable
    ends : str
        At which ends values lie beyond the scale: "neither", "min", "max" or "both".

    Raises
    ------
    ValueError
        If some values are infinite, or the limit is not above 0.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    values = list(values)
    usual = limit_of(values)
    if limit is not None and not limit > 0:
        raise ValueError(f"limit must be above 0, got {limit}")
    high = limit or usual
    low = -high if change else 0
    colours = ScalarMappable(Normalize(low, high), CHANGE if change else ALIGNMENT)
    below, above = (
        any((beyond(of_panel, end)).any() for of_panel in values)  # NaN lies beyond no end
        for beyond, end in ((np.less, low), (np.greater, high))
    )
    return colours, ENDS[below, above]


def painted(values: np.ndarray, greys: np.ndarray, colours: Any) -> np.ndarray:
    """Colours of values, and greys where there is none.

    Parameters
    ----------
    values : array of shape (n,)
        NaN for none.
    greys : array of shape (n,)
        From 0 for black to 1 for white.
    colours : matplotlib.cm.ScalarMappable

    Returns
    -------
    array of shape (n, 4)
        RGBA from 0 to 1.
    """
    rgba = colours.to_rgba(values)
    missing = np.isnan(values)
    rgba[missing] = np.column_stack([greys[missing]] * 3 + [np.ones(missing.sum())])
    return rgba
