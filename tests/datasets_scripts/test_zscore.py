import numpy as np
import pytest
from scipy.stats import zscore

from datasets_scripts import zscore_responses


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_responses_are_standardised_in_place_and_in_their_precision(dtype):
    values = (9000 + 50 * np.random.default_rng(0).standard_normal((232, 30))).astype(dtype)
    expected = zscore(values.astype(np.float64))
    scored = zscore_responses(values)
    assert scored is values and scored.dtype == dtype
    np.testing.assert_allclose(scored, expected, atol=1e-12 if dtype == np.float64 else 1e-4)


def test_a_voxel_that_is_constant_or_not_finite_is_dead():
    values = np.random.default_rng(0).standard_normal((300, 5)).astype(np.float32)
    values[:, 1] = 0.1  # whose mean in single precision is not quite 0.1
    values[7, 2], values[7, 3] = np.nan, np.inf
    scored = zscore_responses(values)
    np.testing.assert_array_equal(np.isnan(scored).all(axis=0), [False, True, True, True, False])
    np.testing.assert_array_equal(np.isnan(scored).any(axis=0), [False, True, True, True, False])


def test_the_order_in_memory_does_not_matter():
    values = np.random.default_rng(0).standard_normal((40, 6))
    scored = zscore_responses(np.asfortranarray(values))
    np.testing.assert_allclose(scored, zscore_responses(values.copy()), rtol=1e-12)


def test_what_cannot_be_overwritten_is_refused():
    values = np.arange(6.0).reshape(3, 2)
    values.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        zscore_responses(values)
