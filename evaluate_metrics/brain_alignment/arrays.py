"""What people give as arrays of numbers, taken as such or refused."""

from typing import Any

import numpy as np


def dense(values: Any, name: str) -> np.ndarray:
    """Take values as an array, if that leaves nothing of them out.

    Parameters
    ----------
    values : array, tensor, data frame or nested list
    name : str
        Of the argument, for messages.

    Returns
    -------
    array
        Of float32 for tensors of fewer bits, which numpy lacks.

    Raises
    ------
    TypeError
        If values are None or a sparse matrix.
    ValueError
        If some are masked, or lists are of different lengths.
    """
    if values is None:
        raise TypeError(f"{name} must be an array, got None")
    if hasattr(values, "toarray"):
        kind = type(values).__name__
        raise TypeError(f"{name} must be a dense array, got a sparse {kind}: give its .toarray()")
    if np.ma.is_masked(values):
        raise ValueError(
            f"{name} hold {np.ma.count_masked(values)} masked values, which have no meaning here: "
            "leave them out, or fill them"
        )
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        small = values.is_floating_point() and values.element_size() < 4
        values = (values.float() if small else values).numpy()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be one array, got lists of different lengths") from error


def numeric(values: Any, name: str) -> np.ndarray:
    """Take values as an array of real numbers.

    Parameters
    ----------
    values, name
        As in `dense`.

    Returns
    -------
    array
        Of floats, integers or bool.

    Raises
    ------
    TypeError
        As `dense`, or if values are text or other objects.
    ValueError
        As `dense`, or if values are complex.

    Examples
    --------
    >>> numeric([[0.5, 1], [2, 3]], "features").dtype
    dtype('float64')
    """
    array = dense(values, name)
    if array.dtype.kind == "c":
        raise ValueError(f"{name} must be real numbers, got complex ones ({array.dtype})")
    if array.dtype.kind not in "biuf":
        first = repr(array.ravel()[:1].tolist()[0])[:40] if array.size else "none"
        raise TypeError(
            f"{name} must be numbers, got values of type {array.dtype}, the first is {first}: "
            "convert them to float"
        )
    return array
