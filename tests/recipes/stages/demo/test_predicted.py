"""What a checkpoint predicts of a sound is what its pipeline predicts."""

import numpy as np
import pytest

from recipes.stages.demo.predicted import predict


def test_responses_are_the_pipelines(encode, sound, predicted):
    expected = encode({"array": sound.samples, "sampling_rate": 16000}, participant="P01")
    np.testing.assert_array_equal(predicted.responses, expected["responses"])
    np.testing.assert_array_equal(predicted.times, 2.0 * np.arange(7) + 1.0)
    assert predicted.brain is encode.model.brains["P01"]
    assert predicted.checkpoint == encode.model.name_or_path
    other = predict(encode, sound, "P02")
    assert np.abs(other.responses - predicted.responses).max() > 0.1


def test_progress_is_told_and_can_end_the_work(encode, sound):
    told = []
    predict(encode, sound, "P01", lambda *done: told.append(done))
    assert told[-1] == (7, 7) and sorted(told) == told

    def leave(done, n_trs):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        predict(encode, sound, "P01", leave)
    again = []
    predict(encode, sound, "P01", lambda *done: again.append(done))
    assert again == told  # nothing of the broken work still listens
