from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from datasets_scripts.cortex import check_voxel_order

ORDERS = list(permutations(range(3)))
AXES = np.array(list("xyz"))


def brain(seed, shape=(17, 21, 13)):
    """An ellipsoid, and smooth values at every place of the volume."""
    rng = np.random.default_rng(seed)
    centred = (np.indices(shape).T - (np.array(shape) - 1) / 2).T
    inside = sum((axis / (n / 2.2)) ** 2 for axis, n in zip(centred, shape, strict=True)) < 1
    return inside, gaussian_filter(rng.standard_normal(shape), 1.5)


@settings(max_examples=30, deadline=None)
@given(order=st.sampled_from(ORDERS), seed=st.integers(0, 99), responses=st.booleans())
def test_the_order_that_fits_is_named(order, seed, responses):
    inside, values = brain(seed)
    if responses:  # a row for each TR, each smooth in space
        values = np.stack([brain(seed + i)[1] for i in range(12)])
    columns = values.transpose(*range(values.ndim - 3), *(np.array(order) - 3))
    columns = columns[..., inside.transpose(order)]
    if order == (0, 1, 2):
        check_voxel_order(inside, columns, "mask")
    else:
        named = ", ".join(AXES[list(order)])
        with pytest.raises(ValueError, match=rf"brain\.nii: .*not in the C order.*\({named}\)"):
            check_voxel_order(inside, columns, "brain.nii")
    # The mask whose axes are transposed as the message says is the right one.
    check_voxel_order(inside.transpose(order), columns, "mask")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 200))
def test_noise_has_no_order_and_is_not_refused(seed):
    inside, _ = brain(seed)
    rng = np.random.default_rng(seed)
    check_voxel_order(inside, rng.uniform(size=inside.sum()), "mask")
    check_voxel_order(inside, rng.standard_normal((20, inside.sum())), "mask")


def test_dead_and_constant_voxels_say_nothing():
    inside, values = brain(1)
    columns = np.tile(values[inside], (5, 1)) * np.arange(1, 6)[:, None]
    columns[:, ::7] = np.nan
    columns[:, 1::7] = 3
    check_voxel_order(inside, columns, "mask")
    ceilings = values.T[inside.T]
    ceilings[::7] = np.nan
    with pytest.raises(ValueError, match="not in the C order"):
        check_voxel_order(inside, ceilings, "mask")


def test_a_mask_of_one_voxel_has_one_order():
    inside = np.zeros((3, 3, 3), dtype=bool)
    inside[1, 1, 1] = True
    check_voxel_order(inside, np.ones(1), "mask")


def test_a_mask_of_other_voxels_is_named():
    inside, values = brain(0)
    with pytest.raises(ValueError, match=f"{inside.sum()} true voxels, but there are values for 5"):
        check_voxel_order(inside, values[inside][:5], "mask")
