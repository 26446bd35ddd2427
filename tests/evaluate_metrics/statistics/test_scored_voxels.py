"""What the tests of voxels refuse."""

import numpy as np
import pytest

from evaluate_metrics.statistics import block_exchange_test, block_permutation_p


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block": 76}, "block must be from 1 to 75, half of the 150 TRs that there are, got 76"),
        ({"block": 0}, "block must be from 1"),
        ({"n_permutations": 0}, "n_permutations must be at least 1, got 0"),
    ],
)
def test_permutation_settings_out_of_range_are_refused(simulate, settings, message):
    (a, b), references, _ = simulate()
    with pytest.raises(ValueError, match=message):
        block_permutation_p(a, references, **settings)
    with pytest.raises(ValueError, match=message):
        block_exchange_test(a, b, references, **settings)


def test_models_to_exchange_must_match(simulate):
    (a, b), references, ceiling = simulate()
    with pytest.raises(ValueError, match="equally many layers, at least one, got 2 and 1"):
        block_exchange_test([a, b], [a], references)
    with pytest.raises(ValueError, match="got 0 and 0"):
        block_exchange_test([], [], references)
    with pytest.raises(ValueError, match=r"shape \(150, 20\), got \(150, 19\)"):
        block_exchange_test(a, b[:, 1:], references)
    with pytest.raises(ValueError, match="above 0 for each of 20 voxels"):
        block_exchange_test(a, b, references, ceiling - 1)
    with pytest.raises(ValueError, match="predictions hold NaN"):
        block_permutation_p(np.full_like(a, np.nan), references)
    references[:, 4] = 1
    with pytest.raises(ValueError, match="not finite in 1 voxels, the first is voxel 4"):
        block_permutation_p(a, references)
