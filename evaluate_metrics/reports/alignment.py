"""What a measurement of alignment found: as rows, as text, as files with figures."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..figures import Cortex, change_figure, layer_figure, report_figure
from ..normalisation import ACROSS_LISTENERS, NORMALISED, alignment_name
from ..scores import BLOCK, LAGS
from .files import file_name, write_csv, write_json
from .maps import VOXELS, brain_maps
from .stride import every, stride_note
from .tables import BASELINE, EMPTY, NOT_DETERMINED, cell, star, text_table

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

COVERED = (
    "Intervals and p are over blocks of the story's TRs, of models as they are: they do not cover "
    "other seeds of tuning, participants or stories."
)
KINDS_OF_WORDS = ("known", "new")
MANY = 5  # per cent of voxels at an end of the grid of penalties
COLUMNS = (
    *("model", "participant", "region", "layer", "feature", "measure", "value"),
    *("n", "unit", "interval_low", "interval_high", "p", "p_holm", "stride", "normalisation"),
    "chunk",
)


def rows(results: dict) -> Iterator[dict[str, Any]]:
    """The numbers of a report, one a row.

    Rows of tasks, as probes have them, hold "task" where these hold "region"; the rest is alike.

    Parameters
    ----------
    results : dict
        Of a measurement, with "participant", "evaluation_stride" and "normalisation"; or what
        became of them in JSON.

    Yields
    ------
    dict of {column: value}
        With the columns of `COLUMNS`, in their order; a layer is a number, "mean" or "last".
    """
    participant = results["participant"]
    way = tuple(results[k] for k in ("evaluation_stride", "normalisation", "evaluation_chunk"))

    def row(model, region, layer, feature, measure, value, scores, interval=None, test=None):
        low, high = interval or (None, None)
        p = (test["p"], test["p_holm"]) if test else (None, None)
        n = scores["n_voxels"]
        what = (model, participant, region, layer, feature, measure)
        values = (*what, value, n, "voxels", low, high, *p, *way)
        return dict(zip(COLUMNS, values, strict=True))

    for model, by_region in results["alignment"].items():
        for region, scores in by_region.items():
            mean = scores["mean"]
            yield row(model, region, "mean", None, "alignment", mean, scores, scores["interval"])
            for layer, value in scores.get("layers", {}).items():
                interval = scores["layer_intervals"][layer]
                yield row(model, region, int(layer), None, "alignment", value, scores, interval)
    compared = [
        (model, "gain", gain, results["tests"][model]) for model, gain in results["gain"].items()
    ]
    for pair in results.get("pairs", ()):
        compared.append((pair["model"], f"gain over {pair['other']}", pair["gain"], pair["tests"]))
    for model, measure, by_region, tests in compared:
        for region, scores in by_region.items():
            mean, interval = scores["mean"], scores["interval"]
            test = tests.get(region)
            yield row(model, region, "mean", None, measure, mean, scores, interval, test)
    for model, by_feature in results["impact"].items():
        for feature, by_region in by_feature.items():
            for region, scores in by_region.items():
                mean, interval = scores["mean"], scores["interval"]
                yield row(model, region, "mean", feature, "impact", mean, scores, interval)
                for layer, value in scores.get("layers", {}).items():
                    interval = scores["layer_intervals"][layer]
                    yield row(model, region, int(layer), feature, "impact", value, scores, interval)
    for model, by_feature in results["impact_tests"].items():
        for feature, by_region in by_feature.items():
            for region, test in by_region.items():
                what = (model, region, "mean", feature, "impact change")
                yield row(*what, test["mean"], test, test["interval"], test)
    for kind, measure, model, region, scores in _by_words(results):
        what = (model, region, "mean", None, f"{measure}, {kind} words")
        yield row(*what, scores["mean"], scores, scores["interval"])
    for model, by_region in results["predicted_voxels"].items():
        for region, scores in by_region.items():
            what = (model, region, "last", None, "predicted_voxels")
            yield row(*what, scores["mean"], scores, scores["interval"])


def table(results: dict) -> str:
    """The report as text.

    Parameters
    ----------
    results : dict
        Of a measurement, with "test_story", "evaluation_stride", "normalisation" and "notes".

    Returns
    -------
    str
    """
    alignment = results["alignment"]
    regions = next(iter(alignment.values()))
    parts = [
        f"{alignment_name(results['normalisation']).capitalize()} on {results['test_story']!r}, "
        f"which no model heard: {results['n_trs']} TRs, {_way(results)}, "
        f"mean over layers [95 % interval]\n{means_table(results)}\n{COVERED}"
    ]
    layers = list(next((s["layers"] for s in regions.values() if "layers" in s), {}))
    for region, scores in regions.items():
        if "layers" in scores:
            header = [f"{region}, by layer", *(f"layer {layer}" for layer in layers)]
            values = {model: alignment[model][region]["layers"].values() for model in alignment}
            parts.append(text_table(header, [[m, *map(cell, v)] for m, v in values.items()]))
    if results["by_words"] and results["by_words"]["n_new"] and any(_by_words(results)):
        parts.append(_words(results, regions))
    if results["impact"]:
        kinds = dict.fromkeys(map(_lags_of, next(iter(results["impact"].values()))))
        parts += [_impact(results, region, lags) for region in regions for lags in kinds]
        parts.append(f"*: differs from {BASELINE}, p < .05 (bootstrap over blocks of TRs, Holm)")
    return "\n" + "\n\n".join([*parts, "\n".join([*results["notes"], ""])])


def _way(results):
    return every(results["evaluation_stride"], results["evaluation_chunk"])


def means_table(results: dict) -> str:
    """Alignment averaged over layers, and what models have over one another, as text.

    Parameters
    ----------
    results : dict
        "alignment" and "gain" {model: {region: scores}}, and "tests" {model: {region: test}}.

    Returns
    -------
    str
    """
    regions = next(iter(results["alignment"].values()))
    lines = [
        [model, *(cell(s["mean"], s["interval"]) for s in by_region.values())]
        for model, by_region in results["alignment"].items()
    ]
    compared = [
        (f"gain, {model}", gain, results["tests"][model]) for model, gain in results["gain"].items()
    ]
    compared += [
        (f"{pair['model']} over {pair['other']}", pair["gain"], pair["tests"])
        for pair in results.get("pairs", ())
    ]
    for name, gain, tests in compared:
        p = {region: test["p_holm"] for region, test in tests.items()}
        cells = [
            cell(s["mean"], s["interval"], sign=True, p=p.get(region)) for region, s in gain.items()
        ]
        lines.append([name, *cells])
    for model, by_region in results.get("heads", {}).items():
        cells = [cell(s["mean"], s["interval"]) for s in by_region.values()]
        lines.append([f"head, {model}", *cells])
    header = [f"{region} ({s['n_voxels']} voxels)" for region, s in regions.items()]
    return text_table(["", *header], lines)


def _by_words(results):
    """(kind of words, measure, model, region, scores) of what is scored at TRs that follow them."""
    for kind in KINDS_OF_WORDS:
        for measure in ("alignment", "gain"):
            by_model = (results["by_words"] or {}).get(kind, {}).get(measure, {})
            for model, by_region in by_model.items():
                for region, scores in by_region.items():
                    yield kind, measure, model, region, scores


def _words(results, regions):
    """Alignment and gains at TRs that follow known words only, and at the others."""
    found = results["by_words"]
    lines = {}
    for kind, measure, model, region, scores in _by_words(results):
        name = model if measure == "alignment" else f"gain, {model}"
        text = cell(scores["mean"], scores["interval"], sign=measure == "gain")
        lines.setdefault(name, {})[region, kind] = text
    columns = [(region, kind) for region in regions for kind in KINDS_OF_WORDS]
    header = ["", *(f"{region}, {kind}" for region, kind in columns)]
    n_known, n_new = (found[kind]["n_trs"] for kind in KINDS_OF_WORDS)
    cells = [
        [name, *(by_column.get(column, NOT_DETERMINED) for column in columns)]
        for name, by_column in lines.items()
    ]
    return (
        f"{n_known} TRs follow known words only; {n_new} follow new ones, which no training story "
        f"holds ({found['n_new'] / found['n_words']:.0%} of the words)\n"
        f"{text_table(header, cells)}"
    )


def _lags_of(feature):
    """ ", lags -3 to 3" of a feature that is removed at these, nothing of one at the same TR."""
    _, behind, lags = feature.partition(LAGS)
    return behind + lags


def _impact(results, region, lags):
    """Low-level impact in a region, by model and feature, of features that have these lags."""
    features = [f for f in next(iter(results["impact"].values())) if _lags_of(f) == lags]
    lines = []
    for model, by_feature in results["impact"].items():
        tests = results["impact_tests"].get(model, {})
        cells = []
        for feature in features:
            scores, test = by_feature[feature][region], tests.get(feature, {}).get(region)
            cells.append(
                cell(
                    scores["mean"],
                    scores["interval"],
                    digits=0,
                    star=star(test["p_holm"]) if test else "",
                    missing=NOT_DETERMINED if scores["n_voxels"] else EMPTY,
                )
            )
        lines.append([model, *cells])
    names = [feature.removesuffix(lags) for feature in features]
    return text_table([f"impact, {region}, %{lags}", *names], lines)


def _at_the_same_tr(results):
    """Results without the impact of features at other lags, as figures have it."""
    kinds = ("impact", "impact_tests")
    return results | {
        kind: {
            model: {f: by_region for f, by_region in by_feature.items() if not _lags_of(f)}
            for model, by_feature in results[kind].items()
        }
        for kind in kinds
    }


def notes(results: dict, regions: dict) -> list[str]:
    """What a reader of the results must know.

    Parameters
    ----------
    results : dict
        Of a measurement, with "n_trs", "n_excluded", "penalty_edges", "by_words",
        "evaluation_stride" and "normalisation".
    regions : dict
        Of the participant; empty if there are none.

    Returns
    -------
    list of str
    """
    said = stride_note(results["evaluation_stride"], results["evaluation_chunk"])
    said.append(penalty_note(results["penalty_edges"]))
    if results["by_words"] and not results["by_words"]["n_new"]:
        said.append("Every word of the test story is in a training story too.")
    if not regions:
        limits = {NORMALISED: " above the noise ceiling", ACROSS_LISTENERS: " above the threshold"}
        which = limits.get(results["normalisation"], "")
        said.append(f"No regions are given: all voxels{which} count.")
    if results["n_excluded"]:
        said.append(
            f"{results['n_excluded']} voxels are left out: their responses are dead in a story."
        )
    if results["n_trs"] < 100:
        said.append(
            f"{results['n_trs']} TRs are few: differences within the intervals say nothing."
        )
    if results["n_trs"] < 2 * BLOCK:
        said.append(
            f"Intervals and tests take TRs in blocks of {results['n_trs'] // 2}, not {BLOCK}: with "
            "so few TRs p comes out too small."
        )
    return said


def penalty_note(edges: dict[str, dict[str, float]]) -> str:
    """How many voxels chose an end of the grid of penalties; a warning where they are many.

    Parameters
    ----------
    edges : dict of {model: {"smallest", "largest"}}
        In per cent, as of a measurement.

    Examples
    --------
    >>> penalty_note({"pretrained": {"smallest": 0.0, "largest": 1.25}})
    'Voxels that chose the smallest and the largest penalty: pretrained 0.0 % and 1.2 %.'
    """
    shares = (
        f"{model} {of['smallest']:.1f} % and {of['largest']:.1f} %" for model, of in edges.items()
    )
    note = f"Voxels that chose the smallest and the largest penalty: {', '.join(shares)}."
    if all(share < MANY for of in edges.values() for share in of.values()):
        return note
    return f"Warning: {note} From {MANY} % on, the grid of penalties is too narrow for them."


def title_of(results: dict) -> str:
    """What figures of a measurement are called: whose it is, and how it was made.

    Parameters
    ----------
    results : dict
        Of a measurement, with "participant", "test_story" and "evaluation_stride".
    """
    story, n_trs = results["test_story"], results["n_trs"]
    how = _way(results)
    return f"{results['participant']}, story {story!r}, {n_trs} TRs, {how}"


def report(
    results: dict,
    folder: str | Path,
    cortex: Cortex | None = None,
    mask: "SpatialImage | None" = None,
) -> list[Path]:
    """Write results as JSON, CSV and (voxels) npz, and draw them.

    Parameters
    ----------
    results : dict
        Of a measurement, with "participant", "test_story", "evaluation_stride", "normalisation"
        and "notes".
    folder : path-like
        Is made if need be.
    cortex : Cortex, optional
    mask : nibabel image, optional
        As `brain_maps`, which draws on them.

    Returns
    -------
    list of Path
        The files, the JSON first.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = ("alignment.json", "alignment.csv", "alignment.png", "layers.png")
    paths = [folder / name for name in names]
    title, voxels = title_of(results), results["per_voxel"]
    large = ("per_voxel", "resamples")
    write_json(paths[0], {key: value for key, value in results.items() if key not in large})
    write_csv(paths[1], COLUMNS, rows(results))
    report_figure(_at_the_same_tr(results), paths[2], title=title)
    layer_figure(results, paths[3], title=title)
    for model, change in results["change"].items():
        paths.append(folder / f"change-{file_name(model)}.png")
        label = f"change of {alignment_name(results['normalisation'])}"
        change_figure(change, paths[-1], label, f"{title}: {model} minus {BASELINE}")
    paths.append(folder / VOXELS)
    np.savez(paths[-1], **_flat(voxels))
    return paths + brain_maps(results, folder, cortex, mask)


