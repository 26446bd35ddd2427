"""A cortex to draw on: a participant's own, or fsaverage5."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .projection import View, project

GYRUS, SULCUS = 0.82, 0.71  # greys where there is no value
SHADE = 0.2  # of what is seen from the side
GAP = 0.04  # between the flat hemispheres, as a share of their width
PIXELS = 1500  # across a flat map or the four views of an inflated one
SIDES = ("left", "right")


@dataclass(kw_only=True)
class Cortex:
    """Both hemispheres of a cortex, the left one's vertices first.

    Parameters
    ----------
    name : str
        What captions call it.
    voxels : int array of shape (n_vertices,)
        The voxel of each vertex, -1 for none.
    n_left : int
        Vertices of the left hemisphere.
    shapes : dict of {"flat" or "inflated": (coordinates, faces)}
        Arrays of shape (n_vertices, 3), in mm, and (n_faces, 3).
    regions : dict of {str: int array}
        Vertices of the regions to outline.
    greys : float array of shape (n_vertices,), optional
        From 0 for black to 1 for white, where there is no value.

    Raises
    ------
    ValueError
        If sizes differ, or neither shape is there.
    """

    name: str
    voxels: np.ndarray
    n_left: int
    shapes: Mapping[str, tuple[np.ndarray, np.ndarray]]
    regions: Mapping[str, np.ndarray] = field(default_factory=dict)
    greys: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not set(self.shapes) & {"flat", "inflated"}:
            raise ValueError(
                f"a cortex is drawn flat or inflated, got shapes {', '.join(self.shapes) or 'none'}"
            )
        if self.greys is None:
            self.greys = np.full(len(self.voxels), GYRUS)
        sizes = {f"{shape} surface": len(places) for shape, (places, _) in self.shapes.items()}
        for what, size in (sizes | {"greys": len(self.greys)}).items():
            if size != len(self.voxels):
                raise ValueError(
                    f"{self.name}: voxels are of {len(self.voxels)} vertices, {what} of {size}"
                )

    def on_vertices(self, values: np.ndarray) -> np.ndarray:
        """Give each vertex its voxel's value.

        Parameters
        ----------
        values : array of shape (n_voxels,)

        Returns
        -------
        array of shape (n_vertices,)
            NaN without a voxel.

        Raises
        ------
        ValueError
            If a vertex lies in a voxel that values lack.
        """
        if self.voxels.max() >= len(values):
            raise ValueError(
                f"{self.name}: vertices lie in {self.voxels.max() + 1} voxels, values are of "
                f"{len(values)}"
            )
        return np.append(np.asarray(values, float), np.nan)[self.voxels]

    @cached_property
    def flat(self) -> View | None:
        """Both hemispheres' flat maps side by side, if they are known."""
        if "flat" not in self.shapes:
            return None
        coordinates, faces = self.shapes["flat"]
        places = np.array(coordinates[:, :2], float)
        widths = []
        for side, mine in enumerate(self._faces_of("flat")):
            x = places[mine, 0]
            vertices = slice(self.n_left) if side == 0 else slice(self.n_left, None)
            places[vertices, 0] -= x.max() if side == 0 else x.min()
            widths.append(np.ptp(x))
        places[self.n_left :, 0] += GAP * sum(widths)
        return project(places, faces, (1 + GAP) * sum(widths) / PIXELS)

    @cached_property
    def inflated(self) -> dict[str, View]:
        """The lateral and medial views of both hemispheres; empty if the shape is not known."""
        if "inflated" not in self.shapes:
            return {}
        coordinates, _ = self.shapes["inflated"]
        of_sides = self._faces_of("inflated")
        length = max(np.ptp(coordinates[faces, 1]) for faces in of_sides)
        views = {}
        for side, faces in zip(SIDES, of_sides, strict=True):
            for name in ("lateral", "medial"):
                # from the left, the front is on the left
                seen_from = -1 if (side == "left") == (name == "lateral") else 1
                nearness = seen_from * coordinates[:, 0]
                places = np.column_stack([seen_from * coordinates[:, 1], coordinates[:, 2]])
                towards = seen_from * _normals(coordinates, faces)[:, 0] > 0
                views[f"{side} {name}"] = project(
                    places, faces[towards], 4 * length / PIXELS, nearness
                )
        return views

    @cached_property
    def shades(self) -> np.ndarray:
        """How much darker an inflated vertex is that is seen from the side, (n_vertices,)."""
        coordinates, faces = self.shapes["inflated"]
        of_vertices = np.zeros((len(coordinates), 3))
        normals = _normals(coordinates, faces)
        for corner in faces.T:
            for axis in range(3):
                of_vertices[:, axis] += np.bincount(corner, normals[:, axis], len(coordinates))
        lengths = np.linalg.norm(of_vertices, axis=1)
        towards = np.abs(of_vertices[:, 0]) / np.where(lengths > 0, lengths, 1)
        return 1 - SHADE * (1 - towards)

    def _faces_of(self, shape):
        """The left and the right hemisphere's faces."""
        _, faces = self.shapes[shape]
        left = (faces < self.n_left).all(axis=1)
        return faces[left], faces[~left]


def fsaverage5(
    voxels: np.ndarray | None = None, regions: Mapping[str, np.ndarray] | None = None
) -> Cortex:
    """The surface that participants have in common; it comes with nilearn, nothing is downloaded.

    Parameters
    ----------
    voxels : int array of shape (20484,), optional
        The voxel of each vertex, -1 for none; the vertices themselves by default.
    regions : dict of {str: int array}, optional
        Vertices of the regions to outline.

    Returns
    -------
    Cortex
        Inflated and flat, with greys by the depth of sulci.

    Raises
    ------
    ValueError
        If voxels are not of its 20484 vertices.
    """
    from nilearn.datasets import load_fsaverage, load_fsaverage_data

    meshes = load_fsaverage("fsaverage5")
    depth = load_fsaverage_data(mesh="fsaverage5", data_type="sulcal").data.parts
    shapes = {}
    for shape in ("flat", "inflated"):
        left, right = (meshes[shape].parts[side] for side in SIDES)
        shapes[shape] = (
            np.concatenate([left.coordinates, right.coordinates]),
            np.concatenate([left.faces, right.faces + left.n_vertices]),
        )
    n_left = len(depth["left"])
    return Cortex(
        name="fsaverage5",
        voxels=np.arange(2 * n_left) if voxels is None else voxels,
        n_left=n_left,
        shapes=shapes,
        regions=regions or {},
        greys=np.where(np.concatenate([depth[side] for side in SIDES]) > 0, SULCUS, GYRUS),
    )


def _normals(coordinates, faces):
    """Unit vectors that stand on the faces, (n_faces, 3); 0 where a face has no area."""
    a, b, c = coordinates[faces].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.where(lengths > 0, lengths, 1)
