"""Which vertex a pixel shows, against another search for the triangle that it lies in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from evaluate_metrics.figures.projection import project

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float), np.array([[0, 1, 2], [0, 2, 3]])


def pixel_centres(view, mm_per_pixel):
    height, width = view.vertices.shape
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return view.extent[0] + mm_per_pixel * x, view.extent[2] + mm_per_pixel * y


def test_each_corner_of_a_square_shows_its_vertex_and_all_of_it_is_covered():
    view = project(*SQUARE, mm_per_pixel=0.05)
    assert view.vertices.shape == (20, 20)
    assert view.extent == pytest.approx((0, 1, 0, 1)) and view.size == pytest.approx([1, 1])
    corners = [view.vertices[row, column] for row, column in ((0, 0), (0, -1), (-1, -1), (-1, 0))]
    assert corners == [0, 1, 2, 3]
    assert (view.vertices >= 0).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(4, 40), turned=st.booleans())
def test_a_pixel_shows_the_nearest_vertex_of_the_triangle_that_it_lies_in(seed, n, turned):
    places = np.random.default_rng(seed).uniform(-3, 5, (n, 2))
    triangles = Delaunay(places)
    faces = triangles.simplices[:, ::-1] if turned else triangles.simplices
    view = project(places, faces, mm_per_pixel=0.11)
    x, y = pixel_centres(view, 0.11)
    points = np.column_stack([x.ravel(), y.ravel()])
    simplex = triangles.find_simplex(points)
    to_weights = triangles.transform[simplex]
    two = np.einsum("nij,nj->ni", to_weights[:, :2], points - to_weights[:, 2])
    weights = np.column_stack([two, 1 - two.sum(axis=1)])
    expected = triangles.simplices[simplex, weights.argmax(axis=1)]
    expected[simplex < 0] = -1
    sorted_weights = np.sort(weights, axis=1)
    clear = (np.abs(weights).min(axis=1) > 1e-6) & (np.diff(sorted_weights)[:, 1] > 1e-6)
    np.testing.assert_array_equal(view.vertices.ravel()[clear], expected[clear])


def test_near_faces_hide_far_ones_whichever_comes_first():
    places = np.concatenate([SQUARE[0], 0.25 + 0.5 * SQUARE[0]])  # a small square in a large one
    faces = np.concatenate([SQUARE[1] + 4, SQUARE[1]])
    large = np.repeat([1.0, 0.0], 4)
    above = project(places, faces, 0.05, nearness=-large)
    below = project(places, faces, 0.05, nearness=large)
    assert set(above.vertices[7:13, 7:13].flat) == {4, 5, 6, 7}
    assert set(below.vertices.flat) == {0, 1, 2, 3}
    assert sorted(map(tuple, below.faces)) == sorted(map(tuple, SQUARE[1]))
    assert sorted(map(tuple, above.faces)) == sorted(map(tuple, SQUARE[1] + 4))  # by their middles


def test_what_lies_between_faces_shows_none():
    apart = np.concatenate([SQUARE[0], SQUARE[0] + [3, 0]])
    view = project(apart, np.concatenate([SQUARE[1], SQUARE[1] + 4]), 0.1)
    assert (view.vertices[:, 11:29] == -1).all()
    assert (view.vertices[:, :10] >= 0).all() and (view.vertices[:, 30:] >= 4).all()


def test_many_faces_are_drawn_as_few_are(monkeypatch):
    places = np.random.default_rng(0).uniform(size=(60, 2))
    faces = Delaunay(places).simplices
    at_once = project(places, faces, 0.02).vertices
    monkeypatch.setattr("evaluate_metrics.figures.projection.AT_ONCE", 7)
    np.testing.assert_array_equal(project(places, faces, 0.02).vertices, at_once)