def _flat(voxels):
    """{name/model: array} of nested arrays."""
    flat = {}
    for name, value in voxels.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{model}": array for model, array in value.items()}
        else:
            flat[name] = value
    return flat


def comparison_report(results: dict, folder: str | Path, name: str = "compare") -> list[Path]:
    """Write the results of a comparison with controls, and draw the paper's bars and the layers.

    Parameters
    ----------
    results : dict
        Of a measurement without arrays, with "participant", "test_story", "evaluation_stride" and
        "normalisation".
    folder : path-like
        Must exist.
    name : str
        What the files are called, but for their endings.

    Returns
    -------
    list of Path
        <name>.json, .csv, .png and -layers.png.
    """
    title = title_of(results)
    endings = (".json", ".csv", ".png", "-layers.png")
    paths = [Path(folder) / f"{name}{ending}" for ending in endings]
    write_json(paths[0], results)
    write_csv(paths[1], COLUMNS, rows(results))
    report_figure(
        over_layers(_at_the_same_tr(results)),
        paths[2],
        title,
        "Bars: mean over layers; error bars: its standard error over layers.\n"
        f"*: differs from {BASELINE}, p < .05 (block exchange, Holm over regions; of impact: "
        "bootstrap over blocks of TRs, Holm over regions and features).",
    )
    layer_figure(results, paths[3], title=title)
    return paths


def over_layers(results: dict) -> dict:
    """Results whose intervals are a standard error over layers to either side of the mean.

    Parameters
    ----------
    results : dict
        Of a measurement.

    Returns
    -------
    dict
        Its "alignment", "normalisation", "impact", "tests" and "impact_tests".
    """

    def spread(scores):
        layers = [value for value in scores.get("layers", {}).values() if value is not None]
        if scores["mean"] is None or len(layers) < 2:
            return scores
        error = np.std(layers, ddof=1) / len(layers) ** 0.5
        return scores | {"interval": (scores["mean"] - error, scores["mean"] + error)}

    def by_region(table):
        return {region: spread(scores) for region, scores in table.items()}

    return {
        "alignment": {model: by_region(t) for model, t in results["alignment"].items()},
        "impact": {
            model: {feature: by_region(t) for feature, t in by_feature.items()}
            for model, by_feature in results["impact"].items()
        },
        **{name: results[name] for name in ("normalisation", "tests", "impact_tests")},
    }
