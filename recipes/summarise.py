"""Bring the measurements of several participants and models together: a table, tests, figures.

    python recipes/summarise.py --results outputs/P01 outputs/P02/alignment.json outputs/probes
    python recipes/summarise.py --results outputs/sweep --report_dir outputs/sweep/summary

Takes what align.py, tune.py, compare.py, probe.py, asr.py, preference.py and sweep.py write, in one
schema: a row holds a value of a model, of one participant or (participant None) of all, in a region
of the brain or in a task. Models are tested over participants (Moussa et al. 2025, section 3.3).
"""

import csv
import json
import math
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from transformers import HfArgumentParser

from datasets_scripts.names import check_name
from evaluate_metrics import holm, paired_test
from recipes.process import one_line_errors
from recipes.report import BASELINE, rows
from recipes.summary_report import SCORES, draw, markdown, notes_on

SWEEP = "sweep.json"
FILES = (
    *("alignment.json", "results.json", "compare.json"),
    *("probes.json", "asr.json", "preference.json", SWEEP),
)
# What a value is of: a row has a region or a task, and those of a sweep what was tuned on how much.
WHAT = ("model", "region", "task", "layer", "feature", "measure", "pretrained", "fraction")
NEEDED = (
    *("model", "participant", "layer", "feature", "measure", "value"),
    *("n", "unit", "interval_low", "interval_high"),
)
COLUMNS = (
    *(*NEEDED, "region", "task", "p", "p_holm", "majority"),
    *("pretrained", "fraction", "n_trs", "n_parameters"),
)
SUMMARY = (
    *(*WHAT, "value", "n", "unit", "standard_error", "interval_low", "interval_high"),
    *("gain", "n_tested", "p", "p_holm", "majority", "n_trs", "n_parameters"),
)


@dataclass(kw_only=True)
class SummaryArguments:
    """What is brought together, and where the summary goes."""

    results: list[str] = field(
        metadata={"help": f"Files of results, or folders that hold some: {', '.join(FILES)}."}
    )
    baseline: str = field(
        default=BASELINE, metadata={"help": "Model that the others are compared with."}
    )
    report_dir: str = field(default="outputs/summary", metadata={"help": "Where to report."})


def summarise(arguments):
    """Merge results, average and test them over participants, and write and draw the summary.

    Parameters
    ----------
    arguments : SummaryArguments

    Returns
    -------
    dict
        As written to `summary.json`: "rows", all that was read, {column: value} each; "summary",
        over participants, with the columns of `SUMMARY`; "notes"; and "settings".

    Raises
    ------
    FileNotFoundError, ValueError
        As `result_files` and `merged`; no row is of the baseline.
    """
    table = merged(result_files(arguments.results))
    summary = over_participants([*table, *layer_means(table)], arguments.baseline)
    notes = notes_on(summary, table, arguments.baseline)
    folder = Path(arguments.report_dir)
    folder.mkdir(parents=True, exist_ok=True)
    content = {"rows": table, "summary": summary, "notes": notes, "settings": asdict(arguments)}
    (folder / "summary.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    with open(folder / "summary.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, SUMMARY)
        writer.writeheader()
        writer.writerows(summary)
    text = markdown(summary, notes)
    (folder / "summary.md").write_text(text, encoding="utf-8")
    paths = draw(summary, folder, arguments.baseline)
    print(text)
    names = ("summary.json", "summary.csv", "summary.md", *(path.name for path in paths))
    print(f"{', '.join(names)} are in {folder}/")
    return content


def result_files(places):
    """Files of results, those of folders being searched for.

    Parameters
    ----------
    places : list of str
        Files, and folders to search. In these, what the runs of a sweep left is passed over, being
        in its own file, and so are `results.json` of checkpoints, which tell how they were trained.

    Returns
    -------
    list of Path

    Raises
    ------
    FileNotFoundError
        There is no such file or folder, or none of `FILES` in a folder.
    """
    paths = []
    for place in map(Path, places):
        found = [place] if place.is_file() else _searched(place)
        if not found:
            wanted = f"none of {', '.join(FILES)} in it" if place.is_dir() else "no such file"
            raise FileNotFoundError(f"--results {place}: {wanted}")
        paths += found
    return list(dict.fromkeys(paths))


def _searched(folder):
    found = sorted(path for name in FILES for path in folder.rglob(name))
    swept = {path.parent for path in found if path.name == SWEEP}
    return [
        path
        for path in found
        if not swept & set(path.parent.parents)
        and not (path.name == "results.json" and path.with_name("config.json").exists())
    ]


