"""Colours of values, and greys where there is none."""

import numpy as np
import pytest
from matplotlib import colormaps

from evaluate_metrics.figures.painting import colour_scale, limit_of, painted


def test_a_value_has_its_colour_and_nan_is_grey_which_0_is_not():
    colours, _ = colour_scale([np.array([0, 1.0])], limit=1.0)
    rgba = painted(np.array([0, 0.5, 1, np.nan, np.nan]), np.array([0, 0, 0, 0.7, 0.8]), colours)
    viridis = colormaps["viridis"]
    np.testing.assert_allclose(rgba[:3], [viridis(0.0), viridis(0.5), viridis(1.0)])
    np.testing.assert_allclose(rgba[3:], [[0.7, 0.7, 0.7, 1], [0.8, 0.8, 0.8, 1]])


def test_a_scale_is_that_of_all_panels_and_of_changes_reaches_alike_to_both_sides():
    small, large = np.linspace(0, 0.1, 100), np.append(np.linspace(0, 0.9, 100), np.nan)
    both = np.percentile(np.concatenate([small, large[:-1]]), 99)
    assert limit_of([small, large]) == pytest.approx(both)
    for change, low in ((False, 0), (True, -both)):
        colours, ends = colour_scale([small, large], change)
        assert (colours.norm.vmin, colours.norm.vmax) == pytest.approx((low, both))
        assert ends == "max"


@pytest.mark.parametrize(
    ("values", "change", "ends"),
    [
        ([0.1, 0.4], False, "neither"),
        ([-0.1, 0.4], False, "min"),
        ([-0.1, 0.4], True, "neither"),
        ([-0.6, 0.6], True, "both"),
    ],
)
def test_the_bar_has_arrows_where_values_lie_beyond_it(values, change, ends):
    assert colour_scale([np.array([*values, np.nan])], change, limit=0.5)[1] == ends


def test_what_has_no_value_at_all_has_a_scale_too():
    assert limit_of([np.full(3, np.nan)]) == limit_of([np.zeros(3)]) == 1
    assert colour_scale([np.full(3, np.nan)])[1] == "neither"


def test_infinite_values_and_limits_that_are_not_above_0_are_refused():
    with pytest.raises(ValueError, match="finite or NaN, got 2 infinite of 5"):
        colour_scale([np.array([np.inf, np.nan]), np.array([1, -np.inf, 2])])
    with pytest.raises(ValueError, match="limit must be above 0, got -1"):
        colour_scale([np.ones(2)], limit=-1)
