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
import textwrap
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from transformers import HfArgumentParser

from datasets_scripts.names import check_name
from evaluate_metrics import holm, paired_test
from evaluate_metrics.summary_figures import bar_figure, line_figure
from recipes.process import one_line_errors
from recipes.report import BASELINE, rows

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
COLUMNS = (*NEEDED, "region", "task", "p", "p_holm", "majority", *WHAT[-2:], "n_trs")
COLUMNS += ("n_parameters",)
SUMMARY = (
    *(*WHAT, "value", "n", "unit", "standard_error", "interval_low", "interval_high"),
    *("gain", "n_tested", "p", "p_holm", "majority", "n_trs", "n_parameters"),
)
LEVEL, FEWEST = 0.05, 6  # participants below whom no test reaches the level
STARS = (
    "*: differs from {}, p < .05 (two-sided Wilcoxon signed-rank test over participants); **: also "
    "when corrected for the number of regions or tasks (Holm)."
)
MEASURES = {
    "alignment": "normalised brain alignment",
    "impact": "low-level impact\n(% of the alignment)",
    "r2": "$R^2$",
    "macro_f1": "macro F1",
    "1-wer": "1 \N{MINUS SIGN} word error rate",
    "d": "preference d",
}
SCORES = ("r2", "macro_f1", "1-wer")  # of tasks; the more, the better
STAGES = {  # of tasks, from acoustic to semantic (Moussa and Toneva 2025)
    "acoustic": ("mfcc", "fbank"),
    "prosodic": ("mood", "emotion"),
    "phonetic": ("phones_present", "asr_phones", "asr_characters"),
    "lexical": ("word",),
    "sentence": ("sentence_type",),
    "semantic": ("topic", "action", "intent", "preference"),
}
STAGE_OF = {task: stage for stage, tasks in STAGES.items() for task in tasks}


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
        Files and folders. What the runs of a sweep left is passed over, being in its own file.

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
        found = [place] if place.is_file() else sorted(p for n in FILES for p in place.rglob(n))
        if not found:
            wanted = f"none of {', '.join(FILES)} in it" if place.is_dir() else "no such file"
            raise FileNotFoundError(f"--results {place}: {wanted}")
        swept = [path.parent for path in found if path.name == SWEEP]
        paths += [p for p in found if p.parent in swept or not set(p.parents) & set(swept)]
    return list(dict.fromkeys(paths))


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
            family = tuple(line[name] for name in WHAT if name not in ("region", "task"))
            families.setdefault(family, []).append(line)
        summary.append(line)
    for family in families.values():
        for line, p in zip(family, holm([line["p"] for line in family]), strict=True):
            line["p_holm"] = float(p)
    return summary


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


def notes_on(summary, table, baseline):
    """What a reader of the summary must know.

    Parameters
    ----------
    summary : list of dict
        From `over_participants`.
    table : list of dict
        Rows that it comes from.
    baseline : str

    Returns
    -------
    list of str
    """
    participants = {row["participant"] for row in table} - {None}
    n_tested = max((line["n_tested"] or 0 for line in summary), default=0)
    said = [f"Participants: {', '.join(sorted(participants)) or 'none named'}."]
    if n_tested < 2:
        said.append("Intervals are 95 % of one measurement; nothing is tested over participants.")
    else:
        said.append(
            f"Mean \N{PLUS-MINUS SIGN} standard error over participants; in brackets gains over "
            f"{baseline}, with p of a two-sided Wilcoxon signed-rank test over participants, alone "
            "and corrected for the number of regions or tasks (Holm)."
        )
        said.append(_legend_of_stars(n_tested, baseline).replace("*", "\\*"))
    if any(row["task"] and row["participant"] is None for row in table):
        said.append(
            "Models that were tuned on no single participant have one measurement in a task; it "
            "is compared with those of all participants, and its own noise is not tested."
        )
    if any(line["task"] and line["layer"] == "mean" for line in summary):
        said.append("Tasks: mean over the transformer's layers, whose intervals are averaged too.")
    if any(line["fraction"] for line in summary):
        said.append(
            "Encoding models are fitted on the stories that were tuned on, so that alignment of "
            "the pretrained model, too, rises with their number."
        )
    return said


def _legend_of_stars(n_tested, baseline):
    if n_tested < FEWEST:
        return f"No stars: p < .05 needs {FEWEST} participants, and there are {n_tested}."
    return STARS.format(baseline)


def markdown(summary, notes):
    """The summary as Markdown that a model card can take in.

    Parameters
    ----------
    summary : list of dict
        From `over_participants`.
    notes : list of str

    Returns
    -------
    str
    """
    sections = ["## Summary over participants"]
    for title, names, lines, digits in (
        ("Normalised brain alignment", ("region",), _alignment(summary), 2),
        ("Low-level impact, %", ("region", "feature"), _of(summary, "impact", layer="mean"), 0),
        ("Tasks", ("task", "measure", "majority"), _scores(summary), 2),
        (
            "Normalised brain alignment by size",
            ("pretrained", "n_parameters", "fraction", "n_trs", "region"),
            _swept(summary),
            2,
        ),
    ):
        if lines:
            sections += [f"### {title}", _markdown_table(lines, names, digits)]
    return "\n\n".join([*sections, "\n".join(f"- {note}" for note in notes)]) + "\n"


