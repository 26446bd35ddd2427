"""Meshes of the cortex, and how the vertices of one are found on another by their spheres."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from nibabel.freesurfer import read_geometry
from nibabel.gifti import GiftiImage
from scipy.spatial import cKDTree

HEMISPHERES = ("lh", "rh")
# Vertices a hemisphere of fsaverage's meshes, which are nested: each begins with the one before it.
FSAVERAGE5, FSAVERAGE6, FSAVERAGE = 10242, 40962, 163842
MESHES = {FSAVERAGE5: "fsaverage5", FSAVERAGE6: "fsaverage6", FSAVERAGE: "fsaverage"}
ROUNDNESS = 0.01  # by which radii of a sphere differ at most
SAME_PLACE = 0.01  # radians: far below the 0.03 between two neighbours of fsaverage5


class Mesh(NamedTuple):
    """A hemisphere's surface.

    Parameters
    ----------
    coordinates : float64 array of shape (n_vertices, 3)
    faces : int64 array of shape (n_faces, 3)
        Vertices of each triangle.
    """

    coordinates: np.ndarray
    faces: np.ndarray


def read_mesh(path: str | PathLike[str]) -> Mesh:
    """Read a hemisphere's surface.

    Parameters
    ----------
    path : path-like
        GIFTI (`.gii`), pycortex's `.npz` (arrays `pts` and `polys`), or FreeSurfer's geometry.

    Returns
    -------
    Mesh

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is not a readable surface, or its faces name vertices that it lacks.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such surface")
    try:
        if path.suffix == ".gii":
            coordinates, faces = read_gifti(path).agg_data(("pointset", "triangle"))
        elif path.suffix == ".npz":
            with open(path, "rb") as file, np.load(file) as arrays:
                coordinates, faces = arrays["pts"], arrays["polys"]
        else:
            coordinates, faces = read_geometry(path)
        mesh = Mesh(np.array(coordinates, np.float64), np.array(faces, np.int64))
    except Exception as error:  # Damage shows as whatever the parsers stumble over.
        raise ValueError(f"{path}: not a readable surface ({error})") from error
    n_vertices = len(mesh.coordinates)
    shapes = mesh.coordinates.shape, mesh.faces.shape
    if [shape[1:] for shape in shapes] != [(3,), (3,)] or not np.isfinite(mesh.coordinates).all():
        raise ValueError(
            f"{path}: a surface has finite coordinates (n_vertices, 3) and faces (n_faces, 3), "
            f"got {shapes[0]} and {shapes[1]}"
        )
    if mesh.faces.size and not 0 <= mesh.faces.min() <= mesh.faces.max() < n_vertices:
        raise ValueError(
            f"{path}: faces name vertices {mesh.faces.min()} to {mesh.faces.max()}, but there are "
            f"{n_vertices}"
        )
    return mesh


def read_gifti(path: str | PathLike[str]) -> GiftiImage:
    """Read a GIFTI file whose values stand in it.

    GIFTI lets a file name any other file of its reader's as the place of its values. Whoever
    publishes what was read would publish that one.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    GiftiImage

    Raises
    ------
    ValueError
        Values stand in another file.
    Exception
        Whatever nibabel raises for a damaged file.
    """
    content = Path(path).read_bytes()
    if b"ExternalFileBinary" in content:
        raise ValueError("its values stand in another file, which is not read in their place")
    return GiftiImage.from_bytes(content)  # which knows of no other file


def read_sphere(path: str | PathLike[str], n_vertices: int | None = None) -> np.ndarray:
    """Read the directions of a hemisphere's vertices on its sphere.

    Parameters
    ----------
    path : path-like
        As `read_mesh`, such as FreeSurfer's `lh.sphere.reg`.
    n_vertices : int, optional
        Vertices of the surface that the sphere belongs to, to be checked.

    Returns
    -------
    float64 array of shape (n_vertices, 3)
        Unit vectors.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        As `read_mesh`; the surface is no sphere around 0, or has another number of vertices.
    """
    coordinates, _ = read_mesh(path)
    radii = np.linalg.norm(coordinates, axis=1)
    if not radii.min() > (1 - ROUNDNESS) * radii.max():
        raise ValueError(
            f"{path}: not a sphere around 0, got radii from {radii.min():.1f} to {radii.max():.1f}"
        )
    if n_vertices is not None and len(coordinates) != n_vertices:
        raise ValueError(
            f"{path}: the sphere has {len(coordinates)} vertices, but the surface that it belongs "
            f"to has {n_vertices}"
        )
    return coordinates / radii[:, np.newaxis]


def fsaverage5_spheres() -> tuple[np.ndarray, np.ndarray]:
    """Directions of fsaverage5's vertices on its spheres, as nilearn bundles them.

    Returns
    -------
    left, right : float64 array of shape (10242, 3)
        Unit vectors.
    """
    # Takes seconds to import, and most readers of recordings need no surface.
    from nilearn.datasets import load_fsaverage

    parts = load_fsaverage("fsaverage5")["sphere"].parts
    left, right = (np.asarray(parts[side].coordinates, np.float64) for side in ("left", "right"))
    return tuple(sphere / np.linalg.norm(sphere, axis=1, keepdims=True) for sphere in (left, right))


def fsaverage_spheres(
    n_vertices: int, paths: Sequence[str | PathLike[str]] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Directions on the sphere of the vertices of an atlas that is laid out on fsaverage.

    Parameters
    ----------
    n_vertices : int
        Of the atlas, a hemisphere.
    paths : list of path-like, optional
        FreeSurfer's `lh.sphere.reg` and `rh.sphere.reg` of that mesh.

    Returns
    -------
    left, right : float64 array of shape (n_vertices, 3), or of the first 10242 without `paths`

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_sphere`; the spheres' first vertices are not fsaverage5's.
    """
    known = fsaverage5_spheres()
    if paths is None:
        return known
    spheres = tuple(read_sphere(path, n_vertices) for path in paths)
    for path, sphere, expected in zip(paths, spheres, known, strict=True):
        apart = np.arccos(np.clip((sphere[:FSAVERAGE5] * expected).sum(axis=1), -1, 1))
        if apart.max() > SAME_PLACE:
            raise ValueError(
                f"{path}: its first {FSAVERAGE5} vertices are not fsaverage5's (up to "
                f"{apart.max():.2f} radians away); give the sphere of fsaverage that the atlas "
                "is laid out on"
            )
    return spheres


def nearest_vertices(places: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """The vertex that is nearest to each place.

    Parameters
    ----------
    places : array of shape (n_places, 3)
    vertices : array of shape (n_vertices, 3)

    Returns
    -------
    int64 array of shape (n_places,)
    """
    _, nearest = cKDTree(vertices).query(places)
    return nearest
