"""Figures 2a, 2b, 3a, 3b, 6 and 7: families and controls, region by region."""

from collections.abc import Iterable
from pathlib import Path

from ...reports.summary_figures import MEASURES, bars_of, grouped
from ...reports.summary_lines import normalised_as
from ...scores import MEAN_IMPACT
from ..panels import bar_figure
from ..slide import words
from .drawn import Drawn, Missing, Rows
from .measured import (
    averaged,
    caption_with_stars,
    check_controls,
    finished,
    gains_told,
    needed,
    tuned_families,
)

ALIGNMENT, IMPACT = "alignment", "impact"


def region_bars(
    number: str,
    title: str,
    rows: Rows,
    folder: Path,
    *,
    metric: str,
    within: str = "",
    models: Iterable[str] | None = None,
) -> Drawn:
    """Draw alignment or low-level impact: a panel for each region, models side by side.

    Parameters
    ----------
    number, title, rows, folder
        As `PaperFigure`.
    metric : {"alignment", "impact"}
    within : str
        Word in the names of regions that are shown: "language" or "auditory".
    models : iterable of str, optional
        Those that are shown, all by default, of which one then must be a control.

    Raises
    ------
    Missing
        As `needed` and `tuned_families`; there is no such region or no control.
    """
    what = f"{metric} by region, mean over layers"
    feature = MEAN_IMPACT if metric == IMPACT else None

    def wanted(row):
        of = (row["metric"], row["layer"], row["feature"], row["fraction"])
        return row["region"] is not None and of == (metric, "mean", feature, None)

    table = tuned_families(needed(rows, what, wanted), what, models)
    lines = averaged(table)
    found = {
        region: of_region
        for region, of_region in grouped(lines, "region").items()
        if within in region
    }
    if not found:
        there = ", ".join(sorted({line["region"] for line in lines}))
        raise Missing(f"no row is of {metric} in a region called *{within}*, got {there}")
    lines = [line for of_region in found.values() for line in of_region]
    if models is None:
        check_controls(lines, what)
    named = normalised_as(lines)
    panel = {"label": MEASURES[IMPACT], "number": "{:.0f}"}
    if metric == ALIGNMENT:
        panel = {"label": named, "number": "{:.2f}"}
    panels = [
        panel
        | {"title": words(name), "scores": bars_of(of_region, lambda line: line["pretrained"])}
        for name, of_region in found.items()
    ]
    caption = caption_with_stars("Error bars", lines)
    path = folder / f"{number}.png"
    bar_figure(panels, path, title, caption)
    shown = "low-level impact" if metric == IMPACT else named
    alt = [
        gains_told(
            of_region,
            f"{shown} in {words(name)}" + (", in percentage points," if metric == IMPACT else ""),
            0 if metric == IMPACT else 2,
            share=metric == ALIGNMENT,
        )
        for name, of_region in found.items()
    ]
    alt = [f"Bars of {shown}, by family and model."] + alt
    return finished(number, title, [path], " ".join(alt), lines, caption)
