"""A picture in the size of a paper's figures, as PNG and PDF."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .slide import STYLE, drawing

PRINT: dict[str, Any] = STYLE | {
    "font.size": 7,
    "axes.linewidth": 0.5,
    "xtick.labelsize": 6,
    "xtick.major.size": 2,
    "xtick.major.width": 0.5,
    "xtick.major.pad": 1.5,
    "legend.fontsize": 6,
    "pdf.fonttype": 42,  # text stays text
}
COLUMN, MARGIN = 3.5, 0.06  # inches
TITLE, LINE = 0.22, 0.095  # inches: of a title, and of a line of a caption
LETTERS = 24  # of a caption to the inch


@contextmanager
def printed(
    path: str | Path, title: str | None, caption: str, size: tuple[float, float]
) -> Iterator[tuple[Any, float]]:
    """A figure of as many inches as it will have on paper, written when the block is left.

    Parameters
    ----------
    path : str or path
        The PNG, of 300 dots per inch; a PDF of that name is written beside it.
    title, caption : str
        Above and below what is drawn.
    size : (float, float)
        Inches of what is drawn.

    Yields
    ------
    figure : matplotlib.figure.Figure
    bottom : float
        Inches below what is drawn.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    width, height = size
    lines = textwrap.wrap(" ".join(caption.split()), int(LETTERS * width))
    bottom = MARGIN + LINE * len(lines)
    height += bottom + (TITLE if title else 0)
    with drawing(PRINT) as figure_class:
        figure = figure_class(figsize=(width, height))
        yield figure, bottom
        x, y = MARGIN / width, MARGIN / height
        figure.text(x, 1 - y, title or "", va="top", weight="bold", size=8, parse_math=False)
        figure.text(
            x, y, "\n".join(lines), va="bottom", size=5.5, color="#555555", parse_math=False
        )
        for format in ("pdf", "png"):
            to = Path(path).with_suffix(f".{format}")
            figure.savefig(to, dpi=300, format=format, facecolor="white")
