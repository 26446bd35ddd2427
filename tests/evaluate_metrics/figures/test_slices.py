"""Slices through a brain, looked at by the colours in them."""

import nibabel
import numpy as np
import pytest
from matplotlib import colormaps, pyplot
from matplotlib.image import imread

from evaluate_metrics.figures import volume_map
from evaluate_metrics.figures.cortex import GYRUS

AFFINE = np.diag([-3.0, 3, 3, 1])  # the first voxel is the rightmost


def halves(path):
    """The left and the right half of the picture, without the colour bar at its right."""
    pixels = imread(path)
    width = pixels.shape[1]
    return pixels[:, : width // 2], pixels[:, width // 2 : int(0.9 * width)]


def share(pixels, colour):
    return (np.abs(pixels[..., :3] - np.asarray(colour)[:3]) < 0.02).all(axis=-1).mean()


def mask_image():
    """A block of a brain, 12 x 14 x 16 voxels of 3 mm."""
    mask = np.zeros((16, 18, 20), dtype=np.uint8)
    mask[2:14, 2:16, 2:18] = 1
    return nibabel.Nifti1Image(mask, AFFINE)


def voxel_positions():
    """World coordinates in mm of the mask's voxels in their order, (n_voxels, 3)."""
    voxels = np.argwhere(np.asarray(mask_image().dataobj))
    return nibabel.affines.apply_affine(AFFINE, voxels)


def mean_places(path):
    """Mean row and column of the pixels with the highest value, and of those without value."""
    slices = np.hstack(halves(path))[..., :3]
    return [
        np.argwhere((np.abs(slices - colour) < 0.02).all(axis=-1)).mean(axis=0)
        for colour in (colormaps["viridis"](1.0)[:3], GYRUS)
    ]


def test_slices_of_a_mask_file_lie_as_its_affine_says(tmp_path):
    nibabel.save(mask_image(), tmp_path / "mask.nii.gz")
    x, y, z = (voxel_positions() - voxel_positions().mean(axis=0)).T
    for name, marked in (("left_front", (x < 0) & (y > 0)), ("low", z < 0)):
        values = np.where(marked, 1.0, np.nan)
        volume_map(values, tmp_path / "mask.nii.gz", tmp_path / f"{name}.png")
    marked, others = mean_places(tmp_path / "left_front.png")
    assert (marked < others).all()  # above and to the left
    marked, others = mean_places(tmp_path / "low.png")
    assert marked[0] < others[0]  # low slices come first


def test_zero_is_a_value_and_nan_is_none(tmp_path):
    n_voxels = len(voxel_positions())
    for name, value in (("zero", 0.0), ("none", np.nan)):
        values = np.full(n_voxels, value)
        values[0] = 1.0
        volume_map(values, mask_image(), tmp_path / f"{name}.png")
    lowest = colormaps["viridis"](0.0)
    zero, none = (np.hstack(halves(tmp_path / f"{name}.png")) for name in ("zero", "none"))
    assert share(zero, lowest) > 0.05 > share(none, lowest) == 0


def test_voxels_of_another_mask_and_limits_below_0_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"each of the 2688 voxels of the mask, got shape \(5,\)"):
        volume_map(np.ones(5), mask_image(), tmp_path / "map.png")
    with pytest.raises(ValueError, match="limit must be above 0, got -1"):
        volume_map(np.ones(2688), mask_image(), tmp_path / "map.png", limit=-1)


def test_drawing_leaves_matplotlib_as_it_was(tmp_path):
    before = dict(pyplot.rcParams)
    thin = nibabel.Nifti1Image(np.ones((4, 5, 3), np.uint8), AFFINE)  # fewer slices than panels
    volume_map(np.ones(60), thin, tmp_path / "map.png")
    assert dict(pyplot.rcParams) == before
    assert pyplot.get_fignums() == []
