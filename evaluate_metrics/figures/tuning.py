"""Pictures of a tuning run: alignment of each model, and the loss curves."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..normalisation import NORMALISED
from .bars import draw_alignment
from .colours import FAINT, INK, colours_of
from .slide import legend_above, slide


def tuning_figure(
    alignment: dict,
    curves: dict,
    path: str | Path,
    title: str | None = None,
    caption: str = "Error bars: 95 % bootstrap intervals over blocks of TRs of the held-out story.",
    normalisation: str = NORMALISED,
) -> None:
    """Draw the alignment of each model by region beside the loss curves, as one PNG.

    Parameters
    ----------
    alignment : dict of {model: {region: scores}}
        As in `report_figure`.
    curves : dict of {model: curve}
        A curve is a dict of "train" and "validation", lists of (step, loss), and optionally
        "chosen_step".
    path : str or path
        The PNG to write.
    title : str, optional
    caption : str
        What the error bars are.
    normalisation : str
        As in `report_figure`.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If the models do not have the same regions.
    """
    colours = colours_of([*alignment, *curves])
    with slide(path, title, caption, figsize=(13, 6)) as figure:
        bars, losses = figure.subplots(1, 2, width_ratios=[1.1, 1])
        draw_alignment(bars, alignment, colours, normalisation=normalisation)
        _draw_curves(losses, curves, colours, [bars])


def loss_figure(curves: dict, path: str | Path, title: str | None = None) -> None:
    """Draw the loss curves alone, as one PNG.

    Parameters
    ----------
    curves, path, title
        As in `tuning_figure`, but for any loss.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    with slide(path, title, None, figsize=(9, 6)) as figure:
        axes = figure.subplots()
        _draw_curves(axes, curves, colours_of(curves))
        axes.set_ylabel("loss")


def _draw_curves(axes: Any, curves: dict, colours: dict, beside: Iterable[Any] = ()) -> None:
    for model in [model for model in colours if model in curves]:
        curve, colour = curves[model], colours[model]
        alone = "o" if len(curve["train"]) == 1 else None  # a line of one point is none
        axes.plot(
            *zip(*curve["train"], strict=True),
            color=colour,
            marker=alone,
            label=f"{model}, training",
        )
        if not curve["validation"]:  # of a model whose number of steps was given
            continue
        axes.plot(
            *zip(*curve["validation"], strict=True),
            color=colour,
            linestyle="--",
            marker="o",
            markersize=4,
            label=f"{model}, validation",
        )
    chosen = {curve["chosen_step"] for curve in curves.values() if "chosen_step" in curve}
    for step in chosen:
        axes.axvline(step, color=INK, linewidth=1.2, linestyle=":")
    steps = ", ".join(str(step) for step in sorted(chosen))
    axes.grid(axis="y", color=FAINT)
    axes.set_xlabel(
        f"training step (dotted line: the chosen step, {steps})" if steps else "training step"
    )
    axes.set_ylabel("loss\n(mean squared error, z-scored responses)")
    axes.set_title("Tuning")
    legend_above(axes, len(curves), beside)
