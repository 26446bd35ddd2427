import numpy as np
import pytest

from datasets_scripts.phantom.cortex import lay_out, smooth_fields

COUNTS = {"language": 30, "auditory": 30, "noise": 10, "dead": 2}


@pytest.mark.parametrize("scale", [5.0, 20.0])
def test_smooth_fields_are_gaussian_and_fall_off_as_declared(scale):
    places = np.array([(x, 0.0, 0.0) for x in (0, 5, 10, 20, 40)])
    fields = smooth_fields(places, 4000, scale, np.random.default_rng(0))
    expected = np.exp(-0.5 * ((places[:, :1] - places[:, 0]) / scale) ** 2)
    np.testing.assert_allclose(fields.T @ fields / len(fields), expected, atol=0.07)
    assert abs(np.mean(fields**4) - 3) < 0.3


def test_a_field_has_one_value_at_a_place_whoever_asks():
    places = np.random.default_rng(1).uniform(-60, 60, (50, 3))
    whole = smooth_fields(places, 2, 10.0, np.random.default_rng(5))
    part = smooth_fields(places[30:], 2, 10.0, np.random.default_rng(5))
    np.testing.assert_allclose(part, whole[:, 30:])


def test_voxels_come_from_places_near_by():
    kinds, places, origins, anatomy = lay_out(COUNTS, np.random.default_rng(2))
    assert {k: int((kinds == k).sum()) for k in COUNTS} == COUNTS
    assert anatomy.n_voxels == len(places) == len(origins) == 72
    moved = origins - places
    assert 1 < np.sqrt(np.mean(moved**2)) < 6
    assert np.ptp(moved[kinds == "noise"], axis=0).max() < 12  # neighbours go the same way


def test_participants_have_the_same_maps_where_a_warp_brings_them_to():
    laid = [lay_out(COUNTS, np.random.default_rng(seed)) for seed in (0, 1)]
    maps = [
        smooth_fields(origins, 3000, 12.0, np.random.default_rng(9)) for _, _, origins, _ in laid
    ]
    (_, places, origins, _), (_, other_places, other_origins, _) = laid
    here, there = np.nonzero((places[:, None] == other_places[None]).all(axis=-1))
    assert len(here) > 15
    apart = np.linalg.norm(origins[here] - other_origins[there], axis=1)
    assert apart.min() > 0.1
    alike = (maps[0][:, here] * maps[1][:, there]).mean(axis=0)
    np.testing.assert_allclose(alike, np.exp(-0.5 * (apart / 12) ** 2), atol=0.1)
