"""A small cortex: two spheres that are flattened from their poles."""

import numpy as np
import pytest

from evaluate_metrics import Cortex

SOLID = (np.vstack([np.eye(3), -np.eye(3)]), [(0, 1, 2), (1, 3, 2), (3, 4, 2), (4, 0, 2)])


def _sphere(n_halvings=3):
    """An octahedron whose faces are divided in four, over and over: 258 vertices."""
    places, upper = SOLID
    lower = [(b, a, 5) for a, b, _ in upper]
    faces = np.array([*upper, *lower])
    for _ in range(n_halvings):
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]))
        edges, of_faces = np.unique(edges, axis=0, return_inverse=True)
        ab, bc, ca = of_faces.reshape(3, -1) + len(places)
        a, b, c = faces.T
        places = np.concatenate([places, places[edges].mean(axis=1)])
        corners = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = np.concatenate([np.column_stack(corner) for corner in corners])
    return places / np.linalg.norm(places, axis=1, keepdims=True), faces


def _cortex(**changes):
    """Hemispheres of 258 vertices, 40 mm in radius, a voxel for each vertex."""
    sphere, faces = _sphere()
    n = len(sphere)
    # A flat map keeps the distance to its middle, the outermost point; the far end is cut away.
    shapes = {"inflated": [], "flat": []}
    for side in (-1, 1):
        distance = np.arccos(np.clip(side * sphere[:, 0], -1, 1))
        around = sphere[:, 1:] / np.maximum(np.linalg.norm(sphere[:, 1:], axis=1), 1e-9)[:, None]
        flat = np.column_stack([40 * distance[:, None] * around, np.zeros(n)])
        whole = (distance[faces] < 2.6).all(axis=1)
        shapes["inflated"].append((40 * sphere + [45 * side, 0, 0], faces))
        shapes["flat"].append((flat, faces[whole]))
    both = {
        shape: (np.concatenate([p, q]), np.concatenate([f, g + n]))
        for shape, ((p, f), (q, g)) in shapes.items()
    }
    given = dict(name="two spheres", voxels=np.arange(2 * n), n_left=n, shapes=both)
    return Cortex(**given | changes)


@pytest.fixture(scope="session")
def make_cortex():
    """Makes a cortex of 258 vertices a hemisphere, with changes to what it is made from."""
    return _cortex
