"""What a figure of the paper is, and what drawing it gives."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


class Missing(LookupError):
    """What a figure is drawn from is not there; the text says which inputs are missing."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure as it was drawn.

    Parameters
    ----------
    number, title : str
    pictures : list of Path
        PNG files.
    alt : str
        What a reader sees, in words and numbers.
    table : list of dict
        What is drawn, a row for each bar, point or map; also beside the pictures, as CSV.
    caption : str
        What bars, bands and stars are.
    """

    number: str
    title: str
    pictures: list[Path]
    alt: str
    table: list[dict[str, Any]]
    caption: str


@dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """A figure of the paper.

    Parameters
    ----------
    number, title : str
    panels : callable
        From (number, title, rows, folder) to `Drawn`.
    """

    number: str
    title: str
    panels: Callable[..., Drawn]

    def draw(self, rows: Rows, folder: str | Path) -> Drawn:
        """Draw it into a folder, which must exist.

        Parameters
        ----------
        rows : list of dict
            The tidy table.
        folder : path-like

        Returns
        -------
        Drawn

        Raises
        ------
        Missing
            What it needs is not there.
        """
        return self.panels(self.number, self.title, rows, Path(folder))
