"""Maps of the paper: what is planted in voxels is found on the vertices that are drawn."""

import numpy as np
import pytest

from evaluate_metrics import Cortex
from evaluate_metrics.figures.paper import FIGURES, Missing, maps
from evaluate_metrics.reports.maps import write_places

N_VOXELS, GAINS = 40, {"hubert": 0.2, "whisper": 0.0}
LANGUAGE = np.arange(10)  # voxels


def measured(folder, gain, offset, *, low_level=True):
    """What align.py leaves of a participant whose language voxels gain."""
    folder.mkdir(parents=True)
    places = np.repeat(np.append(np.arange(N_VOXELS), -1), 500)[:20484]
    places = np.append(places, np.full(20484 - len(places), -1))
    regions = {"language": np.flatnonzero(np.isin(places, LANGUAGE))}
    shapes = {"flat": (np.zeros((len(places), 3)), np.zeros((0, 3), int))}  # which are not written
    write_places(
        Cortex(name="", voxels=places, n_left=10242, shapes=shapes, regions=regions), folder
    )
    before = np.full(N_VOXELS, 0.4)
    after = before + offset + np.where(np.isin(np.arange(N_VOXELS), LANGUAGE), gain, 0)
    kept = {"n_voxels": N_VOXELS, "voxels": np.arange(N_VOXELS)}
    kept |= {"noise_ceiling": np.full(N_VOXELS, 0.6) + offset}
    kept |= {"alignment/pretrained": before, "alignment/brain-tuned": after}
    if low_level:
        for model, alignment, share in (("pretrained", before, 0.5), ("brain-tuned", after, 0.25)):
            kept[f"residual_alignment/{model}"] = (1 - share) * alignment
            kept[f"above_chance/{model}"] = np.ones(N_VOXELS, bool)
    np.savez(folder / "voxels.npz", **kept)


@pytest.fixture
def folders(tmp_path):
    found = {(f, p): tmp_path / "jobs" / f"{f}-{p}" for f in GAINS for p in ("P01", "P02")}
    for (family, participant), folder in found.items():
        measured(folder, GAINS[family], 0.01 * (1 if participant == "P01" else -1))
    return found


@pytest.fixture
def panels(monkeypatch):
    """What is handed to the painter: {file name: {panel: values of vertices}}."""
    drawn = {}

    def painted(cortex, of, path, title, label, change, limit, caption):
        drawn[path.stem] = {"cortex": cortex, "label": label, "change": change, **of}

    monkeypatch.setattr(maps, "surface_figure", painted)
    return drawn


def mean_in(panel, cortex, region="language"):
    return np.nanmean(panel[cortex.regions[region]])


def test_the_mean_change_of_each_family_is_where_it_is_planted(show, row, folders, panels):
    for number, values in (("2c", GAINS), ("3c", dict.fromkeys(GAINS, -25))):
        drawn = show(number, [row(metric="alignment", region="language")], folders).drawn
        of = panels[number]
        assert of["change"] is True
        for family, value in values.items():
            panel = of[f"{family} (n = 2)"]
            assert mean_in(panel, of["cortex"]) == pytest.approx(value)
            assert np.isnan(panel[of["cortex"].voxels == -1]).all()
        assert {r["family"]: r["value"] for r in drawn.table} == {
            family: pytest.approx(value, abs=1e-9) for family, value in values.items()
        }
    assert "hubert language \N{MINUS SIGN}25" in drawn.alt


def test_each_participant_has_a_map_beside_the_mean(show, folders, panels):
    drawn = show("14", [], folders).drawn
    assert [path.name for path in drawn.pictures] == ["14.png", "14-whisper.png"]
    for name, family in (("14", "hubert"), ("14-whisper", "whisper")):
        of = panels[name]
        means = {p: mean_in(of[p], of["cortex"]) for p in ("P01", "P02", "mean")}
        gain = GAINS[family]
        expected = {"P01": gain + 0.01, "P02": gain - 0.01, "mean": gain}
        assert means == pytest.approx(expected)
    show("15", [], folders)
    assert mean_in(panels["15"]["P01"], panels["15"]["cortex"]) == pytest.approx(-25)


def test_noise_ceilings_are_of_no_family(show, folders, panels):
    drawn = show("13", [], folders).drawn
    assert [path.name for path in drawn.pictures] == ["13.png"]
    of = panels["13"]
    assert mean_in(of["P02"], of["cortex"]) == pytest.approx(0.59)
    assert (of["label"], of["change"]) == ("noise ceiling", False)
    assert "language 0.60" in drawn.alt


def test_a_map_is_written(folders, tmp_path):
    one = {key: folder for key, folder in folders.items() if key[0] == "hubert"}
    drawn = FIGURES["2c"].draw([], tmp_path, one)
    assert all(path.stat().st_size > 10_000 for path in drawn.pictures)


def test_what_is_missing_is_named(folders, tmp_path):
    for folder in folders.values():
        (folder / "fsaverage5.npz").unlink()
    for number in ("2c", "3c", "13", "14", "15"):
        with pytest.raises(Missing, match="no measurement left voxels, for maps of"):
            FIGURES[number].draw([], tmp_path)
        with pytest.raises(Missing, match=r"hubert-P01 lacks fsaverage5\.npz: where the voxels"):
            FIGURES[number].draw([], tmp_path, folders)


def test_measurements_that_lack_a_quantity_are_counted(show, folders, panels, tmp_path):
    folder = tmp_path / "jobs" / "without"
    measured(folder, 0.1, 0, low_level=False)
    drawn = show("3c", [], folders | {("hubert", "P03"): folder}).drawn
    assert "Measurements left out: 1." in drawn.caption
    with pytest.raises(Missing, match="without has no change of low-level impact"):
        show("3c", [], {("hubert", "P03"): folder})
