"""A study as one HTML page that needs no other file, no script and no network."""

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...figures.paper import Drawn
from .agreement import Claim

HERE = Path(__file__).parent
KINDS = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".webp": "image/webp"}


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page.

    Parameters
    ----------
    drawn : Drawn
        Its pictures of any of `KINDS` are shown, other files passed over.
    claims : list of Claim
        What was expected, and whether it was found.
    """

    drawn: Drawn
    claims: Sequence[Claim] = ()


@dataclass(frozen=True)
class Study:
    """What a page tells.

    Parameters
    ----------
    title : str
    about : list of (str, str)
        What was run on what: words and their values.
    figures : list of PageFigure
    warnings : list of str
    commands : list of str
        That were run, in order.
    left_out : list of (str, str)
        Numbers of figures that could not be drawn, each with what is missing.
    expectations : str
        What claims are held against, as a heading says it: "published" or "planted".
    """

    title: str
    about: Sequence[tuple[str, str]] = ()
    figures: Sequence[PageFigure] = ()
    warnings: Sequence[str] = ()
    commands: Sequence[str] = ()
    left_out: Sequence[tuple[str, str]] = ()
    expectations: str = "published"


def page(study: Study) -> str:
    """Write a study as a page.

    Parameters
    ----------
    study : Study

    Returns
    -------
    str
        HTML with its style and pictures inside, which loads nothing.

    Raises
    ------
    FileNotFoundError
        If a picture is not there.
    ValueError
        If a figure has no picture that a page can show, or two have one number.
    """
    numbers = [figure.drawn.number for figure in study.figures]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"a figure's number stands once on a page; got {', '.join(numbers)}")
    families = dict.fromkeys(claim.family for f in study.figures for claim in f.claims)
    style = (HERE / "page.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"pictures": _pictures, "columns": _columns, "cell": _cell}
    environment.filters |= {"name": _name, "number": _number, "grouped": _grouped}
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        study=study, families=list(families), style=Markup(style), style_hash=digest
    )


def _pictures(drawn):
    """Pictures as (data URI, alternative text)."""
    shown = [path for path in map(Path, drawn.pictures) if path.suffix.lower() in KINDS]
    if not shown:
        got = ", ".join(str(path) for path in drawn.pictures) or "none"
        raise ValueError(f"figure {drawn.number} needs a picture of {', '.join(KINDS)}; got {got}")
    for number, path in enumerate(shown, start=1):
        content = base64.b64encode(path.read_bytes()).decode()
        of = f" (picture {number} of {len(shown)})" if len(shown) > 1 else ""
        yield f"data:{KINDS[path.suffix.lower()]};base64,{content}", f"{drawn.alt}{of}"


def _columns(table):
    """Columns that a row fills, in the order in which they first come."""
    columns = dict.fromkeys(column for row in table for column in row)
    return [name for name in columns if any(_cell(row.get(name)) for row in table)]


def _cell(value: Any) -> str:
    """A value as a table shows it; nothing where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _number(value, unit):
    """A difference with its sign: of percentages and points to a tenth."""
    return f"{value:+.{1 if unit else 3}f}".replace("-", "\N{MINUS SIGN}")


def _grouped(claims):
    """Pairs of an expectation and its claims by family."""
    groups = {}
    for claim in claims:
        groups.setdefault(claim.published, {})[claim.family] = claim
    return groups.items()


def _name(number):
    """What a figure is called."""
    return f"Figure {number}" if number[:1].isdigit() else number.capitalize()
