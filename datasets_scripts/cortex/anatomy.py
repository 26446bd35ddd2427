"""Where a participant's voxels lie: in the functional space, in regions, and on the cortex."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import nibabel
import numpy as np

from ..whole_files import written_whole
from .atlas import Regions
from .surfaces import FSAVERAGE5, Mesh, nearest_vertices

SHAPES = ("inflated", "flat")


@dataclass(kw_only=True)
class Surface:
    """A participant's own cortex, both hemispheres, the left one's vertices first.

    Parameters
    ----------
    voxels : int64 array of shape (n_vertices,)
        The voxel that each vertex lies in, -1 for none.
    n_left : int
        Vertices of the left hemisphere.
    shapes : dict of {"inflated" or "flat": Mesh}
        Coordinates (n_vertices, 3) in mm and faces (n_faces, 3). The faces of a flat map leave out
        what was cut away.
    regions : dict of {str: int64 array}
        Vertices of each region; empty without an atlas.
    """

    voxels: np.ndarray
    n_left: int
    shapes: dict[str, Mesh] = field(default_factory=dict)
    regions: Regions = field(default_factory=dict)


@dataclass(kw_only=True)
class Anatomy:
    """Where a participant's voxels lie, as far as that is known.

    Parameters
    ----------
    n_voxels : int
        Of the participant's responses.
    regions : dict of {str: int64 array}
        Voxels of each region, sorted; empty where none are known.
    mask : nibabel.Nifti1Image of shape (x, y, z), or None
        1 at the voxels, which are in C order.
    fsaverage5 : int64 array of shape (20484,), or None
        The voxel of each vertex of fsaverage5, left hemisphere first, -1 for none.
    surface : Surface or None
        The participant's own cortex.
    atlas : dict with "name" and "sha256"
        Where the regions come from; empty where they come from no atlas.
    """

    n_voxels: int
    regions: Regions = field(default_factory=dict)
    mask: nibabel.Nifti1Image | None = None
    fsaverage5: np.ndarray | None = None
    surface: Surface | None = None
    atlas: dict[str, str] = field(default_factory=dict)

    def save(self, path: str | PathLike[str]) -> None:
        """Write all of it to one `.npz` file, whole or not at all.

        Parameters
        ----------
        path : path-like
        """
        arrays: dict[str, Any] = {"n_voxels": np.array(self.n_voxels)}
        arrays |= {f"regions/{name}": voxels for name, voxels in self.regions.items()}
        arrays |= {f"atlas/{key}": np.array(value) for key, value in self.atlas.items()}
        if self.mask is not None:
            inside = np.asarray(self.mask.dataobj) != 0
            arrays |= {"mask/inside": inside, "mask/affine": self.mask.affine}
        if self.fsaverage5 is not None:
            arrays["fsaverage5"] = self.fsaverage5
        if self.surface is not None:
            own = self.surface
            arrays |= {"surface/voxels": own.voxels, "surface/n_left": np.array(own.n_left)}
            arrays |= {f"surface/regions/{name}": found for name, found in own.regions.items()}
            for shape, mesh in own.shapes.items():
                arrays[f"surface/shapes/{shape}/coordinates"] = mesh.coordinates.astype(np.float32)
                arrays[f"surface/shapes/{shape}/faces"] = mesh.faces.astype(np.int32)
        with written_whole(path) as partial, open(partial, "wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Anatomy":
        """Read what `save` wrote.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            The file is damaged, or something else.
        """
        try:
            with open(path, "rb") as file, np.load(file) as kept:
                arrays = dict(kept)
            return cls(
                n_voxels=int(arrays["n_voxels"]),
                regions=_below(arrays, "regions/"),
                mask=nibabel.Nifti1Image(
                    arrays["mask/inside"].astype(np.uint8), arrays["mask/affine"]
                )
                if "mask/inside" in arrays
                else None,
                fsaverage5=arrays.get("fsaverage5"),
                surface=_loaded_surface(arrays) if "surface/voxels" in arrays else None,
                atlas={key: str(value) for key, value in _below(arrays, "atlas/").items()},
            )
        except FileNotFoundError:
            raise
        except Exception as error:  # Damage shows as whatever the parsers stumble over.
            raise ValueError(f"{path}: not a readable anatomy ({error}); remove it") from error


def _below(arrays, prefix):
    return {
        key.removeprefix(prefix): values for key, values in arrays.items() if key.startswith(prefix)
    }


def _loaded_surface(arrays):
    arrays = _below(arrays, "surface/")
    shapes = {
        shape: Mesh(arrays[f"shapes/{shape}/coordinates"], arrays[f"shapes/{shape}/faces"])
        for shape in SHAPES
        if f"shapes/{shape}/faces" in arrays
    }
    return Surface(
        voxels=arrays["voxels"],
        n_left=int(arrays["n_left"]),
        shapes=shapes,
        regions=_below(arrays, "regions/"),
    )


def voxels_of_vertices(places: np.ndarray, index: np.ndarray) -> np.ndarray:
    """The voxel that each vertex lies in, pycortex's "nearest".

    Parameters
    ----------
    places : array of shape (n_vertices, 3)
        In voxel indices of the volume, not rounded.
    index : int array of shape (x, y, z)
        The number of the voxel at each place of the volume, -1 for none.

    Returns
    -------
    int64 array of shape (n_vertices,)
        -1 outside the volume, or where there is no voxel.
    """
    rounded = np.rint(places).astype(np.int64)
    on_grid = ((rounded >= 0) & (rounded < index.shape)).all(axis=1)
    voxels = np.full(len(places), -1, dtype=np.int64)
    voxels[on_grid] = index[tuple(rounded[on_grid].T)]
    return voxels


def vertices_in_regions(
    atlas: Mapping[str, np.ndarray],
    atlas_spheres: tuple[np.ndarray, np.ndarray],
    n_atlas: int,
    spheres: tuple[np.ndarray, np.ndarray],
) -> Regions:
    """A participant's vertices in each region of an atlas, hemisphere by hemisphere.

    A vertex takes the region of the atlas's vertex that is nearest on the sphere.

    Parameters
    ----------
    atlas : dict of {str: int array}
        Vertices of the atlas, from `regions_from_annot`.
    atlas_spheres : left and right array of shape (n_atlas or fewer, 3)
        Unit vectors of the atlas's vertices, or of its first ones.
    n_atlas : int
        Vertices of the atlas, a hemisphere.
    spheres : left and right array of shape (n_vertices, 3)
        Unit vectors of the participant's vertices, registered to the atlas.

    Returns
    -------
    dict of {str: int64 array}
        Sorted; the right hemisphere's vertices are counted on from the left one's.
    """
    nearest = np.concatenate(
        [
            nearest_vertices(own, of_atlas) + side * n_atlas
            for side, (own, of_atlas) in enumerate(zip(spheres, atlas_spheres, strict=True))
        ]
    )
    return {region: np.flatnonzero(np.isin(nearest, found)) for region, found in atlas.items()}


def voxels_in_regions(
    regions: Mapping[str, np.ndarray], places: np.ndarray, voxels: np.ndarray
) -> Regions:
    """A participant's voxels in each region: that of the nearest vertex.

    Parameters
    ----------
    regions : dict of {str: int array}
        Vertices of each region.
    places : array of shape (n_vertices, 3)
        Of the vertices, in voxel indices of the volume.
    voxels : int array of shape (n_voxels, 3)
        Voxel indices of the voxels.

    Returns
    -------
    dict of {str: int64 array}
        Sorted.
    """
    nearest = nearest_vertices(voxels, places)
    return {region: np.flatnonzero(np.isin(nearest, found)) for region, found in regions.items()}


def voxels_on_fsaverage5(
    voxels: np.ndarray,
    spheres: tuple[np.ndarray, np.ndarray],
    fsaverage5: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """The voxel of each vertex of fsaverage5: that of the participant's nearest vertex.

    Parameters
    ----------
    voxels : int array of shape (n_vertices,)
        The voxel of each of the participant's vertices, -1 for none.
    spheres : left and right array of shape (n_vertices, 3)
        Unit vectors of the participant's vertices, registered to fsaverage.
    fsaverage5 : left and right array of shape (10242, 3)
        Unit vectors of fsaverage5's.

    Returns
    -------
    int64 array of shape (20484,)
        Left hemisphere first; -1 for none.
    """
    n_left = len(spheres[0])
    return np.concatenate(
        [
            voxels[offset + nearest_vertices(target[:FSAVERAGE5], own)]
            for offset, target, own in zip((0, n_left), fsaverage5, spheres, strict=True)
        ]
    )
