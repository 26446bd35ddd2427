"""Reports of linear probes: rows, and a table for every task."""

from collections.abc import Iterable
from typing import Any

from .tables import cell, text_table
from .task_rows import COLUMNS as TASK_COLUMNS
from .task_rows import task_row

COLUMNS = (*TASK_COLUMNS, "majority")
MEASURES = {"macro_f1": "macro F1", "r2": "R^2"}


def probe_rows(
    model: str,
    participant: str | None,
    task: str,
    measure: str,
    scores: dict[int | str, dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return the rows of a task's probes on one model, a row per layer.

    Parameters
    ----------
    model : str
        As the report calls it.
    participant : str or None
        The one that the model was tuned on.
    task : str
        "<collection>/<task>".
    measure : str
        A key of `MEASURES`.
    scores : dict of {layer: dict}
        As `LinearProbe.score` returns them.

    Returns
    -------
    list of {column: value}
        With the columns of `COLUMNS`.
    """
    rows = []
    for layer, score in scores.items():
        found = (score["value"], score["n"], "clips", score["interval"])
        row = task_row(model, participant, task, layer, measure, *found)
        rows.append(row | {"majority": score["majority"]})
    return rows


def probe_report(
    results: dict[tuple[str, str], dict[str, Any]],
    pairs: Iterable[tuple[str, str]],
    notes: Iterable[str],
) -> dict[str, Any]:
    """Join the results of tasks and models to a report that JSON holds.

    Parameters
    ----------
    results : dict of {(model, task): {"key": str, "notes": list of str, "rows": list of dict}}
        What a result follows from is in its key.
    pairs : iterable of (model, task)
        Those that are reported as far as there are results of them, in this order.
    notes : iterable of str
        What a reader of all of them must know.

    Returns
    -------
    dict
        "rows", "notes", and "finished" {model: {task: {"key", "notes"}}}.
    """
    done = {pair: results[pair] for pair in pairs if pair in results}
    said = [note for result in done.values() for note in result["notes"]]
    finished: dict[str, dict] = {model: {} for model, _ in done}
    for (model, task), result in done.items():
        finished[model][task] = {"key": result["key"], "notes": result["notes"]}
    return {
        "rows": [row for result in done.values() for row in result["rows"]],
        "notes": list(dict.fromkeys([*notes, *said])),
        "finished": finished,
    }


def probe_results(report: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Take a report apart again into the results that `probe_report` joined.

    Rows of a task and model that "finished" does not name are passed over.
    """
    results = {
        (model, task): result | {"rows": []}
        for model, tasks in report["finished"].items()
        for task, result in tasks.items()
    }
    for row in report["rows"]:
        if (row["model"], row["task"]) in results:
            results[row["model"], row["task"]]["rows"].append(row)
    return results


def probe_table(report: dict[str, Any], baseline: str) -> str:
    """Set a report as text: for every task, a line per layer and a column per model.

    Parameters
    ----------
    report : dict
        "rows", with the columns of `COLUMNS`, and "notes", list of str.
    baseline : str
        Model over which the others' gain is shown, if the report has it.

    Returns
    -------
    str
    """
    models, tasks = (
        list(dict.fromkeys(row[name] for row in report["rows"])) for name in ("model", "task")
    )
    gain = f", gain over {baseline}" if baseline in models else ""
    parts = []
    for task in tasks:
        rows = {(r["layer"], r["model"]): r for r in report["rows"] if r["task"] == task}
        first = next(iter(rows.values()))
        lines = [
            [layer, *(_cell(rows.get((layer, m)), rows.get((layer, baseline))) for m in models)]
            for layer in dict.fromkeys(layer for layer, _ in rows)
        ]
        parts += [
            "",
            f"{task}: {MEASURES[first['measure']]} on {first['n']} test clips "
            f"[95 % interval]{gain}; without hearing {first['majority']:.2f}",
            text_table(["layer", *models], lines),
        ]
    return "\n".join([*parts, "", *report["notes"], ""])


def _cell(row, of_baseline):
    if row is None:
        return ""
    text = cell(row["value"], (row["interval_low"], row["interval_high"]))
    if of_baseline is None or of_baseline is row:
        return text
    return f"{text} {cell(row['value'] - of_baseline['value'], sign=True)}"
