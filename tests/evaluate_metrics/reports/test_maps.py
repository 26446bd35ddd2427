"""What maps are drawn of, and that panels which are compared have the same colours."""

import nibabel
import numpy as np
import pytest

from evaluate_metrics import fsaverage5
from evaluate_metrics.figures import surface_figure
from evaluate_metrics.reports import average_maps, maps
from evaluate_metrics.reports.alignment import _flat
from evaluate_metrics.reports.maps import (
    brain_maps,
    mean_of,
    read_maps,
    voxel_maps,
    write_places,
)

N_VOXELS, VOXELS = 6, np.array([1, 2, 4, 5])
ALIGNMENT = {
    "pretrained": np.array([0.2, 0.4, 0.5, -0.1]),
    "brain-tuned": np.array([0.4, 0.8, 0.1, 0.2]),
}
RESIDUAL = {
    "pretrained": np.array([0.1, 0.1, 0.1, 0.1]),
    "brain-tuned": np.array([0.1, 0.4, 0.1, 0.1]),
}
CHANCE = {
    "pretrained": np.array([True, True, True, True]),
    "brain-tuned": np.array([True, True, False, True]),
}


def measured(participant="P01", low_level=True, **changes):
    voxels = {
        "voxels": VOXELS,
        "n_voxels": N_VOXELS,
        "noise_ceiling": np.array([0.1, 0.6, 0.7, np.nan, 0.8, 0.9]),
        "alignment": ALIGNMENT,
        "residual_alignment": RESIDUAL if low_level else {},
        "above_chance": CHANCE,
    }
    found = {"participant": participant, "test_story": "repeated", "n_trs": 100}
    found |= {"evaluation_stride": 0.1, "evaluation_chunk": 0.1, "normalisation": "normalised"}
    return found | {"per_voxel": voxels | changes}


@pytest.fixture
def drawn(monkeypatch):
    """What is passed on to be drawn on a surface, by the name of the file."""
    calls = {}

    def record(cortex, panels, path, title, label, change, limit, caption):
        calls[path.name] = dict(vars(), panels=panels)
        return [path]

    monkeypatch.setattr(maps, "surface_figure", record)
    return calls


@pytest.fixture
def on_cortex(make_cortex):
    """Makes the cortex with voxels at its first vertices, -1 elsewhere."""

    def make(voxels=range(N_VOXELS), **changes):
        placed = np.full(516, -1)
        placed[: len(voxels)] = voxels
        return make_cortex(voxels=placed, **changes)

    return make


def test_maps_hold_what_was_measured_and_nan_elsewhere():
    found = voxel_maps(measured()["per_voxel"])
    assert list(found) == list(maps.QUANTITIES)
    nan = np.nan
    np.testing.assert_array_equal(
        found["noise-ceiling"][""], [0.1, 0.6, 0.7, nan, 0.8, 0.9]
    )  # of all voxels
    assert list(found["alignment"]) == ["pretrained", "brain-tuned"]
    np.testing.assert_array_equal(found["alignment"]["brain-tuned"], [nan, 0.4, 0.8, nan, 0.1, 0.2])
    assert list(found["alignment-change"]) == ["brain-tuned"]
    np.testing.assert_allclose(
        found["alignment-change"]["brain-tuned"], [nan, 0.2, 0.4, nan, -0.4, 0.3]
    )


def test_impact_changes_in_percentage_points_where_both_models_are_above_chance():
    # 75 - 50 and 50 - 75; not above chance; an alignment that is negative has no impact
    np.testing.assert_allclose(
        voxel_maps(measured()["per_voxel"])["impact-change"]["brain-tuned"],
        [np.nan, 25, -25, np.nan, np.nan, np.nan],
    )


def test_an_alignment_near_zero_has_no_share():
    alignment = {m: np.where(v == 0.4, 0.005, v) for m, v in ALIGNMENT.items()}
    found = voxel_maps(measured(alignment=alignment)["per_voxel"])["impact-change"]["brain-tuned"]
    assert np.isnan(found).all()


def test_without_low_level_features_or_other_models_there_is_less_to_draw():
    assert "impact-change" not in voxel_maps(measured(low_level=False)["per_voxel"])
    alone = {"alignment": {"pretrained": ALIGNMENT["pretrained"]}}
    found = voxel_maps(measured(low_level=False, **alone)["per_voxel"])
    assert list(found) == ["noise-ceiling", "alignment"]


def test_a_figure_holds_all_models_on_one_scale(on_cortex, drawn, tmp_path):
    paths = brain_maps(measured(), tmp_path, on_cortex())
    assert [path.name for path in paths] == [f"map-{name}.png" for name in maps.QUANTITIES]
    call = drawn["map-alignment.png"]
    assert list(call["panels"]) == ["pretrained", "brain-tuned"] and not call["change"]
    np.testing.assert_array_equal(
        call["panels"]["brain-tuned"][:6], [np.nan, 0.4, 0.8, np.nan, 0.1, 0.2]
    )
    assert np.isnan(call["panels"]["brain-tuned"][6:]).all()
    every = np.abs(np.concatenate(list(ALIGNMENT.values())))
    assert call["limit"] == pytest.approx(np.percentile(every, 99))
    assert (
        "100 TRs, representations every 0.1 s" in call["caption"]
        and call["title"] == "P01: brain alignment"
    )
    assert drawn["map-alignment-change.png"]["change"] and drawn["map-impact-change.png"]["change"]
    assert drawn["map-noise-ceiling.png"]["limit"] == 1
    assert drawn["map-impact-change.png"]["limit"] == pytest.approx(25)


