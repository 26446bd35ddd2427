"""Whose voxels a head predicts: what it holds, where its windows lie, and how it is kept."""

import dataclasses
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedConfig

from datasets_scripts import training_windows
from modeling_braintune import AutoModelForBrainTuning, Brain, write_alignment
from modeling_braintune.brain import BRAIN_FILE, brain_fields, read_brains, write_brains

SPACE = {"shape": [2, 3, 4], "affine": np.diag([2.0, 2, 3, 1]).tolist()}
VERTICES = np.resize([-1, 0, 1, 2], 20484)
ALIGNMENT = {"language": {"value": 0.5, "low": 0.25, "high": 0.75}}
MEASURED = {"story": "repeated", "n_trs": 232, "normalisation": "normalised"}
FIELDS = {
    "participant": "P01",
    "tr": 2.0,
    "n_trs_per_window": 5,
    "n_recorded_voxels": 8,
    "voxels": [6, 1, 3],
    "noise_ceiling": [0.5, 0.75, 0.9],
}
WHOLE = FIELDS | {
    "regions": {"language": [0, 2], "early auditory": [1], "none": []},
    "targets": "permuted",
    "participants": ["P01", "P03"],
    "trims": {"start": 10, "end": 5},
    "places": [20, 3, 9],
    "space": SPACE,
    "fsaverage5": VERTICES,
    "atlas": {"name": "lh.annot rh.annot", "sha256": "ab"},
    "data": {"name": "phantom", "fingerprint": "0f3a"},
    "alignment": ALIGNMENT,
    "measured_on": MEASURED,
}


def assert_same(brain, other):
    found, expected = vars(brain), vars(other)
    assert found.keys() == expected.keys()
    assert found["regions"].keys() == expected["regions"].keys()
    for name in ("voxels", "noise_ceiling", "places", "fsaverage5"):
        np.testing.assert_array_equal(found[name], expected[name])
    for name, columns in expected["regions"].items():
        assert found["regions"][name].dtype == np.int64
        np.testing.assert_array_equal(found["regions"][name], columns)
    for name in ("participant", "tr", "n_trs_per_window", "n_recorded_voxels", "targets"):
        assert found[name] == expected[name]
    for name in ("participants", "trims", "space", "atlas", "data", "alignment", "measured_on"):
        assert found[name] == expected[name]


