import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile

from datasets_scripts import (
    Interval,
    noise_ceiling,
    participant_stories,
    read_ds003020,
    read_regions,
    write_textgrid,
)

LISTENING_MINI = Path(__file__).resolve().parents[2].parent / "shared/data/listening-mini"
needs_listening_mini = pytest.mark.skipif(
    not LISTENING_MINI.is_dir(), reason="the listening-mini recordings are not here"
)

PHONES = [Interval(0.1, 0.3, "S"), Interval(0.3, 0.5, "OW1"), Interval(0.5, 0.9, "sp")]
WORDS = [Interval(0.1, 0.5, "so")]
N_VOXELS = 6
RAW_TRS = {"avatar": 26, "souls": 24}


def responses(root, participant, story):
    return root / f"derivative/preprocessed_data/{participant}/{story}.hf5"


def write_responses(path, **datasets):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values


@pytest.fixture
def root(tmp_path):
    """Two stories, heard by UTS01; UTS02 heard `avatar` alone. `souls` has three repeats."""
    rng = np.random.default_rng(0)
    (tmp_path / "stimuli").mkdir()
    (tmp_path / "derivative/TextGrids").mkdir(parents=True)
    (tmp_path / "derivative/respdict.json").write_text(json.dumps(RAW_TRS))
    for story, raw in RAW_TRS.items():
        soundfile.write(tmp_path / f"stimuli/{story}.wav", rng.uniform(-1, 1, (8000, 2)), 8000)
        textgrid = tmp_path / f"derivative/TextGrids/{story}.TextGrid"
        write_textgrid(textgrid, {"Phones": PHONES, "Words": WORDS}, 1.0)
        repeats = rng.standard_normal((3, raw - 20, N_VOXELS))
        repeats[..., -1] = np.nan
        for participant in ("UTS01", "UTS02") if story == "avatar" else ("UTS01",):
            write_responses(
                responses(tmp_path, participant, story),
                data=repeats.mean(axis=0),
                **({"individual_repeats": repeats} if story == "souls" else {}),
            )
    return tmp_path


def write_regions(root, regions):
    (root / "derivative/regions").mkdir()
    (root / "derivative/regions/UTS01.json").write_text(json.dumps(regions))


def test_a_story_holds_what_its_files_hold(root):
    souls = next(read_ds003020(root, "UTS01", ["souls"]))
    with h5py.File(responses(root, "UTS01", "souls")) as file:
        data, repeats = file["data"][()], file["individual_repeats"][()]
    assert (souls.name, souls.participant, souls.tr) == ("souls", "UTS01", 2.0)
    assert souls.audio_file == root / "stimuli/souls.wav"
    np.testing.assert_array_equal(souls.responses, data.astype(np.float32))
    np.testing.assert_array_equal(souls.repeats, repeats.astype(np.float32))
    np.testing.assert_array_equal(souls.tr_times, [11.0, 13.0, 15.0, 17.0])
    assert souls.responses.dtype == souls.repeats.dtype == souls.audio.dtype == np.float32
    assert np.isnan(souls.responses[:, -1]).all()
    assert souls.audio.shape == (16000,)
    assert (souls.phones, souls.words) == (PHONES, WORDS)


def test_stories_come_in_the_order_asked_and_sorted_by_default(root):
    assert participant_stories(root, "UTS01") == ["avatar", "souls"]
    assert [story.name for story in read_ds003020(root, "UTS01")] == ["avatar", "souls"]
    asked = read_ds003020(root, "UTS01", ["souls", "avatar"])
    assert [story.name for story in asked] == ["souls", "avatar"]


def test_a_story_heard_once_has_no_repeats(root):
    assert next(read_ds003020(root, "UTS02")).repeats is None


def test_the_scanners_own_tr_is_an_option(root):
    souls = next(read_ds003020(root, "UTS01", ["souls"], tr=2.0045))
    assert souls.tr == 2.0045
    np.testing.assert_allclose(souls.tr_times[0], 10.5 * 2.0045 - 10)


def test_stories_are_read_one_at_a_time(root):
    responses(root, "UTS01", "souls").write_bytes(b"damaged")
    stories = read_ds003020(root, "UTS01")
    assert next(stories).name == "avatar"
    with pytest.raises(ValueError, match="souls"):
        next(stories)


def test_hidden_files_are_no_stories(root):
    (responses(root, "UTS02", "._avatar")).write_bytes(b"left by a file manager")
    assert participant_stories(root, "UTS02") == ["avatar"]


