"""Scans in GIFTI: the voxels are vertices of a mesh, the left hemisphere's first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from xml.etree.ElementTree import iterparse

import numpy as np

from ...cortex import regions_from_annot
from ...cortex.surfaces import FSAVERAGE5, MESHES, read_gifti
from .damage import readable

STRUCTURES = ("CortexLeft", "CortexRight")


@dataclass(frozen=True)
class SurfacePlaces:
    """The vertices of both hemispheres, the left one's first.

    Parameters
    ----------
    space : str
        What the space is called in the images' names.
    n_vertices : tuple of int
        Of the left hemisphere and of the right one.
    """

    space: str
    n_vertices: tuple[int, int]
    mask = None

    @property
    def n_voxels(self) -> int:
        return sum(self.n_vertices)

    @property
    def fsaverage5(self) -> np.ndarray | None:
        """The vertices that are fsaverage5's: the first of each hemisphere, meshes being nested."""
        if self.space not in MESHES.values():
            return None
        n_left, _ = self.n_vertices
        return np.concatenate([np.arange(FSAVERAGE5), n_left + np.arange(FSAVERAGE5)])

    def regions(self, atlas: Sequence[str | Path]) -> dict[str, np.ndarray]:
        """Vertices of each region of `REGIONS`, from annotations of the same or a finer mesh.

        Parameters
        ----------
        atlas : two paths
            The left and the right hemisphere's `.annot` or `.label.gii`.

        Raises
        ------
        FileNotFoundError, ValueError
            Other than two files, or as `regions_from_annot`.
        """
        if len(atlas) != 2:
            raise ValueError(
                f"atlas of {self.space} is two .annot or .label.gii files, the left hemisphere's "
                f"and the right one's, got {' '.join(map(str, atlas))}"
            )
        left, right = atlas
        nested = self.space in MESHES.values()
        return regions_from_annot(left, right, n_vertices=self.n_vertices, nested=nested)


class SurfaceScan:
    """A scan in GIFTI, a file for each hemisphere.

    Parameters
    ----------
    path : Path
        The left hemisphere's: `*_hemi-L*_bold.func.gii`, or without `_bold`, as fMRIPrep 20 has it.
    """

    pattern: ClassVar[str] = "*_hemi-[LR]*.func.gii"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = (path, path.with_name(path.name.replace("_hemi-L", "_hemi-R")))
        self.place_files = ()
        self.sidecar = path.with_name(path.name.replace(".func.gii", ".json"))

    @property
    def n_trs(self) -> int:
        return _declared(self.path)[0]

    # GIFTI's TimeStep has no unit: seconds and milliseconds both occur.
    header_tr = None

    @staticmethod
    def places(scans: Sequence["SurfaceScan"], space: str) -> SurfacePlaces:
        """The vertices that all scans have."""
        left, right = scans[0].files
        n_left, n_right = _declared(left)[1], _declared(right)[1]
        if space in MESHES.values():
            # "fsaverage" alone may be any of the meshes, its density beside it.
            sizes = [n for n, name in MESHES.items() if space in (name, "fsaverage")]
            if n_left not in sizes or n_right != n_left:
                raise ValueError(
                    f"{left}: {space} has {' or '.join(map(str, sizes))} vertices a hemisphere, "
                    f"got {n_left} and, on the right, {n_right}"
                )
        for scan in scans[1:]:
            for path, n in zip(scan.files, (n_left, n_right), strict=True):
                if _declared(path)[1] != n:
                    raise ValueError(
                        f"{path}: {_declared(path)[1]} vertices, but {n} in another run, {left}"
                    )
        return SurfacePlaces(space, (n_left, n_right))

    def read(self, places: SurfacePlaces) -> np.ndarray:
        """What the scanner saw, (n_trs, n_vertices) in float32."""
        n_trs = self.n_trs
        sides = []
        for path, side, n in zip(self.files, STRUCTURES, places.n_vertices, strict=True):
            with readable(path, "GIFTI file"):
                image = read_gifti(path)
                structure = image.meta.get("AnatomicalStructurePrimary", side)
                values = [array.data for array in image.darrays]
            if structure != side:
                raise ValueError(f"{path}: expected {side} by its name, got {structure} inside")
            shapes = {array.shape for array in values}
            if shapes != {(n,)} or len(values) != n_trs:
                raise ValueError(
                    f"{path}: expected an array of {n} vertices for each of {n_trs} TRs, got "
                    f"{len(values)} of shape {sorted(shapes)}"
                )
            sides.append(np.array(values, dtype=np.float32))
        return np.concatenate(sides, axis=1)


def _declared(path):
    """How many arrays a file says that it holds, and how many vertices the first; none is read."""
    n_arrays = None
    with readable(path, "GIFTI file"), path.open("rb") as file:
        for _, element in iterparse(file, ["start"]):
            if element.tag == "GIFTI":
                n_arrays = int(element.attrib["NumberOfDataArrays"])
            elif element.tag == "DataArray":
                return n_arrays, int(element.attrib["Dim0"])
        raise ValueError("it has no data array")
