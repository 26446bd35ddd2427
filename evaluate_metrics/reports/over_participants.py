"""The mathematics of a summary: means, errors and tests over participants."""

import math
import warnings

import numpy as np

from ..names import check_name
from ..statistics import holm, paired_test
from .merging import WHAT
from .summary_lines import SCORES
from .tables import BASELINE

SUMMARY = (
    *(*WHAT, "value", "n", "unit", "standard_error", "interval_low", "interval_high"),
    *("gain", "gain_error", "n_tested", "p", "p_holm", "majority", "n_trs", "n_parameters"),
    *("stride", "normalisation", "n_undetermined", "chunk"),
)


def layer_means(table: list[dict]) -> list[dict]:
    """Tasks' means over the layers of the transformer, its input not being one.

    The interval of such a mean is the mean of the layers' intervals, which is at least as wide as
    the mean's own: as wide if all layers rose and fell together.

    Parameters
    ----------
    table : list of dict
        Rows.

    Returns
    -------
    list of dict
        Rows whose layer is "mean".
    """
    groups = {}
    for row in table:
        if row["task"] is not None and isinstance(row["layer"], int) and row["layer"] > 0:
            what = ("model", "participant", "task", "measure", "pretrained", "seed", "fraction")
            key = tuple(row[name] for name in what)
            groups.setdefault(key, []).append(row)
    averaged = ("value", "interval_low", "interval_high")
    return [
        layers[0] | {"layer": "mean"} | {name: _mean(layers, name) for name in averaged}
        for layers in groups.values()
    ]


def _mean(found, name):
    """Mean of a column, None where a row has none."""
    values = [row[name] for row in found]
    return None if None in values else float(np.mean(values))


def over_participants(table: list[dict], baseline: str = BASELINE) -> list[dict]:
    """Average over participants, and test against the baseline.

    A participant's value is the mean over seeds, where there are several. A model's value that is
    not of one participant stands for all in comparisons. Empty values are left out, and so are
    ratios that are not determined.

    Parameters
    ----------
    table : list of dict
        Rows with all `COLUMNS`.
    baseline : str

    Returns
    -------
    list of dict
        With the columns of `SUMMARY`: "value" is the mean over "n" participants, with its standard
        error if they are several and the measurement's own interval if it is one; "gain" the mean
        difference to the baseline and "gain_error" its standard error; "p" of a two-sided Wilcoxon
        test over "n_tested" participants, "p_holm" adjusted over regions or tasks.
        "n_undetermined" counts the ratios that are left out; the only one's interval is there.

    Raises
    ------
    ValueError
        No row is of the baseline.
    """
    groups, undetermined = {}, {}
    for row in table:
        key = tuple(row[name] for name in WHAT)
        by_participant = groups.setdefault(key, {})
        if row["value"] is not None:
            by_participant.setdefault(row["participant"], []).append(row)
        elif row["n"]:  # voxels: there is something, but no stable number for it
            undetermined.setdefault(key, []).append(row)
    groups = {
        key: {participant: _over_seeds(rows) for participant, rows in found.items()}
        for key, found in groups.items()
    }
    check_name("baseline", baseline, {model for model, *_ in groups})
    summary, families = [], {}
    for (model, *what), found in groups.items():
        line = dict.fromkeys(SUMMARY) | dict(zip(WHAT, (model, *what), strict=True))
        left_out = undetermined.get((model, *what), [])
        line |= _average(list(found.values())) | {"n_undetermined": len(left_out)}
        if not found and len(left_out) == 1:
            line |= {name: left_out[0][name] for name in ("interval_low", "interval_high")}
        if model != baseline:
            line |= _comparison(found, groups.get((baseline, *what), {}))
        if line["p"] is not None:
            families.setdefault(_family(line), []).append(line)
        summary.append(line)
    for family in families.values():
        for line, p in zip(family, holm([line["p"] for line in family]), strict=True):
            line["p_holm"] = float(p)
    return summary


def _over_seeds(rows):
    """A row of the mean over seeds, without an interval unless all have the same value."""
    if len({row["value"] for row in rows}) == 1:
        return rows[0]
    return rows[0] | {"value": _mean(rows, "value"), "interval_low": None, "interval_high": None}


def _family(line):
    """What a line's p is corrected along with: other regions, or other tasks."""
    if line["measure"] in SCORES:  # whatever a task is scored by, and had from all layers
        layer = "mean" if line["layer"] == "all" else line["layer"]
        return tuple(line[name] for name in ("model", "pretrained", "fraction")) + (layer,)
    return tuple(line[name] for name in WHAT if name not in ("region", "task"))


def _average(found):
    if not found:
        return {"n": 0, "unit": "participants"}
    line = {
        name: found[0][name]
        for name in ("majority", "n_parameters", "stride", "chunk", "normalisation")
    }  # the same for all
    line |= {name: _mean(found, name) for name in ("value", "n_trs")}
    line |= {"n": len(found), "unit": "participants"}
    if len(found) > 1:
        values = [row["value"] for row in found]
        return line | {"standard_error": _error(values)}
    if found[0]["participant"] is None:
        line["unit"] = "models"
    return line | {name: found[0][name] for name in ("interval_low", "interval_high")}


def _error(values):
    """Standard error of a mean."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def _comparison(found, of_baseline):
    pairs = [
        (row["value"], other["value"])
        for participant, row in found.items()
        if (other := of_baseline.get(participant, of_baseline.get(None)))
    ]
    if not pairs:
        return {}
    gains = [a - b for a, b in pairs]
    line = {"gain": float(np.mean(gains)), "n_tested": len(pairs)}
    if len(pairs) == 1:
        return line
    line["gain_error"] = _error(gains)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that participants are few is in the notes
        return line | {"p": paired_test(*zip(*pairs, strict=True))["p"]}
