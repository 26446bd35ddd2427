"""Maps of the brain: what a measurement found, voxel by voxel, for one participant or several."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..figures import Cortex, surface_figure, volume_map
from ..figures.painting import limit_of
from ..normalisation import alignment_name
from .files import file_name
from .stride import every
from .tables import BASELINE

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage


VOXELS, PLACES = "voxels.npz", "fsaverage5.npz"  # of a measurement: values, and where they lie


class Quantity(NamedTuple):
    """What a figure shows, as its title, its colour bar and its caption say."""

    title: str
    label: str  # {} is what alignment is called
    caption: str
    change: bool = False
    reach: tuple[float, float] = (0, np.inf)  # how far the colours reach, at least and at most


SMALLEST = 0.1  # alignment of a voxel, of which a share can be told
SLICES = "Axial slices; the left is on the left. Grey: no value."
CHANGE = f"Each model minus {BASELINE}."
QUANTITIES = {
    "noise-ceiling": Quantity("noise ceilings", "noise ceiling", "", reach=(1, 1)),
    "alignment": Quantity(
        "brain alignment",
        "{}",
        "Mean over layers, in measured voxels.",
    ),
    "alignment-change": Quantity(
        "change of brain alignment",
        "change of {}",
        f"{CHANGE} Mean over layers, in measured voxels.",
        change=True,
    ),
    "impact-change": Quantity(
        "change of low-level impact",
        "change of low-level impact (percentage points)",
        f"{CHANGE} Impact of all low-level features, 100 (B - residual B) / B of a voxel, where "
        "both models predict it above chance (block permutation, last layer, false discovery rate "
        f"of 5 %) and have B above {SMALLEST:g}.",
        change=True,
        reach=(0, 100),
    ),
}


def voxel_maps(voxels: dict) -> dict[str, dict[str, np.ndarray]]:
    """What is drawn of a participant, by quantity and model.

    Parameters
    ----------
    voxels : dict
        "per_voxel" of a measurement.

    Returns
    -------
    dict of {quantity: {model: array of shape (n_voxels,)}}
        NaN where a voxel is not measured or, of "impact-change", where it is not above chance for
        both models, or the alignment of one is too near zero for a share of it. Noise ceilings
        are of no model, and absent where there are none; without low-level features there is no
        "impact-change".
    """
    alignment, residual = voxels["alignment"], voxels["residual_alignment"]
    others = [model for model in alignment if model != BASELINE]

    def whole(values):
        spread = np.full(voxels["n_voxels"], np.nan)
        spread[voxels["voxels"]] = values
        return spread

    maps = {
        "noise-ceiling": {"": voxels["noise_ceiling"]} if "noise_ceiling" in voxels else {},
        "alignment": {model: whole(values) for model, values in alignment.items()},
        "alignment-change": {
            model: whole(alignment[model] - alignment[BASELINE]) for model in others
        },
    }
    if residual:
        impact = {model: _impact(alignment[model], residual[model]) for model in alignment}
        chance = {model: ~above for model, above in voxels["above_chance"].items()}
        maps["impact-change"] = {
            model: whole(
                np.where(chance[model] | chance[BASELINE], np.nan, impact[model] - impact[BASELINE])
            )
            for model in others
        }
    return {name: of_models for name, of_models in maps.items() if of_models}


def _impact(alignment, residual):
    """R of each voxel, in per cent; NaN where its alignment is near zero or below."""
    positive = np.where(alignment > SMALLEST, alignment, np.nan)
    return 100 * (positive - residual) / positive


def brain_maps(
    results: dict,
    folder: str | Path,
    cortex: Cortex | None = None,
    mask: "SpatialImage | None" = None,
) -> list[Path]:
    """Draw a participant's noise ceilings, alignment and what changes from the baseline.

    Parameters
    ----------
    results : dict
        Of a measurement, with "participant", "test_story", "evaluation_stride", "normalisation"
        and "per_voxel".
    folder : path-like
        Must exist.
    cortex : Cortex, optional
        To draw on: a figure for each quantity, with a panel for each model, as PNG and PDF.
    mask : nibabel image, optional
        Of the participant's voxels, for slices where there is no cortex: a PNG for each quantity
        and model.

    Returns
    -------
    list of Path
        Empty without a cortex and a mask.

    Raises
    ------
    ValueError
        If the voxels are not those of the cortex or the mask.
    """
    paths = []
    how = every(results["evaluation_stride"], results["evaluation_chunk"])
    story = f"Story {results['test_story']!r}, {results['n_trs']} TRs, {how}."
    for name, of_models in voxel_maps(results["per_voxel"]).items():
        shown = named(QUANTITIES[name], results["normalisation"])
        title = f"{results['participant']}: {shown.title}"
        if cortex is not None:
            panels = {model: cortex.on_vertices(values) for model, values in of_models.items()}
            path = Path(folder) / f"map-{name}.png"
            paths += _on_cortex(cortex, panels, shown, path, title, f"{shown.caption} {story}")
        elif mask is not None:
            for model, values in of_models.items():
                drawn = file_name("-".join(filter(None, ("map", name, model))))
                paths.append(Path(folder) / f"{drawn}.png")
                volume_map(
                    values,
                    mask,
                    paths[-1],
                    f"{title}, {model}" if model else title,
                    shown.label,
                    shown.change,
                    limit_for(of_models, shown),
                    textwrap.fill(f"{SLICES} {shown.caption} {story}".replace("  ", " "), 150),
                )
    return paths


def average_maps(
    results: Sequence[dict], cortices: Sequence[Cortex], folder: str | Path
) -> list[Path]:
    """Draw the mean over participants on a cortex that they have in common.

    Parameters
    ----------
    results : sequence of dict
        Of several participants, as `brain_maps` takes them.
    cortices : sequence of Cortex
        fsaverage5 with each participant's voxels and regions.
    folder : path-like
        Must exist.

    Returns
    -------
    list of Path
        A PNG and a PDF for each quantity, of the models that all participants have; empty with
        fewer than two participants.

    Raises
    ------
    ValueError
        If cortices are not of the same vertices, or results not of one evaluation stride and
        normalisation.
    """
    if len(results) < 2:
        return []
    sizes = {len(cortex.voxels) for cortex in cortices}
    if len(sizes) > 1:
        raise ValueError(f"cortices must have the same vertices, got {sorted(sizes)} of them")
    for name in ("evaluation_stride", "evaluation_chunk", "normalisation"):
        values = {found[name] for found in results}
        if len(values) > 1:
            what = name.replace("_", " ")
            raise ValueError(f"results must be of one {what}, got {sorted(values)}")
    regions = shared_regions([own.regions for own in cortices], *sizes)
    cortex = replace(cortices[0], regions=regions)
    of_participants = [
        {
            name: {model: own.on_vertices(values) for model, values in of_models.items()}
            for name, of_models in voxel_maps(found["per_voxel"]).items()
        }
        for found, own in zip(results, cortices, strict=True)
    ]
    paths = []
    for name, quantity in QUANTITIES.items():
        shown = named(quantity, results[0]["normalisation"])
        maps = [of_one.get(name, {}) for of_one in of_participants]
        models = [model for model in maps[0] if all(model in of_one for of_one in maps)]
        if not models:
            continue
        panels = {model: mean_of([of_one[model] for of_one in maps]) for model in models}
        how = every(results[0]["evaluation_stride"], results[0]["evaluation_chunk"])
        caption = (
            f"Mean over those of {', '.join(found['participant'] for found in results)} who have "
            f"a value at the vertex; {how}. {shown.caption}"
        )
        title = f"Mean (n = {len(results)}): {shown.title}"
        path = Path(folder) / f"map-{name}.png"
        paths += _on_cortex(cortex, panels, shown, path, title, caption)
    return paths


def mean_of(values: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over participants, vertex by vertex, of those who have a value there.

    Parameters
    ----------
    values : sequence of arrays of shape (n_vertices,)
        NaN for none.

    Returns
    -------
    array of shape (n_vertices,)
        NaN where no participant has a value.
    """
    stacked = np.stack(values)
    n = (~np.isnan(stacked)).sum(axis=0)
    return np.divide(np.nansum(stacked, axis=0), n, out=np.full(n.shape, np.nan), where=n > 0)


