"""Figures 2c, 3c, 13, 14 and 15: voxels of each participant, and their mean, on fsaverage5."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...normalisation import NORMALISED
from ...reports.files import file_name, write_csv
from ...reports.maps import (
    QUANTITIES,
    Quantity,
    limit_for,
    mean_of,
    named,
    read_maps,
    shared_cortex,
)
from ..cortex import Cortex
from ..slide import minus, words
from ..surface_maps import surface_figure
from .drawn import Drawn, Maps, Missing, Rows
from .measured import TUNED

MEAN = "mean"
CEILING = "noise-ceiling"


class _Found(NamedTuple):
    """Values of each participant, and what they are drawn on."""

    values: dict[str, dict[str, np.ndarray]]  # {family: {participant: of vertices}}
    cortex: Cortex
    shown: Quantity
    left_out: str


def average_map(
    number: str, title: str, rows: Rows, folder: Path, maps: Maps, *, quantity: str
) -> Drawn:
    """Draw the mean over participants: a panel for each family.

    Parameters
    ----------
    number, title, rows, folder, maps
        As `PaperFigure`; of the rows only what alignment is called is taken.
    quantity : str
        A key of `QUANTITIES`.

    Raises
    ------
    Missing
        No measurement left voxels, or where they lie.
    """
    found = _found(rows, maps, quantity)
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


def participants_maps(
    number: str, title: str, rows: Rows, folder: Path, maps: Maps, *, quantity: str
) -> Drawn:
    """Draw each participant and their mean, in a picture for each family.

    Noise ceilings, which are of no family, have one picture.

    Parameters
    ----------
    number, title, rows, folder, maps, quantity
        As `average_map`.

    Raises
    ------
    Missing
        As `average_map`.
    """
    found = _found(rows, maps, quantity)
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


def _found(rows, maps, quantity):
    """What measurements left of a quantity, on fsaverage5."""
    if not maps:
        raise Missing(f"no measurement left voxels, for maps of {QUANTITIES[quantity].title}")
    values, cortices, lacking = {}, {}, []
    model = "" if quantity == CEILING else TUNED
    for (family, participant), folder in sorted(maps.items()):
        try:
            of_models, cortex = read_maps(folder)
        except FileNotFoundError as error:
            lacking.append(str(error))
            continue
        if model not in of_models.get(quantity, {}):
            lacking.append(f"{folder} has no {QUANTITIES[quantity].title}")
            continue
        on_vertices = cortex.on_vertices(of_models[quantity][model])
        cortices[participant] = cortex
        values.setdefault("" if quantity == CEILING else family, {})[participant] = on_vertices
    if not values:
        raise Missing("; ".join(lacking))
    normalisation = next((r["normalisation"] for r in rows if r["normalisation"]), NORMALISED)
    left_out = f" Measurements left out: {len(lacking)}." if lacking else ""
    shown = named(QUANTITIES[quantity], normalisation)
    return _Found(values, shared_cortex(list(cortices.values())), shown, left_out)


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
