"""Scans in CIFTI: the voxels are grayordinates of the two cortices, the left one's first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import nibabel
import numpy as np
from nibabel.cifti2 import BrainModelAxis, LabelAxis, SeriesAxis

from ...cortex import regions_from_labels
from .damage import readable

CORTICES = ("CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT")


@dataclass(frozen=True, eq=False)
class GrayordinatePlaces:
    """The grayordinates of the two cortices.

    Parameters
    ----------
    models : nibabel.cifti2.BrainModelAxis
        Of the scans.
    columns : int array of shape (n_voxels,)
        Of the scans: the left cortex's, then the right one's.
    """

    models: BrainModelAxis
    columns: np.ndarray
    mask = None
    fsaverage5 = None  # fsLR's vertices are others than fsaverage's

    @property
    def n_voxels(self) -> int:
        return len(self.columns)

    def regions(self, atlas: Sequence[str | Path]) -> dict[str, np.ndarray]:
        """Grayordinates of each region of `REGIONS`, from dense labels of the same mesh.

        Parameters
        ----------
        atlas : one path
            A `.dlabel.nii`, of whose maps the first is taken. Vertices that it leaves out have no
            label.

        Raises
        ------
        FileNotFoundError, ValueError
            Another file than this, labels of another mesh or of one hemisphere, or as
            `regions_from_labels`.
        """
        path = Path(atlas[0])
        if len(atlas) != 1 or not path.name.endswith(".dlabel.nii"):
            raise ValueError(
                f"atlas of CIFTI images is one .dlabel.nii, got {' '.join(map(str, atlas))}"
            )
        if not path.is_file():
            raise FileNotFoundError(f"{path}: there is no such label file")
        image, maps, models = _load(path, LabelAxis)
        with readable(path, "CIFTI image"):
            values = np.asarray(image.dataobj[0])
        labels = np.zeros(self.n_voxels, dtype=values.dtype)
        own_names, own_vertices = self.models.name[self.columns], self.models.vertex[self.columns]
        for structure in CORTICES:
            n, expected = (axis.nvertices.get(structure) for axis in (models, self.models))
            if n != expected:
                raise ValueError(
                    f"{path}: labels of {n or 'no'} vertices of {structure}, but the scans are on "
                    f"a mesh of {expected}"
                )
            whole = np.zeros(n, dtype=values.dtype)
            labelled = models.name == structure
            whole[models.vertex[labelled]] = values[labelled]
            labels[own_names == structure] = whole[own_vertices[own_names == structure]]
        names = {number: name for number, (name, _) in maps.label[0].items()}
        try:
            return regions_from_labels(labels, names)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


class GrayordinateScan:
    """A scan in CIFTI.

    Parameters
    ----------
    path : Path
        `*_bold.dtseries.nii`.
    """

    pattern: ClassVar[str] = "*_bold.dtseries.nii"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = (path,)
        self.place_files = ()
        self.sidecar = path.with_name(path.name.replace(".dtseries.nii", ".json"))

    @property
    def n_trs(self) -> int:
        return _load(self.path, SeriesAxis)[0].shape[0]

    @property
    def header_tr(self) -> float | None:
        _, series, _ = _load(self.path, SeriesAxis)
        return round(float(series.step), 6) if series.unit == "SECOND" and series.step > 0 else None

    @staticmethod
    def places(scans: Sequence["GrayordinateScan"], space: str) -> GrayordinatePlaces:
        """The grayordinates of the cortices, which all scans must have alike."""
        first = scans[0].path
        models = _load(first, SeriesAxis)[2]
        for scan in scans[1:]:
            if _load(scan.path, SeriesAxis)[2] != models:
                raise ValueError(f"{scan.path}: its grayordinates are not those of {first}")
        columns = [np.flatnonzero(models.name == structure) for structure in CORTICES]
        if not all(map(len, columns)):
            raise ValueError(
                f"{first}: the grayordinates of both cortices are needed, got "
                f"{sorted(set(models.name.tolist()))}"
            )
        return GrayordinatePlaces(models, np.concatenate(columns))

    def read(self, places: GrayordinatePlaces) -> np.ndarray:
        """What the scanner saw, (n_trs, n_voxels) in float32."""
        with readable(self.path, "CIFTI image"):
            image = nibabel.load(self.path)
            return image.get_fdata(dtype=np.float32, caching="unchanged")[:, places.columns]


def _load(path, kind):
    """A CIFTI image of that kind of rows, and its two axes."""
    with readable(path, "CIFTI image"):
        image = nibabel.load(path)
        rows, models = (image.header.get_axis(i) for i in range(2))
        if not isinstance(rows, kind) or not isinstance(models, BrainModelAxis):
            raise ValueError(f"it holds {type(rows).__name__} by {type(models).__name__}")
    return image, rows, models