@pytest.mark.parametrize(
    ("participant", "stories", "error", "message"),
    [
        ("UTS3", None, ValueError, r"got 'UTS3'\. Did you mean 'UTS0.'\? Available: UTS01, UTS02"),
        ("../UTS01", None, ValueError, "Available: UTS01, UTS02"),
        ("UTS02", ["soul"], ValueError, r"story of UTS02 .*got 'soul'\. Available: avatar"),
        ("UTS01", ["soul"], ValueError, r"Did you mean 'souls'\? Available: avatar, souls"),
        ("UTS01", ["../UTS02/avatar"], ValueError, r"no path separators .* '\.\./UTS02/avatar'"),
        ("UTS01", ["a\\b"], ValueError, "no path separators"),
        ("UTS01", [".."], ValueError, "no path separators"),
        ("UTS01", ["souls", "souls"], ValueError, "each story can be read once"),
        ("UTS01", "souls", TypeError, r"got 'souls'; use \['souls'\]"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(root, participant, stories, error, message):
    with pytest.raises(error, match=message):
        read_ds003020(root, participant, stories)


def test_a_tr_that_is_not_positive_is_refused_at_the_call(root):
    with pytest.raises(ValueError, match="tr must be positive seconds, got -2"):
        read_ds003020(root, "UTS01", tr=-2)


def test_a_folder_of_another_layout_is_refused_at_the_call(tmp_path):
    with pytest.raises(FileNotFoundError, match="should hold derivative/preprocessed_data/"):
        read_ds003020(tmp_path, "UTS01")


def test_a_participant_without_responses_is_named(root):
    (root / "derivative/preprocessed_data/UTS03").mkdir()
    with pytest.raises(ValueError, match=r"UTS03 holds no responses"):
        participant_stories(root, "UTS03")


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"responses": np.zeros((4, 6))}, r"no dataset 'data', got \['responses'\]"),
        (
            {"data": np.zeros((5, 6))},
            r"data must be \(4 TRs.*respdict.json counts 24.*got \(5, 6\)",
        ),
        ({"data": np.zeros(4)}, r"data must be .* got \(4,\)"),
        (
            {"data": np.zeros((4, 6)), "individual_repeats": np.zeros((4, 6))},
            r"individual_repeats must be \(n_repeats, 4, 6\).* got \(4, 6\)",
        ),
        (
            {"data": np.zeros((4, 6)), "individual_repeats": np.zeros((10, 4, 7))},
            r"individual_repeats must be .* got \(10, 4, 7\)",
        ),
    ],
)
def test_responses_of_the_wrong_shape_are_named(root, datasets, message):
    write_responses(responses(root, "UTS01", "souls"), **datasets)
    with pytest.raises(ValueError, match=rf"souls\.hf5: .*{message}"):
        next(read_ds003020(root, "UTS01", ["souls"]))


@pytest.mark.parametrize("kept", [0, 100, 1500])
def test_a_truncated_response_file_is_named(root, kept):
    path = responses(root, "UTS01", "souls")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"souls\.hf5: truncated, or not an HDF5 file"):
        next(read_ds003020(root, "UTS01", ["souls"]))


@pytest.mark.parametrize("missing", ["stimuli/souls.wav", "derivative/TextGrids/souls.TextGrid"])
def test_a_missing_file_is_named(root, missing):
    (root / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        next(read_ds003020(root, "UTS01", ["souls"]))


def test_a_textgrid_without_a_phone_tier_is_named(root):
    write_textgrid(root / "derivative/TextGrids/souls.TextGrid", {"word": WORDS}, 1.0)
    with pytest.raises(ValueError, match=r"souls\.TextGrid: expected a phone tier .*\['word'\]"):
        next(read_ds003020(root, "UTS01", ["souls"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"avatar": 26}', "no TR count for story 'souls'"),
        ('{"souls": 15}', "story 'souls': raw_trs must be above the 20"),
        ("{", "not a JSON file"),
        ("[24]", "expected a JSON object, got a list"),
    ],
)
def test_tr_counts_that_cannot_be_used_are_named(root, content, message):
    (root / "derivative/respdict.json").write_text(content)
    with pytest.raises(ValueError, match=rf"respdict\.json: {message}"):
        next(read_ds003020(root, "UTS01", ["souls"]))


def test_regions_are_voxel_indices(root):
    write_regions(root, {"language": [0, 2], "auditory": []})
    regions = read_regions(root, "UTS01")
    assert {name: voxels.tolist() for name, voxels in regions.items()} == {
        "language": [0, 2],
        "auditory": [],
    }
    assert all(voxels.dtype == np.int64 for voxels in regions.values())


def test_regions_are_optional(root):
    assert read_regions(root, "UTS01") == {}


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        ([0, 6, -1], r"2 indices outside 0 to 5, got \[6, -1\]"),
        ([0.5], "must be a list of whole numbers"),
        ([True], "must be a list of whole numbers"),
        (3, "must be a list of whole numbers"),
    ],
)
def test_bad_region_indices_are_named(root, voxels, message):
    write_regions(root, {"language": voxels})
    with pytest.raises(ValueError, match=rf"UTS01\.json: region 'language' .*{message}"):
        read_regions(root, "UTS01")


@needs_listening_mini
@pytest.mark.parametrize("participant", ["UTS01", "UTS02"])
def test_listening_mini_is_read(participant):
    truth = json.loads((LISTENING_MINI / "truth.json").read_text())
    for story in read_ds003020(LISTENING_MINI, participant):
        known = truth["stories"][story.name]
        assert story.responses.shape == (known["stored_trs"], 240)
        assert len(story.tr_times) == known["stored_trs"]
        assert abs(len(story.audio) - known["seconds"] * 16000) <= 1
        assert np.isnan(story.responses).all(axis=0).nonzero()[0].tolist() == [239]
        assert (story.repeats is not None) == (story.name == "wheretheressmoke")
        assert 0 < len(story.words) < len(story.phones)
        assert story.phones[-1].end <= known["seconds"] + 0.0005  # written in milliseconds


@needs_listening_mini
def test_ceilings_of_listening_mini_follow_its_truth():
    snr = np.load(LISTENING_MINI / "truth.npz")["snr"]
    story = next(read_ds003020(LISTENING_MINI, "UTS01", ["wheretheressmoke"]))
    ceiling = noise_ceiling(story.repeats)
    planted = np.sqrt(10 * snr**2 / (1 + 10 * snr**2))
    assert np.isnan(ceiling).nonzero()[0].tolist() == [239]
    # 28 TRs, which the smooth responses make fewer still, tell ceilings apart only roughly.
    assert np.corrcoef(ceiling[:-1], planted[:-1])[0, 1] > 0.8
