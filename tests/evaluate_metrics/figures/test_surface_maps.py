"""Maps on a surface: outlines by their places, figures by the colours in them."""

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.image import imread

from evaluate_metrics.figures import anatomy_figure, surface_figure
from evaluate_metrics.figures.projection import project
from evaluate_metrics.figures.surface_maps import by_size, draw_outline

VIRIDIS = colormaps["viridis"]
ORANGE, BLUE = (0xE6, 0x9F, 0x00), (0x00, 0x72, 0xB2)


def share(pixels, colour):
    """Of the pixels, those of a colour from 0 to 1."""
    return (np.abs(pixels[..., :3] - np.asarray(colour)[:3]) < 0.01).all(axis=-1).mean()


def flat_part(path, n_columns=1, column=0):
    """A column of the picture, where the flat map is: above the shaded views."""
    pixels = imread(path)
    width = pixels.shape[1] // n_columns
    return pixels[: pixels.shape[0] // 2, column * width : (column + 1) * width]


@pytest.fixture
def grid():
    """A flat square of 21 x 21 vertices, 1 mm apart, around 0."""
    x, y = np.meshgrid(np.arange(-10.0, 11), np.arange(-10.0, 11))
    number = np.arange(441).reshape(21, 21)
    a, b, c, d = (
        n.ravel() for n in (number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1])
    )
    faces = np.concatenate([np.column_stack([a, b, c]), np.column_stack([a, c, d])])
    return project(np.column_stack([x.ravel(), y.ravel()]), faces, 0.25)


def drawn_outline(view, members):
    """The points of an outline, and whether each of its lines is closed."""
    outline = draw_outline(Figure().add_subplot(), view, members)
    lines = [line for path in outline.get_paths() for line in path.to_polygons(closed_only=False)]
    return np.concatenate(lines), [np.allclose(line[0], line[-1]) for line in lines]


@pytest.mark.parametrize("radius", [3.2, 6.5])
def test_the_outline_of_a_disc_is_its_boundary(grid, radius):
    inside = np.hypot(*grid.places.T) < radius
    points, closed = drawn_outline(grid, np.flatnonzero(inside))
    assert closed == [True]
    assert (np.abs(np.hypot(*points.T) - radius) < 1).all()
    edges = np.concatenate([grid.faces[:, [0, 1]], grid.faces[:, [1, 2]], grid.faces[:, [2, 0]]])
    crossed = edges[inside[edges].sum(axis=1) == 1]
    halfway = grid.places[crossed].mean(axis=1)
    assert {tuple(point) for point in points.round(6)} == {tuple(p) for p in halfway.round(6)}


def test_an_outline_ends_where_the_surface_does(grid):
    points, closed = drawn_outline(grid, np.flatnonzero(grid.places[:, 0] < 0))
    assert closed == [False]
    assert (np.abs(points[:, 0] + 0.5) < 0.51).all()


@pytest.mark.parametrize("members", [np.arange(0), np.arange(441)])
def test_nothing_and_everything_have_no_outline(grid, members):
    axes = Figure().add_subplot()
    assert draw_outline(axes, grid, members) is None and not axes.collections


def test_the_back_of_a_surface_has_no_outline_in_front(make_cortex):
    cortex = make_cortex()
    x = cortex.shapes["inflated"][0][:, 0]
    innermost = np.flatnonzero(np.abs(x) < 20)
    axes = Figure().add_subplot()
    assert draw_outline(axes, cortex.inflated["left lateral"], innermost) is None
    assert draw_outline(axes, cortex.inflated["left medial"], innermost) is not None


def test_small_regions_are_drawn_over_large_ones():
    assert by_size({"a": np.arange(2), "b": np.arange(3), "c": np.arange(1)}) == ["b", "a", "c"]


def test_vertices_without_a_value_are_grey_and_those_of_0_are_not(make_cortex, tmp_path):
    cortex = make_cortex(greys=np.full(516, 0.7))
    values = np.where(np.arange(516) < 258, 0.0, np.nan)
    surface_figure(cortex, {"": values}, tmp_path / "map.png", limit=1.0)
    left, right = np.array_split(flat_part(tmp_path / "map.png"), 2, axis=1)
    assert share(left, VIRIDIS(0.0)) > 0.3 and share(left, [0.7] * 3) == 0
    assert share(right, [0.7] * 3) > 0.3 and share(right, VIRIDIS(0.0)) == 0


