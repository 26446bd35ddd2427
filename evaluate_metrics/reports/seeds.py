"""How far results depend on the seed: the same comparison, tuned with several."""

import numpy as np

from ..normalisation import alignment_name
from .stride import every
from .tables import BASELINE, cell, escaped, markdown_table


def gains_by_seed(results: dict[int, dict]) -> str:
    """Gains by region and seed, over pretrained and of the pairs, as a Markdown table.

    With 95 % intervals, and p of the block-exchange test (Holm over regions).

    Parameters
    ----------
    results : dict of {seed: results of a comparison with controls}

    Returns
    -------
    str
    """

    def compared(run):
        for model, gain in run["gain"].items():
            yield f"{model} - {BASELINE}", gain, run["tests"][model]
        for pair in run["pairs"]:
            yield f"{pair['model']} - {pair['other']}", pair["gain"], pair["tests"]

    def of_seed(gain, test):
        p = test["p_holm"] if test else None  # an empty region is not tested
        return cell(gain["mean"], gain["interval"], digits=3, sign=True, p=p)

    lines = []
    for region in next(iter(results.values()))["alignment"][BASELINE]:
        for runs in zip(*map(compared, results.values()), strict=True):
            cells = [of_seed(gain[region], tests.get(region)) for _, gain, tests in runs]
            lines.append([escaped(region), escaped(runs[0][0]), *cells])
    header = ["region", "what", *(f"seed {seed}" for seed in results)]
    return markdown_table(header, lines) + _caption(results.values())


def scores_by_seed(results: dict[int, dict]) -> str:
    """Alignment and gain of every model, region and seed, and their means, as a Markdown table.

    Of several participants the first one's.

    Parameters
    ----------
    results : dict of {seed: results of tuning}

    Returns
    -------
    str
    """
    runs = [next(iter(run["participants"].values())) for run in results.values()]
    alignment, gain = runs[0]["alignment"], runs[0]["gain"]
    lines = []
    for region in next(iter(alignment.values())):
        for model in alignment:
            scores = [run["alignment"][model][region]["mean"] for run in runs]
            cells = [cell(score, digits=3) for score in (*scores, _mean(scores))]
            line = [escaped(region), escaped(model), *cells]
            if model in gain:
                line.append(_range([run["gain"][model][region]["mean"] for run in runs]))
            lines.append(line)
    seeds = (f"seed {seed}" for seed in results)
    header = ["region", "model", *seeds, "mean", "gain"]
    return markdown_table(header, lines) + _caption(runs)


def _caption(runs):
    """What stands below a table: how alignment was measured, the same with every seed."""
    ((stride, normalisation),) = {(r["evaluation_stride"], r["normalisation"]) for r in runs}
    return f"\n\n{alignment_name(normalisation).capitalize()}, {every(stride)}."


def _mean(values):
    """Mean over seeds; None of a region without voxels, which is empty with every seed."""
    return None if None in values else float(np.mean(values))


def _range(gains):
    if None in gains:
        return cell(None)
    mean, low, high = (
        cell(gain, digits=3, sign=True) for gain in (_mean(gains), min(gains), max(gains))
    )
    return f"{mean} ({low} to {high})"