def shared_regions(
    of_participants: Sequence[Mapping[str, np.ndarray]], n_vertices: int
) -> dict[str, np.ndarray]:
    """Each region's vertices in most of the participants who have the region.

    Parameters
    ----------
    of_participants : sequence of dict of {region: int array}
        Vertices of each participant's regions.
    n_vertices : int

    Returns
    -------
    dict of {region: int array}
    """
    regions = {}
    for name in dict.fromkeys(name for own in of_participants for name in own):
        known = [own[name] for own in of_participants if name in own]
        votes = np.bincount(np.concatenate(known), minlength=n_vertices)
        regions[name] = np.flatnonzero(2 * votes > len(known))
    return regions


def write_places(cortex: Cortex, folder: str | Path) -> Path:
    """Write which voxel lies at each vertex of fsaverage5, for maps of several measurements.

    Parameters
    ----------
    cortex : Cortex
        fsaverage5 with a participant's voxels and regions.
    folder : path-like
        Must exist.

    Returns
    -------
    Path
        `fsaverage5.npz`.
    """
    path = Path(folder) / PLACES
    regions = {f"regions/{name}": vertices for name, vertices in cortex.regions.items()}
    np.savez(path, voxels=cortex.voxels, **regions)
    return path


def read_maps(
    folder: str | Path,
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Read what a measurement left of maps on fsaverage5.

    Parameters
    ----------
    folder : path-like
        With `voxels.npz` and `fsaverage5.npz`.

    Returns
    -------
    maps : dict of {quantity: {model: array of shape (20484,)}}
        Of `voxel_maps`, NaN at vertices without a voxel too.
    regions : dict of {region: bool array of shape (20484,)}
        Whether a vertex belongs to it.

    Raises
    ------
    FileNotFoundError
        The folder lacks one of the files.
    """
    for name, why in ((VOXELS, "measure again"), (PLACES, "where the voxels lie is not known")):
        if not (Path(folder) / name).is_file():
            raise FileNotFoundError(f"{folder} lacks {name}: {why}")
    with np.load(Path(folder) / VOXELS) as kept:
        voxels = _nested(kept)
    with np.load(Path(folder) / PLACES) as kept:
        places = _nested(kept)
    where, regions = places["voxels"], places.get("regions", {})
    defaults: dict[str, dict] = {"residual_alignment": {}, "above_chance": {}}
    maps = {
        name: {model: np.append(values, np.nan)[where] for model, values in of_models.items()}
        for name, of_models in voxel_maps(defaults | voxels).items()
    }
    inside = {name: np.isin(np.arange(len(where)), vertices) for name, vertices in regions.items()}
    return maps, inside


def _nested(kept):
    """{name: array} and {name: {model: array}} of arrays that are called name/model."""
    nested = {}
    for name, array in kept.items():
        name, _, model = name.partition("/")
        if model:
            nested.setdefault(name, {})[model] = array
        else:
            nested[name] = array
    return nested


def _on_cortex(cortex, panels, shown, path, title, caption):
    limit = limit_for(panels, shown)
    return surface_figure(cortex, panels, path, title, shown.label, shown.change, limit, caption)


def named(quantity: Quantity, normalisation: str) -> Quantity:
    """A quantity whose label says how alignment is normalised."""
    return quantity._replace(label=quantity.label.format(alignment_name(normalisation)))


def limit_for(of_models: Mapping[str, np.ndarray], shown: Quantity) -> float:
    """How far the colours of panels reach."""
    return float(np.clip(limit_of(of_models.values()), *shown.reach))
