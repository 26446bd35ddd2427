"""A picture of the house's style, drawn without matplotlib's global state: any thread may ask."""

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .colours import INK

STYLE: dict[str, Any] = {
    "font.size": 13,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlesize": 14,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 40,  # the legend stands between title and axes
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 12,
}


@contextmanager
def drawing(style: dict[str, Any]) -> Iterator[Any]:
    """Have matplotlib draw in a style while the block lasts; gives its class of figures.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('figures need matplotlib: pip install "braintune[figures]"') from error
    with rc_context(style):
        yield Figure


@contextmanager
def slide(
    path: str | Path, title: str | None, caption: str | None, figsize: tuple[float, float]
) -> Iterator[Any]:
    """A figure of the house's style, written as a PNG when the block is left.

    Parameters
    ----------
    path : str or path
    title, caption : str or None
        Above and below what is drawn.
    figsize : (float, float)
        Inches.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    with drawing(STYLE) as figure_class:
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.1, wspace=0.06)
        figure = figure_class(figsize=figsize, layout=layout)
        yield figure
        # names, such as of stories, are no formulas
        plain = {"x": 0.012, "ha": "left", "parse_math": False}
        figure.suptitle(title or "", fontsize=18, weight="bold", **plain)
        figure.supxlabel(caption or "", fontsize=11, color="#555555", **plain)
        figure.savefig(path, dpi=160, format="png", facecolor="white")


def row_size(panels: Sized) -> tuple[float, float]:
    """Inches of a slide with that many panels in one row."""
    return max(13, 4.3 * len(panels)), 6


def start_at_zero(axes: Any) -> None:
    """Begin the axis at zero, unless there is something to see below it."""
    together = axes.get_shared_y_axes().get_siblings(axes)
    if max(one.dataLim.height for one in together) < 1e-6:  # zeros alone, which have no scale
        axes.set_ylim(0, 1)
    elif axes.get_ylim()[0] > -0.02:
        axes.set_ylim(bottom=0)


def legend_above(axes: Any, n_columns: int, beside: Iterable[Any] = ()) -> None:
    """A legend between the axes and their title, in more rows where it would be too wide."""
    labels = np.array(axes.get_legend_handles_labels()[1])

    def inches(n_columns):  # a column is as wide as its longest label
        columns = np.array_split(labels, n_columns)
        return sum(0.65 + 0.095 * max(map(len, column)) for column in columns)

    while n_columns > 1 and inches(n_columns) > 0.9 * axes.figure.get_figwidth():
        n_columns -= 1
    n_more_rows = -(-len(labels) // n_columns) - 1
    for panel in (axes, *beside) if n_more_rows else ():
        pad = STYLE["axes.titlepad"] + 18 * n_more_rows
        panel.set_title(panel.get_title(loc="left"), pad=pad)
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=n_columns,
        borderaxespad=0.2,
        handlelength=2.2,
        columnspacing=1.4,
        borderpad=0,
    )
    legend.set_in_layout(False)  # it may be wider than its panel


def words(name: str, space: str = " ") -> str:
    """A name as it is read, without underscores, and no formula if it holds dollars."""
    return name.replace("_", space).replace("$", r"\$")


def minus(text: str) -> str:
    """A number with the sign that is as wide as a plus."""
    return text.replace("-", "\N{MINUS SIGN}")
