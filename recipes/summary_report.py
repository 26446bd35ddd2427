"""What a summary of many measurements holds: as notes, as tables, as figures."""

import textwrap
from pathlib import Path

from evaluate_metrics.summary_figures import bar_figure, line_figure
from recipes.report import BASELINE

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
PLACE = {task: place for place, task in enumerate(STAGE_OF)}


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
        ("Semantic-phonetic preference d", ("task",), _of(summary, "d", layer="mean"), 3),
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
    return PLACE.get(_task(line), len(PLACE))


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
            line_figure(panels, paths[-1], title, _caption("Bands", used), columns)
    return paths


def _caption(bars, lines, baseline=None):
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


def _line_panel(lines, title, x, label="alignment", share="alignment", **more):
    """A panel as `line_figure` takes it, with x of every line."""
    points = {}
    for line in sorted(lines, key=x):
        if line["value"] is not None:
            points.setdefault(line["model"], []).append((x(line), line["value"], _interval(line)))
    return {"title": _words(title), "lines": points, "label": label, "share": share, **more}


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
    by_measure = _by(used, "measure")

    def name(line):
        return f"{_task(line)} ({_collection(line)})" if several else _task(line)

    return [
        {
            "title": "",
            "label": MEASURES[measure],
            "number": "{:.2f}",
            "scores": _bars(by_measure[measure], name),
            "reference": {name(line): line["majority"] for line in by_measure[measure]},
        }
        for measure in SCORES
        if measure in by_measure
    ], used


def _stage_lines(summary):
    layered = [line for line in summary if isinstance(line["layer"], int)]
    tasks, aligned = sorted(_of(layered, *SCORES, "d"), key=_stage), _of(layered, "alignment")
    layer = {"x": lambda line: line["layer"], "x_label": "layer"}
    several = len({_collection(line) for line in tasks}) > 1

    def aside(line):
        stage = STAGE_OF.get(_task(line), "other")
        return _words(f"{stage}, {_collection(line)}") if several else stage

    return [
        _line_panel(
            lines,
            title=_task(lines[0]),
            aside=aside(lines[0]),
            label=MEASURES[lines[0]["measure"]],
            share=task,
            reference=lines[0]["majority"],
            **layer,
        )
        for task, lines in _by(tasks, "task").items()
    ] + [
        _line_panel(lines, title=region, aside="brain", **layer)
        for region, lines in _by(aligned, "region").items()
    ], [*tasks, *aligned]


def _data_lines(summary):
    used = _swept(summary)
    return [
        _line_panel(
            lines,
            title=region,
            aside=Path(pretrained).name,
            x=lambda line: line["n_trs"],
            x_label="TRs to tune on",
            log=True,
            ticks={line["n_trs"]: f"{line['n_trs']:,.0f}" for line in lines},
        )
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
        _line_panel(
            lines,
            title=region,
            aside="all stories" if most == 1 else f"{most:g} of the stories",
            x=lambda line: places[line["pretrained"]],
            x_label="starting model and its weights",
            ticks=ticks,
        )
        for region, lines in _by(used, "region").items()
    ], used
