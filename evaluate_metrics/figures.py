"""Pictures of results, drawn without matplotlib's global state so that any thread may ask."""

from difflib import get_close_matches

# told apart by colour-blind readers too; what is only a control is grey
COLOURS = {"pretrained": "#56B4E9", "random": "#999999", "brain-tuned": "#D55E00"}
INK, FAINT = "#222222", "#DDDDDD"
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
        Models are "pretrained", "random" and "brain-tuned", or some of them; scores are a dict of
        "mean", "interval" (low, high) and "n_voxels". A region whose mean is None is marked empty.
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
        If a model is unknown or the models do not have the same regions.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('figures need matplotlib: pip install "braintune[figures]"') from error
    for model in [*alignment, *curves]:
        _check_model(model)

    with rc_context(STYLE):
        figure = Figure(figsize=(13, 6), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.15, h_pad=0.1, wspace=0.06)
        bars, losses = figure.subplots(1, 2, width_ratios=[1.1, 1])
        _draw_alignment(bars, alignment)
        _draw_curves(losses, curves)
        figure.suptitle(title, x=0.012, ha="left", fontsize=18, weight="bold")
        figure.supxlabel(caption, x=0.012, ha="left", fontsize=11, color="#555555")
        figure.savefig(path, dpi=160, format="png", facecolor="white")


def _check_model(model):
    if model not in COLOURS:
        nearest = get_close_matches(str(model), COLOURS, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"unknown model {model!r}.{hint} Known models: {', '.join(COLOURS)}")


def _draw_alignment(axes, alignment):
    models = [model for model in COLOURS if model in alignment]
    regions = list(alignment[models[0]])
    for model in models:
        if set(alignment[model]) != set(regions):
            raise ValueError(
                f"all models need the same regions, got {regions} for {models[0]!r} and "
                f"{list(alignment[model])} for {model!r}"
            )
    width = 0.8 / len(models)
    font_size = min(13, 160 * width / len(regions))  # keeps numbers of neighbouring bars apart
    for index, model in enumerate(models):
        for place, region in enumerate(regions):
            x = place + (index - (len(models) - 1) / 2) * width
            _draw_bar(axes, x, width, alignment[model][region], COLOURS[model], font_size)
        axes.bar(0, 0, color=COLOURS[model], label=model)  # the legend's swatch
    axes.axhline(0, color=INK, linewidth=1)
    axes.margins(y=0.1)
    if axes.get_ylim()[0] > -0.02:
        axes.set_ylim(bottom=0)
    axes.set_xlim(-0.55, len(regions) - 0.45)
    n_voxels = [alignment[models[0]][region]["n_voxels"] for region in regions]
    axes.set_xticks(
        range(len(regions)),
        [
            f"{region.replace('_', ' ')}\n{n} voxels"
            for region, n in zip(regions, n_voxels, strict=True)
        ],
    )
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=FAINT)
    axes.set_ylabel("normalised brain alignment\n(correlation / noise ceiling)")
    axes.set_title("Held-out story")
    _legend_above(axes, len(models))


def _draw_bar(axes, x, width, scores, colour, font_size):
    text = {"textcoords": "offset points", "ha": "center", "fontsize": font_size}
    if scores["mean"] is None:
        axes.annotate("empty", (x, 0), (0, 6), rotation=90, style="italic", **text)
        return
    low, high = scores["interval"]
    axes.bar(x, scores["mean"], width * 0.92, color=colour)
    axes.plot([x, x], [low, high], color=INK, marker="_", markersize=9, linewidth=1.5)
    top = max(scores["mean"], high, 0)
    axes.annotate(f"{scores['mean']:.2f}".replace("-", "\N{MINUS SIGN}"), (x, top), (0, 5), **text)


def _draw_curves(axes, curves):
    for model in [model for model in COLOURS if model in curves]:
        curve, colour = curves[model], COLOURS[model]
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
    _legend_above(axes, len(curves))


def _legend_above(axes, n_columns):
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=n_columns,
        borderaxespad=0.2,
        handlelength=2.2,
        columnspacing=1.4,
        borderpad=0,
    )
