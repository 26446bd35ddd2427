"""Recordings as a run divides them, and where noise ceilings come from."""

import dataclasses
import shutil
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from scipy.stats import zscore

from datasets_scripts import noise_ceiling, open_participant, passing_noise
from recipes.stages.recordings import (
    LAYOUT_OPTIONS,
    check_scoring,
    described,
    named_stories,
    open_recordings,
    scored_story,
    tuned_regions,
    tuning_listener,
)
from tests.more_listeners import add_listeners


def options(**changes):
    """The options that say on what models are compared."""
    given = dict(test_story="repeated", test_skip_trs=0)
    given |= dict(ceiling=[], ceiling_word=None, ceiling_files={})
    given |= dict(ceiling_story=None, ceiling_repeats=None)
    given |= dict(voxel_selection="threshold", ceiling_threshold=0.4, lowest_ceiling=0.4)
    given |= dict(penalty_stories=None)
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
    given = dict(participants=["P01", "P02"], dtype="float32")
    given |= dict(atlas=None, atlas_spheres=None, **dict.fromkeys(LAYOUT_OPTIONS))
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


@pytest.mark.parametrize("n", [2, 3])
def test_few_repeats_are_warned_of_with_the_rate_at_which_noise_passes(participant, n):
    (whole,) = participant.stories(["repeated"])
    _, ceiling, note = scored_story(participant, options(ceiling_repeats=n))
    repeats = whole.repeats[:n]
    rate = passing_noise(n, repeats.shape[1], n_scored=10 - n)
    assert f"Warning: {n} repeats are few: of voxels of mere noise, {rate:.0%} have" in note
    np.testing.assert_array_equal(ceiling, noise_ceiling(repeats, n_scored=10 - n))


def test_voxels_can_be_those_whose_repeats_are_alike(participant, monkeypatch):
    """With 4 of 10 repeats, one voxel of noise in ten has a ceiling above 0.4."""
    (whole,) = participant.stories(["repeated"])
    rng = np.random.default_rng(0)
    repeats = rng.standard_normal((10, 200, 431))
    repeats[:, :, :30] += rng.standard_normal((200, 30))
    repeats[:, :, -1] = 0
    known = dataclasses.replace(
        whole, repeats=repeats, responses=repeats.mean(axis=0), tr_times=2.0 * np.arange(200)
    )
    monkeypatch.setattr(participant, "stories", lambda names: iter([known]))
    fdr = {"voxel_selection": "fdr", "lowest_ceiling": 0.0}
    given = options(ceiling_repeats=4)
    _, ceiling, note = scored_story(participant, options(ceiling_repeats=4, **fdr))
    assert "more alike than with blocks of TRs shuffled" in note and "are few" not in note
    every = scored_story(participant, given)[1]
    kept, noise = ceiling > 0, slice(30, -1)
    np.testing.assert_array_equal(ceiling[kept], every[kept])
    assert np.isnan(ceiling[-1])  # dead
    assert kept[:30].all()
    assert kept[noise].sum() <= 3 and (every[noise] > 0.4).sum() > 30


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
        (
            {"test_story": "story01"},
            "test_story 'story01' has no repeats .* P01; .* --ceiling_story, .* --ceiling FILE, "
            "--ceiling listeners .*, or --ceiling none",
        ),
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


def test_without_ceilings_every_live_voxel_counts_and_it_is_said(participant):
    arguments = options(
        test_story="story03",
        ceiling_word="none",
        train_stories=["story01"],
        tuning_stories=None,
        validation_stories=["story02"],
        tuning_regions=["all"],
    )
    check_scoring([participant], arguments)
    one = tuning_listener(participant, arguments)
    assert one.ceiling is None and one.normalisation == "not normalised"
    assert one.ceiling_note.startswith("Alignment is not normalised")
    (test,) = participant.responses(["story03"])
    np.testing.assert_array_equal(one.voxels, np.flatnonzero(np.isfinite(test.responses[0])))
    assert len(one.voxels) == 28 == len(one.voxels_above(0.9)) - one.n_dead
    assert "28 voxels of 30: not selected by noise ceilings, in the whole br" in described(
        one, arguments
    )


@pytest.fixture(scope="module")
def four(recordings, tmp_path_factory):
    """A folder of P01 to P04."""
    root = shutil.copytree(recordings, tmp_path_factory.mktemp("four") / "phantom")
    add_listeners(root)
    return root


def across(root, participant="P01", *names, **changes):
    """A participant of some recordings, and options that compare with the other listeners."""
    given = dict(dtype="float32", **dict.fromkeys(LAYOUT_OPTIONS))
    given |= dict(test_story="story03", ceiling=["listeners", *names], ceiling_word="listeners")
    return open_participant(root, participant), options(**given | changes)


