"""What is said of the evaluation stride and chunk."""

import pytest

from evaluate_metrics.reports.stride import every, stride_note


@pytest.mark.parametrize(("stride", "text"), [(0.1, "0.1 s"), (2.0, "2 s"), (0.05, "0.05 s")])
def test_seconds_have_no_more_digits_than_they_need(stride, text):
    assert every(stride) == every(stride, stride) == f"representations every {text}"
    assert every(stride, 4.0) == f"representations every {text} in chunks of 4 s"


def test_only_a_stride_above_the_usual_one_is_warned_of():
    assert stride_note(0.1, 0.1) == stride_note(0.05, 0.05) == []
    (warning,) = stride_note(0.11, 0.11)
    assert warning.startswith("Warning: representations every 0.11 s, not 0.1 s")


def test_chunks_are_said_to_look_ahead():
    (warning,) = stride_note(0.1, 1.0)
    assert "every 0.1 s in chunks of 1 s hear up to 0.9 s of what comes after" in warning
    assert "the same --evaluation_chunk" in warning
