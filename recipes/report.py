"""What a measurement found: as a table, as files, as figures."""

import csv
import json
from pathlib import Path

import numpy as np

from evaluate_metrics import change_figure, layer_figure, report_figure

BASELINE = "pretrained"


def report(results, folder, title):
    """Write results as JSON and CSV, and draw them.

    Parameters
    ----------
    results : dict
        From `align`, with "participant", "test_story" and "notes".
    folder : path-like
    title : str

    Returns
    -------
    list of Path
        The files, the JSON first.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = ("alignment.json", "alignment.csv", "alignment.png", "layers.png")
    paths = [folder / name for name in names]
    paths[0].write_text(json.dumps(results, indent=1, default=np.ndarray.tolist))
    with open(paths[1], "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows(results))
    report_figure(results, paths[2], title=title)
    layer_figure(results, paths[3], title=title)
    for model, change in results["change"].items():
        label = f"change of normalised brain alignment, {model} minus {BASELINE}"
        paths.append(folder / f"change-{model}.png")
        change_figure(change, paths[-1], label=label, title=title)
    return paths


COLUMNS = (
    *("model", "participant", "region", "layer", "feature", "measure", "value"),
    *("n", "unit", "interval_low", "interval_high", "p", "p_holm"),
)


def rows(results):
    """The numbers of a report, one a row, in the order of `COLUMNS`.

    Parameters
    ----------
    results : dict
        From `align`, with "participant".

    Yields
    ------
    tuple
    """
    participant = results["participant"]

    def row(model, region, layer, feature, measure, value, scores, interval=None, test=None):
        low, high = interval or (None, None)
        p = (test["p"], test["p_holm"]) if test else (None, None)
        n = scores["n_voxels"]
        return (
            model,
            participant,
            region,
            layer,
            feature,
            measure,
            value,
            n,
            "voxels",
            low,
            high,
        ) + p

    for model, by_region in results["alignment"].items():
        for region, scores in by_region.items():
            mean = scores["mean"]
            yield row(model, region, "mean", None, "alignment", mean, scores, scores["interval"])
            for layer, value in scores.get("layers", {}).items():
                interval = scores["layer_intervals"][layer]
                yield row(model, region, layer, None, "alignment", value, scores, interval)
    for model, by_region in results["gain"].items():
        for region, scores in by_region.items():
            test = results["tests"][model].get(region)
            mean = scores["mean"]
            yield row(model, region, "mean", None, "gain", mean, scores, scores["interval"], test)
    for model, by_feature in results["impact"].items():
        for feature, by_region in by_feature.items():
            for region, scores in by_region.items():
                mean, interval = scores["mean"], scores["interval"]
                yield row(model, region, "mean", feature, "impact", mean, scores, interval)
                for layer, value in scores.get("layers", {}).items():
                    yield row(model, region, layer, feature, "impact", value, scores)


def table(results):
    """The report as text.

    Parameters
    ----------
    results : dict
        From `align`, with "test_story" and "notes".

    Returns
    -------
    str
    """
    alignment = results["alignment"]
    regions = next(iter(alignment.values()))
    lines = [
        "",
        f"Normalised brain alignment on {results['test_story']!r}, which no model heard: "
        f"{results['n_trs']} TRs, mean over layers [95 % interval]",
        _line("", [f"{name} ({r['n_voxels']} voxels)" for name, r in regions.items()]),
    ]
    lines += [_line(model, map(_cell, s.values())) for model, s in alignment.items()]
    for model, scores in results["gain"].items():
        tests = results["tests"][model]
        cells = [
            _cell(s, "+") + (f" p={tests[region]['p_holm']:.3f}" if region in tests else "")
            for region, s in scores.items()
        ]
        lines.append(_line(f"gain, {model}", cells))
    layers = list(next((s["layers"] for s in regions.values() if "layers" in s), {}))
    for region, scores in regions.items():
        if "layers" in scores:
            lines += ["", _line(f"{region}, by layer", [f"layer {layer}" for layer in layers], 12)]
            for model in alignment:
                values = alignment[model][region]["layers"].values()
                lines.append(_line(model, [f"{value:.2f}" for value in values], 12))
    for region in regions if results["impact"] else ():
        features = list(next(iter(results["impact"].values())))
        lines += ["", _line(f"impact, {region}, %", features, 18)]
        for model, by_feature in results["impact"].items():
            cells = [_impact_cell(by_feature[feature][region]) for feature in features]
            lines.append(_line(model, cells, 18))
    return "\n".join([*lines, "", *results["notes"], ""])


def _line(name, cells, width=34):
    return (name.ljust(22) + "".join(cell.ljust(width) for cell in cells)).rstrip()


def _cell(scores, sign=""):
    if scores["mean"] is None:
        return "empty"
    low, high = scores["interval"]
    return f"{scores['mean']:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def _impact_cell(scores):
    if scores["mean"] is None:
        return "none"
    if scores["interval"] is None:
        return f"{scores['mean']:.0f}"
    low, high = scores["interval"]
    return f"{scores['mean']:.0f} [{low:.0f}, {high:.0f}]"


def notes(results, regions):
    """What a reader of the results must know.

    Parameters
    ----------
    results : dict
        From `align`.
    regions : dict
        Of the participant; empty if there are none.

    Returns
    -------
    list of str
    """
    said = []
    if not regions:
        said.append("No regions are given: all voxels above the noise ceiling count.")
    if results["n_trs"] < 100:
        said.append(
            f"{results['n_trs']} TRs are few: differences within the intervals say nothing."
        )
    return said
