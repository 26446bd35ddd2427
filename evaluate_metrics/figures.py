"""Pictures of results, drawn without matplotlib's global state so that any thread may ask."""

from contextlib import contextmanager
from itertools import cycle

import numpy as np

# told apart by colour-blind readers too; what is only a control is grey
COLOURS = {"pretrained": "#56B4E9", "random": "#999999", "brain-tuned": "#D55E00"}
OTHERS = ("#009E73", "#0072B2", "#CC79A7", "#E69F00", "#F0E442")  # models of any other name
INK, FAINT, SHADE = "#222222", "#DDDDDD", "#F1F1F1"
ALIGNMENT = "normalised brain alignment\n(correlation / noise ceiling)"
STYLE = {
    "font.size": 13,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlesize": 14,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 40,  # the legend stands between title and axes
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 12,
}


def tuning_figure(
    alignment,
    curves,
    path,
    title=None,
    caption="Error bars: 95 % bootstrap intervals over blocks of TRs of the held-out story.",
):
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

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If the models do not have the same regions.
    """
    colours = _colours([*alignment, *curves])
    with slide(path, title, caption, figsize=(13, 6)) as figure:
        bars, losses = figure.subplots(1, 2, width_ratios=[1.1, 1])
        _draw_alignment(bars, alignment, colours)
        _draw_curves(losses, curves, colours, bars)


def report_figure(
    results,
    path,
    title=None,
    caption="Error bars: 95 % bootstrap intervals over blocks of TRs of the held-out story. "
    "*: differs from the baseline, p < .05 (Holm over regions; of impact, and features).",
):
    """Draw alignment and low-level impact by region and model, as one PNG.

    Parameters
    ----------
    results : dict
        - "alignment": {model: {region: scores}}, where scores hold "mean" over layers, its
          "interval" (low, high) and "n_voxels", and for `layer_figure` "layers", {layer: mean},
          and optionally "layer_intervals", {layer: (low, high)};
        - "impact", optional: {model: {feature: {region: scores}}} in per cent, where scores hold
          "mean" and "interval" (Moussa et al. 2025, figure 3);
        - "tests", optional: {model: {region: test}} against the baseline, where a test holds
          "p_holm"; a star is drawn where that is below .05;
        - "impact_tests", optional: {model: {feature: {region: test}}}, drawn likewise.

        Models may have any name; "pretrained", "random" and "brain-tuned" come first and always
        have the same colours. A mean of None is marked empty.
    path : str or path
        The PNG to write.
    title : str, optional
    caption : str
        What the error bars and stars are.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If the models do not have the same regions or features.
    """
    alignment, impact = results["alignment"], results.get("impact", {})
    impact_tests = results.get("impact_tests", {})
    colours = _colours([*alignment, *impact])
    regions = list(next(iter(alignment.values())))
    columns = list(range(len(regions))) if impact else []
    rows = [["alignment"] * max(len(columns), 1)] + [columns] * bool(impact)
    size = (max(14, 4.5 * len(columns)), 9 if impact else 6)
    with slide(path, title, caption, size) as figure:
        axes = figure.subplot_mosaic(rows)
        _draw_alignment(axes["alignment"], alignment, colours, results.get("tests", {}))
        for column in columns:
            if column > 0:
                axes[column].sharey(axes[0])
                axes[column].tick_params(labelleft=False)
            tests = {
                model: {
                    feature: by_region[regions[column]]
                    for feature, by_region in by_feature.items()
                    if regions[column] in by_region
                }
                for model, by_feature in impact_tests.items()
            }
            _draw_impact(axes[column], impact, regions[column], colours, tests)
        if columns:
            _start_at_zero(axes[0])
            axes[0].set_ylabel("low-level impact\n(% of the alignment)")


def layer_figure(
    results,
    path,
    title=None,
    caption="Bands: 95 % bootstrap intervals over blocks of TRs of the held-out story. "
    "Layers of the deeper half of the network are shaded.",
):
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
    colours, regions = _colours(alignment), _groups(alignment, "regions")
    layers = {
        int(layer)
        for by_region in alignment.values()
        for scores in by_region.values()
        for layer in scores["layers"]
    }
    with slide(path, title, caption, _row_size(regions)) as figure:
        panels = figure.subplots(1, len(regions), sharey=True, squeeze=False)[0]
        for axes, region in zip(panels, regions, strict=True):
            _draw_layers(axes, {model: alignment[model][region] for model in colours}, colours)
            _shade_late_half(axes, layers)
            axes.set_title(_words(region))
            axes.set_xlabel("layer")
        _start_at_zero(panels[0])
        panels[0].set_ylabel(ALIGNMENT)
        _legend_above(panels[0], len(colours), panels[1:])


def change_figure(
    changes,
    path,
    label="change of normalised brain alignment, brain-tuned minus pretrained",
    title=None,
    caption="Voxels above the noise-ceiling threshold. Dashed line: median.",
):
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
    with slide(path, title, caption, _row_size(changes)) as figure:
        panels = figure.subplots(1, len(changes), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (region, change) in zip(panels, changes.items(), strict=True):
            _draw_change(axes, change, edges)
            axes.set_title(_words(region))
        panels[0].set_ylabel("voxels (%)")
        panels[len(panels) // 2].set_xlabel(label)


@contextmanager
def slide(path, title, caption, figsize):
    """A figure of the house's style, written as a PNG when the block is left.

    Parameters
    ----------
    path : str or path
    title, caption : str or None
        Above and below what is drawn.
    figsize : (float, float)
        Inches.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('figures need matplotlib: pip install "braintune[figures]"') from error

    with rc_context(STYLE):
        figure = Figure(figsize=figsize, layout="constrained")
        figure.get_layout_engine().set(w_pad=0.15, h_pad=0.1, wspace=0.06)
        yield figure
        figure.suptitle(title, x=0.012, ha="left", fontsize=18, weight="bold")
        figure.supxlabel(caption, x=0.012, ha="left", fontsize=11, color="#555555")
        figure.savefig(path, dpi=160, format="png", facecolor="white")


