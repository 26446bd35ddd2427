"""Figures 2c, 3c, 13, 14 and 15: voxels of each participant, and their mean, on fsaverage5."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...normalisation import NORMALISED
from ...reports.files import file_name, write_csv
from ...reports.map_rows import maps_in, metric_of, regions_in
from ...reports.maps import QUANTITIES, Quantity, limit_for, mean_of, named, shared_regions
from ...reports.tables import TUNED
from ..cortex import Cortex, fsaverage5
from ..slide import minus, words
from ..surface_maps import surface_figure
from .drawn import Drawn, Missing, Rows

MEAN = "mean"
CEILING = "noise-ceiling"


class _Found(NamedTuple):
    """Values of each participant, and what they are drawn on."""

    values: dict[str, dict[str, np.ndarray]]  # {family: {participant: of vertices}}
    cortex: Cortex
    shown: Quantity
    left_out: str


def average_map(number: str, title: str, rows: Rows, folder: Path, *, quantity: str) -> Drawn:
    """Draw the mean over participants: a panel for each family.

    Parameters
    ----------
    number, title, rows, folder
        As `PaperFigure`.
    quantity : str
        A key of `QUANTITIES`.

    Raises
    ------
    Missing
        There is no such map.
    """
    found = _found(rows, quantity)
    panels = {
        f"{family} (n = {len(of)})": mean_of(list(of.values()))
        for family, of in found.values.items()
    }
    path, caption = (
        folder / f"{number}.png",
        _caption(found, "Mean over participants who have one."),
    )
    limit = limit_for(panels, found.shown)
    how = (found.shown.label, found.shown.change, limit, caption)
    surface_figure(found.cortex, panels, path, title, *how)
    means = {
        family: {MEAN: panel} for family, panel in zip(found.values, panels.values(), strict=True)
    }
    return _finished(number, title, [path], found, means, caption)


def participants_maps(number: str, title: str, rows: Rows, folder: Path, *, quantity: str) -> Drawn:
    """Draw each participant and their mean, in a picture for each family.

    Noise ceilings, which are of no family, have one picture.

    Parameters
    ----------
    number, title, rows, folder, quantity
        As `average_map`.

    Raises
    ------
    Missing
        As `average_map`.
    """
    found = _found(rows, quantity)
    shown = {
        family: of | ({MEAN: mean_of(list(of.values()))} if len(of) > 1 else {})
        for family, of in found.values.items()
    }
    caption, pictures = _caption(found, "Mean: over participants who have one."), []
    limit = limit_for(
        {f"{f} {p}": values for f, of in shown.items() for p, values in of.items()}, found.shown
    )
    for family, panels in shown.items():
        several = len(shown) > 1
        name = f"{number}-{file_name(family)}" if pictures else number
        pictures.append(folder / f"{name}.png")
        headed = f"{title}: {family}" if several else title
        how = (found.shown.label, found.shown.change, limit, caption)
        surface_figure(found.cortex, panels, pictures[-1], headed, *how)
    return _finished(number, title, pictures, found, shown, caption)


def _found(rows, quantity):
    """What rows hold of a quantity, on fsaverage5."""
    of_no_model = quantity == CEILING
    maps = maps_in(rows, metric_of(quantity), None if of_no_model else TUNED)
    if not maps:
        raise Missing(
            f"no row is a map of {QUANTITIES[quantity].title}; alignment leaves some where it is "
            "known how voxels lie on fsaverage5"
        )
    of_seeds: dict[tuple[str, str], list[np.ndarray]] = {}
    for family, participant, of_vertices in maps:
        of_seeds.setdefault(("" if of_no_model else family, participant), []).append(of_vertices)
    values: dict[str, dict[str, np.ndarray]] = {}
    for (family, participant), found in of_seeds.items():
        values.setdefault(family, {})[participant] = mean_of(found)
    aligned = {
        (row["family"], row["participant"])
        for row in rows
        if (row["metric"], row["model"], row["fraction"]) == ("alignment", TUNED, None)
    }
    lacking = aligned - {(family, participant) for family, participant, _ in maps}
    left_out = f" Measurements left out: {len(lacking)}." if lacking else ""
    normalisation = next((r["normalisation"] for r in rows if r["normalisation"]), NORMALISED)
    shown = named(QUANTITIES[quantity], normalisation)
    regions = shared_regions(regions_in(rows), len(maps[0].values))
    return _Found(values, fsaverage5(regions=regions), shown, left_out)


def _caption(found, what):
    return " ".join(f"{what} {found.shown.caption}{found.left_out}".split())


def _finished(number, title, pictures, found, shown, caption):
    """The table has means over the vertices of each region, which the words are of."""
    regions = found.cortex.regions or {"all": np.arange(len(found.cortex.voxels))}
    table = []
    for family, panels in shown.items():
        for participant, values in panels.items():
            for region, vertices in regions.items():
                there = values[vertices][~np.isnan(values[vertices])]
                table.append(
                    {
                        "family": family or None,
                        "participant": participant,
                        "region": region,
                        "metric": found.shown.title,
                        "value": float(there.mean()) if there.size else None,
                        "unit": "vertices",
                        "n": int(there.size),
                    }
                )
    write_csv(pictures[0].with_name(f"{number}.csv"), table[0], table)
    of_mean = [row for row in table if row["participant"] == MEAN] or table
    digits, sign = 0 if "impact" in found.shown.title else 2, "+" if found.shown.change else ""
    told = []
    for row in of_mean:
        value = "none" if row["value"] is None else minus(f"{row['value']:{sign}.{digits}f}")
        told.append(" ".join(filter(None, (row["family"], words(row["region"]), value))))
    alt = f"Maps of the {found.shown.title}, mean over the vertices of a region: {', '.join(told)}."
    return Drawn(
        number=number, title=title, pictures=pictures, alt=alt, table=table, caption=caption
    )
