"""A row of a report: what one model, or one of its layers, scores in a task."""

from collections.abc import Sequence
from typing import Any

COLUMNS = (
    *("model", "participant", "task", "layer", "feature", "measure", "value"),
    *("n", "unit", "interval_low", "interval_high"),
)


def task_row(
    model: str,
    participant: str | None,
    task: str,
    layer: int | str,
    measure: str,
    value: float,
    n: int,
    unit: str,
    interval: Sequence[float],
) -> dict[str, Any]:
    """Return a row of {column: value}, with the columns of `COLUMNS`.

    Parameters
    ----------
    model : str
        As reports call it.
    participant : str or None
        None for a model that is of no single participant.
    task : str
        "<collection>/<task>".
    layer : int or str
        A number, 0 being the transformer's input, or what was made of several.
    measure : str
    value : float
    n : int
        What `value` is over.
    unit : str
        What `n` counts.
    interval : (low, high)
        Of the value, 95 %.
    """
    columns = (model, participant, task, layer, None, measure, value, n, unit, *interval)
    return dict(zip(COLUMNS, columns, strict=True))
