"""Maps as rows of the tidy table: a value for each vertex of fsaverage5."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .maps import PLACES, VOXELS, read_maps

DRAWN = {"noise-ceiling", "alignment-change", "impact-change"}  # of `QUANTITIES`, by figures
OF_A_REGION = "region map"  # 1 where a vertex belongs to a participant's region, else 0


class Map(NamedTuple):
    """A map that a row holds.

    Parameters
    ----------
    family, participant : str
    values : array of shape (20484,)
        NaN where there is none.
    """

    family: str
    participant: str
    values: np.ndarray


def metric_of(quantity: str) -> str:
    """What rows call maps of a key of `QUANTITIES`.

    Examples
    --------
    >>> metric_of("noise-ceiling")
    'noise-ceiling map'
    """
    return f"{quantity} map"


def map_rows(folder: str | Path) -> Iterator[dict[str, Any]]:
    """What a measurement found on fsaverage5: its maps, and where a participant's regions lie.

    Parameters
    ----------
    folder : path-like
        Of `recipes/align.py`.

    Yields
    ------
    dict
        With "model" (None for noise ceilings and regions), "region" (of regions), "metric",
        "vertices" (a list of 20484 values, None where there is none), "value" (their mean; of a
        region, how many vertices it has) and "n" (how many have one). No rows where the
        measurement does not tell where voxels lie.
    """
    if not all((Path(folder) / name).is_file() for name in (VOXELS, PLACES)):
        return
    maps, regions = read_maps(folder)
    for name, inside in regions.items():
        row = _row(OF_A_REGION, inside.astype(float), region=name)
        yield row | {"value": float(inside.sum())}
    for quantity in set(maps) & DRAWN:
        for model, values in maps[quantity].items():
            yield _row(metric_of(quantity), values, model=model or None)


def _row(metric, values, model=None, region=None):
    known = np.isfinite(values)
    return {
        "model": model,
        "region": region,
        "layer": "mean",
        "metric": metric,
        "unit": "vertices",
        "value": float(values[known].mean()) if known.any() else None,
        "n": int(known.sum()),
        "vertices": [None if np.isnan(one) else one for one in np.float32(values).tolist()],
    }


def maps_in(rows: Iterable[Mapping[str, Any]], metric: str, model: str | None) -> list[Map]:
    """Maps of a kind that a tidy table holds.

    Parameters
    ----------
    rows : iterable of dict
    metric : str
        Of `metric_of`.
    model : str or None
        None for what is of no model.

    Returns
    -------
    list of Map
        In the order of the rows; of models that were tuned on all their stories.
    """
    return [
        Map(row["family"], row["participant"], np.array(row["vertices"], float))
        for row in rows
        if (row["metric"], row["model"], row["fraction"]) == (metric, model, None)
        and row["vertices"] is not None
    ]


def regions_in(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, np.ndarray]]:
    """Vertices of each participant's regions that a tidy table holds.

    Parameters
    ----------
    rows : iterable of dict

    Returns
    -------
    list of dict of {region: int array}
        One for each participant.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for row in rows:
        if row["metric"] == OF_A_REGION and row["vertices"] is not None:
            own = found.setdefault(row["participant"], {})
            own[row["region"]] = np.flatnonzero(np.array(row["vertices"], float))
    return list(found.values())