def _colours(models):
    """Colours by model, in the order to draw them: known models, then the others as they come."""
    known = {model: colour for model, colour in COLOURS.items() if model in models}
    others = dict.fromkeys(model for model in models if model not in COLOURS)
    return known | dict(zip(others, cycle(OTHERS), strict=False))


def _groups(table, name):
    """The regions (or features) of a table {model: {group: scores}}, the same for all models."""
    first, *others = table
    groups = list(table[first])
    for model in others:
        if set(table[model]) != set(groups):
            raise ValueError(
                f"all models need the same {name}, got {groups} for {first!r} and "
                f"{list(table[model])} for {model!r}"
            )
    return groups


def _draw_alignment(axes, alignment, colours, tests=None):
    regions = _groups(alignment, "regions")
    _draw_bars(axes, alignment, regions, colours, "{:.2f}", _stars(tests or {}))
    _start_at_zero(axes)
    n_voxels = [next(iter(alignment.values()))[region]["n_voxels"] for region in regions]
    axes.set_xticks(
        range(len(regions)),
        [f"{_words(region)}\n{n} voxels" for region, n in zip(regions, n_voxels, strict=True)],
    )
    axes.set_ylabel(ALIGNMENT)
    axes.set_title("Held-out story")
    _legend_above(axes, len(alignment))


def _stars(tests):
    """Stars by (model, group), of {model: {group: test}}."""
    return {
        (model, group): "*"
        for model, by_group in tests.items()
        for group, test in by_group.items()
        if test["p_holm"] is not None and test["p_holm"] < 0.05
    }


def _draw_impact(axes, impact, region, colours, tests):
    features = _groups(impact, "features")
    table = {
        model: {feature: by_feature[feature][region] for feature in features}
        for model, by_feature in impact.items()
    }
    _draw_bars(axes, table, features, colours, "{:.0f}", _stars(tests))
    axes.set_xticks(range(len(features)), [_words(feature, "\n") for feature in features], size=10)
    axes.set_title(_words(region), pad=12)


