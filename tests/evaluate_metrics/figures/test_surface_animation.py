"""A cortex over time, read back from the GIF frame by frame."""

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from evaluate_metrics.figures import surface_animation
from evaluate_metrics.figures.surface_animation import MOST_FRAMES

RED_BLUE = colormaps["RdBu_r"]


def frames(path):
    """All frames' pixels, (n_frames, height, width, 3) from 0 to 1."""
    with Image.open(path) as image:
        found = []
        for n in range(image.n_frames):
            image.seek(n)
            found.append(np.asarray(image.convert("RGB")) / 255)
    return np.stack(found)


def share(pixels, colour):
    """Of the pixels, those of a colour, but for the choice of a GIF's colours."""
    return (np.abs(pixels - np.asarray(colour)[:3]) < 0.04).all(axis=-1).mean()


def test_each_frame_shows_the_values_of_its_time_in_the_colours_of_all(make_cortex, tmp_path):
    left = np.arange(516) < 258
    values = np.stack([np.where(left, value, np.nan) for value in (1.0, -1.0, 0.5)])
    path = surface_animation(
        make_cortex(greys=np.full(516, 0.5)), values, [1.0, 3.0, 5.0], tmp_path / "cortex.gif"
    )
    assert path == tmp_path / "cortex.gif" and list(tmp_path.iterdir()) == [path]
    found = frames(path)
    assert len(found) == 3
    height, width = found.shape[1:3]
    on_left, on_right = found[:, : height // 2, : width // 2], found[:, : height // 2, width // 2 :]
    for n, value in enumerate((1.0, -1.0, 0.5)):
        colours = [RED_BLUE((1 + v) / 2) for v in (1.0, -1.0, 0.5)]
        own = RED_BLUE((1 + value) / 2)
        assert share(on_left[n], own) > 0.2
        assert all(share(on_left[n], other) < 0.01 for other in colours if other != own)
        assert share(on_right[n], [0.5] * 3) > 0.2 and share(on_left[n], [0.5] * 3) < 0.01
    # Nothing else changes but the time, which stands above.
    below = found[:, int(0.92 * height) :]
    assert (below == below[0]).all() and share(below[0], [0.13] * 3) > 0
    clock = found[:, : height // 16, int(0.8 * width) :]
    assert all(share(one, [0.13] * 3) > 0.001 for one in clock)
    assert not (clock[0] == clock[1]).all()


def test_vertices_are_where_a_still_has_them(make_cortex, tmp_path):
    cortex = make_cortex()
    shown = np.unique(cortex.flat.vertices[cortex.flat.vertices >= 0], return_counts=True)
    vertex = shown[0][shown[1].argmax()]
    values = np.zeros((2, 516))
    values[1, vertex] = 0.6
    before, after = frames(surface_animation(cortex, values, [0, 1], tmp_path / "cortex.gif"))
    half = len(before) // 2
    rows, columns = np.nonzero((after[:half, :, 0] - after[:half, :, 2]) > 0.3)
    x = columns / before.shape[1]
    rows_of, columns_of = np.nonzero(cortex.flat.vertices == vertex)
    expected = columns_of.mean() / cortex.flat.vertices.shape[1]
    assert np.median(x) == pytest.approx(expected, abs=0.03) and len(rows)


def test_a_long_sound_is_thinned_out_evenly(make_cortex, tmp_path):
    n_times = MOST_FRAMES * 2 + 2
    values = np.zeros((n_times, 516))
    values[::3] = 1.0  # of which the kept ones, every third, are all
    path = surface_animation(make_cortex(), values, np.arange(n_times), tmp_path / "cortex.gif")
    with Image.open(path) as image:
        assert image.n_frames == -(-n_times // 3)
        image.seek(image.n_frames - 1)
        assert share(np.asarray(image.convert("RGB")) / 255, RED_BLUE(1.0)) > 0.1


def test_a_value_for_each_time_and_vertex_is_asked_for(make_cortex, tmp_path):
    path = tmp_path / "cortex.gif"
    with pytest.raises(ValueError, match=r"n_vertices\), .* got \(2, 516\) at 3 times"):
        surface_animation(make_cortex(), np.zeros((2, 516)), [0, 1, 2], path)
    with pytest.raises(ValueError, match=r"got \(0, 516\) at 0 times"):
        surface_animation(make_cortex(), np.zeros((0, 516)), [], path)
    with pytest.raises(ValueError, match="each of the 516 vertices"):
        surface_animation(make_cortex(), np.zeros((2, 5)), [0, 1], path)
    with pytest.raises(ValueError, match="infinite"):
        surface_animation(make_cortex(), np.full((1, 516), np.inf), [0], path)
    assert not path.exists()
