"""Reports of semantic against phonetic preference: rows, and a table of layers."""

from itertools import groupby
from operator import itemgetter
from typing import Any

from ..preference import KINDS, preference
from .tables import NOT_DETERMINED, cell, text_table
from .task_rows import task_row


def preference_rows(
    distances: dict[str, dict[str, Any]],
    neighbours: dict[str, dict[str, list[str]]],
    participant: str,
    task: str,
    layers: list[int] | None,
    baseline: str,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return the rows of several models' preference, those of a layer together.

    Parameters
    ----------
    distances : dict of {model: dict of {kind: array of shape (n_layers, n_words)}}
        As `word_distances` returns them.
    neighbours : dict
        Those that they are the distances from.
    participant : str
        Whose stories the words are cut from.
    task : str
        "<collection>/<task>".
    layers : list of int, or None for all
        What the rows of the arrays are.
    baseline : str
        Model that the others are compared with, if it is among them.
    seed : int

    Returns
    -------
    list of {column: value}
        With the columns of `task_rows.COLUMNS`. Measures are those of `preference`.
    """
    rows = []
    for model, found in distances.items():
        compared = None if model == baseline else distances.get(baseline)
        scores = preference(found, neighbours, compared, seed=seed)
        for layer, measures in zip(layers or range(len(scores)), scores, strict=True):
            for measure, score in measures.items():
                values = (score["value"], score["n"], "words", score["interval"])
                rows.append(task_row(model, participant, task, layer, measure, *values))
    return rows


def preference_table(report: dict[str, Any], baseline: str) -> str:
    """Set a report as text, a line for every layer of every model.

    Parameters
    ----------
    report : dict
        "rows", of `preference_rows`, and "notes", list of str.
    baseline : str
        Model from which d is shown to differ.

    Returns
    -------
    str
    """
    first = report["rows"][0]
    lines = []
    for (model, layer), rows in groupby(report["rows"], itemgetter("model", "layer")):
        scores = {row["measure"]: row for row in rows}
        names = [name + kind for name in ("d", "d_relative") for kind in ("", "_change")]
        changes = [_cell(scores[name]) if name in scores else "" for name in names]
        distances = [cell(scores[kind]["value"], digits=3) for kind in KINDS]
        lines.append([model, layer, *changes, *distances])
    less = f"minus {baseline}'s"
    header = ["model", "layer", "d", less, "d / random", less, *KINDS]
    title = f"{first['task']}: d and distances over {first['n']} words [95 % interval]"
    return "\n".join(["", title, text_table(header, lines), "", *report["notes"], ""])


def _cell(row):
    low, high = row["interval_low"], row["interval_high"]
    interval = None if low is None else (low, high)
    return cell(row["value"], interval, digits=3, sign=True, missing=NOT_DETERMINED)
