"""Voxel vectors in brain volumes, vertex vectors on brain surfaces."""

import zlib
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData
from nibabel.spatialimages import HeaderDataError, SpatialImage

from ..whole_files import written_whole

# A file, an image, or its values.
Volume: TypeAlias = str | PathLike[str] | SpatialImage | np.ndarray
UNREADABLE = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error)
HEMISPHERES = {"L": "CortexLeft", "R": "CortexRight"}


def read_mask(mask: Volume, n_voxels: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Read which places of the functional space are a participant's voxels.

    A participant's voxels are the true places in C order.

    Parameters
    ----------
    mask : path-like, nibabel image or array of shape (x, y, z)
        Any file that nibabel reads as a volume, or `.npy`. Two values: 0, and one for true.
    n_voxels : int, optional
        Voxels of the responses that the mask should fit.

    Returns
    -------
    inside : bool array of shape (x, y, z)
    affine : array of shape (4, 4), or None
        From voxel indices to mm. None where `mask` is an array or `.npy`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        An unreadable file, not three dimensions, no true place, a third value, or another number
        of true places than `n_voxels`.
    """
    values, affine, name = load_volume(mask, "mask")
    if values.ndim != 3:
        raise ValueError(f"{name}: a mask has three dimensions, got shape {values.shape}")
    inside = values != 0
    true = np.unique(values[inside])
    if len(true) != 1 or not np.isfinite(true[0]):
        raise ValueError(f"{name}: a mask holds 0 and one other value, got {true[:5]} beside 0")
    n_true = np.count_nonzero(inside)
    if n_voxels is not None and n_true != n_voxels:
        raise ValueError(
            f"{name}: the mask has {n_true} true voxels, but there are values for {n_voxels}; "
            "use the mask that the responses were taken through"
        )
    return inside, affine


def write_volume(
    path: str | PathLike[str],
    values: np.ndarray,
    mask: str | PathLike[str] | SpatialImage,
    tr: float | None = None,
) -> None:
    """Write voxel vectors as a NIfTI image.

    Places outside the mask get 0, as masked images have it, since viewers and filters take 0 for
    background and spread NaN; the mask, not the value, says where voxels are. Voxels without a
    value stay NaN.

    Parameters
    ----------
    path : path-like
        Ends in `.nii` or `.nii.gz`.
    values : array of shape (n_voxels,) or (n_trs, n_voxels)
        Becomes float32 of shape (x, y, z) or (x, y, z, n_trs).
    mask : path-like or nibabel image
        The participant's voxels, as for `read_mask`; its affine becomes the image's.
    tr : float, optional
        Seconds from one row of `values` to the next, where rows are TRs.

    Raises
    ------
    ValueError
        Another suffix, shape or number of voxels, a mask without an affine, a TR that is not
        positive or is given for a single volume.
    """
    path, values = Path(path), np.asarray(values, dtype=np.float32)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ValueError(f"{path}: the name of a NIfTI file ends in .nii or .nii.gz")
    _check_vectors(values, "voxels")
    inside, affine = read_mask(mask, values.shape[-1])
    if affine is None:
        raise ValueError("mask must be an image or an image file: an array has no affine")
    if tr is not None and not (tr > 0 and values.ndim == 2):
        raise ValueError(
            f"tr must be positive seconds and belongs to values of shape (n_trs, n_voxels), "
            f"got {tr} for {values.shape}"
        )
    volume = np.zeros(inside.shape + values.shape[:-1], dtype=np.float32)
    volume[inside] = values.T
    image = nibabel.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm", "sec" if tr else None)
    if tr:
        image.header.set_zooms((*image.header.get_zooms()[:3], tr))
    with written_whole(path) as partial:
        nibabel.save(image, partial)


def write_surface(path: str | PathLike[str], values: np.ndarray, n_left: int) -> tuple[Path, Path]:
    """Write vertex vectors as two GIFTI files, one per hemisphere.

    Parameters
    ----------
    path : path-like
        What both names begin with: `scores` gives `scores_hemi-L.func.gii` and
        `scores_hemi-R.func.gii`.
    values : array of shape (n_vertices,) or (n_maps, n_vertices)
        The left hemisphere's vertices, then the right one's. Each map becomes a data array.
    n_left : int
        Vertices of the left hemisphere.

    Returns
    -------
    left, right : Path

    Raises
    ------
    ValueError
        Another shape, or a hemisphere without vertices.
    """
    path, values = Path(path), np.asarray(values, dtype=np.float32)
    _check_vectors(values, "vertices")
    n_vertices = values.shape[-1]
    if not 0 < n_left < n_vertices:
        raise ValueError(f"n_left must lie in 1 to {n_vertices - 1}, got {n_left}")
    left, right = (path.with_name(f"{path.name}_hemi-{side}.func.gii") for side in HEMISPHERES)
    maps = np.atleast_2d(values)
    with written_whole(left) as partial_left, written_whole(right) as partial_right:
        nibabel.save(_surface(maps[:, :n_left], "L"), partial_left)
        nibabel.save(_surface(maps[:, n_left:], "R"), partial_right)
    return left, right


def load_volume(volume: Volume, what: str) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Load a volume given as a file, an image or an array.

    Parameters
    ----------
    volume : path-like, nibabel image or array
    what : str
        What the volume is, as messages call it ("mask").

    Returns
    -------
    values : array
    affine : array of shape (4, 4), or None
        None where the volume is an array or `.npy`.
    name : str
        The file, or `what` where there is none.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is not a readable volume, or holds no real numbers.
    """
    if isinstance(volume, str | PathLike):
        return _load_file(Path(volume), what)
    affine, name = None, what
    if isinstance(volume, SpatialImage):
        affine, name = volume.affine, volume.get_filename() or what
        volume = volume.dataobj
    values = np.asarray(volume)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected a volume of real numbers, got {values.dtype}")
    return values, affine, name


def _load_file(path, what):
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such {what}")
    try:
        volume = np.load(path) if path.suffix == ".npy" else nibabel.load(path)
        values, affine, _ = load_volume(volume, what)
    except UNREADABLE as error:
        raise ValueError(f"{path}: not a readable {what} ({error})") from error
    return values, affine, str(path)


def _check_vectors(values, kind):
    if values.ndim not in (1, 2) or not values.size:
        raise ValueError(
            f"values must be of shape (n_{kind},) or (n, n_{kind}), none of them 0, "
            f"got {values.shape}"
        )


def _surface(maps, side):
    return GiftiImage(
        meta=GiftiMetaData(AnatomicalStructurePrimary=HEMISPHERES[side]),
        darrays=[GiftiDataArray(values, intent="NIFTI_INTENT_NONE") for values in maps],
    )
