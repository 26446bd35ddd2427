"""The cortex that is seen: fsaverage5 as the browser draws it, and what of it is predicted."""

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from evaluate_metrics import Cortex, fsaverage5
from evaluate_metrics.figures.painting import CHANGE
from evaluate_metrics.figures.projection import View
from evaluate_metrics.figures.slide import words
from modeling_braintune.brain import Brain

EVERY = 2  # pixels of the printed flat map that are one on the page
NOWHERE = 2**16 - 1  # in place of a vertex or a column


def encoded(array: np.ndarray) -> dict[str, Any]:
    """Pack an array for `decoded` of player.js: its bytes, little-endian, in base64.

    Parameters
    ----------
    array : array of a type that JavaScript has an array of

    Returns
    -------
    dict with "type" and "data"
    """
    array = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return {"type": array.dtype.name, "data": base64.b64encode(array.tobytes()).decode()}


@cache
def _cortex() -> Cortex:
    return fsaverage5()


def surface_content() -> dict[str, Any]:
    """Return the surface that all checkpoints share, and the colours of responses.

    Returns
    -------
    dict
        "places" (n_vertices, 3) in mm, "faces" (n_faces, 3), "greys" (n_vertices,), "n_left",
        "flat" with "width", "height" and "vertices" of its pixels from the top, and "colours", the
        256 of the scale, from the lowest response to the highest.
    """
    from matplotlib import colormaps

    cortex = _cortex()
    places, faces = cortex.shapes["inflated"]
    pixels = cortex.flat.vertices[::-EVERY, ::EVERY]
    return {
        "places": encoded(places.astype(np.float32)),
        "faces": encoded(faces.astype(np.uint16)),
        "greys": encoded(cortex.greys.astype(np.float32)),
        "n_left": cortex.n_left,
        "flat": {
            "height": pixels.shape[0],
            "width": pixels.shape[1],
            "vertices": encoded(np.where(pixels < 0, NOWHERE, pixels).astype(np.uint16)),
        },
        "colours": encoded(colormaps[CHANGE](np.arange(256), bytes=True)[:, :3]),
    }


def cortex_content(
    brain: Brain, responses: np.ndarray, limit: float, colours: Mapping[str, str]
) -> dict[str, Any]:
    """Return a brain's responses on the vertices, and the regions' outlines on the flat map.

    Parameters
    ----------
    brain : Brain
        Whose `fsaverage5` is known.
    responses : array of shape (n_trs, num_voxels)
    limit : float
        The largest response that has a colour of its own.
    colours : dict of {region: str}

    Returns
    -------
    dict
        "columns" (n_vertices,) of "responses", or `NOWHERE`; "responses" (n_trs, n_columns) as
        int8, where 127 is the limit: 255 steps, as many as there are colours; "outlines", a name,
        a colour and a path of SVG for each region.
    """
    voxels = brain.fsaverage5
    shown, columns = np.unique(voxels[voxels >= 0], return_inverse=True)
    of_vertices = np.full(len(voxels), NOWHERE, np.uint16)
    of_vertices[voxels >= 0] = columns
    steps = np.rint(127 * np.clip(responses[:, shown] / limit, -1, 1))
    view = _cortex().flat
    return {
        "columns": encoded(of_vertices),
        "n_columns": len(shown),
        "responses": encoded(steps.astype(np.int8)),
        "outlines": [
            {
                "name": words(region),
                "colour": colour,
                "path": _outline(view, np.isin(voxels, brain.regions[region])),
            }
            for region, colour in colours.items()
            if region in brain.regions
        ],
    }


def _outline(view: View, inside: np.ndarray) -> str:
    """The border of some vertices on the flat map: halfway along each edge that crosses it."""
    corners = inside[view.faces]
    crossed = np.isin(corners.sum(axis=1), (1, 2))
    faces, corners = view.faces[crossed], corners[crossed]
    # Of each face, the corner that is alone on its side of the border
    alone = np.where(corners.sum(axis=1) == 1, corners.argmax(axis=1), corners.argmin(axis=1))
    rows = np.arange(len(faces))
    tips = view.places[faces[rows, alone]]
    left, right, bottom, top = view.extent
    height, width = view.vertices.shape
    ends = []
    for step in (1, 2):
        halfway = (tips + view.places[faces[rows, (alone + step) % 3]]) / 2
        x = (halfway[:, 0] - left) / (right - left) * width / EVERY
        y = (top - halfway[:, 1]) / (top - bottom) * height / EVERY
        ends.append((x, y))
    (x, y), (to_x, to_y) = ends
    lines = zip(x, y, to_x, to_y, strict=True)
    return "".join(f"M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}" for a, b, c, d in lines)
