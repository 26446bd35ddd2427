"""What responses should be, and what is said of those that are not."""

import warnings

import numpy as np
import pytest
from scipy.stats import zscore

from datasets_scripts import StoryResponses
from datasets_scripts.recordings.sense import check_repeats, check_responses

N_TRS, N_VOXELS = 60, 8


def heard(responses=None, repeats=None):
    """A story whose responses are the z-scored mean of five repeats; the last voxel is dead."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((N_TRS, N_VOXELS))
    own = zscore(signal + rng.standard_normal((5, N_TRS, N_VOXELS)), axis=1)
    own[..., -1] = np.nan
    repeats = own if repeats is None else repeats(own)
    mean = zscore(own.mean(axis=0), axis=0)
    return StoryResponses(
        name="souls",
        participant="UTS03",
        tr=2.0,
        tr_times=np.arange(N_TRS) * 2.0,
        responses=(mean if responses is None else responses(mean)).astype(np.float32),
        repeats=repeats.astype(np.float32),
    )


def changed(index, value):
    """Function that copies an array and sets a part of it."""

    def change(values):
        values = values.copy()
        values[index] = value
        return values

    return change


@pytest.mark.parametrize("scale", [1.0, 0.5], ids=["z-scored again", "as averaged"])
def test_repeats_whose_mean_the_responses_are_pass(scale):
    check_repeats(heard(lambda mean: scale * mean))


def test_z_scored_responses_pass():
    check_responses(heard())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed((3, 2), np.inf), "1 of the responses are infinite.* in 1 voxels"),
        (changed((slice(2), 2), -np.inf), "2 of the responses are infinite.* in 1 voxels"),
        (lambda mean: 0 * mean, "none of the 8 voxels .* 7 are zero throughout, 0 constant, 1 NaN"),
        (lambda mean: 0 * mean + 5, "none of the 8 .* 0 are zero throughout, 7 constant, 1 NaN"),
        (changed(4, np.nan), "none of the 8 voxels .* 8 NaN at some TR"),
    ],
)
def test_responses_that_say_nothing_are_refused(change, message):
    with pytest.raises(ValueError, match=f"story souls of UTS03: {message}"):
        check_responses(heard(change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda mean: 100 + mean, "not z-scored: .* mean of 100 or more.* is 1, not 1"),
        (lambda mean: 3 * mean, "not z-scored: .* is 3, not 1"),
        (lambda mean: 0.1 * mean, "not z-scored: .* is 0.1, not 1"),
        (changed((slice(None), [1, 2]), 0), "2 of 8 voxels are constant; .* should be NaN"),
    ],
)
def test_responses_that_are_doubtful_are_said_with_numbers(change, message):
    with pytest.warns(UserWarning, match=f"story souls of UTS03: .*{message}"):
        check_responses(heard(change))


def test_responses_that_are_not_the_mean_of_the_repeats_are_said_with_their_agreement():
    with pytest.warns(UserWarning, match=r"not the mean of its 5 z-scored .* by -?0\.[012]"):
        check_repeats(heard(lambda mean: np.roll(mean, 7, axis=0)))
    # repeats in other units weigh more in a plain mean
    weights = np.array([100, 1, 1, 1, 1])[:, None, None]
    with pytest.warns(UserWarning, match=r"not the mean of its 5 z-scored .* by 0\.[789]"):
        check_repeats(heard(lambda mean: heard().repeats[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_repeats(heard(repeats=lambda own: weights * own))


@pytest.mark.parametrize(
    ("repeats", "message"),
    [
        (lambda own: own[[0, 1, 2, 3, 1]], "repeats 1 and 4 are identical"),
        (changed((2, 0, 0), np.inf), "1 of the repeats are infinite"),
    ],
)
def test_repeats_that_spoil_a_ceiling_are_refused(repeats, message):
    with pytest.raises(ValueError, match=f"story souls of UTS03: {message}"):
        check_repeats(heard(repeats=repeats))


def test_repeats_of_which_no_voxel_varies_are_left_to_their_ceilings():
    check_repeats(heard(repeats=changed((slice(None), slice(None), slice(0, 4)), np.nan)))
    check_repeats(heard(repeats=changed(1, np.nan)))
