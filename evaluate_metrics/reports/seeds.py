"""How far results depend on the seed: the same models, tuned with several."""

from collections.abc import Iterator

import numpy as np

from ..normalisation import alignment_name
from ..statistics import difference_over_runs, holm
from .stride import every
from .tables import BASELINE, cell, escaped, markdown_table

Runs = dict[int, dict[str, dict]]


def over_seeds(results: Runs) -> str:
    """Alignment and gains by region and seed, with what they are over all, as a Markdown table.

    Parameters
    ----------
    results : dict of {seed: {participant: results of a measurement}}
        Of the same participants and models, with "resamples" and "n_blocks".

    Returns
    -------
    str
        Means over participants; of a gain the mean over seeds too, with a 95 % interval and p of
        `difference_over_runs`, Holm over regions.
    """
    runs = [list(by_participant.values()) for by_participant in results.values()]
    first = runs[0][0]
    lines = []
    for model in first["alignment"]:
        for region in _regions(runs):
            scores = [_mean([one["alignment"][model][region]["mean"] for one in r]) for r in runs]
            lines.append([region, model, *_cells(scores)])
    for model, other in _compared(first):
        lines += _gains(runs, model, other)
    header = ["region", "what", *(f"seed {seed}" for seed in results), "mean", "spread"]
    cells = [[escaped(region), escaped(what), *rest] for region, what, *rest in lines]
    return markdown_table(header, cells) + _caption(runs)


def _compared(run) -> Iterator[tuple[str, str]]:
    """Pairs of models: each with the baseline, and those that are compared besides."""
    for model in run["gain"]:
        yield model, BASELINE
    for pair in run["pairs"]:
        yield pair["model"], pair["other"]


def _regions(runs):
    """Regions that all participants have."""
    first, *others = (next(iter(one["alignment"].values())) for one in runs[0])
    return [region for region in first if all(region in other for other in others)]


def _gains(runs, model, other):
    """Lines of what a model gains over another, by region."""
    regions = _regions(runs)
    n_blocks = min(one["n_blocks"] for by_participant in runs for one in by_participant)
    found, by_seed = {}, {}
    for region in regions:
        means = [[one["alignment"][m][region]["mean"] for m in (model, other)] for one in runs[0]]
        if any(None in pair for pair in means):
            continue
        drawn = np.array(
            [
                [np.subtract(*(one["resamples"][m][region] for m in (model, other))) for one in r]
                for r in runs
            ]
        ).swapaxes(0, 1)
        found[region] = difference_over_runs(drawn, n_blocks)
        by_seed[region] = drawn[..., 0].mean(axis=0).tolist()
    corrected = dict(zip(found, holm([test["p"] for test in found.values()]), strict=True))
    for region in regions:
        test = found.get(region)
        cells = _cells(by_seed.get(region, [None] * len(runs)), sign=True)
        if test:
            p = corrected[region]
            cells[-2] = cell(test["mean"], test["interval"], digits=3, sign=True, p=p)
        yield [region, f"{model} - {other}", *cells]


def _cells(scores, sign=False):
    """Cells of what each seed gave, of the mean, and of the standard deviation over seeds."""
    spread = None
    if None not in scores and len(scores) > 1:
        spread = float(np.std(scores, ddof=1))
    return [
        *(cell(score, digits=3, sign=sign) for score in (*scores, _mean(scores))),
        cell(spread, digits=3, missing=""),
    ]


def _mean(values):
    """Mean; None of a region without voxels, which is empty in every run."""
    return None if None in values else float(np.mean(values))


def _caption(runs):
    """What stands below the table: how alignment was measured, and what intervals cover."""
    ways = ("evaluation_stride", "evaluation_chunk", "normalisation")
    ((stride, chunk, normalisation),) = {
        tuple(one[way] for way in ways) for of_seed in runs for one in of_seed
    }
    levels = {"seeds": len(runs), "participants": len(runs[0])}
    covered = [f"{n} {what}" for what, n in levels.items() if n > 1]
    missing = [what for what, n in levels.items() if n == 1]
    return (
        f"\n\n{alignment_name(normalisation).capitalize()}, {every(stride, chunk)}. Spread: "
        "standard deviation over seeds. Intervals (95 %) and p (Holm over regions) are over "
        f"{', '.join([*covered, 'blocks of TRs'])}; they do not cover other "
        f"{' or '.join([*missing, 'stories'])}."
    )
