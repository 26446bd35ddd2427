"""Whether voxel values are in the order of a mask, by how alike neighbours are."""

from itertools import permutations

import numpy as np

from .volumes import Volume, read_mask

AXES = "xyz"
N_PAIRS = 50_000  # of neighbours that are compared, where there are more
CLEARLY = 5  # standard errors by which another order must fit better
LEAST_DIFFERENCE = 0.05  # of the correlations


def check_voxel_order(mask: Volume, values: np.ndarray, name: str) -> None:
    """Refuse voxel values that fit another order of the mask's voxels than C order.

    A wrong order keeps the number of voxels and scrambles every map. The brain is smooth: noise
    ceilings, or responses, of neighbouring voxels correlate in the right order. Where no order
    stands out, as in noise, nothing can be said and nothing is refused.

    Parameters
    ----------
    mask : path-like, nibabel image or array of shape (x, y, z)
        As for `read_mask`.
    values : array of shape (n_voxels,) or (n_trs, n_voxels)
        Noise ceilings, or responses.
    name : str
        What is at fault, in the message: the mask or the values.

    Raises
    ------
    ValueError
        Another order fits clearly better; the message names it.
    """
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    inside, _ = read_mask(mask, values.shape[1])
    # Over TRs for each voxel, over voxels where there is one value of each
    axis = 0 if len(values) > 1 else 1
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):  # dead and constant voxels become NaN
        mean, power = (
            np.sum(part, axis=axis, keepdims=True, where=known)
            / np.sum(known, axis=axis, keepdims=True)
            for part in (values, values**2)
        )
        scores = (values - mean) / np.sqrt(power - mean**2)
    fits = {order: _likeness(inside, scores, order) for order in permutations(range(3))}
    declared, error = fits[0, 1, 2]
    order = max(fits, key=lambda order: fits[order][0])
    best, best_error = fits[order]
    apart = CLEARLY * np.hypot(error, best_error)
    if best - declared > max(apart, LEAST_DIFFERENCE):
        axes = ", ".join(AXES[axis] for axis in order)
        raise ValueError(
            f"{name}: the voxels are not in the C order of the mask's axes (x, y, z), in which "
            f"neighbours correlate by {declared:.2f}, but by {best:.2f} in that of ({axes}); a "
            f"mask whose axes are transposed to ({axes}) would fit"
        )


def _likeness(inside, scores, order):
    """Mean product of neighbours' scores if voxels are in C order of these axes, with its error."""
    turned = inside.transpose(order)
    voxels = np.full(inside.shape, -1)
    voxels.transpose(order)[turned] = np.arange(np.count_nonzero(turned))
    pairs = []
    for axis in range(3):
        near = np.moveaxis(voxels, axis, 0)
        both = np.stack([near[:-1].ravel(), near[1:].ravel()])
        pairs.append(both[:, (both >= 0).all(axis=0)])
    first, second = np.concatenate(pairs, axis=1)
    step = -(-len(first) // N_PAIRS) or 1
    products = (scores[:, first[::step]] * scores[:, second[::step]]).mean(axis=0)
    products = products[np.isfinite(products)]
    if not products.size:
        return 0.0, np.inf
    return products.mean(), products.std() / np.sqrt(len(products))
