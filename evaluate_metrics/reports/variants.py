"""A table of models that were tuned in several ways, over seeds."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy.stats import t

from .tables import cell, escaped, markdown_table


def variants_table(rows: Iterable[Mapping[str, Any]], model: str, baseline: str) -> str:
    """Set ways of tuning side by side, a line for each, as a Markdown table.

    Parameters
    ----------
    rows : iterable of dict
        With "variant", "seed", "model", "measure" and "value", one of each.
    model, baseline : str
        What "model" calls those that were tuned, and the one that all began from.

    Returns
    -------
    str
        Means over seeds, with a 95 % interval of the mean (Student's t over seeds) where there are
        several. The first line is the baseline's.

    Examples
    --------
    >>> row = {"seed": 0, "measure": "phones"}
    >>> print(
    ...     variants_table(
    ...         [
    ...             row | {"variant": "today", "model": "pretrained", "value": 0.73},
    ...             row | {"variant": "today", "model": "tuned", "value": 0.69},
    ...         ],
    ...         "tuned",
    ...         "pretrained",
    ...     )
    ... )
    |            | phones   |
    |:-----------|:---------|
    | pretrained | 0.730    |
    | today      | 0.690    |
    """
    found: dict[tuple[str, str], dict[int, float]] = {}
    for row in rows:
        if row["model"] in (model, baseline) and row["value"] is not None:
            name = baseline if row["model"] == baseline else row["variant"]
            found.setdefault((name, row["measure"]), {})[row["seed"]] = row["value"]
    names = dict.fromkeys([baseline, *(name for name, _ in found)])
    measures = dict.fromkeys(measure for _, measure in found)
    lines = [
        [escaped(name), *(_over_seeds(found.get((name, measure), {})) for measure in measures)]
        for name in names
    ]
    return markdown_table(["", *map(escaped, measures)], lines)


def _over_seeds(by_seed):
    values = list(by_seed.values())
    if not values:
        return ""
    mean, interval = float(np.mean(values)), None
    if len(values) > 1:
        half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
        interval = mean - half, mean + half
    return cell(mean, interval, digits=3)
