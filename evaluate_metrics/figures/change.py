"""The picture of how many voxels change, and how far."""

from pathlib import Path

import numpy as np

from .colours import COLOURS, FAINT, INK
from .slide import minus, row_size, slide, words


def change_figure(
    changes: dict[str, np.ndarray],
    path: str | Path,
    label: str = "change of normalised brain alignment, brain-tuned minus pretrained",
    title: str | None = None,
    caption: str = "Measured voxels. Dashed line: median.",
) -> None:
    """Draw how voxels change from one model to another, a histogram for each region, as one PNG.

    Parameters
    ----------
    changes : dict of {region: array of shape (n_voxels,)}
        Differences of a voxel-wise score. A region without voxels is marked empty.
    path : str or path
        The PNG to write.
    label : str
        What changes.
    title : str, optional
    caption : str

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If changes are NaN or infinite.
    """
    changes = {region: np.asarray(change, dtype=float) for region, change in changes.items()}
    for region, change in changes.items():
        n_bad = np.count_nonzero(~np.isfinite(change))
        if n_bad:
            raise ValueError(
                f"changes of region {region!r} are NaN or infinite in {n_bad} of {change.size} "
                "voxels: leave out voxels that have no score"
            )
    limit = max(np.abs(change).max(initial=0) for change in changes.values()) or 1.0
    right = np.linspace(0, limit, 21)
    edges = np.concatenate([-right[:0:-1], right])  # no bar holds both rises and falls
    with slide(path, title, caption, row_size(changes)) as figure:
        panels = figure.subplots(1, len(changes), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (region, change) in zip(panels, changes.items(), strict=True):
            _draw_change(axes, change, edges)
            axes.set_title(words(region))
        panels[0].set_ylabel("voxels (%)")
        panels[len(panels) // 2].set_xlabel(label)


def _draw_change(axes, change, edges):
    middle = len(edges) // 2
    shares = 100 * np.histogram(change, edges)[0] / max(change.size, 1)
    bars = [COLOURS["pretrained"]] * middle + [COLOURS["brain-tuned"]] * middle
    axes.bar(edges[:-1], shares, np.diff(edges), align="edge", color=bars)
    axes.axvline(0, color=INK, linewidth=1)
    axes.grid(axis="y", color=FAINT)
    summary = "empty"
    if change.size:
        median = np.median(change)
        axes.axvline(median, color=INK, linewidth=2, linestyle="--")
        rising = 100 * np.mean(change > 0)
        summary = minus(f"median {median:+.3f}, {rising:.0f} % of {change.size} voxels rise")
    axes.text(0, 1.025, summary, transform=axes.transAxes, fontsize=12)