def test_ceilings_can_be_taken_across_listeners(four):
    one, arguments = across(four, test_skip_trs=2)
    test, ceiling, note = scored_story(one, arguments)
    own, *others = (
        next(open_participant(four, name).responses(["story03"])).responses[2:].astype(np.float64)
        for name in ("P01", "P02", "P03", "P04")
    )
    mean = np.mean([zscore(other) for other in others], axis=0)
    live = np.flatnonzero(np.isfinite([own, mean]).all(axis=(0, 1)))
    expected = [max(0, np.corrcoef(own[:, v], mean[:, v])[0, 1]) for v in live]
    np.testing.assert_allclose(ceiling[live], expected, atol=1e-5)
    assert np.isnan(np.delete(ceiling, live)).all() and test.name == "story03"
    assert "Warning: alignment is normalised across listeners" in note
    assert "3 other listeners (P02, P03, P04)" in note

    _, ceiling, note = scored_story(*across(four, "P02", "P03", "P04"))
    assert "2 other listeners (P03, P04)" in note
    assert np.nanmin(ceiling) > 0.5  # who answer alike


def test_two_participants_are_no_listeners_to_compare_with(recordings):
    one, arguments = across(recordings)
    with pytest.raises(ValueError, match="at least 2 others than P01 .*, got P02; with --ceiling"):
        check_scoring([one], arguments)


def test_given_ceilings_in_another_order_of_voxels_are_refused(anatomical, tmp_path):
    root, truth = anatomical
    heard = open_participant(root, "UTS05", ["repeated"], cache_dir=tmp_path / "cache")
    ceiling = np.exp(-(((truth.xyz - truth.xyz.mean(axis=0)) / 5) ** 2).sum(axis=1))
    np.save(tmp_path / "right.npy", ceiling)
    inside = np.asarray(heard.mask.dataobj) != 0  # (z, y, x)
    volume = np.zeros(inside.shape)
    volume[inside] = ceiling
    np.save(tmp_path / "wrong.npy", volume.T[inside.T])
    check_scoring([heard], options(ceiling_files={"UTS05": tmp_path / "right.npy"}))
    with pytest.raises(ValueError, match=r"wrong\.npy: the voxels are not in the C order"):
        check_scoring([heard], options(ceiling_files={"UTS05": tmp_path / "wrong.npy"}))


def test_regions_that_cannot_be_had_are_no_whole_brain(participant):
    regions = participant.regions
    known = SimpleNamespace(name="UTS03", regions=regions)
    unknown = SimpleNamespace(name="UTS03", regions={})

    def tuned(of, names):
        return tuned_regions(of, SimpleNamespace(tuning_regions=names))

    assert tuned(known, ["auditory"]) == ["auditory"]
    assert tuned(known, None) == list(regions)
    assert tuned(known, ["all"]) is None is tuned(unknown, ["all"]) is tuned(unknown, None)
    message = (
        r"tuning_regions late_language: no regions of UTS03 are known\. Give --atlas .*figshare.*"
        r"derivative/regions/UTS03\.json; --tuning_regions all tunes on all voxels"
    )
    with pytest.raises(ValueError, match=message):
        tuned(unknown, ["late_language"])


@pytest.mark.parametrize("story", ["story01", "story02"])  # trained and validated on
def test_a_voxel_that_is_dead_in_one_story_leaves_the_set_and_is_counted(
    recordings, tmp_path, story
):
    arguments = options(
        train_stories=["story01"],
        tuning_stories=None,
        validation_stories=["story02"],
        tuning_regions=["language"],
    )
    names = ["story01", "story02", "repeated"]
    before = tuning_listener(open_participant(recordings, "P01", names), arguments)
    assert before.n_dead == 0 and "left out" not in described(before, arguments)
    copy = shutil.copytree(recordings, tmp_path / "copy")
    with h5py.File(copy / f"derivative/preprocessed_data/P01/{story}.hf5", "r+") as file:
        file["data"][3, before.voxels[1]] = np.nan
    heard = open_participant(copy, "P01", names, cache_dir=tmp_path / "cache")
    after = tuning_listener(heard, arguments)
    np.testing.assert_array_equal(after.voxels, np.delete(before.voxels, 1))
    assert after.n_dead == 1
    assert described(after, arguments).endswith("; 1 more are left out, being NaN in some story")
    with h5py.File(copy / f"derivative/preprocessed_data/P01/{story}.hf5", "r+") as file:
        file["data"][3, before.voxels] = np.nan
    heard = open_participant(copy, "P01", names, cache_dir=tmp_path / "cache")
    with pytest.raises(ValueError, match=r"P01: each of the \d+ selected voxels is dead"):
        tuning_listener(heard, arguments)


def test_regions_of_an_atlas_are_tuned_on(anatomical, tmp_path):
    root, truth = anatomical
    arguments = options(
        **dict.fromkeys(LAYOUT_OPTIONS),
        participants=["UTS05"],
        dtype="float32",
        atlas=truth.atlas,
        atlas_spheres=truth.spheres,
        train_stories=["story01"],
        tuning_stories=None,
        validation_stories=["story02"],
        tuning_regions=["late_language", "early_auditory"],
    )
    (heard,) = open_recordings(str(root), arguments, str(tmp_path))
    one = tuning_listener(heard, arguments)
    planted = np.union1d(truth.voxels("late_language"), truth.voxels("early_auditory"))
    np.testing.assert_array_equal(one.voxels, planted[one.ceiling[planted] > 0.4])
    assert len(one.voxels) > 0.5 * len(planted)
    said = described(one, arguments)
    assert said.endswith("noise ceiling above 0.4 in late_language and early_auditory")
