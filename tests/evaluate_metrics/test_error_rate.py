"""Error rates against those of jiwer on whole lists."""

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate_metrics import count_errors, error_rate

texts = st.lists(st.sampled_from("a b c".split()), min_size=1, max_size=6).map(" ".join)


@given(st.lists(st.tuples(texts, texts | st.just("")), min_size=1, max_size=5))
def test_counts_add_up_to_the_error_rate_of_jiwer(pairs):
    references, hypotheses = map(list, zip(*pairs, strict=True))
    errors, words = count_errors(references, hypotheses)
    assert errors.sum() / words.sum() == pytest.approx(jiwer.wer(references, hypotheses))
    assert error_rate(errors, words) == pytest.approx(jiwer.wer(references, hypotheses))
    assert words.tolist() == [len(reference.split()) for reference in references]


def test_a_rate_is_that_of_the_chosen_clips():
    errors, words = np.array([1, 0, 3]), np.array([4, 2, 3])
    assert error_rate(errors, words, np.array([0, 0, 1])) == 2 / 10


def test_references_and_hypotheses_must_be_as_many():
    with pytest.raises(ValueError, match="shorter"):
        count_errors(["a", "b"], ["a"])