def merged(paths):
    """One table of all results.

    Parameters
    ----------
    paths : list of Path

    Returns
    -------
    list of dict
        Rows with all `COLUMNS`, None where a row has no such thing.

    Raises
    ------
    ValueError
        A file holds no results, or two hold different values of the same thing.
    """
    table, origins = {}, {}
    for path in paths:
        for row in _read(path):
            key = (row["participant"], *(row[name] for name in WHAT))
            known = table.setdefault(key, row)["value"]
            origin = origins.setdefault(key, path)
            if not _same(known, row["value"]):
                what = ", ".join(str(part) for part in key if part is not None)
                raise ValueError(
                    f"{origin} and {path} hold different values of {what}: {known} and "
                    f"{row['value']}; leave out one of the files"
                )
    return list(table.values())


def _same(a, b):
    """Whether values are equal but for rounding."""
    return a == b or (None not in (a, b) and math.isclose(a, b, rel_tol=1e-6))


def _read(path):
    """Rows of a file, in one schema."""

    def refused(constant):
        raise ValueError(f"a value is {constant}")

    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=refused)
    except ValueError as error:
        raise ValueError(f"{path} is no JSON of results: {error}") from error
    held = content if isinstance(content, dict) else {}
    if "rows" in held:
        found = held["rows"]
    elif "participants" in held or "alignment" in held:
        found = []
        for scores in held.get("participants", {"": held}).values():
            try:
                found += rows(scores)
            except KeyError as error:
                raise ValueError(f"{path} lacks {error}: measure again") from error
    else:
        raise ValueError(
            f"{path} holds no results: expected rows, participants or alignment, got "
            f"{', '.join(held) or type(content).__name__}"
        )
    for row in found:
        lacking = [name for name in NEEDED if name not in row]
        if lacking or (row.get("region") is None) is (row.get("task") is None):
            wrong = f"lacks {', '.join(lacking)}" if lacking else "needs a region or else a task"
            raise ValueError(f"{path}: a row {wrong}: {row}")
    return [dict.fromkeys(COLUMNS) | row for row in found]


def layer_means(table):
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
            key = (row["model"], row["participant"], row["task"], row["measure"])
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


def over_participants(table, baseline=BASELINE):
    """Average over participants, and test against the baseline.

    A model's value that is not of one participant stands for all in comparisons. Empty values are
    left out.

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
        difference to the baseline; "p" of a two-sided Wilcoxon test over "n_tested" participants,
        "p_holm" adjusted over regions or tasks.

    Raises
    ------
    ValueError
        No row is of the baseline.
    """
    groups = {}
    for row in table:
        by_participant = groups.setdefault(tuple(row[name] for name in WHAT), {})
        if row["value"] is not None:
            by_participant[row["participant"]] = row
    check_name("baseline", baseline, {model for model, *_ in groups})
    summary, families = [], {}
    for (model, *what), found in groups.items():
        line = dict.fromkeys(SUMMARY) | dict(zip(WHAT, (model, *what), strict=True))
        line |= _average(list(found.values()))
        if model != baseline:
            line |= _comparison(found, groups.get((baseline, *what), {}))
        if line["p"] is not None:
            families.setdefault(_family(line), []).append(line)
        summary.append(line)
    for family in families.values():
        for line, p in zip(family, holm([line["p"] for line in family]), strict=True):
            line["p_holm"] = float(p)
    return summary


def _family(line):
    """What a line's p is corrected along with: other regions, or other tasks."""
    if line["measure"] in SCORES:  # whatever a task is scored by, and had from all layers
        layer = "mean" if line["layer"] == "all" else line["layer"]
        return (line["model"], layer)
    return tuple(line[name] for name in WHAT if name not in ("region", "task"))


def _average(found):
    if not found:
        return {"n": 0, "unit": "participants"}
    line = {name: found[0][name] for name in ("majority", "n_parameters")}  # the same for all
    line |= {name: _mean(found, name) for name in ("value", "n_trs")}
    line |= {"n": len(found), "unit": "participants"}
    if len(found) > 1:
        values = [row["value"] for row in found]
        return line | {"standard_error": float(np.std(values, ddof=1) / math.sqrt(len(found)))}
    if found[0]["participant"] is None:
        line["unit"] = "models"
    return line | {name: found[0][name] for name in ("interval_low", "interval_high")}


def _comparison(found, of_baseline):
    pairs = [
        (row["value"], other["value"])
        for participant, row in found.items()
        if (other := of_baseline.get(participant, of_baseline.get(None)))
    ]
    if not pairs:
        return {}
    line = {"gain": float(np.mean([a - b for a, b in pairs])), "n_tested": len(pairs)}
    if len(pairs) == 1:
        return line
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that participants are few is in the notes
        return line | {"p": paired_test(*zip(*pairs, strict=True))["p"]}


def main():
    with one_line_errors():
        (arguments,) = HfArgumentParser(SummaryArguments).parse_args_into_dataclasses()
        summarise(arguments)


if __name__ == "__main__":
    main()
