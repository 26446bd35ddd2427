"""Figures of a summary over participants."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    "1-wer": "1 \N{MINUS SIGN} error rate",
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
        "tasks": ("Downstream tasks", task_bars),
    }
    n_regions = len({line["region"] for line in swept_lines(summary)})  # a row per starting model
    lines = {
        "layers": ("From sound to meaning, layer by layer", stage_lines, 4),
        "data-size": ("Alignment by amount of data", _data_lines, n_regions),
        "model-size": ("Alignment by size of the model", _size_lines, 3),
    }
    paths = []
    for name, (title, panels_of) in bars.items():
        panels, used = panels_of(summary)
        if used:
            paths.append(folder / f"{name}.png")
            bar_figure(panels, paths[-1], title, caption_of("Error bars", used, baseline))
    for name, (title, panels_of, columns) in lines.items():
        panels, used = panels_of(summary)
        if used:
            paths.append(folder / f"{name}.png")
            line_figure(panels, paths[-1], title, caption_of("Bands", used), columns)
    return paths


def caption_of(bars: str, lines: list[dict], baseline: str | None = None) -> str:
    """What error bars, dashed lines and (where there is a baseline) stars are.

    Parameters
    ----------
    bars : str
        What intervals are drawn as: "Error bars" or "Bands".
    lines : list of dict
        From `over_participants`, those that are drawn.
    baseline : str, optional
    """
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


def interval_of(line):
    if line["standard_error"] is not None:
        error = line["standard_error"]
        return line["value"] - error, line["value"] + error
    return None if line["interval_low"] is None else (line["interval_low"], line["interval_high"])


def bars_of(lines: list[dict], group: Callable[[dict], str]) -> dict[str, dict[str, dict]]:
    """{model: {group: scores}}, as `bar_figure` takes them, with the group of each line."""
    scores = {}
    for line in lines:
        of_group = {"mean": line["value"], "interval": interval_of(line), "stars": stars(line)}
        of_group["determined"] = not line["n_undetermined"]
        scores.setdefault(line["model"], {})[group(line)] = of_group
    return scores


def line_panel(
    lines: list[dict],
    title: str,
    x: Callable[[dict], float],
    label: str = "alignment",
    share: str = "alignment",
    **more: Any,
) -> dict[str, Any]:
    """A panel as `line_figure` takes it, with x of every line."""
    points = {}
    for line in sorted(lines, key=x):
        if line["value"] is not None:
            points.setdefault(line["model"], []).append((x(line), line["value"], interval_of(line)))
    return {"title": words(title), "lines": points, "label": label, "share": share, **more}


def grouped(lines: list[dict], name: str) -> dict[Any, list[dict]]:
    """{value of a column: lines}, in the order of their first appearance."""
    groups = {}
    for line in lines:
        groups.setdefault(line[name], []).append(line)
    return groups


def _families(lines, title=""):
    """(title, lines) of each model that was started from; titles name them if they are several."""
    families = grouped(lines, "pretrained")
    for family, found in families.items():
        named = f"{title}, {family}" if title else str(family)
        yield (named if len(families) > 1 else title), found


def _alignment_bars(summary):
    used = alignment_lines(summary)
    panel = {"label": normalised_as(used), "number": "{:.2f}"}
    return [
        panel | {"title": title, "scores": bars_of(lines, lambda line: line["region"])}
        for title, lines in _families(used)
    ], used


def _impact_bars(summary):
    used = lines_of(summary, "impact", layer="mean")
    panel = {"label": MEASURES["impact"], "number": "{:.0f}"}
    return [
        panel | {"title": title, "scores": bars_of(lines, lambda line: line["feature"])}
        for region, of_region in grouped(used, "region").items()
        for title, lines in _families(of_region, words(region))
    ], used


def layer_axis(depths: dict[str, int] | None = None) -> dict[str, Any]:
    """What `line_panel` takes for an axis of layers, or of relative depth where `depths` are."""
    if depths is None:
        return {"x": lambda line: line["layer"], "x_label": "layer"}
    return {
        "x": lambda line: line["layer"] / depths[line["pretrained"]],
        "x_label": "relative depth",
        "ticks": {0: "0", 0.5: "0.5", 1: "1"},
    }


def task_bars(summary: list[dict]) -> tuple[list[dict], list[dict]]:
    """Panels of bars of tasks, as `bar_figure` takes them, and the lines that they show."""
    used = score_lines(summary)
    several = len({collection(line) for line in used}) > 1
    by_measure = grouped(used, "measure")

    def name(line):
        return f"{task_name(line)} ({collection(line)})" if several else task_name(line)

    return [
        {
            "title": title,
            "label": MEASURES[measure],
            "number": "{:.2f}",
            "scores": bars_of(lines, name),
            "reference": {name(line): line["majority"] for line in lines},
        }
        for measure in SCORES
        if measure in by_measure
        for title, lines in _families(by_measure[measure])
    ], used


def stage_lines(
    summary: list[dict], depths: dict[str, int] | None = None
) -> tuple[list[dict], list[dict]]:
    """Panels of lines over layers, from acoustic to semantic tasks and on to the brain.

    Parameters
    ----------
    summary : list of dict
        From `over_participants`.
    depths : dict of {model that was started from: number of layers}, optional
        For relative depth in place of layers.

    Returns
    -------
    panels : list of dict
        As `line_figure` takes them.
    used : list of dict
        The lines that they show.
    """
    layered = [line for line in summary if isinstance(line["layer"], int)]
    tasks = sorted(lines_of(layered, *SCORES, "d"), key=stage_place)
    aligned = lines_of(layered, "alignment")
    layer = layer_axis(depths)
    several = len({collection(line) for line in tasks}) > 1

    def aside(line):
        stage = STAGE_OF.get(task_name(line), "other")
        return f"{stage}, {collection(line)}" if several else stage

    return [
        line_panel(
            lines,
            title=task_name(lines[0]),
            aside=words(named),
            label=MEASURES[lines[0]["measure"]],
            share=task,
            reference=lines[0]["majority"],
            **layer,
        )
        for task, of_task in grouped(tasks, "task").items()
        for named, lines in _families(of_task, aside(of_task[0]))
    ] + [
        line_panel(lines, title=region, aside=words(named), **layer)
        for region, of_region in grouped(aligned, "region").items()
        for named, lines in _families(of_region, "brain")
    ], [*tasks, *aligned]


def _data_lines(summary):
    used = swept_lines(summary)
    return [
        line_panel(
            lines,
            title=region,
            aside=Path(pretrained).name,
            x=lambda line: line["n_trs"],
            x_label="TRs to tune on",
            log=True,
            ticks={line["n_trs"]: f"{line['n_trs']:,.0f}" for line in lines},
        )
        for pretrained, of_model in grouped(used, "pretrained").items()
        for region, lines in grouped(of_model, "region").items()
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
        line_panel(
            lines,
            title=region,
            aside="all stories" if most == 1 else f"{most:g} of the stories",
            x=lambda line: places[line["pretrained"]],
            x_label="starting model and its weights",
            ticks=ticks,
        )
        for region, lines in grouped(used, "region").items()
    ], used
