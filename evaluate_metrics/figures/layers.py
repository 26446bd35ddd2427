"""The picture of alignment by layer."""

from pathlib import Path

from ..normalisation import NORMALISED, alignment_label
from .bars import groups_of
from .colours import FAINT, SHADE, colours_of
from .slide import legend_above, row_size, slide, start_at_zero, words


def layer_figure(
    results: dict,
    path: str | Path,
    title: str | None = None,
    caption: str = "Bands: 95 % bootstrap intervals over blocks of TRs of the held-out story. "
    "Layers of the deeper half of the network are shaded.",
) -> None:
    """Draw alignment by layer, one panel for each region, as one PNG.

    The layer-wise view of Moussa and Toneva 2025 ("Brain-tuned Speech Models Better Reflect
    Speech Processing Stages in the Brain").

    Parameters
    ----------
    results : dict
        As in `report_figure`; bands are drawn where there are "layer_intervals". Layers may be
        strings, as JSON has them. The last layer that is given counts as the network's last.
    path : str or path
        The PNG to write.
    title : str, optional
    caption : str
        What the bands are.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If the models do not have the same regions.
    """
    alignment = {  # regions without voxels have no layers
        model: {region: scores for region, scores in by_region.items() if "layers" in scores}
        for model, by_region in results["alignment"].items()
    }
    colours, regions = colours_of(alignment), groups_of(alignment, "regions")
    layers = {
        int(layer)
        for by_region in alignment.values()
        for scores in by_region.values()
        for layer in scores["layers"]
    }
    with slide(path, title, caption, row_size(regions)) as figure:
        panels = figure.subplots(1, len(regions), sharey=True, squeeze=False)[0]
        for axes, region in zip(panels, regions, strict=True):
            _draw_layers(axes, {model: alignment[model][region] for model in colours}, colours)
            _shade_late_half(axes, layers)
            axes.set_title(words(region))
            axes.set_xlabel("layer")
        start_at_zero(panels[0])
        panels[0].set_ylabel(alignment_label(results.get("normalisation", NORMALISED)))
        legend_above(panels[0], len(colours), panels[1:])


def _draw_layers(axes, scores_by_model, colours):
    for model, scores in scores_by_model.items():
        layers = sorted(scores["layers"], key=int)
        x = [int(layer) for layer in layers]
        means = [scores["layers"][layer] for layer in layers]
        if None in means:
            axes.plot([], [], color=colours[model], label=model)
            axes.annotate(
                "empty", (0.5, 0.5), xycoords="axes fraction", ha="center", style="italic"
            )
            continue
        axes.plot(x, means, color=colours[model], linewidth=2.5, marker="o", label=model)
        if "layer_intervals" in scores:
            intervals = [scores["layer_intervals"][layer] for layer in layers]
            low, high = zip(*intervals, strict=True)
            axes.fill_between(x, low, high, color=colours[model], alpha=0.2, linewidth=0)
    axes.margins(y=0.15)  # room for the names of the halves
    axes.grid(axis="y", color=FAINT)


def _shade_late_half(axes, layers):
    left, middle, right = min(layers) - 0.5, (max(layers) + 1) / 2, max(layers) + 0.5
    axes.set_xlim(left, right)
    axes.axvspan(middle, right, color=SHADE, linewidth=0, zorder=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    for name, start, end in (("early", left, middle), ("late", middle, right)):
        axes.annotate(
            f"{name} layers",
            ((start + end) / 2, 1),
            (0, -6),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="center",
            va="top",
            style="italic",
        )
