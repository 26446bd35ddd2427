"""Values on a cortex as they change over time, as a GIF."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .colours import INK
from .cortex import Cortex
from .painting import colour_scale, painted
from .printed import COLUMN, MARGIN, PRINT
from .slide import drawing
from .surface_maps import (
    BAR,
    block_height,
    check_vertices,
    colour_bar,
    draw_block,
    key_height,
    outline_key,
)

DPI, HEADER, SIZE = 160, 0.24, 7  # dots per inch, inches, points
SHOWN_FOR = 250  # milliseconds
MOST_FRAMES = 300
N_COLOURS, N_SAMPLED = 256, 8  # of a GIF, and frames that they are chosen from


def surface_animation(
    cortex: Cortex,
    values: np.ndarray,
    times: np.ndarray,
    path: str | Path,
    title: str = "",
    label: str = "predicted response",
) -> Path:
    """Draw values on a cortex, flat and inflated, time after time in the same colours.

    Parameters
    ----------
    cortex : Cortex
    values : array of shape (n_times, n_vertices)
        NaN vertices stay grey. Colours diverge from 0.
    times : array of shape (n_times,)
        Seconds, which stand on the frames. Of more than 300 every second one is drawn, or every
        third, and so on, so that time, memory and file stay within bounds.
    path : str or path
        The GIF to write, four frames a second.
    title : str
    label : str
        What the colours show.

    Returns
    -------
    Path

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If there is not one value per time and vertex, or some are infinite.
    """
    values, times = np.asarray(values), np.asarray(times)
    if values.ndim != 2 or not 0 < len(times) == len(values):
        raise ValueError(
            "values must be of shape (n_times, n_vertices), and times above 0, got "
            f"{values.shape} at {len(times)} times"
        )
    check_vertices(cortex, values[0])
    step = -(-len(times) // MOST_FRAMES)
    values, times = values[::step], times[::step]
    colours, ends = colour_scale([values], change=True)
    with drawing(PRINT) as figure_class:
        canvas = _canvas(figure_class, cortex, colours, ends, title, label)

    from matplotlib.font_manager import findfont
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(findfont("DejaVu Sans"), round(SIZE * DPI / 72))

    def frame(n):
        image = Image.fromarray(canvas.painted(painted(values[n], cortex.greys, colours)))
        said = f"{times[n]:.1f} s"
        margin = round(MARGIN * DPI)
        ImageDraw.Draw(image).text((image.width - margin, margin), said, INK, font, anchor="ra")
        return image

    n_frames = len(times)
    sampled = np.unique(np.linspace(0, n_frames - 1, N_SAMPLED).round().astype(int))
    sample = Image.fromarray(np.concatenate([np.asarray(frame(n))[::2, ::2] for n in sampled]))
    palette = sample.quantize(N_COLOURS)
    frames = (frame(n).quantize(palette=palette, dither=Image.Dither.NONE) for n in range(n_frames))
    next(frames).save(
        path, "GIF", save_all=True, append_images=frames, duration=SHOWN_FOR, loop=0, optimize=False
    )
    return Path(path)


class _Canvas(NamedTuple):
    """What all frames share.

    Parameters
    ----------
    around : uint8 array of shape (height, width, 3)
        A frame without the cortex.
    pixels : pair of int arrays of shape (n_pixels,)
        Rows and columns at which the cortex is seen.
    vertices : int array of shape (n_pixels,)
        The vertex that each of them shows.
    strength : float array of shape (n_pixels, 1)
        Of the vertex's colour there; what is drawn over it, or its shade, takes the rest.
    over : float array of shape (n_pixels, 3)
        What is added to it.
    """

    around: np.ndarray
    pixels: tuple[np.ndarray, np.ndarray]
    vertices: np.ndarray
    strength: np.ndarray
    over: np.ndarray

    def painted(self, rgba: np.ndarray) -> np.ndarray:
        """Return the uint8 RGB pixels of a frame, from colours of vertices (n_vertices, 4)."""
        frame = self.around.copy()
        colours = 255 * rgba[:, :3].astype(np.float32)
        frame[self.pixels] = np.rint(colours[self.vertices] * self.strength + self.over)
        return frame


def _canvas(figure_class, cortex, colours, ends, title, label):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    block, width = block_height(cortex, titled=False), COLUMN
    height = HEADER + block + BAR + key_height(cortex.regions)
    figure = figure_class(figsize=(width, height), dpi=DPI, facecolor="none")
    canvas: Any = FigureCanvasAgg(figure)
    top = height - HEADER
    figure.text(
        MARGIN / width, 1 - MARGIN / height, title, va="top", weight="bold", parse_math=False
    )
    axes = draw_block(figure, cortex, None, 0, top, "")
    colour_bar(figure, colours, width / 2, top - block, label, ends)
    outline_key(figure, cortex.regions, width / 2, top - block - BAR)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba()).astype(np.float32)
    opacity = drawn[..., 3:] / 255
    over = opacity * drawn[..., :3]

    vertices, strength = np.full(drawn.shape[:2], -1), 1 - opacity
    for name, where in axes.items():
        view = cortex.flat if name == "flat" else cortex.inflated[name]
        box = where.get_window_extent()
        columns, x = _pixels(box.x0, box.x1, view.vertices.shape[1])
        rows, y = _pixels(box.y0, box.y1, view.vertices.shape[0])
        shown = view.vertices[np.ix_(y, x)]
        place = np.ix_(len(drawn) - 1 - rows, columns)  # pixels are counted from above
        vertices[place] = shown
        if name != "flat":
            strength[place] *= cortex.shades[shown][..., np.newaxis]
    pixels = np.nonzero(vertices >= 0)
    around = np.rint(255 * (1 - opacity) + over).astype(np.uint8)
    return _Canvas(around, pixels, vertices[pixels], strength[pixels], over[pixels])


def _pixels(start, end, n):
    """Pixels whose middle lies in a part of the canvas, and which of `n` equal pieces it is in."""
    pixels = np.arange(int(np.ceil(start - 0.5)), int(np.ceil(end - 0.5)))
    pieces = (pixels + 0.5 - start) / (end - start) * n
    return pixels, pieces.astype(int).clip(0, n - 1)
