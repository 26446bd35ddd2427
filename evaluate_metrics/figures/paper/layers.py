"""Figures 5 and 8, and that of processing stages: layer by layer, or by relative depth."""

from pathlib import Path

import numpy as np

from ...reports.over_participants import layer_means
from ...reports.summary_figures import (
    MEASURES,
    caption_of,
    grouped,
    layer_axis,
    line_panel,
    stage_lines,
)
from ...reports.summary_lines import SCORES, normalised_as
from ...reports.tables import BASELINE
from ...scores import MEAN_IMPACT
from ..panels import line_figure
from ..slide import minus, words
from .drawn import Drawn, Missing, Rows
from .measured import (
    MAIN,
    TUNED,
    averaged,
    caption_with_stars,
    depths_of,
    finished,
    gains_told,
    needed,
    tuned_families,
)

LARGE = "-large"  # ends the family of a larger model


def _is_layer(row):
    return row["layer"].isdecimal() and row["fraction"] is None


def preference(number: str, title: str, rows: Rows, folder: Path) -> Drawn:
    """Draw the preference d over layers, which falls as a layer turns semantic.

    Parameters
    ----------
    number, title, rows, folder
        As `PaperFigure`.

    Raises
    ------
    Missing
        As `needed`, `tuned_families` and `depths_of`.
    """
    what = "the preference d by layer"
    table = needed(rows, what, lambda row: row["metric"] == "d" and _is_layer(row))
    table = tuned_families(table, what, MAIN)
    summary = averaged(table + layer_means(table))
    lines = [line for line in summary if line["layer"] != "mean"]
    depths = depths_of(table)
    axis = layer_axis(depths)
    panels = [
        line_panel(found, title=family, aside="", label=MEASURES["d"], share="d", **axis)
        for family, found in grouped(lines, "pretrained").items()
    ]
    path, caption = folder / f"{number}.png", caption_with_stars("Bands", lines)
    caption += " Lower: more semantic. Stars stand in the table."
    line_figure(panels, path, title, caption, len(panels))
    means = [line for line in summary if line["layer"] == "mean"]
    alt = f"Lines of d over layers, by family and model. {gains_told(means, 'the mean d', 3)}"
    return finished(number, title, [path], alt, lines, caption, depths)


def stages(number: str, title: str, rows: Rows, folder: Path) -> Drawn:
    """Draw probes by layer from acoustic to semantic tasks, and alignment by layer.

    Parameters
    ----------
    number, title, rows, folder
        As `PaperFigure`.

    Raises
    ------
    Missing
        As `tuned_families` and `depths_of`; there are no tasks by layer, or no alignment.
    """
    lacking, table = [], []
    for what, metrics in (("scores in tasks", (*SCORES, "d")), ("alignment", ("alignment",))):
        found = [row for row in rows if row["metric"] in metrics and _is_layer(row)]
        lacking += [] if found else [f"{what} by layer"]
        table += found
    if lacking:
        raise Missing(f"no row is of {' and of '.join(lacking)}")
    table = needed(table, "", lambda row: True)
    table = tuned_families(table, "alignment and scores by layer", MAIN)
    depths = depths_of(table)
    panels, lines = stage_lines(averaged(table), depths)
    path, caption = folder / f"{number}.png", caption_of("Bands", lines)
    line_figure(panels, path, title, caption, len({line["pretrained"] for line in lines}))
    told = []
    tuned = [line for line in lines if line["model"] == TUNED and line["measure"] != "d"]
    for name in ("task", "region"):
        for of, found in grouped(tuned, name).items():
            best = [
                f"{family} {max(of_family, key=_value)['layer']}"
                for family, of_family in grouped(found, "pretrained").items()
            ]
            if of is not None:
                told.append(f"{words(of.rpartition('/')[2])}: {', '.join(best)}.")
    alt = (
        "Lines over layers, from acoustic tasks to semantic ones and on to the brain. Layers at "
        f"which brain-tuned models are highest: {' '.join(told)}"
    )
    return finished(number, title, [path], alt, lines, caption, depths)


def _value(line):
    return -np.inf if line["value"] is None else line["value"]


