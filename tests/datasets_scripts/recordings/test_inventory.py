"""What a folder holds and lacks, told by names, sizes and headers."""

import json
import shutil

import h5py
import numpy as np
import pytest

from datasets_scripts import read_ds003020
from datasets_scripts.recordings import take_inventory
from datasets_scripts.story import StoryShape


@pytest.fixture
def copy(recordings, tmp_path):
    return shutil.copytree(recordings, tmp_path / "copy")


def responses_of(root, story, participant="P01"):
    return root / "derivative/preprocessed_data" / participant / f"{story}.hf5"


def test_a_whole_folder_lacks_nothing(recordings):
    found = take_inventory(recordings)
    assert (found.layout, found.root) == ("ds003020", recordings)
    assert [one.name for one in found.participants] == ["P01", "P02"]
    stories = {story.name: story for story in read_ds003020(recordings, "P01")}
    one = found.participants[0]
    assert one.listed == one.fetched == one.stories == sorted(stories)
    assert not (one.unrecorded or one.unfetched or one.absent or one.problems)
    repeats = {name: 0 if s.repeats is None else len(s.repeats) for name, s in stories.items()}
    assert one.shapes == {
        name: StoryShape(*story.responses.shape, repeats[name]) for name, story in stories.items()
    }
    for name, story in stories.items():
        assert one.n_trs[name] == len(story.tr_times)
        assert one.n_values[name] == story.responses.size * (1 + repeats[name])
        sound = found.sounds[name]
        assert (sound.phones, sound.words, sound.n_channels) == (story.phones, story.words, 1)
        assert sound.n_bytes == story.audio_file.stat().st_size and not sound.problems
    assert one.anatomy["regions"].is_file() and not one.anatomy["transforms"].exists()


def test_only_what_was_asked_for_is_looked_into(recordings):
    found = take_inventory(recordings, ["P02"], ["story02", "buck"])
    (one,) = found.participants
    assert (one.name, one.stories, one.unrecorded) == ("P02", ["story02"], ["buck"])
    assert set(one.shapes) == set(found.sounds) == {"story02"}
    assert one.fetched == ["repeated", "story01", "story02"]


def test_what_a_reader_would_refuse_is_told(copy):
    responses_of(copy, "repeated").write_bytes(b"damaged")
    counts = copy / "derivative/respdict.json"
    counts.write_text(json.dumps(json.loads(counts.read_text()) | {"story02": 300}))
    (copy / "stimuli/story01.wav").write_bytes(b"RIFF")
    (copy / "stimuli/story02.wav").unlink()
    (copy / "derivative/TextGrids/story01.TextGrid").write_text("phones")
    found = take_inventory(copy, ["P01"])
    (one,) = found.participants
    assert len(one.problems) == 2
    assert "repeated.hf5: truncated" in one.problems[0]
    assert "story02.hf5: data must be (280 TRs" in one.problems[1]
    assert one.absent == [copy / "stimuli/story02.wav"]
    sound, words = found.sounds["story01"].problems
    assert "story01.wav: not a readable sound" in sound and "not a TextGrid" in words


def test_stories_of_different_widths_are_told(copy):
    with h5py.File(responses_of(copy, "story01"), "r+") as file:
        data = file["data"][()]
        del file["data"]
        file["data"] = np.hstack([data, data])
    (one,) = take_inventory(copy, ["P01"]).participants
    assert {shape.n_voxels for shape in one.shapes.values()} == {18, 36}
    (problem,) = one.problems
    assert "story01.hf5 has 36 voxels, but" in problem


def test_a_participant_without_responses_is_told(copy):
    (copy / "derivative/preprocessed_data/P03").mkdir()
    one = take_inventory(copy).participants[2]
    assert (one.name, one.stories) == ("P03", []) and "holds no responses" in one.problems[0]


FULL = {f"UTS0{i}": 84 if i < 4 else 27 for i in range(1, 9)} | {"UTS09": 54}


@pytest.mark.parametrize("unlocked", [False, True])
def test_a_folder_of_full_size_is_seen_through_before_anything_is_fetched(
    tmp_path, unfetch, unlocked
):
    """Nothing that is large can be opened: it is not there."""
    names = [f"story{i:02d}" for i in range(84)]
    for name in names:
        unfetch(tmp_path / "stimuli" / f"{name}.wav", 130_000_000, unlocked)
        unfetch(tmp_path / "derivative/TextGrids" / f"{name}.TextGrid", 1_000_000, unlocked)
    for participant, n in FULL.items():
        for name in names[:n]:
            unfetch(responses_of(tmp_path, name, participant), 320 * 90_000 * 8 + 2048, unlocked)
    (tmp_path / "derivative/respdict.json").write_text(json.dumps(dict.fromkeys(names, 340)))
    unfetch(tmp_path / "derivative/subject_xfms.json", 200, unlocked)
    found = take_inventory(tmp_path, stories=names[:27])
    assert {one.name: len(one.listed) for one in found.participants} == FULL
    for one in found.participants:
        assert (one.fetched, one.absent, one.problems) == ([], [], [])
        assert len(one.unfetched) == 3 * 27
        total = 27 * (320 * 90_000 * 8 + 2048 + 130_000_000 + 1_000_000)
        assert sum(file.n_bytes for file in one.unfetched) == total
        assert sum(one.n_trs.values()) == 27 * 320
        assert one.n_values["story00"] == 320 * 90_000 + 256  # and what else is in the file
        assert set(one.anatomy) == {"regions", "voxels", "transforms"}
    assert {sound.n_bytes for sound in found.sounds.values()} == {130_000_000}


def test_bids_derivatives_are_seen_through_too(tmp_path):
    (tmp_path / "sub-001").mkdir()
    (one,) = take_inventory(tmp_path).participants
    assert one.name == "001" and "has no" in one.problems[0]
