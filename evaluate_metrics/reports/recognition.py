"""Reports of speech recognition: error rates, their differences, and a table of models."""

from functools import partial
from typing import Any

import numpy as np

from ..error_rate import error_rate
from ..statistics import bootstrap_interval
from .tables import cell, text_table
from .task_rows import task_row

COUNTED = {"phones": "phone", "characters": "word"}  # what errors are counted in, by units


def recognition_report(
    clips: dict[str, list[dict[str, Any]]],
    participants: dict[str, str | None],
    task: str,
    baseline: str,
) -> dict[str, Any]:
    """Return error rates of several models, and their differences from the baseline.

    Parameters
    ----------
    clips : dict of {model: list of {"errors": int, "words": int}}
        The same test clips for every model, in the same order.
    participants : dict of {model: str or None}
        Whom models were tuned on.
    task : str
        "<collection>/<task>".
    baseline : str
        Model that the others are compared with, if it is among them.

    Returns
    -------
    dict
        - "rows": list of {column: value} with the columns of `probes.COLUMNS`; measures are "wer",
          which is the phone error rate where phones are counted, and "1-wer";
        - "differences" {model: {"value", "interval"}} of 1 - WER from the baseline's, over the same
          resamples of clips;
        - "n_words" of the clips, or phones.
    """
    errors = {model: np.array([clip["errors"] for clip in its]) for model, its in clips.items()}
    words = np.array([clip["words"] for clip in next(iter(clips.values()))])

    def measured(errors):
        rate = partial(error_rate, errors, words)
        return rate(), bootstrap_interval(rate, len(words), block=1)

    rows, differences = [], {}
    for model in clips:
        wrong, (low, high) = measured(errors[model])
        values = {"wer": (wrong, (low, high)), "1-wer": (1 - wrong, (1 - high, 1 - low))}
        for measure, (value, interval) in values.items():
            what = (model, participants[model], task, "all", measure, value)
            row = task_row(*what, len(words), "clips", interval)
            rows.append(row | {"majority": None})
        if baseline in clips and model != baseline:
            value, interval = measured(errors[baseline] - errors[model])
            differences[model] = {"value": value, "interval": interval}
    return {"rows": rows, "differences": differences, "n_words": int(words.sum())}


def recognition_table(report: dict[str, Any], units: str, baseline: str) -> str:
    """Set a report as text, a line per model.

    Parameters
    ----------
    report : dict
        As `recognition_report` returns it, with "notes", list of str.
    units : str
        A key of `COUNTED`.
    baseline : str

    Returns
    -------
    str
    """
    first, counted = report["rows"][0], COUNTED[units]
    lines = []
    for wrong, right in zip(report["rows"][::2], report["rows"][1::2], strict=True):
        cells = [
            cell(row["value"], (row["interval_low"], row["interval_high"]), digits=3)
            for row in (wrong, right)
        ]
        gain = report["differences"].get(wrong["model"])
        cells.append(cell(gain["value"], gain["interval"], digits=3, sign=True) if gain else "")
        lines.append([wrong["model"], *cells])
    header = ["", f"{counted} error rate", "1 - that", f"gain over {baseline}"]
    title = (
        f"{first['task']}: {first['n']} test clips, {report['n_words']} {counted}s "
        "[95 % interval over clips]"
    )
    return "\n".join(["", title, text_table(header, lines), "", *report["notes"], ""])