def larger(number: str, title: str, rows: Rows, folder: Path) -> Drawn:
    """Draw a tuned model against a larger one, layers being matched by relative depth.

    Each layer of the smaller model is compared with that of the larger one that is nearest in
    relative depth.

    Parameters
    ----------
    number, title, rows, folder
        As `PaperFigure`.

    Raises
    ------
    Missing
        There are no rows of a larger model, or of the smaller one that is tuned, or their numbers
        of layers are not known.
    """
    what = "alignment and impact by layer"

    def wanted(row):
        is_impact = row["metric"] == "impact" and row["feature"] == MEAN_IMPACT
        is_one = row["metric"] == "alignment" or is_impact
        return is_one and _is_layer(row) and row["layer"] != "0"

    table = needed(rows, what, wanted)
    families = {row["pretrained"] for row in table}
    pairs = sorted(family for family in families if family + LARGE in families)
    if not pairs:
        raise Missing(
            f"no row is of {what} of a larger model, such as hubert{LARGE}, got "
            f"{', '.join(sorted(families))}"
        )
    lines, panels, told, of_small = [], [], [], {}
    for family in pairs:
        of_large = family + LARGE
        small = [row for row in table if row["pretrained"] == family]
        small = tuned_families(small, what, (BASELINE, TUNED))
        large = [r for r in table if r["pretrained"] == of_large and r["model"] == BASELINE]
        if not large:
            raise Missing(f"no row is of {what} of {of_large}, {BASELINE}")
        depths = depths_of(small + large) or {family: small[0]["n_layers"]}
        if None in depths.values():
            raise Missing(f"n_layers of {family} and {of_large}, for relative depth")
        of_small[family] = depths[family]
        pair = small + _matched(small, large, depths.get(of_large, depths[family]), family)
        summary = averaged(pair + _means(pair), of_large)
        lines += summary
        for metric, of_metric in grouped(summary, "measure").items():
            label = MEASURES.get(metric, normalised_as(of_metric))
            digits = 0 if metric == "impact" else 2
            for region, found in grouped(of_metric, "region").items():
                by_layer = [line for line in found if line["layer"] != "mean"]
                axis = layer_axis({family: depths[family]})
                name, aside = f"{words(region)}, {metric}", family if len(pairs) > 1 else ""
                panels.append(line_panel(by_layer, name, label=label, share=metric, **axis))
                panels[-1]["aside"] = aside
                of = {line["model"]: line for line in found if line["layer"] == "mean"}
                if not {BASELINE, TUNED, of_large} <= of.keys() or of[TUNED]["gain"] is None:
                    told.append(f"{metric} in {words(region)}: not determined for all three.")
                    continue
                values = [f"{m} {of[m]['value']:.{digits}f}" for m in (BASELINE, TUNED, of_large)]
                gain = minus(f"{of[TUNED]['gain']:+.{digits}f}")
                n = of[TUNED]["n_tested"]
                told.append(
                    f"{metric} in {words(region)}: {', '.join(values)} "
                    f"({TUNED} {gain} against {of_large}, n = {n})."
                )
    path, caption = folder / f"{number}.png", caption_with_stars("Bands", lines, "the larger model")
    caption += " Layers of the larger model: the nearest in relative depth. Stars: in the table."
    line_figure(panels, path, title, caption, max(2, len(panels) // 2))
    alt = f"Lines over relative depth. Means over layers, {' '.join(told)}"
    return finished(number, title, [path], alt, lines, caption, of_small)


def _matched(small, large, n_large, family):
    """Rows of the larger model, as if of the smaller one's layers and a model of its family."""
    depths = {row["layer"]: row["layer"] / row["n_layers"] for row in small}
    layers = sorted({row["layer"] for row in large})
    nearest = {
        layer: min(layers, key=lambda one: abs(one / n_large - depth))
        for layer, depth in depths.items()
    }
    return [
        row | {"model": row["pretrained"], "pretrained": family, "layer": layer}
        for layer, other in nearest.items()
        for row in large
        if row["layer"] == other
    ]


def _means(table):
    """Means over the layers that are compared, of each participant and region."""
    groups: dict[tuple, Rows] = {}
    for row in table:
        what = ("model", "participant", "region", "measure", "seed")
        if row["value"] is not None:
            groups.setdefault(tuple(row[name] for name in what), []).append(row)
    no_interval = {"interval_low": None, "interval_high": None}
    return [
        found[0]
        | {"layer": "mean", "value": float(np.mean([r["value"] for r in found]))}
        | no_interval
        for found in groups.values()
    ]
