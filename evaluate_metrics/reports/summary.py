"""A summary over participants: as notes and Markdown tables, and as files with figures."""

from pathlib import Path

from .files import write_csv, write_json
from .over_participants import SUMMARY, layer_means, over_participants
from .stride import every, stride_note
from .summary_figures import draw
from .summary_lines import (
    alignment_lines,
    legend_of_stars,
    lines_of,
    normalised_as,
    score_lines,
    stars,
    swept_lines,
)
from .tables import BASELINE, EMPTY, NOT_DETERMINED, cell, chance, escaped, markdown_table


def notes_on(summary: list[dict], table: list[dict], baseline: str) -> list[str]:
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
    said = [f"Participants: {', '.join(map(escaped, sorted(participants))) or 'none named'}."]
    if n_tested < 2:
        said.append("Intervals are 95 % of one measurement; nothing is tested over participants.")
    else:
        said.append(
            f"Mean \N{PLUS-MINUS SIGN} standard error over participants; in brackets gains over "
            f"{escaped(baseline)}, with p of a two-sided Wilcoxon signed-rank test over "
            "participants, alone and corrected for the number of regions or tasks (Holm)."
        )
        legend = legend_of_stars(n_tested, "{}").replace("*", "\\*")
        said.append(legend.format(escaped(baseline)))
    way = next(((row["stride"], row["chunk"]) for row in table if row["stride"] is not None), None)
    said += [] if way is None else stride_note(*way)
    if any(row["task"] and row["participant"] is None for row in table):
        said.append(
            "Models that were tuned on no single participant have one measurement in a task; it "
            "is compared with those of all participants, and its own noise is not tested."
        )
    if any(line["task"] and line["layer"] == "mean" for line in summary):
        said.append("Tasks: mean over the transformer's layers, whose intervals are averaged too.")
    return said


def markdown(summary: list[dict], notes: list[str]) -> str:
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
    impact = lines_of(summary, "impact", layer="mean")
    alignment = normalised_as(summary).capitalize()
    sections = ["## Summary over participants"]
    for title, names, lines, digits in (
        (alignment, ("region",), alignment_lines(summary), 2),
        ("Low-level impact, %", ("region", "feature"), impact, 0),
        ("Tasks", ("task", "measure", "majority"), score_lines(summary), 2),
        ("Semantic-phonetic preference d", ("task",), lines_of(summary, "d", layer="mean"), 3),
        (
            "Preference d over the distance of random words",
            ("task",),
            lines_of(summary, "d_relative", layer="mean"),
            3,
        ),
        (
            f"{alignment}, by size",
            ("pretrained", "n_parameters", "fraction", "n_trs", "region"),
            swept_lines(summary),
            2,
        ),
    ):
        if lines:
            if len({line["pretrained"] for line in lines}) > 1 and "pretrained" not in names:
                names = ("pretrained", *names)
            stride, chunk = lines[0]["stride"], lines[0]["chunk"]  # none of tasks
            how = "" if stride is None else f", {every(stride, chunk)}"
            sections += [f"### {title}{how}", _table_of(lines, names, digits)]
    return "\n\n".join([*sections, "\n".join(f"- {note}" for note in notes)]) + "\n"


def _table_of(lines, names, digits):
    models = list(dict.fromkeys(line["model"] for line in lines))
    cells = {}
    for line in lines:
        row = cells.setdefault(tuple(line[name] for name in names), {})
        row[line["model"]] = _cell(line, digits)
    rows = (
        [*map(_plain, key), *(by_model.get(model) for model in models)]
        for key, by_model in cells.items()
    )
    return markdown_table([*names, *map(escaped, models)], rows)


def _plain(value):
    if isinstance(value, int | float):
        return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
    return "" if value is None else escaped(value)


def _cell(line, digits):
    error, low, left_out = (line[k] for k in ("standard_error", "interval_low", "n_undetermined"))
    alone = error is None and low is not None
    text = cell(
        line["value"],
        (low, line["interval_high"]) if alone else None,
        digits=digits,
        missing=NOT_DETERMINED if left_out else EMPTY,
    )
    if line["value"] is None:
        return text
    if error is not None:
        text += f" \N{PLUS-MINUS SIGN} {cell(error, digits=digits)}"
    if left_out:
        text += f" (without {left_out} of {line['n'] + left_out}, {NOT_DETERMINED})"
    if line["gain"] is not None:
        p = ""
        if line["p_holm"] is not None:
            p = f", p{chance(line['p'])}, Holm {chance(line['p_holm']).lstrip('=')}"
        gain = cell(line["gain"], digits=digits, sign=True)
        text += f" ({gain}{p})" + stars(line).replace("*", "\\*")
    return text


def summary_of(table: list[dict], baseline: str = BASELINE) -> dict:
    """Summarise rows of results over participants.

    Parameters
    ----------
    table : list of dict
        Rows with all columns of `merged`.
    baseline : str
        Model that the others are compared with.

    Returns
    -------
    dict
        "rows", the table; "summary", with the columns of `SUMMARY`; and "notes".

    Raises
    ------
    ValueError
        No row is of the baseline.
    """
    summary = over_participants([*table, *layer_means(table)], baseline)
    return {"rows": table, "summary": summary, "notes": notes_on(summary, table, baseline)}


def summary_report(content: dict, folder: str | Path, baseline: str = BASELINE) -> list[Path]:
    """Write a summary as JSON, CSV and Markdown, and draw what it holds of the paper's figures.

    Parameters
    ----------
    content : dict
        From `summary_of`; whatever else there is, is written to the JSON.
    folder : path-like
        Is made if need be.
    baseline : str

    Returns
    -------
    list of Path
        summary.json, summary.csv, summary.md and PNG files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    summary = content["summary"]
    paths = [folder / f"summary.{ending}" for ending in ("json", "csv", "md")]
    write_json(paths[0], content)
    write_csv(paths[1], SUMMARY, summary)
    paths[2].write_text(markdown(summary, content["notes"]), encoding="utf-8")
    return paths + draw(summary, folder, baseline)
