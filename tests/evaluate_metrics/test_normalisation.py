"""What alignment is called."""

import pytest

from evaluate_metrics.normalisation import (
    ACROSS_LISTENERS,
    NORMALISED,
    NOT_NORMALISED,
    alignment_label,
)


@pytest.mark.parametrize(
    ("normalisation", "label"),
    [
        (NORMALISED, "normalised brain alignment\n(correlation / noise ceiling)"),
        (NOT_NORMALISED, "brain alignment, not normalised\n(correlation)"),
        (
            ACROSS_LISTENERS,
            "brain alignment, normalised across listeners\n"
            "(correlation / correlation with the other listeners)",
        ),
    ],
)
def test_an_axis_says_what_is_divided_by_what(normalisation, label):
    assert alignment_label(normalisation) == label
