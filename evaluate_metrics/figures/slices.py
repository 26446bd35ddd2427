"""Maps of voxels whose surface is not known: slices through a participant's brain."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .cortex import GYRUS
from .painting import colour_scale, painted
from .slide import slide

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

N_SLICES = 12


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
    path : str or path
        The PNG to write.
    title : str, optional
    label, change, limit
        As `surface_figure`.
    caption : str

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If values are not one per voxel of the mask, some are infinite, or the limit is not above 0.
    """
    from nilearn import image  # takes seconds

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
        colours, ends = colour_scale([values], change, limit)
        rgba = np.vstack([[1, 1, 1, 0], painted(values, np.full(len(values), GYRUS), colours)])
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


def _colour_bar(figure, colours, panels, label, ends):
    bar = figure.colorbar(colours, ax=panels, shrink=0.7, aspect=25, pad=0.03, extend=ends)
    bar.set_label(label)
    bar.outline.set_visible(False)
