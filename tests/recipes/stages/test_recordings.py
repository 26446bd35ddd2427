"""Recordings as a run divides them, and where noise ceilings come from."""

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import zscore

from datasets_scripts import noise_ceiling, open_participant
from recipes.stages.recordings import (
    check_scoring,
    named_stories,
    open_recordings,
    scored_story,
)


def options(**changes):
    """The options that say on what models are compared."""
    given = dict(test_story="repeated", test_skip_trs=0)
    given |= dict(ceiling_files={}, ceiling_story=None, ceiling_repeats=None)
    return SimpleNamespace(**given | changes)


@pytest.fixture(scope="module")
def participant(recordings):
    return open_participant(recordings, "P01")


def test_stories_that_a_run_names_are_those_of_all_its_options():
    arguments = SimpleNamespace(
        train_stories=["a", "b"],
        tuning_stories=["a"],
        validation_stories=["c"],
        test_story="d",
        ceiling_story=None,
        stories=None,
    )
    assert named_stories(arguments) == ["a", "b", "c", "d"]
    assert named_stories(SimpleNamespace(stories=["e"])) == ["e"]
    assert named_stories(SimpleNamespace(stories=None)) is None


def test_recordings_hold_the_stories_of_the_run_and_all_that_is_missing_is_said_first(
    recordings, tmp_path, unfetch
):
    copy = shutil.copytree(recordings, tmp_path / "copy")
    unfetch(copy / "derivative/preprocessed_data/P01/story03.hf5")
    unfetch(copy / "derivative/preprocessed_data/P02/story02.hf5")
    given = dict(participants=["P01", "P02"], dtype="float32", tr=None, tr_times=None, space=None)
    arguments = SimpleNamespace(**given, train_stories=["story01"], test_story="repeated")
    cache = tmp_path / "cache"
    opened = open_recordings(str(copy), arguments, str(cache))
    assert [one.name for one in opened] == ["P01", "P02"]
    assert all(one.story_names == ["repeated", "story01"] for one in opened)
    before = set(cache.rglob("*.arrow"))
    arguments.train_stories = ["story01", "story02", "story03", "story04"]
    with pytest.raises(FileNotFoundError, match="2 files of P01, P02 are not fetched yet"):
        open_recordings(str(copy), arguments, str(cache))
    assert set(cache.rglob("*.arrow")) == before


def test_by_default_the_ceiling_comes_from_the_scored_repeats_with_a_warning(participant):
    test, ceiling, note = scored_story(participant, options(test_skip_trs=3))
    np.testing.assert_array_equal(ceiling, noise_ceiling(test.repeats[:, 3:]))
    assert note.startswith("Warning: ") and "on which the models are scored too" in note


def test_the_ceiling_can_come_from_repeats_that_are_not_scored(participant):
    (whole,) = participant.stories(["repeated"])
    test, ceiling, note = scored_story(participant, options(ceiling_repeats=6))
    assert "come from 6 repeats of 'repeated'" in note and "Warning" not in note
    np.testing.assert_array_equal(ceiling, noise_ceiling(whole.repeats[:6], n_scored=4))
    np.testing.assert_array_equal(test.repeats, whole.repeats[6:])
    mean = zscore(whole.repeats[6:].mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(test.responses, mean, atol=1e-5)
    spoilt = whole.repeats.copy()
    spoilt[6:] = np.random.default_rng(0).standard_normal(spoilt[6:].shape)
    np.testing.assert_array_equal(noise_ceiling(spoilt[:6], n_scored=4), ceiling)


def test_the_ceiling_can_come_from_another_repeated_story(participant, monkeypatch):
    (whole,) = participant.stories(["repeated"])
    other = dataclasses.replace(whole, name="other", repeats=whole.repeats[:5])
    stories = {"repeated": whole, "other": other}
    monkeypatch.setattr(participant, "n_repeats", {"repeated": 10, "other": 5})
    monkeypatch.setattr(participant, "story_names", list(stories))
    for kind in ("stories", "responses"):
        monkeypatch.setattr(participant, kind, lambda names: (stories[name] for name in names))
    test, ceiling, note = scored_story(participant, options(ceiling_story="other"))
    np.testing.assert_array_equal(ceiling, noise_ceiling(other.repeats, n_scored=10))
    assert test is whole and note.endswith("come from 'other'.")


def test_an_unrepeated_story_can_be_scored_by_the_ceilings_of_another(participant):
    (whole,) = participant.stories(["repeated"])
    arguments = options(test_story="story01", ceiling_story="repeated")
    test, ceiling, _ = scored_story(participant, arguments)
    assert test.name == "story01" and test.repeats is None
    np.testing.assert_array_equal(ceiling, noise_ceiling(whole.repeats, n_scored=1))


@pytest.fixture
def given(participant, tmp_path):
    """Noise ceilings as others publish them."""
    values = np.linspace(0, 1.005, participant.n_voxels)
    values[3] = np.nan
    np.save(tmp_path / "published.npy", values)
    return values


@pytest.mark.parametrize("story", ["repeated", "story01"])
def test_given_ceilings_replace_those_of_any_test_story(participant, given, tmp_path, story):
    files = {"P01": str(tmp_path / "published.npy")}
    test, ceiling, note = scored_story(participant, options(test_story=story, ceiling_files=files))
    np.testing.assert_array_equal(ceiling, given.astype(np.float32))
    assert note.startswith("Noise ceilings, and with them the voxels, are those given in published")
    assert str(tmp_path) not in note
    (whole,) = participant.stories([story])
    np.testing.assert_array_equal(test.responses, whole.responses)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ceiling_story": "story01"}, "ceiling_story 'story01' has no repeats .* heard by P01"),
        ({"ceiling_story": "repaeted"}, "unknown story of P01: .* mean 'repeated'"),
        ({"test_story": "repaeted"}, "unknown story of P01: .* mean 'repeated'"),
        ({"test_story": "story01"}, "test_story 'story01' has no repeats .* with --ceiling"),
        ({"ceiling_repeats": 1}, "from 2 to 9, or left out.* P01 heard it 10 times, got 1$"),
        ({"ceiling_repeats": 10}, "from 2 to 9, or left out.* P01 heard it 10 times, got 10$"),
        ({"test_skip_trs": 30}, "test_skip_trs=30 leaves 7 of the 37 TRs of repeated"),
    ],
)
def test_what_cannot_be_scored_is_refused(participant, changes, message):
    for refuse in (scored_story, lambda one, arguments: check_scoring([one], arguments)):
        with pytest.raises(ValueError, match=message):
            refuse(participant, options(**changes))


@pytest.mark.parametrize(
    ("n", "message"),
    [
        ((10, 5), "from 2 to 4, or left out, .*'repeated' .*: A heard it 10 times, B heard it 5"),
        ((10, 2), "must be left out, so that .*: A heard it 10 times, B heard it 2 times, got 5"),
    ],
)
def test_repeats_are_counted_for_all_participants_at_once(n, message):
    facts = {"story_names": ["repeated"], "n_trs": {"repeated": 99}}
    participants = [
        SimpleNamespace(name=name, n_repeats={"repeated": count}, **facts)
        for name, count in zip("AB", n, strict=True)
    ]
    check_scoring(participants, options())
    with pytest.raises(ValueError, match=f"^ceiling_repeats .*{message}"):
        check_scoring(participants, options(ceiling_repeats=5))
