"""Tables of reports, as plain text or as Markdown, and their cells."""

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

# What reports call the model that the others are compared with, and that which is in question
BASELINE, TUNED = "pretrained", "brain-tuned"
CONTROLS = (
    *("permuted", "stimulus-tuned", "speech-model-tuned"),
    *("text-model-tuned", "permuted-text-model-tuned"),
)
LEVEL = 0.05  # of a test; a star says that p is below it
EMPTY, NOT_DETERMINED = "empty", "not determined"  # of a region without voxels, and of a ratio


def cell(
    value: float | None,
    interval: Sequence[float] | None = None,
    *,
    digits: int = 2,
    sign: bool = False,
    p: float | None = None,
    star: str = "",
    missing: str = EMPTY,
) -> str:
    """Write a number as tables have it: "0.25 [0.18, 0.31] p=0.012*".

    Parameters
    ----------
    value : float or None
    interval : (low, high), optional
    digits : int
        Decimal places of the value and its interval; p always has three.
    sign : bool
        Also write the sign of what is positive, as of a difference.
    p : float, optional
    star : str
        Follows the rest, as from `star`.
    missing : str
        What stands for the value where there is none.

    Returns
    -------
    str

    Examples
    --------
    >>> cell(0.254, (0.176, 0.31))
    '0.25 [0.18, 0.31]'
    >>> cell(0.1, (-0.02, 0.22), sign=True, p=0.04, star="*")
    '+0.10 [-0.02, +0.22] p=0.040*'
    >>> cell(None)
    'empty'
    >>> cell(None, (-388, 570), digits=0, missing=NOT_DETERMINED)
    'not determined [-388, 570]'
    """
    number = f"{{:{'+' * sign}.{digits}f}}".format
    text = missing if value is None else number(value)
    if interval is not None:
        low, high = interval
        text += f" [{number(low)}, {number(high)}]"
    if value is None:
        return text
    if p is not None:
        text += f" p{chance(p)}"
    return text + star


def chance(p: float) -> str:
    """Write a p as what follows the letter; none is 0.

    Examples
    --------
    >>> chance(0.04), chance(0.0004)
    ('=0.040', '<0.001')
    """
    return "<0.001" if p < 0.001 else f"={p:.3f}"


def star(p: float | None) -> str:
    """A star where p is below the level, 0.05; nothing where it is not, or there is no test."""
    return "*" if p is not None and p < LEVEL else ""


def escaped(name: object) -> str:
    """A name as Markdown shows it, as it is: it opens no cell, link, emphasis, code or HTML.

    Parameters
    ----------
    name : str
        Of a story, region, participant or model, which others may have chosen.

    Returns
    -------
    str
        On one line.

    Examples
    --------
    >>> escaped("late_language"), escaped("a|b<br>")
    ('late_language', 'a\\\\|b&lt;br&gt;')
    """
    text = re.sub(r"([\\`*\[\]|~])", r"\\\1", " ".join(str(name).split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text_table(header: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Set rows as columns of plain text.

    Parameters
    ----------
    header : iterable of str
    rows : iterable of iterables
        Cells of any type, as many in each as in the header; None is left blank.

    Returns
    -------
    str
        Without a line break at its end.

    Examples
    --------
    >>> print(text_table(["", "layer 1"], [["pretrained", "0.21"], ["brain-tuned", "0.25"]]))
                 layer 1
    pretrained   0.21
    brain-tuned  0.25
    """
    lines = _table(header, rows, "plain").split("\n")
    return "\n".join(line.rstrip() for line in lines)


def markdown_table(header: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Set rows as a table of Markdown.

    Parameters
    ----------
    header, rows
        As in `text_table`.

    Returns
    -------
    str
        Without a line break at its end.

    Examples
    --------
    >>> print(markdown_table(["region", "gain"], [["primary_auditory", "+0.031"]]))
    | region           | gain   |
    |:-----------------|:-------|
    | primary_auditory | +0.031 |
    """
    return _table(header, rows, "pipe")


def _table(header, rows, form):
    # cells are text as they are: tabulate would turn "0.20" into the number 0.2
    return tabulate(
        [list(row) for row in rows],
        headers=list(map(str, header)),
        tablefmt=form,
        disable_numparse=True,
    )
