"""Figures of a summary over participants."""

import textwrap
from pathlib import Path

from ..figures import bar_figure, line_figure
from ..figures.slide import words
from .stride import every
from .summary_lines import (
    SCORES,
    STAGE_OF,
    alignment_lines,
    collection,
    legend_of_stars,
    lines_of,
    normalised_as,
    score_lines,
    stage_place,
    stars,
    swept_lines,
    task_name,
)
from .tables import BASELINE

MEASURES = {
    "impact": "low-level impact\n(% of the alignment)",
    "r2": "$R^2$",
    "macro_f1": "macro F1",
    "1-wer": "1 \N{MINUS SIGN} word error rate",
    "d": "preference d",
}


def draw(summary: list[dict], folder: Path, baseline: str = BASELINE) -> list[Path]:
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
    n_regions = len({line["region"] for line in swept_lines(summary)})  # a row per starting model
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
    way = next(((r["stride"], r["chunk"]) for r in lines if r["stride"] is not None), None)
    if way is not None:
        text += f" {normalised_as(lines).capitalize()}: {every(*way)}."
    if any(line["majority"] is not None for line in lines):
        text += " Dashed: without hearing."
    if baseline is not None:
        n_tested = max(line["n_tested"] or 0 for line in lines)
        text += f" {legend_of_stars(n_tested, baseline)}" if n_tested > 1 else ""
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
        of_group = {"mean": line["value"], "interval": _interval(line), "stars": stars(line)}
        of_group["determined"] = not line["n_undetermined"]
        scores.setdefault(line["model"], {})[group(line)] = of_group
    return scores


def _line_panel(lines, title, x, label="alignment", share="alignment", **more):
    """A panel as `line_figure` takes it, with x of every line."""
    points = {}
    for line in sorted(lines, key=x):
        if line["value"] is not None:
            points.setdefault(line["model"], []).append((x(line), line["value"], _interval(line)))
    return {"title": words(title), "lines": points, "label": label, "share": share, **more}


def _by(lines, name):
    """{value of a column: lines}, in the order of their first appearance."""
    groups = {}
    for line in lines:
        groups.setdefault(line[name], []).append(line)
    return groups


def _families(lines, title=""):
    """(title, lines) of each model that was started from; titles name them if they are several."""
    families = _by(lines, "pretrained")
    for family, found in families.items():
        named = f"{title}, {family}" if title else str(family)
        yield (named if len(families) > 1 else title), found


def _alignment_bars(summary):
    used = alignment_lines(summary)
    panel = {"label": normalised_as(used), "number": "{:.2f}"}
    return [
        panel | {"title": title, "scores": _bars(lines, lambda line: line["region"])}
        for title, lines in _families(used)
    ], used


def _impact_bars(summary):
    used = lines_of(summary, "impact", layer="mean")
    panel = {"label": MEASURES["impact"], "number": "{:.0f}"}
    return [
        panel | {"title": title, "scores": _bars(lines, lambda line: line["feature"])}
        for region, of_region in _by(used, "region").items()
        for title, lines in _families(of_region, words(region))
    ], used


def _task_bars(summary):
    used = score_lines(summary)
    several = len({collection(line) for line in used}) > 1
    by_measure = _by(used, "measure")

    def name(line):
        return f"{task_name(line)} ({collection(line)})" if several else task_name(line)

    return [
        {
            "title": title,
            "label": MEASURES[measure],
            "number": "{:.2f}",
            "scores": _bars(lines, name),
            "reference": {name(line): line["majority"] for line in lines},
        }
        for measure in SCORES
        if measure in by_measure
        for title, lines in _families(by_measure[measure])
    ], used


def _stage_lines(summary):
    layered = [line for line in summary if isinstance(line["layer"], int)]
    tasks = sorted(lines_of(layered, *SCORES, "d"), key=stage_place)
    aligned = lines_of(layered, "alignment")
    layer = {"x": lambda line: line["layer"], "x_label": "layer"}
    several = len({collection(line) for line in tasks}) > 1

    def aside(line):
        stage = STAGE_OF.get(task_name(line), "other")
        return words(f"{stage}, {collection(line)}") if several else stage

    return [
        _line_panel(
            lines,
            title=title,
            aside=aside(lines[0]),
            label=MEASURES[lines[0]["measure"]],
            share=task,
            reference=lines[0]["majority"],
            **layer,
        )
        for task, of_task in _by(tasks, "task").items()
        for title, lines in _families(of_task, task_name(of_task[0]))
    ] + [
        _line_panel(lines, title=title, aside="brain", **layer)
        for region, of_region in _by(aligned, "region").items()
        for title, lines in _families(of_region, region)
    ], [*tasks, *aligned]


def _data_lines(summary):
    used = swept_lines(summary)
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
    swept = swept_lines(summary)
    most = max((line["fraction"] for line in swept), default=None)
    used = [line for line in swept if line["fraction"] == most]
    sizes = {line["pretrained"]: line["n_parameters"] for line in used}
    if len(sizes) < 2:
        return [], []
    places = {name: place for place, name in enumerate(sorted(sizes, key=lambda name: sizes[name]))}
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
