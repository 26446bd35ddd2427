"""What counts as an array of numbers."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from evaluate_metrics.brain_alignment.arrays import dense, numeric

MASKED = np.ma.masked_greater(np.arange(6.0).reshape(2, 3), 4)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (None, TypeError, "given must be an array, got None"),
        (scipy.sparse.csr_array(np.eye(2)), TypeError, r"sparse csr_array: give its .toarray"),
        (MASKED, ValueError, "given hold 1 masked values"),
        ([[1.0, 2.0], [3.0]], ValueError, "given must be one array, got lists of different"),
        (np.ones((2, 2), complex), ValueError, r"real numbers, got complex ones \(complex128\)"),
        (torch.ones(2, dtype=torch.complex64), ValueError, "real numbers, got complex"),
        ([["a", "b"]], TypeError, "given must be numbers, got values of type <U1, .* is 'a'"),
        (np.ones((2, 2), object), TypeError, "got values of type object, the first is 1"),
        ([[1.0, None]], TypeError, "got values of type object"),
        (np.zeros((0, 2), object), TypeError, "the first is none"),
        (pd.DataFrame({"a": ["x"]}), TypeError, "the first is 'x'"),
        (np.array(["2020-01-01"], "M8[D]"), TypeError, "got values of type datetime64"),
    ],
)
def test_what_is_no_array_of_numbers_is_named_as_what_it_is(values, error, message):
    with pytest.raises(error, match=message):
        numeric(values, "given")


@pytest.mark.parametrize(
    "values",
    [
        np.arange(4),
        np.arange(4, dtype=np.float32),
        np.ma.masked_array(np.arange(4)),
        torch.arange(4.0, requires_grad=True),
        range(4),
        pd.Series([0, 1, 2, 3]),
        np.zeros((3, 0)),
        np.array([True, False]),
    ],
)
def test_numbers_stay_as_they_are(values):
    found = numeric(values, "given")
    expected = np.asarray(values.detach() if isinstance(values, torch.Tensor) else values)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


def test_bits_that_numpy_lacks_become_float32():
    found = numeric(torch.tensor([1.5, 2.25]).bfloat16(), "given")
    assert (found.dtype, found.tolist()) == (np.float32, [1.5, 2.25])


def test_names_of_classes_may_be_text():
    assert dense(["a", "b"], "given").tolist() == ["a", "b"]
