"""Maps on the cortical surface, flat and inflated, with the outlines of regions."""

from collections.abc import Collection, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from .colours import INK
from .cortex import Cortex
from .painting import colour_scale, painted
from .printed import COLUMN, MARGIN, printed
from .projection import View
from .slide import words

GUTTER, TITLE, VIEW_TITLE, BAR, KEY = 0.1, 0.17, 0.11, 0.36, 0.12  # inches
QUIET = "#555555"
REGIONS = ("#E69F00", "#0072B2", "#CC79A7", "#009E73", "#56B4E9", "#D55E00", "#F0E442")
# Outlines and what sets them off: colours that neither scale has, of unlike lightness
OUTLINES = ((INK, "white"), ("white", INK), ("#E7298A", "white"), ("#F0E442", INK))
WIDTH = 0.7  # points; of outlines
ORDER = {  # of inflated views, by how many stand in a row
    4: ("left lateral", "left medial", "right medial", "right lateral"),
    2: ("left lateral", "right lateral", "left medial", "right medial"),
}


def surface_figure(
    cortex: Cortex,
    panels: Mapping[str, np.ndarray],
    path: str | Path,
    title: str | None = None,
    label: str = "normalised brain alignment",
    change: bool = False,
    limit: float | None = None,
    caption: str = "",
) -> list[Path]:
    """Draw values on a cortex, flat and inflated, all panels in the same colours.

    Parameters
    ----------
    cortex : Cortex
    panels : dict of {title: array of shape (n_vertices,)}
        A value for each vertex; NaN vertices stay grey.
    path : str or path
        The PNG to write; a PDF, whose outlines and text are vectors, is beside it.
    title : str, optional
    label : str
        What the colours show.
    change : bool
        Whether values are differences: colours then diverge from 0, otherwise they rise from it.
    limit : float, optional
        Largest value that has a colour of its own, by default the 99th percentile of the absolute
        values of all panels. The colour bar ends in an arrow where there are values beyond it.
    caption : str
        Stands after what is said of the cortex.

    Returns
    -------
    list of Path
        The PNG and the PDF.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If values are not one per vertex, some are infinite, or the limit is not above 0.
    """
    for name, values in panels.items():
        check_vertices(cortex, values, name)
    n_columns = min(len(panels), 2)
    n_rows = -(-len(panels) // n_columns)
    block = block_height(cortex, any(panels))
    below = BAR + key_height(cortex.regions)
    has_room = n_columns * n_rows > len(panels)  # the last cell is free
    size = n_columns * COLUMN, n_rows * block + (0 if has_room else below)
    with printed(path, title, _said(cortex, "no value", caption), size) as (figure, bottom):
        colours, ends = colour_scale(panels.values(), change, limit)
        for index, (name, values) in enumerate(panels.items()):
            row, column = divmod(index, n_columns)
            top = bottom + size[1] - row * block
            rgba = painted(values, cortex.greys, colours)
            draw_block(figure, cortex, rgba, column * COLUMN, top, name)
        middle, top = size[0] / 2, bottom + below
        if has_room:
            middle, top = 1.5 * COLUMN, bottom + (block + below) / 2
        colour_bar(figure, colours, middle, top, label, ends)
        outline_key(figure, cortex.regions, middle, top - BAR)
    return [Path(path), Path(path).with_suffix(".pdf")]


def anatomy_figure(
    cortex: Cortex,
    regions: Mapping[str, np.ndarray],
    ceiling: np.ndarray | None,
    path: str | Path,
    title: str | None = None,
    caption: str = "",
) -> list[Path]:
    """Draw the voxels of each region, and noise ceilings with the regions' outlines.

    Parameters
    ----------
    cortex : Cortex
        With the outlines.
    regions : dict of {str: int array}
        Voxels of each region; where some overlap, the smallest is seen.
    ceiling : array of shape (n_voxels,) or None
        Noise ceilings, NaN for dead voxels; without them only the regions are drawn.
    path, title, caption
        As `surface_figure`.

    Returns
    -------
    list of Path
        The PNG and the PDF.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If a vertex lies in a voxel that has no ceiling, or some are infinite.
    """
    counted = {name: f"{words(name)} ({len(found)} voxels)" for name, found in regions.items()}
    below = BAR + key_height(cortex.regions)
    below = max(key_height(counted.values()), 0 if ceiling is None else below)
    block, n_columns = block_height(cortex, True), 1 if ceiling is None else 2
    size = n_columns * COLUMN, block + below
    said = _said(cortex, "no region, or no voxel", caption)
    with printed(path, title, said, size) as (figure, bottom):
        from matplotlib.colors import to_rgba

        top = bottom + size[1]
        rgba = np.column_stack([cortex.greys] * 3 + [np.ones(len(cortex.greys))])
        colours = dict(zip(regions, cycle(REGIONS), strict=False))
        for name in by_size(regions):
            rgba[np.isin(cortex.voxels, regions[name])] = to_rgba(colours[name])
        draw_block(figure, cortex, rgba, 0, top, "regions", outlined=False)
        _region_key(figure, colours, counted, COLUMN / 2, top - block)
        if ceiling is not None:
            values = cortex.on_vertices(ceiling)
            scale, ends = colour_scale([values], limit=1.0)
            rgba = painted(values, cortex.greys, scale)
            draw_block(figure, cortex, rgba, COLUMN, top, "noise ceilings")
            colour_bar(figure, scale, 1.5 * COLUMN, top - block, "noise ceiling", ends)
            outline_key(figure, cortex.regions, 1.5 * COLUMN, top - block - BAR)
    return [Path(path), Path(path).with_suffix(".pdf")]


def check_vertices(cortex: Cortex, values: np.ndarray, name: str = "") -> None:
    """Refuse values, perhaps of a panel of that name, that are not one for each vertex."""
    if np.shape(values) != cortex.voxels.shape:
        raise ValueError(
            f"values must be one for each of the {len(cortex.voxels)} vertices of {cortex.name}, "
            f"got shape {np.shape(values)}" + (f" for {name}" if name else "")
        )


def _said(cortex, missing, caption):
    shapes = " and ".join(shape for shape in ("flat", "inflated") if shape in cortex.shapes)
    return f"On {cortex.name}, {shapes}. Grey: {missing}. {caption}"


def _sizes(cortex):
    """Inches: of a flat map, and of the inflated views with how many of them stand in a row."""
    across = COLUMN - 2 * MARGIN
    flat = views = None
    n_in_row = 2
    if cortex.flat is not None:
        flat = across * cortex.flat.size / cortex.flat.size[0]
        n_in_row = 4
    if cortex.inflated:
        views = {name: view.size for name, view in cortex.inflated.items()}
        widest = max(width for width, _ in views.values())
        scale = (across / n_in_row - GUTTER / 2) / widest
        views = {name: scale * size for name, size in views.items()}
    return flat, views, n_in_row


def block_height(cortex: Cortex, titled: bool) -> float:
    """Return the inches of a title, a flat map and the inflated views below it."""
    flat, views, n_in_row = _sizes(cortex)
    height = (TITLE if titled else 0) + GUTTER
    if flat is not None:
        height += flat[1] + GUTTER / 2
    if views is not None:
        height += (_highest(views) + VIEW_TITLE) * (4 // n_in_row)
    return height


def _highest(views):
    return max(height for _, height in views.values())


def draw_block(
    figure: Any,
    cortex: Cortex,
    rgba: np.ndarray | None,
    left: float,
    top: float,
    title: str,
    outlined: bool = True,
) -> dict[str, Any]:
    """Draw a surface in all views.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    cortex : Cortex
    rgba : array of shape (n_vertices, 4), or None
        Colours; without them only outlines and names are drawn.
    left, top : float
        Inches.
    title : str
        May be empty.
    outlined : bool
        Whether regions are outlined.

    Returns
    -------
    dict of {"flat" or name of an inflated view: matplotlib axes}
    """
    regions, views_drawn = cortex.regions if outlined else {}, {}
    if title:
        _write(figure, title, left + COLUMN / 2, top, va="top", weight="bold")
        top -= TITLE
    flat, views, n_in_row = _sizes(cortex)
    if flat is not None:
        box = (left + MARGIN, top - flat[1], *flat)
        views_drawn["flat"] = _draw_view(figure, cortex.flat, rgba, regions, box)
        for text, x, align in (("L", MARGIN, "left"), ("R", COLUMN - MARGIN, "right")):
            _write(figure, text, left + x, top, va="top", ha=align, size=6, color=QUIET)
        top -= flat[1] + GUTTER / 2
    if views is None:
        return views_drawn
    shaded = rgba
    if rgba is not None:
        shaded = rgba.copy()
        shaded[:, :3] *= cortex.shades[:, np.newaxis]
    cell, row_height = (COLUMN - 2 * MARGIN) / n_in_row, _highest(views) + VIEW_TITLE
    for index, place in enumerate(ORDER[n_in_row]):
        row, column = divmod(index, n_in_row)
        width, height = views[place]
        middle, low = left + MARGIN + (column + 0.5) * cell, top - (row + 1) * row_height
        _write(figure, place, middle, top - row * row_height, va="top", size=5.5, color=QUIET)
        box = (middle - width / 2, low, width, height)
        views_drawn[place] = _draw_view(figure, cortex.inflated[place], shaded, regions, box)
    return views_drawn


def by_size(regions: Mapping[str, np.ndarray]) -> list[str]:
    """Names of regions, the largest first: a small one is drawn over one that holds it."""
    return sorted(regions, key=lambda name: -len(regions[name]))


def _draw_view(figure, view: View, rgba, regions, box):
    axes = _axes(figure, *box)
    left, right, bottom, top = view.extent
    axes.set(xlim=(left, right), ylim=(bottom, top))
    if rgba is not None:
        # -1, the last, is where no vertex is shown
        shown = (255 * np.vstack([rgba, [1, 1, 1, 0]])).round().astype(np.uint8)[view.vertices]
        axes.imshow(shown, origin="lower", extent=view.extent, aspect="auto")
    for name, (colour, around) in zip(by_size(regions), cycle(OUTLINES), strict=False):
        draw_outline(axes, view, regions[name], colour, around)
    return axes


def draw_outline(
    axes: Any, view: View, members: np.ndarray, colour: str = INK, around: str = "white"
) -> Any:
    """Draw the boundary of some vertices, which passes halfway to those that do not belong.

    Parameters
    ----------
    axes : matplotlib axes
    view : View
    members : int array
        Vertices.
    colour, around : str
        Of the line, and of what sets it off.

    Returns
    -------
    matplotlib.contour.ContourSet or None
        None where no boundary is seen.
    """
    from matplotlib.patheffects import withStroke
    from matplotlib.tri import Triangulation

    inside = np.zeros(len(view.places))
    inside[members] = 1
    of_faces = inside[view.faces].sum(axis=1)
    crossed = view.faces[(of_faces > 0) & (of_faces < 3)]
    if not len(crossed):
        return None
    kept, faces = np.unique(crossed, return_inverse=True)
    mesh = Triangulation(*view.places[kept].T, faces.reshape(-1, 3))
    outline = axes.tricontour(mesh, inside[kept], levels=[0.5], colors=[colour], linewidths=WIDTH)
    outline.set_path_effects([withStroke(linewidth=WIDTH + 0.8, foreground=around)])
    return outline


def _axes(figure, left, bottom, width, height):
    """Axes in a place that is given in inches, without a frame."""
    whole = figure.get_size_inches()
    box = np.array([left, bottom, width, height]) / np.tile(whole, 2)
    return figure.add_axes(box, frameon=False, xticks=[], yticks=[])


def _write(figure, text, x, y, **options):
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, **{"ha": "center"} | options)


def colour_bar(figure: Any, colours: Any, middle: float, top: float, label: str, ends: str) -> None:
    """Draw what `colour_scale` gives, around and below a point in inches."""
    from matplotlib.ticker import MaxNLocator

    axes = _axes(figure, middle - 0.8, top - 0.08, 1.6, 0.07)
    bar = figure.colorbar(colours, cax=axes, orientation="horizontal", extend=ends)
    bar.locator = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
    bar.set_label(label, labelpad=1.5)
    bar.outline.set_visible(False)


def _key_rows(labels):
    """Rows of a key that is as wide as a column."""
    letters = sum(len(label) + 6 for label in labels)
    return int(np.ceil(letters / (20 * COLUMN)))


def key_height(labels: Collection[str]) -> float:
    """Return the inches of a key of these labels."""
    return GUTTER + KEY * _key_rows(labels)


def outline_key(figure: Any, regions: Mapping[str, np.ndarray], middle: float, top: float) -> None:
    """Say which outline is which region's, around and below a point in inches."""
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    handles = [
        Line2D(
            [],
            [],
            color=colour,
            linewidth=WIDTH + 0.3,
            path_effects=[withStroke(linewidth=WIDTH + 1.3, foreground=around)],
            label=words(name),
        )
        for name, (colour, around) in zip(by_size(regions), cycle(OUTLINES), strict=False)
    ]
    _key(figure, handles, middle, top)


def _region_key(figure, colours, labels, middle, top):
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=labels[name]) for name, colour in colours.items()]
    _key(figure, handles, middle, top)


def _key(figure, handles, middle, top):
    if not handles:
        return
    width, height = figure.get_size_inches()
    rows = _key_rows([handle.get_label() for handle in handles])
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(middle / width, (top - GUTTER / 2) / height),
        ncols=-(-len(handles) // rows),
        handlelength=1.6,
        handletextpad=0.5,
        columnspacing=1.2,
        labelspacing=0.3,
        borderaxespad=0,
        borderpad=0,
    )
