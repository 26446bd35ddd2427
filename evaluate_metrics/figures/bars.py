"""Bars of models side by side, and those of alignment by region."""

from typing import Any

from ..normalisation import NORMALISED, alignment_label
from .colours import FAINT, INK
from .slide import legend_above, minus, start_at_zero, words

SMALLEST = 7  # points that a number is read at


def draw_alignment(
    axes: Any,
    alignment: dict,
    colours: dict[str, str],
    tests: dict | None = None,
    normalisation: str = NORMALISED,
) -> None:
    """Draw {model: {region: scores}}, with stars where {model: {region: test}} has them."""
    regions = groups_of(alignment, "regions")
    draw_bars(axes, alignment, regions, colours, "{:.2f}", stars_of(tests or {}))
    start_at_zero(axes)
    n_voxels = [next(iter(alignment.values()))[region]["n_voxels"] for region in regions]
    axes.set_xticks(
        range(len(regions)),
        [f"{words(region)}\n{n} voxels" for region, n in zip(regions, n_voxels, strict=True)],
    )
    axes.set_ylabel(alignment_label(normalisation))
    axes.set_title("Held-out story")
    legend_above(axes, len(alignment))


def stars_of(tests: dict) -> dict[tuple[str, str], str]:
    """Stars by (model, group), of {model: {group: test}}."""
    return {
        (model, group): "*"
        for model, by_group in tests.items()
        for group, test in by_group.items()
        if test["p_holm"] is not None and test["p_holm"] < 0.05
    }


def draw_bars(
    axes: Any,
    table: dict,
    groups: list[str],
    colours: dict[str, str],
    number: str,
    stars: dict[tuple[str, str], str] | None = None,
) -> None:
    """Bars of {model: {group: scores}}, those of a group side by side; some may be missing."""
    models = [model for model in colours if model in table]
    width = 0.8 / len(models)
    longest = max(
        len(number.format(scores["mean"] or 0))
        for model in models
        for scores in table[model].values()
    )
    # keeps numbers of neighbouring bars apart; those that this makes too small stand upright
    points = 72 * axes.figure.get_figwidth() * axes.get_position().width * width / len(groups)
    font = {"fontsize": min(13, 2 * points / (1 + longest)), "rotation": 0}
    if font["fontsize"] < SMALLEST:
        font = {"fontsize": min(SMALLEST, points), "rotation": 90}
    for index, model in enumerate(models):
        for place, group in enumerate(groups):
            if group not in table[model]:
                continue
            x = place + (index - (len(models) - 1) / 2) * width
            star = (stars or {}).get((model, group))
            scores = table[model][group]
            _draw_bar(axes, x, width, scores, colours[model], number, star, font)
        axes.bar(0, 0, color=colours[model], label=model)  # the legend's swatch
    axes.axhline(0, color=INK, linewidth=1)
    axes.margins(y=0.2)  # room for what stands on the bars
    axes.set_xlim(-0.55, len(groups) - 0.45)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=FAINT)


def _draw_bar(axes, x, width, scores, colour, number, star, font):
    text = {"textcoords": "offset points", "ha": "center"} | font
    if scores["mean"] is None:
        there = scores.get("n_voxels") or not scores.get("determined", True)
        said = "not determined" if there else "empty"
        axes.annotate(said, (x, 0), (0, 6), style="italic", **text | {"rotation": 90})
        return
    axes.bar(x, scores["mean"], width * 0.92, color=colour)
    top = max(scores["mean"], 0)
    if scores["interval"] is not None:
        low, high = scores["interval"]
        cap = 0.7 * text["fontsize"]
        axes.plot([x, x], [low, high], color=INK, marker="_", markersize=cap, linewidth=1.5)
        top = max(top, high)
    said = minus(number.format(scores["mean"]))
    if star:
        said = f"{said} {star}" if text["rotation"] else f"{star}\n{said}"
    axes.annotate(said, (x, top), (0, 5), **text)


def groups_of(table: dict, name: str) -> list[str]:
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
