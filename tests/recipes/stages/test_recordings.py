"""Recordings as a run divides them, and where noise ceilings come from."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import zscore

from datasets_scripts import noise_ceiling, open_participant
from recipes.stages.recordings import scored_story


def options(**changes):
    """The options that say on what models are compared."""
    given = dict(test_skip_trs=0, ceiling_story=None, ceiling_repeats=None)
    return SimpleNamespace(test_story="repeated", **given | changes)


@pytest.fixture(scope="module")
def participant(recordings):
    return open_participant(recordings, "P01")


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
    for kind in ("stories", "responses"):
        monkeypatch.setattr(participant, kind, lambda names: (stories[name] for name in names))
    test, ceiling, note = scored_story(participant, options(ceiling_story="other"))
    np.testing.assert_array_equal(ceiling, noise_ceiling(other.repeats, n_scored=10))
    assert test is whole and note.endswith("come from 'other'.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ceiling_story": "story01"}, "ceiling_story 'story01' has no repeats"),
        ({"ceiling_story": "story01", "ceiling_repeats": 5}, "exclude each other, got both"),
        ({"ceiling_repeats": 1}, "from 2 to 9, so that of the 10 repeats .* got 1"),
        ({"ceiling_repeats": 10}, "from 2 to 9, .* got 10"),
    ],
)
def test_ceilings_that_cannot_be_had_are_refused(participant, changes, message):
    with pytest.raises(ValueError, match=message):
        scored_story(participant, options(**changes))