def test_voxels_without_noise_ceilings_come_back_without(tmp_path):
    brains = {"P01": Brain(**WHOLE | {"noise_ceiling": None})}
    write_brains(brains, tmp_path)
    config = PreTrainedConfig(num_voxels=3, brain=brain_fields(brains))
    back = read_brains(config, tmp_path)["P01"]
    assert back.noise_ceiling is None
    assert_same(back, brains["P01"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_ceiling": [0.5]}, r"noise_ceiling of P01 .* = \(3,\), got \(1,\)"),
        ({"places": [1, 2], "space": SPACE}, r"places of P01 must be .* \(3,\), got \(2,\)"),
        ({"places": [1, 2, 24], "space": SPACE}, "places must be from 0 to 23, got 1 to 24"),
        ({"places": [1, 2, 3]}, "places and space of P01 are known together or not"),
        ({"space": SPACE}, "places and space of P01 are known together or not"),
        ({"participants": "P01"}, "participants of P01 must be a list of names, got 'P01'"),
        ({"participants": [1]}, r"participants of P01 must be a list of names, got \[1\]"),
        ({"tr": 0.0}, "tr of P01 must be from 0.01 to 100 seconds, got 0.0"),
        ({"tr": np.nan}, "tr of P01 must be from 0.01 to 100 seconds, got nan"),
        ({"tr": 1e-9}, "tr of P01 must be from 0.01 to 100 seconds, got 1e-09"),
        ({"n_trs_per_window": 0}, "n_trs_per_window of P01 must be .* above 0, .* got 0"),
        ({"n_trs_per_window": 10**9}, "n_trs_per_window of P01 .* 3600 seconds in all, got 10000"),
        ({"n_recorded_voxels": 10**12}, "n_recorded_voxels of P01 must be from 1 to 100000000, "),
        *(
            ({"places": [1, 2, 3], "space": SPACE | odd}, "space of P01 must have .* got")
            for odd in (
                {"shape": [10**6] * 3},
                {"shape": [-2, -3, 4]},
                {"shape": [24]},
                {"affine": [[1.0]]},
                {"affine": np.full((4, 4), np.nan)},
            )
        ),
        ({"noise_ceiling": [0.5, np.nan, np.inf]}, "noise_ceiling of P01 .* got 2 that are not"),
        ({"voxels": [6, 1, 6]}, "voxels of P01 must differ .* got 1 that"),
        ({"voxels": [6, 1, 8]}, "voxels must be from 0 to 7, got 1 to 8"),
        ({"voxels": [6, -1, 3]}, "voxels must be from 0 to 7, got -1 to 6"),
        ({"fsaverage5": [0, 1]}, r"fsaverage5 of P01 must be of shape \(20484,\), got \(2,\)"),
        ({"fsaverage5": VERTICES + 1}, "columns of fsaverage5 must be from 0 to 2, got 0 to 3"),
        ({"fsaverage5": VERTICES - 1}, "columns of fsaverage5 must be from 0 to 2, got -2 to 1"),
        *(
            (
                {"alignment": {"A1": odd}, "measured_on": MEASURED},
                "alignment of P01 must be a finite value from low to high, got .* in region 'A1'",
            )
            for odd in (
                {"value": 0.5},
                {"value": 0.5, "low": 0.6, "high": 0.7},
                {"value": np.nan, "low": 0.1, "high": 0.7},
                {"value": "0.5", "low": "0.1", "high": "0.7"},
            )
        ),
        ({"alignment": ALIGNMENT}, "alignment and measured_on of P01 are known together or not"),
        ({"measured_on": MEASURED}, "alignment and measured_on of P01 are known together or not"),
        ({"regions": {"A1": [0, 3]}}, "columns of region 'A1' must be from 0 to 2, got 0 to 3"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Brain(**FIELDS | changes)


def test_predictions_go_where_their_voxels_are_recorded():
    whole = Brain(**FIELDS).recorded([[1.0, 2, 3], [4, 5, 6]])
    nan = np.nan
    expected = [[nan, 2, nan, 3, nan, nan, 1, nan], [nan, 5, nan, 6, nan, nan, 4, nan]]
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, expected)


def test_a_window_holds_the_sound_up_to_the_end_of_its_tr():
    windows = Brain(**FIELDS | {"n_trs_per_window": 2}).windows(3 * 32000)
    np.testing.assert_array_equal(windows, [[-32000, 32000], [0, 64000], [32000, 96000]])


@settings(deadline=None)
@given(
    n_samples=st.integers(1, 10**7),
    tr=st.sampled_from([0.7, 1.5, 2.0, 2.0045, 1.49]),
    n_trs_per_window=st.integers(1, 8),
)
def test_windows_are_the_training_windows_of_every_tr_that_holds_sound(
    n_samples, tr, n_trs_per_window
):
    brain = Brain(**FIELDS | {"tr": tr, "n_trs_per_window": n_trs_per_window})
    windows = brain.windows(n_samples)
    n_trs = ceil(Fraction(n_samples, 16000) / Fraction(str(tr)))
    tr_times = (np.arange(n_trs) + 0.5) * tr
    np.testing.assert_array_equal(windows, training_windows(tr_times, tr, n_trs_per_window))


@pytest.mark.parametrize("fields", [FIELDS, WHOLE], ids=["least", "all"])
def test_a_brain_is_read_back_as_it_was_written(make_config, tmp_path, fields):
    brains = {"P01": Brain(**fields), "P02": Brain(**fields | {"participant": "P02", "tr": 1.5})}
    write_brains(brains, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [BRAIN_FILE]
    num_voxels = {"P01": 3, "P02": 3}
    config = make_config("wav2vec2", brain=brain_fields(brains), num_voxels=num_voxels)
    read = read_brains(config, tmp_path)
    assert list(read) == list(brains)
    for name, brain in brains.items():
        assert_same(read[name], brain)


def test_a_checkpoint_carries_its_brain(make_model, tmp_path):
    model = make_model("hubert", num_voxels=3)
    model.set_brains(Brain(**WHOLE))
    model.save_pretrained(tmp_path)
    loaded = AutoModelForBrainTuning.from_pretrained(tmp_path)
    assert_same(loaded.brain_of("P01"), Brain(**WHOLE))


def test_a_saved_checkpoint_is_told_its_alignment_and_keeps_it(make_model, tmp_path):
    several = {"P01": 3, "P02": 3}
    brains = [Brain(**WHOLE | {"alignment": {}, "measured_on": {}})]
    brains.append(dataclasses.replace(brains[0], participant="P02"))
    model = make_model("wav2vec2", num_voxels=several)
    model.set_brains(*brains)
    model.save_pretrained(tmp_path)
    weights = (tmp_path / "model.safetensors").read_bytes()
    write_alignment(tmp_path, "P02", ALIGNMENT, MEASURED)
    assert (tmp_path / "model.safetensors").read_bytes() == weights
    loaded = AutoModelForBrainTuning.from_pretrained(tmp_path)
    assert_same(loaded.brain_of("P01"), brains[0])
    measured = dataclasses.replace(brains[1], alignment=ALIGNMENT, measured_on=MEASURED)
    assert_same(loaded.brain_of("P02"), measured)
    loaded.save_pretrained(tmp_path / "again")
    saved, again = (folder / "config.json" for folder in (tmp_path, tmp_path / "again"))
    assert again.read_text() == saved.read_text()


def test_checkpoints_that_say_nothing_of_alignment_are_read_too(written):
    config, folder = written
    del config.brain["P01"]["alignment"], config.brain["P01"]["measured_on"]
    unmeasured = Brain(**WHOLE | {"alignment": {}, "measured_on": {}})
    assert_same(read_brains(config, folder)["P01"], unmeasured)


def test_without_a_brain_there_is_nothing_to_read(make_config, tmp_path):
    assert read_brains(make_config("wav2vec2"), tmp_path) == {}


@pytest.fixture
def written(make_config, tmp_path):
    """Configuration and folder of a written brain."""
    brains = {"P01": Brain(**WHOLE)}
    write_brains(brains, tmp_path)
    return make_config("wav2vec2", brain=brain_fields(brains), num_voxels=3), tmp_path


def test_a_missing_file_is_named(written):
    config, folder = written
    (folder / BRAIN_FILE).unlink()
    message = f"names the voxels of P01, but {BRAIN_FILE} is not beside it"
    with pytest.raises(ValueError, match=message):
        read_brains(config, folder)


def test_a_damaged_file_is_named(written):
    config, folder = written
    path = folder / BRAIN_FILE
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=f"{BRAIN_FILE}' cannot be read .* damaged"):
        read_brains(config, folder)


def test_arrays_of_another_brain_are_refused(written):
    config, folder = written
    write_brains({"P02": Brain(**FIELDS | {"participant": "P02"})}, folder)
    with pytest.raises(ValueError, match="has no array 'P01/voxels', which config.json"):
        read_brains(config, folder)
    write_brains({"P01": Brain(**FIELDS)}, folder)
    with pytest.raises(ValueError, match="has no array 'P01/regions/language'"):
        read_brains(config, folder)
    config.num_voxels = 4
    write_brains({"P01": Brain(**WHOLE)}, folder)
    with pytest.raises(ValueError, match="do not describe the voxels of one head .*3.*4"):
        read_brains(config, folder)
