"""Pictures of many measurements at once: panels of bars, and panels of lines."""

import math
import textwrap
from contextlib import contextmanager
from pathlib import Path

from .bars import draw_bars
from .colours import FAINT, INK, colours_of
from .slide import slide, start_at_zero, words

ASIDE = {"size": 11, "style": "italic", "weight": "normal", "color": "#555555"}
WIDEST = 17  # inches of a row of bars
OF_BAR, OF_LABEL, OF_TITLE, OF_ROW = 0.46, 1.1, 1.3, 3.9  # inches


def bar_figure(
    panels: list[dict], path: str | Path, title: str | None = None, caption: str = ""
) -> None:
    """Draw bars of models side by side, in panels that wrap into rows, as one PNG.

    Parameters
    ----------
    panels : list of dict
        - "title", and "label" of the y axis, which panels with the same one share;
        - "scores" {model: {group: scores}}: scores hold "mean", "interval" (low, high) or None,
          and optionally "stars", text that stands on the bar; a mean of None is marked empty, or
          not determined where "determined" is False, and a model may lack groups;
        - "number": format of the numbers on the bars, such as "{:.2f}";
        - "reference", optional: {group: value} to mark by a dashed line.

        Models may have any name; "pretrained", "permuted" and "brain-tuned" come first and always
        have the same colours.
    path : str or path
        The PNG to write.
    title : str, optional
    caption : str
        What the error bars and stars are.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    colours = colours_of([model for panel in panels for model in panel["scores"]])
    groups = [list(dict.fromkeys(g for s in p["scores"].values() for g in s)) for p in panels]
    of_group = max(1.0, OF_BAR * len(colours))
    rows = _rows([len(names) for names in groups], round(WIDEST / of_group))
    n_columns = max(map(len, rows))
    mosaic = [row + [None] * (n_columns - len(row)) for row in rows]
    n_labels = len({panel["label"] for panel in panels})
    size = max(11, of_group * n_columns + OF_LABEL * n_labels), OF_TITLE + OF_ROW * len(rows)
    with _legended(path, title, caption, size, colours) as figure:
        drawn = figure.subplot_mosaic(mosaic, empty_sentinel=None)
        first = {}  # axes by label
        for index, (panel, names) in enumerate(zip(panels, groups, strict=True)):
            axes = drawn[index]
            shared = _share(axes, first, panel["label"])
            _draw_panel_of_bars(axes, panel, names, colours)
            if shared and all(row[0] != index for row in rows):
                axes.tick_params(labelleft=False)
            else:
                axes.set_ylabel(panel["label"])
        for axes in first.values():
            start_at_zero(axes)


def line_figure(
    panels: list[dict],
    path: str | Path,
    title: str | None = None,
    caption: str = "",
    columns: int = 4,
) -> None:
    """Draw a line per model in small panels, as one PNG.

    Parameters
    ----------
    panels : list of dict
        - "title", and "aside", what stands at its right in small type;
        - "lines" {model: list of (x, mean, interval)}, with the interval (low, high) or None;
        - "label" and "x_label" of the axes; panels with the same "share" have the same y axis;
        - "ticks", optional: {x: text}; "log", optional: whether the x axis is logarithmic;
        - "reference", optional: value to mark by a dashed line.

        Models have the colours of `bar_figure`.
    path : str or path
        The PNG to write.
    title : str, optional
    caption : str
        What the bands are.
    columns : int
        Panels in a row.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    colours = colours_of([model for panel in panels for model in panel["lines"]])
    columns = min(columns, len(panels))
    n_rows = -(-len(panels) // columns)
    size = max(11, 4 * columns), OF_TITLE + OF_ROW * n_rows
    # What does not fit beside a title stands above it, in all panels alike
    long = any(len(panel["title"]) + len(panel["aside"]) > 24 for panel in panels)
    with _legended(path, title, caption, size, colours) as figure:
        grid = list(figure.subplots(n_rows, columns, squeeze=False).flat)
        first = {}  # axes by what they share
        for axes, panel in zip(grid, panels, strict=False):
            _share(axes, first, panel["share"])
            _draw_panel_of_lines(axes, panel, colours)
            axes.set_title(panel["title"], pad=14)
            aside = f"{panel['aside']}\n\n" if long else panel["aside"]
            axes.set_title(aside, loc="right", pad=14, **ASIDE)
        for axes in grid[len(panels) :]:
            axes.remove()


@contextmanager
def _legended(path, title, caption, size, colours):
    """A slide with the models' colours at its upper right, and a caption that may be long."""
    from matplotlib.patches import Patch

    caption = textwrap.fill(caption, int(11 * size[0]))
    legend = sum(0.9 + 0.11 * len(model) for model in colours)  # inches, as the title's
    n_rows = math.ceil(legend / size[0])
    if title and (n_rows > 1 or 0.17 * len(title) + legend > size[0]):
        title = "\n" * n_rows + title  # the legend stands above it
    with slide(path, title, caption, size) as figure:
        yield figure
        swatches = [Patch(color=colour, label=model) for model, colour in colours.items()]
        columns = math.ceil(len(swatches) / n_rows)
        figure.legend(handles=swatches, loc="outside upper right", ncols=columns)


def _rows(widths, widest):
    """Indices of panels in rows of at most `widest` columns, each as often as it is wide."""
    rows = [[]]
    for index, width in enumerate(widths):
        if rows[-1] and len(rows[-1]) + width > widest:
            rows.append([])
        rows[-1] += [index] * width
    return rows


def _share(axes, first, key):
    """Give axes the y axis of the first ones with that key; whether there were some."""
    shared = key in first
    if shared:
        axes.sharey(first[key])
    else:
        first[key] = axes
    return shared


def _wrapped(name):
    return textwrap.fill(words(name), 12)


def _draw_panel_of_bars(axes, panel, groups, colours):
    scores = panel["scores"]
    stars = {
        (model, group): of_group.get("stars", "")
        for model, by_group in scores.items()
        for group, of_group in by_group.items()
    }
    draw_bars(axes, scores, groups, colours, panel["number"], stars)
    for place, group in enumerate(groups):
        level = panel.get("reference", {}).get(group)
        if level is not None:
            axes.hlines(level, place - 0.46, place + 0.46, INK, "dashed", linewidth=1.2)
    axes.set_xticks(range(len(groups)), [_wrapped(group) for group in groups], size=11)
    axes.set_title(panel["title"], pad=14)


def _draw_panel_of_lines(axes, panel, colours):
    for model in [model for model in colours if model in panel["lines"]]:
        points, colour = panel["lines"][model], colours[model]
        x, means = [point[0] for point in points], [point[1] for point in points]
        axes.plot(x, means, color=colour, linewidth=2.2, marker="o", markersize=5)
        banded = [(x, *interval) for x, _, interval in points if interval is not None]
        if banded:
            axes.fill_between(*zip(*banded, strict=True), color=colour, alpha=0.18, linewidth=0)
    if panel.get("reference") is not None:
        axes.axhline(panel["reference"], color=INK, linestyle="--", linewidth=1.2)
    if panel.get("log"):
        axes.set_xscale("log")
        axes.minorticks_off()
    if "ticks" in panel:
        axes.set_xticks(list(panel["ticks"]), list(panel["ticks"].values()))
        axes.margins(x=0.14)
    else:
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color=FAINT)
    axes.set_xlabel(panel["x_label"])
    axes.set_ylabel(panel["label"])
