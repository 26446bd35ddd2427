"""From the tidy table to what figures show: averages, errors and tests over participants."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from ...reports.files import write_csv
from ...reports.over_participants import over_participants
from ...reports.summary_figures import caption_of
from ...reports.summary_lines import FEWEST, legend_of_stars, stars
from ...reports.tables import BASELINE, LEVEL, TUNED
from ..colours import COLOURS
from ..slide import minus
from .drawn import Drawn, Missing, Rows

MAIN = tuple(COLOURS)  # of the main figures: the two models, and the control of chance
RAISES, LOWERS, UNCLEAR = "raises", "lowers", "does not clearly change"
ONE = "in one participant changes"
COLUMNS = (
    *("family", "model", "region", "task", "layer", "depth", "feature", "metric", "fraction"),
    *("n_parameters", "value", "standard_error", "interval_low", "interval_high", "n", "unit"),
    *("gain", "gain_error", "n_tested", "p", "p_holm", "stars"),
)


def needed(rows: Rows, what: str, wanted: Callable[[dict[str, Any]], bool]) -> Rows:
    """Rows that are wanted, as summaries have them.

    Parameters
    ----------
    rows : list of dict
        The tidy table.
    what : str
        What is missing where none is wanted.
    wanted : callable
        From a row to whether it is.

    Returns
    -------
    list of dict
        With the columns of `merging.COLUMNS`; "pretrained" is the family.

    Raises
    ------
    Missing
        No row is wanted.
    """
    found = [_as_merged(row) for row in rows if wanted(row)]
    if not found:
        raise Missing(f"no row is of {what}")
    return found


def _as_merged(row):
    layer = int(row["layer"]) if row["layer"].isdecimal() else row["layer"]
    names = {"measure": row["metric"], "pretrained": row["family"], "n_trs": None}
    return row | names | {"layer": layer}


def tuned_families(table: Rows, what: str, models: Iterable[str] | None = None) -> Rows:
    """Rows of families of which there is a pretrained and a brain-tuned model.

    Parameters
    ----------
    table : list of dict
        From `needed`.
    what : str
        What the rows are of, for the error.
    models : iterable of str, optional
        Those that are shown, all by default.

    Returns
    -------
    list of dict

    Raises
    ------
    Missing
        There is no such family.
    """
    of_family: dict[str, set[str]] = {}
    for row in table:
        of_family.setdefault(row["pretrained"], set()).add(row["model"])
    both = [name for name, found in of_family.items() if {BASELINE, TUNED} <= found]
    if not both:
        there = "; ".join(f"{name}: {', '.join(sorted(m))}" for name, m in of_family.items())
        raise Missing(
            f"{what} needs a {BASELINE} and a {TUNED} model of one family, got {there or 'none'}"
        )
    return [
        row
        for row in table
        if row["pretrained"] in both and (models is None or row["model"] in models)
    ]


def check_controls(table: Rows, what: str) -> None:
    """Raise `Missing` where rows are of no control."""
    if not {row["model"] for row in table} - {BASELINE, TUNED}:
        raise Missing(f"no row is of {what} of a control, such as permuted")


def averaged(table: Rows, baseline: str = BASELINE) -> Rows:
    """Lines of `over_participants`, of families in the order of their names."""
    return sorted(over_participants(table, baseline), key=lambda line: line["pretrained"] or "")


def depths_of(table: Rows) -> dict[str, int] | None:
    """Number of layers by family, where families differ in it.

    Raises
    ------
    Missing
        That of some families is not known.
    """
    depths = {row["pretrained"]: row["n_layers"] for row in table}
    if len(set(depths.values())) < 2:
        return None
    unknown = [family for family, n_layers in depths.items() if n_layers is None]
    if unknown:
        raise Missing(f"n_layers of {', '.join(unknown)}, for relative depth")
    return depths


def change_of(line: dict[str, Any]) -> str:
    """Whether a line's gain raises, lowers, or is no clear change.

    From six participants on the Wilcoxon test says so, below that Student's 95 % interval of the
    gain; that of one participant says no more than itself.
    """
    gain, error, n_tested = line["gain"], line["gain_error"], line["n_tested"]
    if error is None:
        return ONE
    if n_tested >= FEWEST:
        clear = line["p"] < LEVEL
    else:
        clear = abs(gain) > student.ppf(1 - LEVEL / 2, n_tested - 1) * error
    if not clear:
        return UNCLEAR
    return RAISES if gain > 0 else LOWERS


def gains_told(lines: Rows, what: str, digits: int = 2, *, share: bool = False) -> str:
    """Say what brain-tuning changes, family by family.

    Parameters
    ----------
    lines : list of dict
        From `averaged`, of one thing that is measured, with the brain-tuned models.
    what : str
        "brain alignment in language".
    digits : int
        Decimal places.
    share : bool
        Whether gains are also told as a share of the pretrained model's value.

    Returns
    -------
    str
        "Brain-tuning raises ... of hubert 0.30 to 0.45 (+0.15, +50 %, n = 4)."
    """
    told = {}
    of_baseline = {line["pretrained"]: line for line in lines if line["model"] == BASELINE}
    for line in lines:
        before = of_baseline.get(line["pretrained"], {}).get("value")
        if line["model"] != TUNED or None in (line["gain"], before):
            continue
        gain, verb = line["gain"], change_of(line)
        parts = [f"{gain:+.{digits}f}"]
        if share and before > 0:
            parts.append(f"{100 * gain / before:+.0f} %")
        parts.append(f"n = {line['n_tested']}")
        if stars(line):
            parts.append(f"p = {line['p']:.3f}, Holm {line['p_holm']:.3f}")
        values = f"{before:.{digits}f} to {line['value']:.{digits}f}"
        numbers = minus(f"{values} ({', '.join(parts)})")
        told.setdefault(verb, []).append(f"{line['pretrained']} {numbers}")
    if not told:
        return f"{what[:1].upper()}{what[1:]}: nothing to compare."
    return " ".join(f"Brain-tuning {verb} {what} of {'; '.join(of)}." for verb, of in told.items())


def caption_with_stars(bars: str, lines: Rows, baseline: str = BASELINE) -> str:
    """The caption of lines, which always says what stars are or why there are none."""
    n_tested = max((line["n_tested"] or 0 for line in lines), default=0)
    return f"{caption_of(bars, lines)} {legend_of_stars(n_tested, baseline)}"


def finished(
    number: str,
    title: str,
    pictures: list[Path],
    alt: str,
    lines: Rows,
    caption: str,
    depths: dict[str, int] | None = None,
) -> Drawn:
    """Write the table behind a figure and return both.

    Parameters
    ----------
    number, title, pictures, alt, caption
        As `Drawn`.
    lines : list of dict
        Those that are drawn; of their columns the table has those of `COLUMNS` that hold something.
    depths : dict, optional
        From `depths_of`, for a column of relative depth.

    Returns
    -------
    Drawn
    """
    told = [
        {**line, "family": line["pretrained"], "metric": line["measure"], "stars": stars(line)}
        for line in lines
    ]
    for row in told if depths else ():
        if isinstance(row["layer"], int):
            row["depth"] = row["layer"] / depths[row["family"]]
    held = [name for name in COLUMNS if any(row.get(name) not in (None, "") for row in told)]
    table = [{name: row.get(name) for name in held} for row in told]
    write_csv(pictures[0].with_name(f"{number}.csv"), held, table)
    return Drawn(
        number=number, title=title, pictures=pictures, alt=alt, table=table, caption=caption
    )