def _markdown_table(lines, names, digits):
    models = list(dict.fromkeys(line["model"] for line in lines))
    cells = {}
    for line in lines:
        row = cells.setdefault(tuple(line[name] for name in names), {})
        row[line["model"]] = _cell(line, digits)
    table = [[*names, *models], ["---"] * (len(names) + len(models))]
    for key, by_model in cells.items():
        table.append([*map(_plain, key), *(by_model.get(model, "") for model in models)])
    return "\n".join(f"| {' | '.join(row)} |" for row in table)


def _plain(value):
    if isinstance(value, int | float):
        return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
    return "" if value is None else str(value)


def _cell(line, digits):
    if line["value"] is None:
        return "empty"
    text = f"{line['value']:.{digits}f}"
    if line["standard_error"] is not None:
        text += f" \N{PLUS-MINUS SIGN} {line['standard_error']:.{digits}f}"
    elif line["interval_low"] is not None:
        text += f" [{line['interval_low']:.{digits}f}, {line['interval_high']:.{digits}f}]"
    if line["gain"] is not None:
        p = "" if line["p_holm"] is None else f", p={line['p']:.3f}, Holm {line['p_holm']:.3f}"
        text += f" ({line['gain']:+.{digits}f}{p})" + _stars(line).replace("*", "\\*")
    return text


def _stars(line):
    if line["p"] is None or line["p"] >= LEVEL:
        return ""
    return "**" if line["p_holm"] < LEVEL else "*"


def _of(summary, *measures, **wanted):
    wanted = {"fraction": None} | wanted
    return [
        line
        for line in summary
        if line["measure"] in measures and all(line[k] == v for k, v in wanted.items())
    ]


def _alignment(summary):
    return _of(summary, "alignment", layer="mean")


def _scores(summary):
    lines = [line for line in _of(summary, *SCORES) if line["layer"] in ("mean", "all")]
    return sorted(lines, key=_stage)


def _swept(summary):
    return [
        line
        for line in summary
        if line["fraction"] and line["measure"] == "alignment" and line["layer"] == "mean"
    ]


def _task(line):
    return line["task"].partition("/")[2]


def _collection(line):
    return line["task"].partition("/")[0]


def _stage(line):
    """Place of a task from acoustic to semantic; those that are not known come last."""
    known = list(STAGE_OF)
    return known.index(_task(line)) if _task(line) in known else len(known)


def draw(summary, folder, baseline=BASELINE):
    """Draw what the summary holds of the paper's figures.

    Parameters
    ----------
    summary : list of dict
        From `over_participants`.
    folder : Path
    baseline : str

    Returns
    -------
    list of Path
        PNG files: bars of alignment and of low-level impact by region and of tasks; lines over
        layers, from acoustic to semantic tasks and on to the brain; and alignment over the amount
        of data and over the size of models.
    """
    bars = {
        "alignment": ("Brain alignment", _alignment_bars),
        "impact": ("Low-level impact", _impact_bars),
        "tasks": ("Downstream tasks", _task_bars),
    }
    n_regions = len({line["region"] for line in _swept(summary)})  # a row per starting model
    lines = {
        "layers": ("From sound to meaning, layer by layer", _stage_lines, 4),
        "data-size": ("Alignment by amount of data", _data_lines, n_regions),
        "model-size": ("Alignment by size of the model", _size_lines, 3),
    }
    paths = []
    for name, (title, panels_of) in bars.items():
        panels, used = panels_of(summary)
        if used:
            paths.append(folder / f"{name}.png")
            bar_figure(panels, paths[-1], title, _caption("Error bars", used, baseline))
    for name, (title, panels_of, columns) in lines.items():
        panels, used = panels_of(summary)
        if used:
            paths.append(folder / f"{name}.png")
            line_figure(panels, paths[-1], title, _caption("Bands", used, None), columns)
    return paths


def _caption(bars, lines, baseline):
    """What error bars, dashed lines and (where there is a baseline) stars are."""
    several = {line["n"] for line in lines if line["standard_error"] is not None}
    single = any(line["interval_low"] is not None for line in lines)
    said = []
    if several:
        n = f"{min(several)} to {max(several)}" if len(several) > 1 else max(several)
        said.append(f"standard error over {n} participants")
    if single:
        where = " where there is one measurement only" if several else " of the only measurement"
        said.append(f"95 % bootstrap intervals{where}")
    text = f"{bars}: {'; '.join(said)}." if said else ""
    if any(line["majority"] is not None for line in lines):
        text += " Dashed: without hearing."
    if baseline is not None:
        n_tested = max(line["n_tested"] or 0 for line in lines)
        text += f" {_legend_of_stars(n_tested, baseline)}" if n_tested > 1 else ""
    return text.strip()


