"""Several seeds in one table."""

import re

import numpy as np
import pytest

from evaluate_metrics.reports.seeds import over_seeds
from evaluate_metrics.statistics import difference_over_runs

N_BLOCKS = 12.0


def cells(table):
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def run(brain_tuned, permuted=0.2, pretrained=0.2, seed=0):
    """Results of three models in two regions and in one without voxels."""
    rng = np.random.default_rng(seed)
    shared = 0.03 * rng.standard_normal(200)
    scores = {"pretrained": pretrained, "permuted": permuted, "brain-tuned": brain_tuned}

    def drawn(score):
        own = 0.01 * rng.standard_normal(200)
        return [score, *(score + shared + own)]

    regions = ("language", "auditory")
    return {
        "evaluation_stride": 0.1,
        "evaluation_chunk": 0.1,
        "normalisation": "normalised",
        "n_blocks": N_BLOCKS,
        "alignment": {
            model: {region: {"mean": score} for region in regions} | {"silent": {"mean": None}}
            for model, score in scores.items()
        },
        "resamples": {
            model: {region: drawn(score) for region in regions} for model, score in scores.items()
        },
        "gain": {"permuted": {}, "brain-tuned": {}},
        "pairs": [{"model": "brain-tuned", "other": "permuted"}],
    }


@pytest.fixture
def results():
    return {0: {"P01": run(0.3, 0.21)}, 7: {"P01": run(0.5, 0.19)}}


def test_the_table_shows_every_seed_with_mean_and_spread(results):
    header, _, *lines = cells(over_seeds(results))
    assert header == ["region", "what", "seed 0", "seed 7", "mean", "spread"]
    assert [line[1] for line in lines[::3]] == [
        *("pretrained", "permuted", "brain-tuned"),
        *("permuted - pretrained", "brain-tuned - pretrained", "brain-tuned - permuted"),
    ]
    assert lines[0] == ["language", "pretrained", "0.200", "0.200", "0.200", "0.000"]
    assert lines[6] == ["language", "brain-tuned", "0.300", "0.500", "0.400", "0.141"]
    assert lines[15][:4] == ["language", "brain-tuned - permuted", "+0.090", "+0.310"]
    assert lines[15][4].startswith("+0.200 [") and lines[15][5] == "0.156"


def test_a_gain_is_tested_over_seeds_and_participants(results):
    for seed, by_participant in results.items():
        by_participant["P02"] = run(0.35 + 0.01 * seed, seed=1)
    drawn = [
        [_difference(by_participant[name]) for by_participant in results.values()]
        for name in ("P01", "P02")
    ]
    expected = difference_over_runs(np.array(drawn), N_BLOCKS)
    (line,) = (line for line in cells(over_seeds(results)) if line[:2] == ["auditory", LAST])
    mean, low, high, p = map(float, re.findall(r"[+-]?\d+\.\d+", line[4]))
    assert (mean, low, high) == pytest.approx((expected["mean"], *expected["interval"]), abs=1e-3)
    assert p >= round(expected["p"], 3)  # corrected for the regions


def _difference(scores):
    tuned, control = (scores["resamples"][m]["auditory"] for m in ("brain-tuned", "permuted"))
    return np.subtract(tuned, control)


LAST = "brain-tuned - permuted"


def test_a_gain_by_chance_in_one_seed_is_none_over_three():
    """The control without a signal, with one seed of three that seemed to gain for sure."""
    gains = (0.046, -0.012, 0.004)
    alone = over_seeds({0: {"P01": run(0.3, 0.2 + gains[0])}})
    three = over_seeds({seed: {"P01": run(0.3, 0.2 + gain)} for seed, gain in enumerate(gains)})
    p = []
    for text in (alone, three):
        (line,) = (c for c in cells(text) if c[:2] == ["language", "permuted - pretrained"])
        p.append(float(line[-2].split("p=")[1]))
    assert p[0] < 0.05 and p[1] > 0.3


def test_the_caption_says_what_intervals_cover(results):
    alone = over_seeds({0: results[0]})
    assert alone.endswith(
        "Normalised brain alignment, representations every 0.1 s. Spread: standard deviation over "
        "seeds. Intervals (95 %) and p (Holm over regions) are over blocks of TRs; they do not "
        "cover other seeds or participants or stories."
    )
    assert "over 2 seeds, blocks of TRs; they do not cover other participants or stories." in (
        over_seeds(results)
    )


def test_names_of_regions_open_no_cell(results):
    for by_participant in results.values():
        for by_region in by_participant["P01"]["alignment"].values():
            by_region["a|b"] = by_region.pop("silent")
    assert "| a\\|b " in over_seeds(results)


def test_an_empty_region_is_empty_with_every_seed(results):
    silent = [line for line in cells(over_seeds(results)) if line[0] == "silent"]
    assert [line[2:] for line in silent] == [["empty", "empty", "empty", ""]] * 6
