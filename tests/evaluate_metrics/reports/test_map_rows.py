"""Maps in the tidy table: what voxels were found to be is read back vertex by vertex."""

import json

import numpy as np
import pytest

from evaluate_metrics.figures import fsaverage5
from evaluate_metrics.reports.map_rows import map_rows, maps_in, metric_of, regions_in
from evaluate_metrics.reports.maps import write_places
from evaluate_metrics.reports.tidy import Source, read_tidy, tidy, write_tidy

N_VERTICES, LANGUAGE = 20484, np.array([0, 3, 20000])
PLACES = np.where(np.arange(N_VERTICES) < 15000, np.arange(N_VERTICES) % 4, -1)
CEILINGS = np.array([0.5, 0.6, np.nan, 0.7])
MEASURED = np.array([0, 1, 3])  # voxels
ALIGNMENT = {"pretrained": np.array([0.2, 0.3, 0.4]), "brain-tuned": np.array([0.3, 0.3, 0.2])}
CHANGE = np.array([0.1, 0, np.nan, -0.2])


@pytest.fixture
def folder(tmp_path):
    """What align.py leaves of a participant with four voxels, one of them dead."""
    write_places(fsaverage5(PLACES, {"language": LANGUAGE}), tmp_path)
    kept = {"n_voxels": 4, "voxels": MEASURED, "noise_ceiling": CEILINGS}
    kept |= {f"alignment/{model}": values for model, values in ALIGNMENT.items()}
    np.savez(tmp_path / "voxels.npz", **kept)
    row = {"model": "brain-tuned", "participant": "P01", "region": "language", "layer": "mean"}
    row |= {"feature": None, "measure": "alignment", "value": 0.3, "n": 3, "unit": "voxels"}
    row |= {"interval_low": None, "interval_high": None, "stride": 0.1, "chunk": 1}
    row |= {"normalisation": "normalised"}
    settings = {"baseline": "hubert-base", "seed": 2}
    (tmp_path / "alignment.json").write_text(json.dumps({"rows": [row], "settings": settings}))
    return tmp_path


def at_vertices(of_voxels):
    return np.append(of_voxels, np.nan)[PLACES]


@pytest.mark.parametrize("way", ["rows", "parquet"])
def test_maps_of_a_measurement_stand_in_the_table(folder, way):
    rows = tidy([Source(folder / "alignment.json", {"family": "hubert"})])
    if way == "parquet":
        rows = read_tidy(write_tidy(rows, folder / "table")[:1])
    for quantity, model, expected in (
        ("noise-ceiling", None, CEILINGS),
        ("alignment-change", "brain-tuned", CHANGE),
    ):
        ((family, participant, values),) = maps_in(rows, metric_of(quantity), model)
        assert (family, participant) == ("hubert", "P01")
        np.testing.assert_allclose(values, at_vertices(expected), rtol=1e-6, atol=1e-12)
    assert maps_in(rows, metric_of("impact-change"), "brain-tuned") == []  # no low-level features
    (regions,) = regions_in(rows)
    np.testing.assert_array_equal(regions["language"], LANGUAGE)


def test_a_map_is_told_as_its_measurement_is(folder):
    rows = tidy([Source(folder / "alignment.json", {"n_layers": 12})])
    (found,) = [r for r in rows if r["metric"] == "alignment-change map"]
    known = at_vertices(CHANGE)[~np.isnan(at_vertices(CHANGE))]
    assert found["value"] == pytest.approx(known.mean()) and found["n"] == known.size
    told = {name: found[name] for name in ("family", "n_layers", "seed", "chunk", "unit", "layer")}
    expected = {"family": "hubert-base", "n_layers": 12, "seed": 2, "chunk": 1, "layer": "mean"}
    assert told == expected | {"unit": "vertices"}
    (region,) = [r for r in rows if r["metric"] == "region map"]
    assert (region["region"], region["value"], region["model"]) == ("language", 3, None)


def test_a_model_that_was_tuned_on_a_share_of_the_stories_is_no_map_of_the_whole(folder):
    rows = tidy([Source(folder / "alignment.json", {"fraction": 0.25})])
    assert maps_in(rows, "alignment-change map", "brain-tuned") == []


def test_a_measurement_that_does_not_know_where_voxels_lie_has_no_maps(folder):
    (folder / "fsaverage5.npz").unlink()
    assert list(map_rows(folder)) == []
    assert len(tidy([Source(folder / "alignment.json")])) == 1


def test_a_csv_file_has_no_vertices_and_takes_none_away(folder):
    rows = tidy([Source(folder / "alignment.json")])
    both = parquet, csv = write_tidy(rows, folder / "table")
    assert read_tidy(both) == read_tidy(reversed(both)) == read_tidy([parquet])
    assert len(maps_in(read_tidy(both), "alignment-change map", "brain-tuned")) == 1
    rows = read_tidy([csv])
    assert {r["metric"] for r in rows} >= {"alignment", "alignment-change map", "region map"}
    assert maps_in(rows, "alignment-change map", "brain-tuned") == [] == regions_in(rows)
