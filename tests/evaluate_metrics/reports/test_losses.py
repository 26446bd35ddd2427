"""What is said of losses."""

import pytest

from evaluate_metrics.reports.losses import still_falling


def curve(*losses, every=10):
    return {"train": [], "validation": [[every * i, loss] for i, loss in enumerate(losses)]}


@pytest.mark.parametrize(
    "curves",
    [
        {},
        {"brain-tuned": curve()},
        {"brain-tuned": curve(1.0, 0.8, 0.9)},
        {"brain-tuned": curve(1.0, 0.8, 0.8)},
        # The control stops at the step that was chosen for the other one
        {"brain-tuned": curve(1.0, 0.8, 0.9), "permuted": curve(1.0, 0.9)},
    ],
)
def test_a_run_that_ended_at_its_best_is_not_spoken_of(curves):
    assert still_falling(curves) == []


def test_a_run_that_was_still_falling_is_named_with_its_last_step():
    (note,) = still_falling({"brain-tuned": curve(1.0, 0.9, 0.8), "permuted": curve(1, 1, 1.1)})
    assert note.startswith("Warning: the validation loss of brain-tuned was still falling")
    assert "at step 20" in note
    (note,) = still_falling({"a": curve(0.5, 0.4)}, "validation error rate")
    assert "the validation error rate of a was still falling" in note


def test_a_single_loss_says_that_it_tells_nothing():
    (note,) = still_falling({"brain-tuned": curve(1.0)})
    assert note.startswith("Warning: the validation loss of brain-tuned was computed only once")
