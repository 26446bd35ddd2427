"""Stories from a prepared data set are the stories that were read from the folder."""

import json
import shutil

import h5py
import nibabel
import numpy as np
import pytest
import soundfile
from datasets import DatasetDict, concatenate_datasets

from datasets_scripts import TrainingWindows, open_participant, read_ds003020, read_recording
from datasets_scripts.recordings.participant import PROVENANCE, Participant, places


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def participant(recordings, cache):
    return open_participant(recordings, "P01", cache_dir=cache)


def assert_same_story(found, expected):
    for name in ("name", "participant", "tr", "words", "phones"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("audio", "tr_times", "responses"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    if expected.repeats is None:
        assert found.repeats is None
    else:
        np.testing.assert_array_equal(found.repeats, expected.repeats)


def test_stories_are_those_of_the_folder(participant, recordings):
    assert participant.story_names == ["repeated", "story01", "story02"]
    for found, expected in zip(
        participant.stories(), read_ds003020(recordings, "P01"), strict=True
    ):
        assert_same_story(found, expected)
        original, rate = read_recording(found.audio_file)
        expected_original, expected_rate = read_recording(expected.audio_file)
        assert rate == expected_rate
        np.testing.assert_array_equal(original, expected_original)


def test_responses_are_those_of_the_stories_and_decode_no_sound(participant, monkeypatch):
    stories = list(participant.stories())
    monkeypatch.delattr(soundfile, "read")
    responses = list(participant.responses())
    for found, expected in zip(responses, stories, strict=True):
        assert not hasattr(found, "audio")
        for name in ("name", "participant", "tr"):
            assert getattr(found, name) == getattr(expected, name)
        for name in ("tr_times", "responses", "repeats"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert [one.name for one in participant.responses(["story02"])] == ["story02"]
    assert participant.n_trs == {story.name: len(story.responses) for story in stories}


def test_responses_and_numbers_of_trs_need_no_sounds_at_all(participant):
    deaf = Participant(
        participant._responses,
        participant._repeats,
        participant._stories.select([]),
        participant.provenance,
    )
    assert deaf.n_trs == participant.n_trs
    for found, expected in zip(deaf.responses(), participant.responses(), strict=True):
        np.testing.assert_array_equal(found.responses, expected.responses)


def test_stories_come_in_the_order_asked_for(participant):
    names = ["story02", "repeated"]
    assert [story.name for story in participant.stories(names)] == names


def test_responses_are_views_of_the_mapped_file(participant):
    (story,) = participant.stories(["repeated"])
    for array in (story.responses, story.repeats):
        assert not array.flags.owndata and not array.flags.writeable


def test_windows_come_from_mapped_responses(participant, recordings):
    (story,) = participant.stories(["story01"])
    voxels = np.flatnonzero(np.isfinite(story.responses[0]))[[7, 0, 3]]
    direct = TrainingWindows(read_ds003020(recordings, "P01", ["story01"]), voxels)
    mapped = TrainingWindows(participant.stories(["story01"]), voxels)
    for i in range(len(direct)):
        np.testing.assert_array_equal(mapped[i]["audio"], direct[i]["audio"])
        np.testing.assert_array_equal(mapped[i]["labels"], direct[i]["labels"])


def test_regions_and_provenance(participant, recordings):
    assert set(participant.regions) == {"language", "auditory"}
    mask = nibabel.load(recordings / "derivative" / "masks" / "P01.nii.gz")
    np.testing.assert_array_equal(participant.mask.dataobj, mask.dataobj)
    np.testing.assert_array_equal(participant.mask.affine, mask.affine)
    assert participant.name == participant.provenance["participant"] == "P01"
    assert participant.n_voxels == participant.provenance["n_voxels"]


def test_options_reach_the_reader(recordings, cache):
    slow = open_participant(recordings, "P01", options={"tr": 2.0045}, cache_dir=cache)
    (found,) = slow.stories(["story01"])
    (expected,) = read_ds003020(recordings, "P01", ["story01"], tr=2.0045)
    assert_same_story(found, expected)


def test_rows_in_several_pieces_are_put_together(participant):
    rows = participant._responses
    parts = [range(0, 30), range(30, len(rows))]
    pieces = concatenate_datasets([rows.select(part).flatten_indices() for part in parts])
    pieced = Participant(pieces, None, participant._stories, participant.provenance)
    for found, expected in zip(pieced.stories(), participant.stories(), strict=True):
        np.testing.assert_array_equal(found.responses, expected.responses)


def test_responses_keep_the_precision_that_they_are_stored_in(recordings, cache):
    half = open_participant(recordings, "P01", dtype="float16", cache_dir=cache)
    (story,) = half.stories(["story01"])
    assert story.responses.dtype == np.float16 and not story.responses.flags.owndata


def test_a_folder_of_prepared_recordings_opens(participant, tmp_path):
    """As a repository of the Hub is laid out."""
    splits = {
        "P01": DatasetDict(responses=participant._responses, repeats=participant._repeats),
        "stories": DatasetDict(stories=participant._stories),
    }
    card = ["---", "configs:"]
    for config, parts in splits.items():
        card += [f"- config_name: {config}", "  data_files:"]
        for split, rows in parts.items():
            rows.to_parquet(tmp_path / config / f"{split}-00000-of-00001.parquet")
            card += [f"  - split: {split}", f"    path: {config}/{split}-*"]
    (tmp_path / "README.md").write_text("\n".join([*card, "---", ""]))
    (tmp_path / PROVENANCE.format("P01")).parent.mkdir()
    kept = participant.provenance | places(participant.regions, participant.mask)
    (tmp_path / PROVENANCE.format("P01")).write_text(json.dumps(kept))
    opened = open_participant(tmp_path, "P01", cache_dir=tmp_path / "cache")
    for found, expected in zip(opened.stories(), participant.stories(), strict=True):
        assert_same_story(found, expected)
    assert opened.regions.keys() == participant.regions.keys()
    for region, voxels in participant.regions.items():
        np.testing.assert_array_equal(opened.regions[region], voxels)
    np.testing.assert_array_equal(opened.mask.dataobj, participant.mask.dataobj)
    np.testing.assert_array_equal(opened.mask.affine, participant.mask.affine)
    assert open_participant(tmp_path, "P01", ["story01"], cache_dir=tmp_path / "cache").n_trs
    with pytest.raises(ValueError, match="unknown story of P01: got 'story9'"):
        open_participant(tmp_path, "P01", ["story9"], cache_dir=tmp_path / "cache")
    with pytest.raises(ValueError, match="prepared already: .*got dtype='float16'"):
        open_participant(tmp_path, "P01", dtype="float16")


def test_a_changed_response_reaches_the_story(recordings, tmp_path):
    copy = shutil.copytree(recordings, tmp_path / "copy")
    open_participant(copy, "P01", cache_dir=tmp_path / "cache")
    with h5py.File(copy / "derivative/preprocessed_data/P01/story01.hf5", "r+") as file:
        file["data"][2, 1] = 9.0
    (story,) = open_participant(copy, "P01", cache_dir=tmp_path / "cache").stories(["story01"])
    assert story.responses[2, 1] == 9.0


def test_a_mask_that_fits_no_response_is_named(recordings, tmp_path):
    copy = shutil.copytree(recordings, tmp_path / "copy")
    path = copy / "derivative" / "masks" / "P01.nii.gz"
    mask = nibabel.load(path)
    inside = np.asarray(mask.dataobj).copy()
    inside.flat[np.flatnonzero(inside)[0]] = 0
    nibabel.save(nibabel.Nifti1Image(inside, mask.affine), path)
    with pytest.raises(ValueError, match="P01.nii.gz: the mask has 17 true voxels, .* for 18"):
        open_participant(copy, "P01", cache_dir=tmp_path / "cache")


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["story3"], ValueError, "unknown story of P01: got 'story3'.*repeated, story01, story02"),
        (["story01", "story01"], ValueError, "read once"),
        ("story01", TypeError, r"use \['story01'\]"),
    ],
)
def test_stories_that_cannot_be_had_are_refused(participant, names, error, message):
    for read in (participant.stories, participant.responses):
        with pytest.raises(error, match=message):
            read(names)


@pytest.mark.parametrize("data", ["nowhere", "./a/b/c", "../nowhere/x", "/nowhere"])
def test_what_is_no_folder_and_no_name_on_the_hub_is_refused(data):
    with pytest.raises(FileNotFoundError, match="there is no folder .* not the name of a data set"):
        open_participant(data, "P01")


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="not a ds003020 folder.*no BIDS derivatives"):
        open_participant(tmp_path, "P01")
