"""Names of columns, where data come as data frames: one order for all that belongs together."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def column_names(table: Any) -> list[str] | None:
    """Names of a data frame's columns; None of what has no names, or not only text as names.

    Parameters
    ----------
    table : data frame, array or anything else
    """
    names = list(getattr(table, "columns", ()))
    return names if names and all(isinstance(name, str) for name in names) else None


def check_columns(table: Any, name: str, known: Sequence[str] | None) -> None:
    """Refuse a data frame whose columns are not those that are known, in their order.

    Parameters
    ----------
    table : data frame, array or anything else
        Of as many columns as are known.
    name : str
        Of the argument, for the message.
    known : sequence of str or None
        None where there are no names; nothing is refused then, nor without names in the table.

    Raises
    ------
    ValueError
        If a column has another name.
    """
    found = column_names(table)
    if known is None or found is None:
        return
    for place, (got, expected) in enumerate(zip(found, known, strict=True)):
        if got != expected:
            raise ValueError(
                f"column {place} of {name} must be {expected!r} as in what was given before, got "
                f"{got!r}: give the same columns in the same order"
            )


def set_column_names(estimator: Any, table: Any) -> None:
    """Keep what an estimator's features are called in `feature_names_in_`, if they have names.

    Parameters
    ----------
    estimator : estimator of scikit-learn
    table : data frame, array or anything else
        Features of a fit; without names, none of an earlier fit stay.
    """
    vars(estimator).pop("feature_names_in_", None)
    names = column_names(table)
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)
