"""Scans in NIfTI: the voxels are those of a brain mask."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import nibabel
import numpy as np
from nibabel.processing import resample_from_to

from ...cortex import load_volume, regions_from_labels
from .damage import readable
from .entities import entities

BOLD = "_desc-preproc_bold.nii.gz"
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


@dataclass(frozen=True)
class VolumePlaces:
    """The voxels inside the brain masks of all scans, in C order.

    Parameters
    ----------
    mask : nibabel.Nifti1Image
        1 inside, 0 outside.
    space : str
        What the space is called in the images' names.
    """

    mask: nibabel.Nifti1Image
    space: str
    fsaverage5 = None  # which a volume alone does not tell

    @property
    def n_voxels(self) -> int:
        return int(np.count_nonzero(self.mask.dataobj))

    def regions(self, atlas: Sequence[str | Path]) -> dict[str, np.ndarray]:
        """Voxels of each region of `REGIONS`, from a label image in the scans' space.

        Where its grid is another than the mask's, each voxel takes the label at its centre
        (`nibabel.processing.resample_from_to` of order 0).

        Parameters
        ----------
        atlas : one or two paths
            A NIfTI image of label numbers, and the table of their names: a `.tsv` with columns
            index and name, or a `.txt` that begins each line with a number and a name, as
            FreeSurfer's lookup tables do. By default the table lies beside the image, under its
            name.

        Raises
        ------
        FileNotFoundError, ValueError
            Other files than these, or as `regions_from_labels`; the image's name says that it is
            in another space; no label lies in a voxel.
        """
        path = Path(atlas[0])
        if len(atlas) > 2 or not path.name.endswith((".nii", ".nii.gz")):
            raise ValueError(
                "atlas of volumes is one label image in NIfTI and, unless it lies beside it, the "
                f"table of its names, got {' '.join(map(str, atlas))}"
            )
        named = entities(path)
        space = named.get("space", named.get("tpl", self.space))
        if space != self.space:
            raise ValueError(
                f"{path}: it is in the space {space}, but the scans are in {self.space}"
            )
        names, table = _names(path, atlas[1:])
        labels, affine, _ = load_volume(path, "label image")
        if labels.ndim != 3:
            raise ValueError(f"{path}: a label image has three dimensions, got {labels.shape}")
        if labels.shape != self.mask.shape or not np.allclose(affine, self.mask.affine, atol=1e-3):
            image = nibabel.Nifti1Image(labels.astype(np.float64), affine)
            labels = resample_from_to(image, self.mask, order=0).get_fdata()
        labels = labels[np.asarray(self.mask.dataobj) > 0]
        if not labels.any():
            raise ValueError(
                f"{path}: no label lies in a voxel of the scans; is it in the space {self.space}?"
            )
        try:
            return regions_from_labels(labels, names)
        except ValueError as error:
            raise ValueError(f"{path} with {table.name}: {error}") from error


class VolumeScan:
    """A scan in NIfTI, with its brain mask beside it.

    Parameters
    ----------
    path : Path
        `*_desc-preproc_bold.nii.gz`.
    """

    pattern: ClassVar[str] = f"*{BOLD}"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mask = path.with_name(path.name.replace(BOLD, "_desc-brain_mask.nii.gz"))
        self.files = (path, self.mask)
        self.place_files = (self.mask,)
        self.sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))

    def _image(self):
        with readable(self.path, "NIfTI image"):
            image = nibabel.load(self.path)
        if image.ndim != 4:
            raise ValueError(f"{self.path}: expected a shape of (x, y, z, TRs), got {image.shape}")
        return image

    @property
    def n_trs(self) -> int:
        return self._image().shape[3]

    @property
    def header_tr(self) -> float | None:
        header = self._image().header
        tr, unit = header.get_zooms()[3], header.get_xyzt_units()[1]
        if unit not in SECONDS or not tr > 0:
            return None
        return round(float(tr) * SECONDS[unit], 6)  # the header stores single precision

    @staticmethod
    def places(scans: Sequence["VolumeScan"], space: str) -> VolumePlaces:
        """The voxels in the masks of all scans."""
        inside, first = None, scans[0].mask
        for scan in scans:
            with readable(scan.mask, "NIfTI image"):
                mask = nibabel.load(scan.mask)
                values = mask.get_fdata(dtype=np.float32) > 0
            if inside is None:
                inside, affine = values, mask.affine
                continue
            _check_grid(scan.mask, values.shape, mask.affine, first, inside.shape, affine)
            inside &= values
        if not inside.any():
            raise ValueError(f"{first} and the other {len(scans) - 1} share no voxel")
        return VolumePlaces(nibabel.Nifti1Image(inside.astype(np.uint8), affine), space)

    def read(self, places: VolumePlaces) -> np.ndarray:
        """What the scanner saw, (n_trs, n_voxels) in float32."""
        image, mask = self._image(), places.mask
        grid = image.shape[:3], image.affine
        _check_grid(self.path, *grid, self.mask, mask.shape, mask.affine)
        with readable(self.path, "NIfTI image"):
            volumes = image.get_fdata(dtype=np.float32, caching="unchanged")
        return volumes[np.asarray(mask.dataobj) > 0].T


def on_one_grid(scans: Sequence[Any], wanted: Sequence[Any]) -> list[Any]:
    """Those of some scans whose masks lie on the grid that most of the `wanted` ones have."""
    masks = {}
    for scan in scans:
        with readable(scan.mask, "NIfTI image"):
            masks[scan.path] = nibabel.load(scan.mask)
    grids = [masks[scan.path] for scan in wanted]
    usual = max(grids, key=lambda mask: sum(same_grid(mask, other) for other in grids))
    return [scan for scan in scans if same_grid(masks[scan.path], usual)]


def same_grid(one: nibabel.Nifti1Image, other: nibabel.Nifti1Image) -> bool:
    """Whether the voxels of two images lie at the same places."""
    return one.shape == other.shape and np.allclose(one.affine, other.affine, atol=1e-4)


def _check_grid(path, shape, affine, mask_path, mask_shape, mask_affine):
    if shape != mask_shape or not np.allclose(affine, mask_affine, atol=1e-4):
        raise ValueError(
            f"{path}: its voxels are not those of {mask_path}; got shape {shape} and affine "
            f"{affine.tolist()}, expected {mask_shape} and {mask_affine.tolist()}"
        )


def _names(image, given):
    """{label number: name} of an image, and the table that they are in."""
    stem = image.name.removesuffix(".gz").removesuffix(".nii")
    beside = [image.with_name(stem + ending) for ending in (".tsv", ".txt")]
    tables = [Path(path) for path in given] or [path for path in beside if path.exists()]
    if not tables or not tables[0].is_file():
        raise FileNotFoundError(
            f"{image}: the names of its labels are needed, in {tables[0] if tables else beside[0]} "
            f"with columns index and name, or in a .txt with a number and a name a line"
        )
    table = tables[0]
    lines = table.read_text(encoding="utf-8-sig").splitlines()
    if table.suffix == ".tsv":
        read = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if not {"index", "name"} <= set(read.fieldnames or ()):
            raise ValueError(f"{table}: columns index and name are needed, got {read.fieldnames}")
        rows = [(row["index"], row["name"]) for row in read]
    else:
        fields = (line.split() for line in lines if not line.startswith("#"))
        rows = [(line[0], line[1]) for line in fields if len(line) > 1]
    try:
        return {int(number): name for number, name in rows}, table
    except ValueError as error:
        raise ValueError(f"{table}: expected a number and a name a line ({error})") from error