def test_colours_of_impact_reach_to_100_points_at_most(on_cortex, drawn, tmp_path):
    residual = RESIDUAL | {"pretrained": np.full(4, -40.0)}
    brain_maps(measured(residual_alignment=residual), tmp_path, on_cortex())
    assert drawn["map-impact-change.png"]["limit"] == 100


def test_voxels_of_another_participant_are_refused(on_cortex, tmp_path):
    with pytest.raises(ValueError, match="vertices lie in 9 voxels, values are of 6"):
        brain_maps(measured(), tmp_path, on_cortex(range(9)))
    assert brain_maps(measured(), tmp_path) == []


def test_slices_are_drawn_where_only_a_mask_is_known(monkeypatch, tmp_path):
    limits = []
    monkeypatch.setattr(maps, "volume_map", lambda values, mask, *rest: limits.append(rest[4]))
    mask = nibabel.Nifti1Image(np.ones((1, 2, 3), np.uint8), np.eye(4))
    paths = brain_maps(measured(), tmp_path, None, mask)
    names = ["noise-ceiling", "alignment-pretrained", "alignment-brain-tuned"]
    names += ["alignment-change-brain-tuned", "impact-change-brain-tuned"]
    assert [path.name for path in paths] == [f"map-{name}.png" for name in names]
    assert limits[1] == limits[2]  # models are compared


def test_a_mean_is_over_those_who_have_a_value():
    mean = mean_of([np.array([1, np.nan, np.nan]), np.array([3, 2, np.nan])])
    np.testing.assert_array_equal(mean, [2, 2, np.nan])


def test_averages_are_of_vertices_models_and_regions_that_participants_share(
    on_cortex, drawn, tmp_path
):
    more = ALIGNMENT | {"permuted": ALIGNMENT["pretrained"]}
    chance, residual = (table | {"permuted": table["pretrained"]} for table in (CHANCE, RESIDUAL))
    first = measured("P01", alignment=more, above_chance=chance, residual_alignment=residual)
    results = [first, measured("P02"), measured("P03")]
    regions = [{"language": [0, 1]}, {"language": [1, 2]}, {"language": [1], "other": [7]}]
    voxels = [[0, 1, 2], [1, 1, 3], [3, -1, 4]]
    cortices = [
        on_cortex(v, regions={name: np.array(r) for name, r in of_one.items()})
        for v, of_one in zip(voxels, regions, strict=True)
    ]
    average_maps(results, cortices, tmp_path)
    call = drawn["map-alignment.png"]
    assert list(call["panels"]) == ["pretrained", "brain-tuned"]
    # (none, 0.4, none), (0.4, 0.4, none), (0.8, none, 0.1)
    np.testing.assert_allclose(call["panels"]["brain-tuned"][:4], [0.4, 0.4, 0.45, np.nan])
    outlined = {name: found.tolist() for name, found in call["cortex"].regions.items()}
    assert outlined == {"language": [1], "other": [7]}
    assert "n = 3" in call["title"] and "P01, P02, P03 who have a value" in call["caption"]
    assert list(drawn["map-impact-change.png"]["panels"]) == ["brain-tuned"]


def test_an_average_of_one_is_none_and_other_vertices_are_refused(on_cortex, make_cortex, tmp_path):
    assert average_maps([measured()], [on_cortex()], tmp_path) == []
    shapes = make_cortex().shapes
    other = make_cortex(
        voxels=np.full(600, -1),
        shapes={"flat": (np.zeros((600, 3)), shapes["flat"][1])},
    )
    with pytest.raises(ValueError, match=r"same vertices, got \[516, 600\]"):
        average_maps([measured(), measured("P02")], [on_cortex(), other], tmp_path)


def test_averages_are_pictures(on_cortex, tmp_path):
    results = [measured(name, low_level=False) for name in ("P01", "P02")]
    paths = average_maps(results, [on_cortex()] * 2, tmp_path)
    assert len(paths) == 6 and set(tmp_path.iterdir()) == set(paths)
    assert surface_figure is maps.surface_figure


def test_what_is_written_of_voxels_and_their_places_is_read_back(tmp_path):
    regions = {"language": np.array([0, 3, 20000])}
    write_places(fsaverage5(np.arange(20484) % N_VOXELS, regions), tmp_path)
    voxels = measured()["per_voxel"]
    np.savez(tmp_path / "voxels.npz", **_flat(voxels))
    read, inside = read_maps(tmp_path)
    expected = voxel_maps(voxels)
    assert read.keys() == expected.keys()
    for quantity, of_models in expected.items():
        for model, values in of_models.items():
            of_vertices = values[np.arange(20484) % N_VOXELS]
            np.testing.assert_array_equal(read[quantity][model], of_vertices)
    np.testing.assert_array_equal(np.flatnonzero(inside["language"]), regions["language"])
    (tmp_path / "voxels.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks voxels\.npz: measure again"):
        read_maps(tmp_path)
