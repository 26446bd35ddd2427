"""Who else heard a story, and whether their voxels are the same."""

import dataclasses
import shutil

import pytest

from datasets_scripts import open_participant, other_listeners
from tests.more_listeners import add_listeners


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def four(recordings, tmp_path_factory):
    """A folder of P01 to P04."""
    root = shutil.copytree(recordings, tmp_path_factory.mktemp("four") / "phantom")
    add_listeners(root)
    return root


@pytest.fixture
def one(four, cache):
    return open_participant(four, "P01", ["story01"], cache_dir=cache)


def test_they_are_all_who_heard_the_story_or_those_that_are_named(one, four, tmp_path, unfetch):
    everybody = other_listeners(one, "story01")
    assert [other.name for other in everybody] == ["P02", "P03", "P04"]
    for other in everybody:
        (heard,) = other.responses()
        assert heard.name == "story01" and heard.participant == other.name
    named = other_listeners(one, "story01", ["P04", "P01", "P02"])
    assert [other.name for other in named] == ["P04", "P02"]

    copy = shutil.copytree(four, tmp_path / "copy")
    unfetch(copy / "derivative/preprocessed_data/P03/story01.hf5")
    one = open_participant(copy, "P01", ["story01"], cache_dir=tmp_path / "cache")
    assert [other.name for other in other_listeners(one, "story01")] == ["P02", "P04"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["P02"], "at least 2 others than P01 must have heard 'story01', got P02; .* not normal"),
        (["P01"], "at least 2 others than P01 .*, got none; with --ceiling none"),
        (["P02", "P05"], "unknown listener to 'story01'"),
    ],
)
def test_too_few_or_unknown_ones_are_refused(one, names, message):
    with pytest.raises(ValueError, match=message):
        other_listeners(one, "story01", names)


def test_voxels_elsewhere_are_refused(one, four, tmp_path, monkeypatch):
    copy = shutil.copytree(four, tmp_path / "copy")
    (copy / "derivative/masks/P03.nii.gz").unlink()
    moved = open_participant(copy, "P01", ["story01"], cache_dir=tmp_path / "cache")
    message = "the voxels of P03, 18, are not those of P01, 18; .* one brain mask"
    with pytest.raises(ValueError, match=message):
        other_listeners(moved, "story01")
    monkeypatch.setattr(one, "n_voxels", 19)
    with pytest.raises(ValueError, match="the voxels of P02, 18, are not those of P01, 19; "):
        other_listeners(one, "story01")


def test_other_times_are_refused(one, monkeypatch):
    (heard,) = one.responses()
    later = dataclasses.replace(heard, tr_times=heard.tr_times + 1)
    monkeypatch.setattr(one, "responses", lambda names: iter([later]))
    with pytest.raises(ValueError, match=r"at other times in P02 \(\d+ TRs from -?\d+ s on\) than"):
        other_listeners(one, "story01")


def test_prepared_recordings_need_names(one, tmp_path, monkeypatch):
    (tmp_path / "provenance").mkdir()
    monkeypatch.setattr(one, "data", tmp_path)
    with pytest.raises(ValueError, match="is prepared, .* --ceiling listeners P02 P03"):
        other_listeners(one, "story01")
