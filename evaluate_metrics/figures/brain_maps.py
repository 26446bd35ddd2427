"""Scores on the cortex: the surface of fsaverage5, or slices through a participant's brain."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .slide import slide

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

ALIGNMENT, CHANGE = "viridis", "RdBu_r"  # both can be read by colour-blind readers
GYRUS, SULCUS = 0.82, 0.68  # greys where there is no value
ENDS = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}  # of the colour bar
N_SLICES = 12


def surface_map(
    values_left: np.ndarray,
    values_right: np.ndarray,
    path: str | Path,
    title: str | None = None,
    label: str = "normalised brain alignment",
    change: bool = False,
    limit: float | None = None,
    caption: str = "fsaverage5, inflated. Grey: no value.",
) -> None:
    """Draw values on both hemispheres of fsaverage5, lateral and medial, as one PNG.

    The surface comes with nilearn; nothing is downloaded. How voxels become vertices is for the
    caller to say, for example by a projection matrix.

    Parameters
    ----------
    values_left, values_right : array of shape (10242,)
        A value for each vertex; NaN vertices stay grey.
    path : str or path
        The PNG to write.
    title : str, optional
    label : str
        What the colours show.
    change : bool
        Whether values are differences: colours then diverge from 0, otherwise they rise from it.
    limit : float, optional
        Largest value that has a colour of its own, by default the 99th percentile of the absolute
        values. The colour bar ends in an arrow where there are values beyond it.
    caption : str

    Raises
    ------
    ImportError
        Without nilearn.
    ValueError
        If values are not one per vertex, some are infinite, none is a number, or the limit is not
        above 0.
    """
    datasets, _ = _nilearn()
    mesh = datasets.load_fsaverage("fsaverage5")["inflated"].parts
    depth = datasets.load_fsaverage_data(mesh="fsaverage5", data_type="sulcal").data.parts
    values = {"left": np.asarray(values_left, float), "right": np.asarray(values_right, float)}
    for side, of_side in values.items():
        if of_side.shape != (mesh[side].n_vertices,):
            raise ValueError(
                f"values_{side} must hold one value for each of the {mesh[side].n_vertices} "
                f"vertices of fsaverage5, got shape {of_side.shape}"
            )

    with slide(path, title, caption, figsize=(13, 7.5)) as figure:
        colours, ends = _colour_scale(np.concatenate(list(values.values())), change, limit)
        panels = figure.subplots(2, 2)
        for column, side in enumerate(values):
            lateral = -1 if side == "left" else 1
            greys = np.where(depth[side] > 0, SULCUS, GYRUS)
            for row, (view, seen_from) in enumerate((("lateral", lateral), ("medial", -lateral))):
                axes = panels[row, column]
                _draw_surface(axes, mesh[side], values[side], greys, colours, seen_from)
                axes.set_title(f"{side}, {view}", pad=4, loc="center", weight="normal")
        _colour_bar(figure, colours, panels, label, ends)


def volume_map(
    values: np.ndarray,
    mask_image: "str | Path | SpatialImage",
    path: str | Path,
    title: str | None = None,
    label: str = "normalised brain alignment",
    change: bool = False,
    limit: float | None = None,
    caption: str = "Axial slices; the left is on the left. Grey: no value.",
) -> None:
    """Draw voxels on axial slices through a participant's brain, as one PNG.

    Parameters
    ----------
    values : array of shape (n_voxels,)
        In the C order of the mask's true voxels; NaN voxels stay grey.
    mask_image : str, path or image
        The mask of these voxels.
    path, title, label, change, limit, caption
        As in `surface_map`.

    Raises
    ------
    ImportError
        Without nilearn.
    ValueError
        If values are not one per voxel of the mask, some are infinite, none is a number, or the
        limit is not above 0.
    """
    _, image = _nilearn()
    mask_image = image.load_img(mask_image)
    mask = np.asarray(mask_image.dataobj) != 0
    values = np.asarray(values, dtype=float)
    if values.shape != (mask.sum(),):
        raise ValueError(
            f"values must hold one value for each of the {mask.sum()} voxels of the mask, got "
            f"shape {values.shape}"
        )
    # the voxels' numbers are turned and cropped: images of values would confuse 0 with NaN
    numbers = np.zeros(mask.shape, dtype=np.int32)
    numbers[mask] = np.arange(1, 1 + len(values))
    upright = image.reorder_img(image.new_img_like(mask_image, numbers), resample="nearest")
    upright = image.crop_img(upright, copy_header=True)
    numbers = np.asarray(upright.dataobj).astype(int)
    width, depth, height = np.diag(upright.affine)[:3]
    slices = np.linspace(0, numbers.shape[2] - 1, N_SLICES + 2)[1:-1].round().astype(int)

    with slide(path, title, caption, figsize=(13, 6)) as figure:
        colours, ends = _colour_scale(values, change, limit)
        rgba = np.vstack([[1, 1, 1, 0], _painted(values, np.full(len(values), GYRUS), colours)])
        panels = figure.subplots(2, N_SLICES // 2)
        for axes in panels.flat:
            axes.set_axis_off()
        for axes, z in zip(panels.flat, np.unique(slices), strict=False):  # a thin mask has fewer
            axes.imshow(
                rgba[numbers[..., z]].swapaxes(0, 1),
                origin="lower",
                aspect=depth / width,
                interpolation="nearest",
            )
            millimetres = f"z = {upright.affine[2, 3] + z * height:.0f} mm"
            axes.set_title(millimetres, pad=4, loc="center", fontsize=11, weight="normal")
        _colour_bar(figure, colours, panels, label, ends)


def _nilearn():
    """nilearn's modules for data sets and for images."""
    try:
        from nilearn import datasets, image
    except ImportError as error:
        raise ImportError('brain maps need nilearn: pip install "braintune[figures]"') from error
    return datasets, image