def _interval(line):
    if line["standard_error"] is not None:
        error = line["standard_error"]
        return line["value"] - error, line["value"] + error
    return None if line["interval_low"] is None else (line["interval_low"], line["interval_high"])


def _bars(lines, group):
    """{model: {group: scores}}, as `bar_figure` takes them."""
    scores = {}
    for line in lines:
        of_group = {"mean": line["value"], "interval": _interval(line), "stars": _stars(line)}
        scores.setdefault(line["model"], {})[group(line)] = of_group
    return scores


def _lines(lines, x):
    """{model: points}, as `line_figure` takes them."""
    points = {}
    for line in sorted(lines, key=x):
        if line["value"] is not None:
            points.setdefault(line["model"], []).append((x(line), line["value"], _interval(line)))
    return points


def _by(lines, name):
    """{value of a column: lines}, in the order of their first appearance."""
    groups = {}
    for line in lines:
        groups.setdefault(line[name], []).append(line)
    return groups


def _words(name):
    return name.replace("_", " ")


def _alignment_bars(summary):
    used = _alignment(summary)
    panel = {"title": "", "label": MEASURES["alignment"], "number": "{:.2f}"}
    return [panel | {"scores": _bars(used, lambda line: line["region"])}], used


def _impact_bars(summary):
    used = _of(summary, "impact", layer="mean")
    panel = {"label": MEASURES["impact"], "number": "{:.0f}"}
    return [
        panel | {"title": _words(region), "scores": _bars(lines, lambda line: line["feature"])}
        for region, lines in _by(used, "region").items()
    ], used


def _task_bars(summary):
    used = _scores(summary)
    several = len({_collection(line) for line in used}) > 1

    def name(line):
        return f"{_task(line)} ({_collection(line)})" if several else _task(line)

    return [
        {
            "title": "",
            "label": MEASURES[measure],
            "number": "{:.2f}",
            "scores": _bars(lines, name),
            "reference": {name(line): line["majority"] for line in lines},
        }
        for measure, lines in sorted(
            _by(used, "measure").items(), key=lambda item: SCORES.index(item[0])
        )
    ], used


def _stage_lines(summary):
    layered = [line for line in summary if isinstance(line["layer"], int) and not line["fraction"]]
    tasks = sorted(_of(layered, *SCORES, "d"), key=_stage)
    panels = [
        {
            "title": _words(_task(lines[0])),
            "aside": _words(f"{STAGE_OF.get(_task(lines[0]), 'other')}, {_collection(lines[0])}"),
            "label": MEASURES[lines[0]["measure"]],
            "share": task,
            "reference": lines[0]["majority"],
            "lines": _lines(lines, lambda line: line["layer"]),
        }
        for task, lines in _by(tasks, "task").items()
    ]
    aligned = _of(layered, "alignment")
    panels += [
        {
            "title": _words(region),
            "aside": "brain",
            "label": "alignment",
            "share": "alignment",
            "lines": _lines(lines, lambda line: line["layer"]),
        }
        for region, lines in _by(aligned, "region").items()
    ]
    return [panel | {"x_label": "layer"} for panel in panels], [*tasks, *aligned]


def _data_lines(summary):
    used = _swept(summary)
    return [
        {
            "title": _words(region),
            "aside": Path(pretrained).name,
            "label": "alignment",
            "share": "alignment",
            "x_label": "TRs to tune on",
            "log": True,
            "ticks": {line["n_trs"]: f"{line['n_trs']:,.0f}" for line in lines},
            "lines": _lines(lines, lambda line: line["n_trs"]),
        }
        for pretrained, of_model in _by(used, "pretrained").items()
        for region, lines in _by(of_model, "region").items()
    ], used


def _size_lines(summary):
    """At the largest amount of data; models in the order of their size, many being of about one."""
    swept = _swept(summary)
    most = max((line["fraction"] for line in swept), default=None)
    used = [line for line in swept if line["fraction"] == most]
    sizes = {line["pretrained"]: line["n_parameters"] for line in used}
    if len(sizes) < 2:
        return [], []
    places = {name: place for place, name in enumerate(sorted(sizes, key=sizes.get))}
    ticks = {
        place: f"{textwrap.fill(Path(name).name, 12)}\n{sizes[name] / 1e6:.3g} M"
        for name, place in places.items()
    }
    return [
        {
            "title": _words(region),
            "aside": "all stories" if most == 1 else f"{most:g} of the stories",
            "label": "alignment",
            "share": "alignment",
            "x_label": "starting model and its weights",
            "ticks": ticks,
            "lines": _lines(lines, lambda line: places[line["pretrained"]]),
        }
        for region, lines in _by(used, "region").items()
    ], used


def main():
    with one_line_errors():
        (arguments,) = HfArgumentParser(SummaryArguments).parse_args_into_dataclasses()
        summarise(arguments)


if __name__ == "__main__":
    main()
