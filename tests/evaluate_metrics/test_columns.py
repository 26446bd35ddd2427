"""Columns of data frames, which have names, and of arrays, which have none."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from evaluate_metrics.columns import check_columns, column_names, set_column_names

FRAME = pd.DataFrame(np.eye(2), columns=["loud", "high"])


def test_only_text_is_a_name():
    assert column_names(FRAME) == ["loud", "high"]
    assert column_names(pd.DataFrame(np.eye(2))) is None
    assert column_names(np.eye(2)) is None
    assert column_names(None) is None


def test_another_order_is_refused_and_what_has_no_names_is_not():
    check_columns(FRAME, "features", ["loud", "high"])
    check_columns(FRAME, "features", None)
    check_columns(np.eye(2), "features", ["loud", "high"])
    with pytest.raises(ValueError, match="column 0 of features must be 'loud' .* got 'high'"):
        check_columns(FRAME[["high", "loud"]], "features", ["loud", "high"])


def test_names_of_an_earlier_fit_do_not_stay():
    estimator = SimpleNamespace()
    set_column_names(estimator, FRAME)
    assert estimator.feature_names_in_.tolist() == ["loud", "high"]
    set_column_names(estimator, FRAME.to_numpy())
    assert not hasattr(estimator, "feature_names_in_")
