"""The surface in the browser is nilearn's, and holds what is predicted."""

import base64
import re

import numpy as np
import pytest
from nilearn.datasets import load_fsaverage

from evaluate_metrics import fsaverage5
from recipes.stages.demo.surface import NOWHERE, cortex_content, surface_content
from tests.small_brains import N_LEFT, PATCHES, brain


def decoded(packed):
    return np.frombuffer(base64.b64decode(packed["data"]), np.dtype(packed["type"]))


@pytest.fixture(scope="module")
def surface():
    return surface_content()


def test_places_and_faces_are_those_of_the_inflated_mesh(surface):
    parts = load_fsaverage("fsaverage5")["inflated"].parts
    places = decoded(surface["places"]).reshape(-1, 3)
    assert surface["n_left"] == N_LEFT
    np.testing.assert_array_equal(places[:N_LEFT], parts["left"].coordinates)
    np.testing.assert_array_equal(places[N_LEFT:], parts["right"].coordinates)
    faces = decoded(surface["faces"]).reshape(-1, 3)
    right = faces[len(parts["left"].faces) :].astype(int) - N_LEFT
    np.testing.assert_array_equal(right, parts["right"].faces)


def test_pixels_of_the_flat_map_show_each_hemisphere_on_its_side(surface):
    flat = surface["flat"]
    vertices = decoded(flat["vertices"]).reshape(flat["height"], flat["width"])
    shown = vertices != NOWHERE
    assert shown.mean() > 0.4
    left, right = np.array_split(vertices, 2, axis=1)
    assert (left[left != NOWHERE] < N_LEFT).mean() > 0.99
    assert (right[right != NOWHERE] >= N_LEFT).mean() > 0.99


def test_colours_go_from_blue_over_white_to_red(surface):
    colours = decoded(surface["colours"]).reshape(256, 3).astype(int)
    assert colours[0, 2] > colours[0, 0] and colours[-1, 0] > colours[-1, 2]
    assert colours[127:129].min() > 240


def test_each_vertex_has_the_responses_of_its_voxel():
    responses = np.array([[0.5, -1.0, 3.0, 9.0], [0.0, 0.25, -3.0, 9.0]], np.float32)
    content = cortex_content(brain(), responses, limit=1.0, colours={})
    columns = decoded(content["columns"])
    steps = decoded(content["responses"]).reshape(2, content["n_columns"])
    for column, (first, end) in PATCHES.items():
        (shown,) = np.unique(columns[first:end])
        expected = np.clip(responses[:, column], -1, 1)
        np.testing.assert_allclose(steps[:, shown] / 127, expected, atol=0.5 / 127)
    assert content["n_columns"] == 3  # the fourth voxel lies at no vertex
    outside = np.ones(len(columns), bool)
    for first, end in PATCHES.values():
        outside[first:end] = False
    assert (columns[outside] == NOWHERE).all()


def test_an_outline_runs_between_the_vertices_within_and_those_without():
    content = cortex_content(
        brain(), np.zeros((1, 4), np.float32), 1.0, {"late_language": "red", "elsewhere": "blue"}
    )
    (outline,) = content["outlines"]  # of the regions that this brain has
    assert outline["colour"] == "red"
    points = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", outline["path"]), float)
    view = fsaverage5().flat
    left, right, bottom, top = view.extent
    x = left + 2 * points[:, 0] / view.vertices.shape[1] * (right - left)
    y = top - 2 * points[:, 1] / view.vertices.shape[0] * (top - bottom)
    inside = np.isin(np.arange(len(view.places)), np.arange(4000))
    used = np.unique(view.faces)
    away = {}
    for is_in in (True, False):
        places = view.places[used[inside[used] == is_in]]
        away[is_in] = np.array([np.hypot(*(places - at).T).min() for at in np.column_stack([x, y])])
    edge = np.linalg.norm(
        view.places[view.faces[:, 0]] - view.places[view.faces[:, 1]], axis=1
    ).max()
    assert (away[True] < edge).all() and (away[False] < edge).all()