def _colour_scale(values, change, limit):
    """How values become colours, and at which ends values lie beyond the scale."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    known = values[~np.isnan(values)]
    if not known.size or np.isinf(known).any():
        raise ValueError(
            f"values must be finite or NaN and not all NaN, got {np.isnan(values).sum()} NaN and "
            f"{np.isinf(values).sum()} infinite of {values.size}"
        )
    if limit is not None and not limit > 0:
        raise ValueError(f"limit must be above 0, got {limit}")
    high = limit or np.percentile(np.abs(known), 99) or 1.0
    low = -high if change else 0
    colours = ScalarMappable(Normalize(low, high), CHANGE if change else ALIGNMENT)
    return colours, ENDS[known.min() < low, known.max() > high]


def _painted(values, greys, colours):
    """RGBA of values, of shape (n, 4), with greys where there is none."""
    rgba = colours.to_rgba(values)
    missing = np.isnan(values)
    rgba[missing] = np.column_stack([greys[missing]] * 3 + [np.ones(missing.sum())])
    return rgba


def _draw_surface(axes, mesh, values, greys, colours, seen_from):
    """Project a hemisphere along x, as seen from the left (-1) or from the right (1)."""
    from matplotlib.collections import PolyCollection

    corners = mesh.coordinates[mesh.faces]  # (n_faces, 3 corners, xyz)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    towards_viewer = seen_from * normals[:, 0]
    nearness = seen_from * corners[..., 0].mean(axis=1)
    order = np.argsort(nearness)  # near faces are drawn over far ones
    order = order[towards_viewer[order] > 0]

    faces = mesh.faces[order]
    rgba = _painted(values[faces].mean(axis=1), greys[faces].mean(axis=1), colours)
    rgba[:, :3] *= 0.8 + 0.2 * towards_viewer[order, np.newaxis]  # edges lie in shade
    flat = np.stack([seen_from * corners[order, :, 1], corners[order, :, 2]], axis=-1)
    axes.add_collection(
        PolyCollection(flat, facecolors=rgba, edgecolors="face", linewidths=0.4), autolim=True
    )
    axes.autoscale_view()
    axes.set_aspect("equal")
    axes.set_axis_off()


def _colour_bar(figure, colours, panels, label, ends):
    bar = figure.colorbar(colours, ax=panels, shrink=0.7, aspect=25, pad=0.03, extend=ends)
    bar.set_label(label)
    bar.outline.set_visible(False)
