import dataclasses

import numpy as np
import pytest

from datasets_scripts import Story, StoryResponses, tr_midpoints
from datasets_scripts.story import stored_trs

N_TRS, N_VOXELS = 4, 3


def story(**changes):
    parts = {
        "name": "souls",
        "participant": "UTS01",
        "audio": np.zeros(16000, np.float32),
        "audio_file": "souls.wav",
        "tr": 2.0,
        "tr_times": np.arange(N_TRS) * 2.0,
        "responses": np.zeros((N_TRS, N_VOXELS), np.float32),
    }
    return Story(**(parts | changes))


def test_the_first_stored_tr_is_the_one_that_starts_ten_seconds_into_the_sound():
    # 300 TRs: 295 simulated from 10 s before the sound, less 10 at the start and 5 at the end.
    midpoints = tr_midpoints(300)
    assert midpoints.shape == (280,)
    assert midpoints[0] == 11.0
    assert midpoints[-1] == 289 * 2.0 - 10.0 + 1.0
    np.testing.assert_array_equal(np.diff(midpoints), 2.0)


def test_stored_trs_are_those_of_the_published_axis():
    # Where the axis is simulated, TR k begins at 2 k s; the sound begins 10 s into it.
    midpoints = np.arange(300) * 2.0 + 1.0 - 10.0
    np.testing.assert_array_equal(midpoints[stored_trs(300)], tr_midpoints(300))


def test_the_scanners_own_tr_parts_from_the_published_axis_by_little():
    drift = tr_midpoints(300, tr=2.0045)[-1] - tr_midpoints(300)[-1]
    np.testing.assert_allclose(drift, (289 + 0.5) * 0.0045)


@pytest.mark.parametrize(
    ("raw_trs", "tr", "message"),
    [(20, 2.0, "above the 20 that are trimmed, got 20"), (300, 0.0, "positive seconds, got 0.0")],
)
def test_an_axis_without_trs_is_refused(raw_trs, tr, message):
    with pytest.raises(ValueError, match=message):
        tr_midpoints(raw_trs, tr)


def test_audio_is_always_at_16_khz():
    assert story().sampling_rate == Story.sampling_rate == 16000


def test_a_story_may_be_repeated_or_not():
    assert story().repeats is None
    repeats = np.zeros((10, N_TRS, N_VOXELS), np.float32)
    assert story(repeats=repeats).repeats is repeats


def test_responses_stand_without_a_sound():
    parts = vars(story())
    heard = {"audio", "audio_file", "words", "phones"}
    responses = StoryResponses(**{name: parts[name] for name in parts.keys() - heard})
    assert isinstance(story(), StoryResponses)
    assert responses.responses is parts["responses"] and not hasattr(responses, "audio")
    with pytest.raises(ValueError, match="souls of UTS01: tr must be positive seconds, got 0"):
        dataclasses.replace(responses, tr=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio": np.zeros((2, 100))}, r"audio must be \(n_samples,\).* got \(2, 100\)"),
        ({"audio": np.zeros(0)}, "audio must be .* at least one sample"),
        ({"audio": np.zeros(9, np.int16)}, "audio must be floating .* 1, got int16"),
        ({"tr": 0}, "tr must be positive seconds, got 0"),
        ({"responses": np.zeros(4)}, r"responses must be \(n_trs, n_voxels\).* got \(4,\)"),
        ({"responses": np.zeros((0, 3))}, r"responses must be .* got \(0, 3\)"),
        ({"tr_times": np.zeros(5)}, r"tr_times must be .*\(4,\), got \(5,\)"),
        ({"repeats": np.zeros((4, 3))}, r"repeats must be \(n_repeats, 4, 3\), got \(4, 3\)"),
        ({"repeats": np.zeros((10, 5, 3))}, r"repeats must be .* got \(10, 5, 3\)"),
        ({"repeats": np.zeros((10, 4, 2))}, r"repeats must be .* got \(10, 4, 2\)"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=f"story souls of UTS01: {message}"):
        story(**changes)
