"""What a cortex shows from which side, and what does not fit together."""

import socket

import numpy as np
import pytest

from evaluate_metrics.figures import fsaverage5


def test_a_vertex_has_its_voxels_value_and_none_without_a_voxel(make_cortex):
    voxels = np.full(516, -1)
    voxels[:3] = [1, 0, 1]
    found = make_cortex(voxels=voxels).on_vertices(np.array([0.0, 7.0, np.inf]))
    np.testing.assert_array_equal(found[:3], [7, 0, 7])
    assert np.isnan(found[3:]).all()


def test_sizes_that_differ_are_named(make_cortex):
    with pytest.raises(ValueError, match="spheres: voxels are of 5 vertices, inflated .* of 516"):
        make_cortex(voxels=np.arange(5))
    with pytest.raises(ValueError, match="voxels are of 516 vertices, greys of 2"):
        make_cortex(greys=np.ones(2))
    with pytest.raises(ValueError, match="vertices lie in 516 voxels, values are of 4"):
        make_cortex().on_vertices(np.ones(4))
    with pytest.raises(ValueError, match="fsaverage5: voxels are of 3 vertices, .* of 20484"):
        fsaverage5(np.arange(3))
    with pytest.raises(ValueError, match="drawn flat or inflated, got shapes none"):
        make_cortex(shapes={})


def test_flat_hemispheres_lie_side_by_side_with_a_gap(make_cortex):
    cortex = make_cortex()
    shown = cortex.flat.vertices
    left, right = ((shown >= 0) & (shown < 258)).any(axis=0), (shown >= 258).any(axis=0)
    assert np.flatnonzero(left).max() + 20 < np.flatnonzero(right).min()
    cut_away = np.setdiff1d(np.arange(516), cortex.shapes["flat"][1])
    assert len(cut_away) and not np.isin(cut_away, shown).any()


@pytest.mark.parametrize(
    ("view", "side", "outside", "front"),
    [
        ("left lateral", slice(0, 258), True, "left"),
        ("left medial", slice(0, 258), False, "right"),
        ("right medial", slice(258, None), False, "left"),
        ("right lateral", slice(258, None), True, "right"),
    ],
)
def test_inflated_views_show_their_side_with_the_front_where_it_is(
    make_cortex, view, side, outside, front
):
    cortex = make_cortex()
    x, y, z = cortex.shapes["inflated"][0].T
    shown = cortex.inflated[view].vertices
    seen = np.unique(shown[shown >= 0])
    assert set(seen) <= set(np.arange(516)[side])
    from_middle = np.abs(x[seen]) - 45
    assert (from_middle > -1e-9).all() if outside else (from_middle < 1e-9).all()
    rows, columns = np.nonzero(shown >= 0)
    for axis, values, rises in ((columns, y, front == "right"), (rows, z, True)):
        correlation = np.corrcoef(axis, values[shown[rows, columns]])[0, 1]
        assert correlation > 0.9 if rises else correlation < -0.9


def test_what_is_seen_from_the_side_lies_in_shade(make_cortex):
    cortex = make_cortex()
    x = cortex.shapes["inflated"][0][:258, 0] + 45
    assert cortex.shades[np.abs(x).argmax()] == pytest.approx(1, abs=0.01)
    assert cortex.shades[np.abs(x).argmin()] == pytest.approx(0.8, abs=0.02)


def test_a_cortex_without_one_of_the_shapes_has_no_such_view(make_cortex):
    shapes = make_cortex().shapes
    assert make_cortex(shapes={"inflated": shapes["inflated"]}).flat is None
    assert make_cortex(shapes={"flat": shapes["flat"]}).inflated == {}


def test_fsaverage5_is_not_downloaded_and_its_vertices_are_its_voxels(monkeypatch):
    def no_network(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(socket, "socket", no_network)
    cortex = fsaverage5()
    np.testing.assert_array_equal(cortex.voxels, np.arange(20484))
    assert cortex.n_left == 10242 and set(cortex.shapes) == {"flat", "inflated"}
    assert len(set(cortex.greys)) == 2
    assert cortex.shapes["inflated"][1].max() == 20483
