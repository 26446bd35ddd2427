"""A surface seen from one side: the vertex that each pixel of a picture shows."""

from typing import NamedTuple

import numpy as np

AT_ONCE = 500_000  # pixels, which bounds memory
ROUNDING = 1e-9
CLOSE = 0.02  # of the surface's extent: what lies so far below the nearest face is seen with it


class View(NamedTuple):
    """A surface as it is seen from one side.

    Parameters
    ----------
    places : float array of shape (n_vertices, 2)
        Of the vertices on the picture's plane, in mm.
    faces : int array of shape (n_faces, 3)
        Those that are seen.
    vertices : int array of shape (height, width)
        The vertex that each pixel shows, -1 for none; the lowest row comes first.
    extent : tuple (left, right, bottom, top)
        Of the picture, in mm.
    """

    places: np.ndarray
    faces: np.ndarray
    vertices: np.ndarray
    extent: tuple[float, float, float, float]

    @property
    def size(self) -> np.ndarray:
        """Width and height in mm."""
        left, right, bottom, top = self.extent
        return np.array([right - left, top - bottom])


def project(
    places: np.ndarray, faces: np.ndarray, mm_per_pixel: float, nearness: np.ndarray | None = None
) -> View:
    """Find the vertex that each pixel shows: of the nearest face there, the nearest vertex.

    That is done once for a surface; painting values on it is then mere indexing.

    Parameters
    ----------
    places : array of shape (n_vertices, 2)
        Of the vertices on the picture's plane, in mm.
    faces : int array of shape (n_faces, 3)
    mm_per_pixel : float
    nearness : array of shape (n_vertices,), optional
        Of the vertices to the viewer: near faces hide far ones. By default later ones do.

    Returns
    -------
    View
    """
    places = np.asarray(places, dtype=np.float64)
    if nearness is None:
        nearness = np.zeros(len(places))
    near = nearness[faces].mean(axis=1)
    order = np.argsort(near, kind="stable")
    faces, near = faces[order], near[order]
    low, high = places[faces].min(axis=(0, 1)), places[faces].max(axis=(0, 1))
    width, height = np.maximum(np.ceil((high - low) / mm_per_pixel).astype(int), 1)
    corners = (places[faces] - low) / mm_per_pixel - 0.5  # a pixel's centre is a whole number

    first = np.ceil(corners.min(axis=1)).astype(int)
    boxes = np.maximum(np.floor(corners.max(axis=1)).astype(int) - first + 1, 0)

    vertices = np.full((height, width), -1, dtype=np.int32)
    part = np.cumsum(boxes.prod(axis=1)) // AT_ONCE
    for some in np.split(np.arange(len(faces)), np.flatnonzero(np.diff(part)) + 1):
        x, y, nearest = _shown(corners[some], faces[some], first[some], boxes[some])
        vertices[y, x] = nearest  # where faces overlap, the last one stays
    column, row = np.rint(corners.mean(axis=1)).astype(int).clip(0, [width - 1, height - 1]).T
    shown = vertices[row, column]
    behind = nearness[shown] - near > CLOSE * (high - low).max()
    seen = (shown[:, np.newaxis] == faces).any(axis=1) | ~behind
    right, top = low + mm_per_pixel * np.array([width, height])
    return View(places, faces[seen], vertices, (low[0], right, low[1], top))


def _shown(corners, faces, first, boxes):
    """Columns, rows and nearest vertices of the pixels that each face covers, face after face."""
    n_pixels = boxes.prod(axis=1)
    face = np.repeat(np.arange(len(faces)), n_pixels)
    in_box = np.arange(len(face)) - np.repeat(np.cumsum(n_pixels) - n_pixels, n_pixels)
    row, column = np.divmod(in_box, boxes[face, 0])
    x, y = first[face, 0] + column, first[face, 1] + row

    # Barycentric coordinates, none of which is negative inside the face
    a, b, c = corners.transpose(1, 0, 2)
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    area = ux * vy - uy * vx
    scale = np.divide(1, area, out=np.full_like(area, np.nan), where=area != 0)[face]
    dx, dy = x - a[face, 0], y - a[face, 1]
    of_b = (dx * vy[face] - dy * vx[face]) * scale
    of_c = (dy * ux[face] - dx * uy[face]) * scale
    weights = np.stack([1 - of_b - of_c, of_b, of_c])
    inside = (weights > -ROUNDING).all(axis=0)
    return x[inside], y[inside], faces[face[inside], weights[:, inside].argmax(axis=0)]
