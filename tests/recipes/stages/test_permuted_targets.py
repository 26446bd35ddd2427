"""A control has no signal left where its targets are those to other stories."""

import numpy as np
import pytest

from datasets_scripts import JointWindows, Story, TrainingWindows, permute_stories
from recipes.stages.permuted_targets import control_correlation, permuted_order, signal_left

N_STORIES, N_TRS, TR = 24, 75, 2.0  # five blocks of 15, as the phantom's stories have


@pytest.fixture(scope="module")
def stories():
    """Stories whose responses vary over 16 s, as fMRI does."""
    return heard(lambda rng: np.convolve(rng.standard_normal(N_TRS + 7), np.ones(8), "valid"))


def heard(signal):
    """Stories with a signal that 20 voxels share, and as much noise in each."""
    rng = np.random.default_rng(0)
    audio = np.zeros(round(N_TRS * TR * Story.sampling_rate), np.float32)
    made = []
    for i in range(N_STORIES):
        shared = signal(rng)[:, None]
        responses = shared / shared.std() + rng.standard_normal((N_TRS, 20))
        responses = (responses - responses.mean(axis=0)) / responses.std(axis=0)
        made.append(
            Story(
                name=f"story{i:02}",
                participant="P01",
                audio=audio,
                audio_file="",
                tr=TR,
                tr_times=np.arange(N_TRS) * TR + TR / 2,
                responses=responses.astype(np.float32),
                repeats=None,
                words=[],
                phones=[],
            )
        )
    return made


def test_responses_to_other_stories_have_no_signal_left(stories):
    true = TrainingWindows(stories)
    permuted = TrainingWindows(stories, order=permuted_order(stories))
    r, (low, high) = control_correlation(true, permuted)
    assert low < 0 < high and abs(r) < 0.05
    assert signal_left(stories, true, permuted) == (
        f"its targets correlate with the true ones by r = {r:+.3f} [{low:+.3f}, {high:+.3f}], mean "
        "over voxels"
    )


def test_blocks_within_a_story_are_told_to_hold_its_opposite():
    stories = heard(lambda rng: np.repeat(rng.standard_normal(5), 15))
    true = TrainingWindows(stories)
    permuted = TrainingWindows(stories, order=permuted_order(stories, block=15))
    r, (_, high) = control_correlation(true, permuted)
    assert r == pytest.approx(-0.25 / 2, abs=0.04) and high < 0  # half of it is noise
    said = signal_left(stories, true, permuted, block=15)
    assert said.startswith("Warning: its targets") and "within a block -0.250 is expected" in said


def test_the_correlation_is_that_of_columns_averaged_over_those_that_vary(stories):
    constant = stories[0].responses.copy()
    constant[:, 3] = 1
    one = stories[0].__class__(**vars(stories[0]) | {"responses": constant})
    order = np.roll(np.arange(N_TRS), 7)
    r, _ = control_correlation(TrainingWindows([one]), TrainingWindows([one], order=order))
    columns = np.delete(constant, 3, axis=1)
    expected = [np.corrcoef(column, column[order])[0, 1] for column in columns.T]
    assert r == pytest.approx(np.mean(expected), abs=1e-6)


def test_participants_count_by_their_own_voxels(stories):
    order = permute_stories([N_TRS] * N_STORIES)
    r, _ = control_correlation(TrainingWindows(stories), TrainingWindows(stories, order=order))
    true, permuted = (
        JointWindows({"P01": pairs(), "P02": pairs()})
        for pairs in (
            lambda: TrainingWindows(stories),
            lambda: TrainingWindows(stories, order=order),
        )
    )
    both, _ = control_correlation(true, permuted)
    assert both == pytest.approx(r)


def test_a_story_alone_is_tuned_on_in_blocks_by_name_only(stories):
    with pytest.raises(ValueError, match="other stories .* story00 alone .*--permute_within"):
        permuted_order(stories[:1])
    assert (permuted_order(stories[:1], block=15) != np.arange(N_TRS)).all()
