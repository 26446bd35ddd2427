"""What a measurement found: as a table, as files, as figures."""

import csv
import json
from pathlib import Path

import numpy as np

from evaluate_metrics import (
    change_figure,
    layer_figure,
    report_figure,
    surface_map,
    volume_map,
)

BASELINE = "pretrained"
OF_RESPONSES = ("responses", "permuted")  # targets that are a participant's


def labelled_models(models, baseline=None):
    """Names of checkpoints by what reports call them, the baseline first.

    Parameters
    ----------
    models : list of str
        Folders or names on the Hub, called by the last part.
    baseline : str, optional

    Returns
    -------
    dict of {str: str}

    Raises
    ------
    ValueError
        Two would be called the same.
    """
    names = {BASELINE: baseline} if baseline else {}
    names |= {Path(name).name: name for name in models}
    if len({BASELINE, *names}) <= len(models):
        raise ValueError(
            f"models are told apart by the last part of their names, which must differ from one "
            f"another and from {BASELINE!r}; got {', '.join(models)}"
        )
    return names


def report(results, folder, title, mask=None, vertices=None):
    """Write results as JSON, CSV and (voxels) npz, and draw them.

    Parameters
    ----------
    results : dict
        From `align`, with "participant", "test_story" and "notes".
    folder : path-like
    title : str
    mask : nibabel image, optional
        Of the participant's voxels: also draw maps of the brain.
    vertices : int array of shape (20484,), optional
        The voxel of each vertex of fsaverage5, -1 for none: draw the maps on it.

    Returns
    -------
    list of Path
        The files, the JSON first.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = ("alignment.json", "alignment.csv", "alignment.png", "layers.png")
    paths = [folder / name for name in names]
    voxels = results["per_voxel"]
    written = {name: value for name, value in results.items() if name != "per_voxel"}
    paths[0].write_text(json.dumps(written, indent=1, default=np.ndarray.tolist))
    with open(paths[1], "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows(results))
    report_figure(results, paths[2], title=title)
    layer_figure(results, paths[3], title=title)
    for model, change in results["change"].items():
        paths.append(folder / f"change-{model}.png")
        label = "change of normalised brain alignment"
        change_figure(change, paths[-1], label, f"{title}: {model} minus {BASELINE}")
    paths.append(folder / "voxels.npz")
    np.savez(paths[-1], **_flat(voxels))
    if mask is not None:
        paths += _maps(voxels, folder, title, mask, vertices)
    return paths


def _flat(voxels):
    """{name/model: array} of nested arrays."""
    flat = {}
    for name, value in voxels.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{model}": array for model, array in value.items()}
        else:
            flat[name] = value
    return flat


def _maps(voxels, folder, title, mask, vertices):
    """Maps of the ceiling, of alignment, and of what changes from the baseline."""
    alignment, left = voxels["alignment"], voxels["residual_alignment"]
    drawn = {"noise-ceiling": ("", "noise ceiling", voxels["noise_ceiling"], False)}
    for model, values in alignment.items():
        drawn[f"alignment-{model}"] = (f": {model}", "normalised brain alignment", values, False)
        if model == BASELINE:
            continue
        compared = f": {model} minus {BASELINE}"
        difference = values - alignment[BASELINE]
        drawn[f"alignment-change-{model}"] = (compared, "change of alignment", difference, True)
        if left:
            # R of a voxel would divide by next to nothing in many: what is lost is shown as it is.
            lost = (values - left[model]) - (alignment[BASELINE] - left[BASELINE])
            drawn[f"impact-change-{model}"] = (
                compared,
                "change of low-level alignment",
                lost,
                True,
            )
    paths = []
    n_voxels = np.count_nonzero(np.asarray(mask.dataobj))
    for name, (what, label, values, change) in drawn.items():
        whole = np.full(n_voxels + 1, np.nan)  # one more, for vertices without a voxel
        whole[voxels["voxels"]] = values
        paths.append(folder / f"map-{name}.png")
        options = {"title": title + what, "label": label, "change": change}
        if vertices is None:
            volume_map(whole[:-1], mask, paths[-1], **options)
        else:
            surface_map(*np.split(whole[vertices], 2), paths[-1], **options)
    return paths


COLUMNS = (
    *("model", "participant", "region", "layer", "feature", "measure", "value"),
    *("n", "unit", "interval_low", "interval_high", "p", "p_holm"),
)


def rows(results):
    """The numbers of a report, one a row.

    Rows of tasks, as `probe` has them, hold "task" where these hold "region"; the rest is the same.

    Parameters
    ----------
    results : dict
        From `align`, with "participant"; or what became of it in JSON.

    Yields
    ------
    dict of {column: value}
        With the columns of `COLUMNS`, in their order; a layer is a number, "mean" or "last".
    """
    participant = results["participant"]

    def row(model, region, layer, feature, measure, value, scores, interval=None, test=None):
        low, high = interval or (None, None)
        p = (test["p"], test["p_holm"]) if test else (None, None)
        n = scores["n_voxels"]
        what = (model, participant, region, layer, feature, measure)
        return dict(zip(COLUMNS, (*what, value, n, "voxels", low, high, *p), strict=True))

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
    for model, by_region in results["predicted_voxels"].items():
        for region, scores in by_region.items():
            what = (model, region, "last", None, "predicted_voxels")
            yield row(*what, scores["mean"], scores, scores["interval"])


def tuned_on(config):
    """The participant that a checkpoint was tuned on.

    Parameters
    ----------
    config : PretrainedConfig

    Returns
    -------
    str or None
        None for a model that was tuned on nobody, or on several: one for all participants.
    """
    brains = getattr(config, "brain", None) or {}
    # The heads of other models predict teachers, which are no participants.
    listeners = [name for name, brain in brains.items() if brain["targets"] in OF_RESPONSES]
    return listeners[0] if len(listeners) == 1 else None


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
    pairs = results.get("pairs", ())
    longest = max(
        *(len(f"gain, {model}") for model in alignment),
        *(len(_pair(pair)) for pair in pairs),
        *(len(f"head, {model}") for model in results.get("heads", {})),
        *(len(f"impact, {region}, %") for region in regions),
    )

    def line(name, cells, width=34):
        cells = [f"{name:<{longest + 2}}", *(f"{cell:<{width - 1}}" for cell in cells)]
        return " ".join(cells).rstrip()

    lines = [
        "",
        f"Normalised brain alignment on {results['test_story']!r}, which no model heard: "
        f"{results['n_trs']} TRs, mean over layers [95 % interval]",
        line("", [f"{name} ({r['n_voxels']} voxels)" for name, r in regions.items()]),
    ]
    lines += [line(model, map(_cell, s.values())) for model, s in alignment.items()]

    def compared(name, gain, tests):
        cells = [
            _cell(s, "+") + (f" p={tests[region]['p_holm']:.3f}" if region in tests else "")
            for region, s in gain.items()
        ]
        lines.append(line(name, cells))

    for model, gain in results["gain"].items():
        compared(f"gain, {model}", gain, results["tests"][model])
    for pair in pairs:
        compared(_pair(pair), pair["gain"], pair["tests"])
    for model, scores in results.get("heads", {}).items():
        lines.append(line(f"head, {model}", map(_cell, scores.values())))
    layers = list(next((s["layers"] for s in regions.values() if "layers" in s), {}))
    for region, scores in regions.items():
        if "layers" in scores:
            lines += ["", line(f"{region}, by layer", [f"layer {layer}" for layer in layers], 12)]
            for model in alignment:
                values = alignment[model][region]["layers"].values()
                lines.append(line(model, [f"{value:.2f}" for value in values], 12))
    for region in regions if results["impact"] else ():
        features = list(next(iter(results["impact"].values())))
        lines += ["", line(f"impact, {region}, %", features, 18)]
        for model, by_feature in results["impact"].items():
            tests = results["impact_tests"].get(model, {})
            cells = [
                _impact_cell(by_feature[feature][region], tests.get(feature, {}).get(region))
                for feature in features
            ]
            lines.append(line(model, cells, 18))
    if results["impact"]:
        lines += ["", f"*: differs from {BASELINE}, p < .05 (bootstrap over blocks of TRs, Holm)"]
    return "\n".join([*lines, "", *results["notes"], ""])


def _pair(pair):
    return f"{pair['model']} over {pair['other']}"


def _cell(scores, sign=""):
    if scores["mean"] is None:
        return "empty"
    low, high = scores["interval"]
    return f"{scores['mean']:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def _impact_cell(scores, test=None):
    if scores["mean"] is None:
        return "none" if scores["n_voxels"] else "empty"
    if scores["interval"] is None:
        return f"{scores['mean']:.0f}"
    low, high = scores["interval"]
    star = "*" if test and test["p_holm"] < 0.05 else ""
    return f"{scores['mean']:.0f} [{low:.0f}, {high:.0f}]{star}"


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
    if results["n_excluded"]:
        said.append(
            f"{results['n_excluded']} voxels are left out: their scored responses are dead."
        )
    if results["n_trs"] < 100:
        said.append(
            f"{results['n_trs']} TRs are few: differences within the intervals say nothing."
        )
    return said