def _draw_bars(axes, table, groups, colours, number, stars=None):
    """Bars of {model: {group: scores}}, those of a group side by side; some may be missing."""
    models = [model for model in colours if model in table]
    width = 0.8 / len(models)
    longest = max(
        len(number.format(scores["mean"] or 0))
        for model in models
        for scores in table[model].values()
    )
    # keeps numbers of neighbouring bars apart
    inches = axes.figure.get_figwidth() * axes.get_position().width * width / len(groups)
    font_size = min(13, 140 * inches / (1 + longest))
    for index, model in enumerate(models):
        for place, group in enumerate(groups):
            if group not in table[model]:
                continue
            x = place + (index - (len(models) - 1) / 2) * width
            star = (stars or {}).get((model, group))
            scores = table[model][group]
            _draw_bar(axes, x, width, scores, colours[model], font_size, number, star)
        axes.bar(0, 0, color=colours[model], label=model)  # the legend's swatch
    axes.axhline(0, color=INK, linewidth=1)
    axes.margins(y=0.2)  # room for what stands on the bars
    axes.set_xlim(-0.55, len(groups) - 0.45)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=FAINT)


def _draw_bar(axes, x, width, scores, colour, font_size, number, star):
    text = {"textcoords": "offset points", "ha": "center", "fontsize": font_size}
    if scores["mean"] is None:
        axes.annotate("empty", (x, 0), (0, 6), rotation=90, style="italic", **text)
        return
    axes.bar(x, scores["mean"], width * 0.92, color=colour)
    top = max(scores["mean"], 0)
    if scores["interval"] is not None:
        low, high = scores["interval"]
        axes.plot([x, x], [low, high], color=INK, marker="_", markersize=9, linewidth=1.5)
        top = max(top, high)
    axes.annotate(_minus(number.format(scores["mean"])), (x, top), (0, 5), **text)
    if star:
        text["fontsize"] = 13  # to be seen where the numbers are small
        axes.annotate(star, (x, top), (0, 5 + 0.9 * font_size), **text)


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
        summary = _minus(f"median {median:+.3f}, {rising:.0f} % of {change.size} voxels rise")
    axes.text(0, 1.025, summary, transform=axes.transAxes, fontsize=12)


def _draw_curves(axes, curves, colours, beside):
    for model in [model for model in colours if model in curves]:
        curve, colour = curves[model], colours[model]
        axes.plot(*zip(*curve["train"], strict=True), color=colour, label=f"{model}, training")
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
    _legend_above(axes, len(curves), [beside])


def _start_at_zero(axes):
    """Begin the axis at zero, unless there is something to see below it."""
    if axes.get_ylim()[0] > -0.02:
        axes.set_ylim(bottom=0)


def _row_size(panels):
    return max(13, 4.3 * len(panels)), 6


def _words(name, space=" "):
    return name.replace("_", space)


def _minus(text):
    return text.replace("-", "\N{MINUS SIGN}")


def _legend_above(axes, n_columns, beside=()):
    """A legend between the axes and their title, in more rows where it would be too wide."""
    labels = np.array(axes.get_legend_handles_labels()[1])

    def inches(n_columns):  # a column is as wide as its longest label
        columns = np.array_split(labels, n_columns)
        return sum(0.65 + 0.095 * max(map(len, column)) for column in columns)

    while n_columns > 1 and inches(n_columns) > 0.9 * axes.figure.get_figwidth():
        n_columns -= 1
    n_more_rows = -(-len(labels) // n_columns) - 1
    for panel in (axes, *beside) if n_more_rows else ():
        pad = STYLE["axes.titlepad"] + 18 * n_more_rows
        panel.set_title(panel.get_title(loc="left"), pad=pad)
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=n_columns,
        borderaxespad=0.2,
        handlelength=2.2,
        columnspacing=1.4,
        borderpad=0,
    )
    legend.set_in_layout(False)  # it may be wider than its panel