def test_panels_share_a_scale(make_cortex, tmp_path):
    cortex = make_cortex()
    panels = {"pretrained": np.full(516, 0.25), "brain-tuned": np.full(516, 0.5)}
    paths = surface_figure(cortex, panels, tmp_path / "map.png", "P01", caption="Of two models.")
    assert paths == [tmp_path / "map.png", tmp_path / "map.pdf"]
    assert set(tmp_path.iterdir()) == set(paths)
    for column, value in enumerate((0.5, 1.0)):
        part = flat_part(paths[0], 2, column)
        assert share(part, VIRIDIS(value)) > 0.3 and share(part, VIRIDIS(1.5 - value)) == 0


def test_change_is_red_above_0_and_blue_below(make_cortex, tmp_path):
    values = np.where(np.arange(516) < 258, 0.2, -0.2)
    surface_figure(make_cortex(), {"": values}, tmp_path / "map.png", change=True, limit=0.4)
    left, right = np.array_split(flat_part(tmp_path / "map.png"), 2, axis=1)
    scale = colormaps["RdBu_r"]
    assert share(left, scale(0.75)) > 0.3 < share(right, scale(0.25))
    assert share(left, scale(0.25)) == 0 == share(right, scale(0.75))


def test_outlines_are_lines_in_the_pdf_and_the_surface_is_a_picture(make_cortex, tmp_path):
    def size(regions):
        cortex = make_cortex(regions=regions)
        surface_figure(cortex, {"": np.ones(516)}, tmp_path / "map.png")
        content = (tmp_path / "map.pdf").read_bytes()
        return content.count(b"/Subtype /Image"), len(content)

    without, small = size({})
    outlined, larger = size({"language": np.arange(40), "auditory": np.arange(60, 300)})
    assert outlined == without > 0 and larger > small


@pytest.mark.parametrize("shape", ["flat", "inflated"])
def test_one_of_the_shapes_is_enough(make_cortex, tmp_path, shape):
    cortex = make_cortex(shapes={shape: make_cortex().shapes[shape]})
    (png, _) = surface_figure(cortex, {"a": np.ones(516)}, tmp_path / "map.png")
    colourful = np.ptp(imread(png)[..., :3], axis=-1) > 0.1
    assert colourful.mean() > 0.2


def test_values_of_another_surface_are_refused_before_anything_is_written(make_cortex, tmp_path):
    with pytest.raises(ValueError, match=r"each of the 516 vertices .* got shape \(5,\) for tuned"):
        surface_figure(make_cortex(), {"tuned": np.ones(5)}, tmp_path / "map.png")
    with pytest.raises(ValueError, match="got 516 infinite of 516"):
        surface_figure(make_cortex(), {"": np.full(516, np.inf)}, tmp_path / "map.png")
    assert list(tmp_path.iterdir()) == []


def test_an_anatomy_shows_the_voxels_of_regions_the_smallest_on_top(make_cortex, tmp_path):
    regions = {"late_language": np.arange(258), "primary_auditory": np.arange(100)}
    cortex = make_cortex(regions={"late_language": np.arange(258)})
    ceiling = np.where(np.arange(516) < 258, 1.0, np.nan)
    paths = anatomy_figure(cortex, regions, ceiling, tmp_path / "both.png", "P01")
    assert [path.name for path in paths] == ["both.png", "both.pdf"]
    coloured = flat_part(paths[0], 2, 0)
    left, right = np.array_split(coloured, 2, axis=1)
    for colour in (ORANGE, BLUE):
        assert share(left, np.array(colour) / 255) > 0.05
        assert share(right, np.array(colour) / 255) == 0
    left, right = np.array_split(flat_part(paths[0], 2, 1), 2, axis=1)
    assert share(left, VIRIDIS(1.0)) > 0.2 and share(right, VIRIDIS(1.0)) == 0

    alone, _ = anatomy_figure(cortex, regions, None, tmp_path / "alone.png")
    assert 2 * imread(alone).shape[1] == imread(paths[0]).shape[1]
