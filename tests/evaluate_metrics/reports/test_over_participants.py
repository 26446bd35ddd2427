"""Means, errors and tests over participants, of rows with known values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from evaluate_metrics import holm
from evaluate_metrics.reports.merging import COLUMNS
from evaluate_metrics.reports.over_participants import layer_means, over_participants

REGIONS = ("language", "auditory")


def row(model="pretrained", participant="P01", value=0.5, **more):
    """A row with all columns; of a task unless a region is given."""
    known = {"model": model, "participant": participant, "value": value, "measure": "macro_f1"}
    known |= {"layer": 1, "n": 30, "unit": "clips", "task": "phantom/word"}
    if value is not None:
        known |= {"interval_low": value - 0.1, "interval_high": value + 0.1}
    if "region" in more:
        known |= {"task": None, "measure": "alignment", "layer": "mean", "unit": "voxels"}
        known |= {"stride": 0.1, "chunk": 0.1}
    return dict.fromkeys(COLUMNS) | known | more


def selected(lines, **wanted):
    return [line for line in lines if all(line[name] == value for name, value in wanted.items())]


def only(lines, **wanted):
    (line,) = selected(lines, **wanted)
    return line


def test_fewer_than_six_participants_reach_no_level():
    table = [
        row(model, f"P{i}", 0.5 + i / 10 * (model == "brain-tuned"), region="language")
        for model in ("pretrained", "brain-tuned")
        for i in range(1, 6)
    ]
    line = only(over_participants(table), model="brain-tuned")
    assert (line["p"], line["n_tested"]) == (0.0625, 5)


def test_one_participant_keeps_its_own_interval_and_is_not_tested():
    table = [
        row(model, "P01", value, region="language")
        for model, value in (("pretrained", 0.3), ("brain-tuned", 0.5))
    ]
    line = only(over_participants(table), model="brain-tuned")
    assert (line["interval_low"], line["interval_high"]) == (0.4, 0.6)
    assert (line["standard_error"], line["p"], line["n"]) == (None, None, 1)
    assert line["gain"] == pytest.approx(0.2)


def test_ratios_that_are_not_determined_enter_no_mean_and_are_counted():
    impact = {"region": "language", "measure": "impact"}
    unclear = {"value": None, "interval_low": -388, "interval_high": 570}
    values = {"P01": {"value": 40.0}, "P02": {"value": 60.0}, "P03": unclear, "P04": unclear}
    table = [row(participant=name, **impact | value) for name, value in values.items()]
    line = only(over_participants(table))
    assert (line["value"], line["n"], line["n_undetermined"]) == (50, 2, 2)
    line = only(over_participants(table[2:3]))
    assert (line["value"], line["n"], line["n_undetermined"]) == (None, 0, 1)
    assert (line["interval_low"], line["interval_high"]) == (-388, 570)
    line = only(over_participants([row(**impact | {"value": None, "n": 0})]))
    assert (line["value"], line["n_undetermined"]) == (None, 0)  # a region without voxels


@settings(max_examples=20)
@given(n=st.integers(2, 9), seed=st.integers(0, 2**32 - 1))
def test_tests_are_paired_by_participant_whatever_the_order(n, seed):
    values = np.random.default_rng(seed).normal(size=(len(REGIONS), 2, n))
    table = [
        row(model, f"P{i}", value, region=region)
        for region, pair in zip(REGIONS, values, strict=True)
        for model, of_model in zip(("pretrained", "brain-tuned"), pair, strict=True)
        for i, value in enumerate(of_model)
    ]
    p = [wilcoxon(after - before).pvalue for before, after in values]
    for region, alone, adjusted in zip(REGIONS, p, holm(p), strict=True):
        (line,) = selected(over_participants(table[::-1]), model="brain-tuned", region=region)
        assert (line["p"], line["p_holm"]) == pytest.approx((alone, adjusted))
        assert line["n"] == line["n_tested"] == n


def test_the_stride_goes_along_with_alignment():
    regions, tasks = over_participants([row(region="language"), row()])
    assert (regions["stride"], tasks["stride"]) == (0.1, None)


def test_tasks_are_corrected_together_whatever_they_are_scored_by():
    kinds = {
        "phantom/mfcc": {"measure": "r2", "layer": "mean"},
        "phantom/topic": {"measure": "macro_f1", "layer": "mean"},
        "phantom/asr_phones": {"measure": "1-wer", "layer": "all"},
    }
    table = [
        row(model, f"P{i}", 0.5 + gain * (i + 1), task=task, **kind)
        for task, kind in kinds.items()
        for model, gain in (("pretrained", 0), ("brain-tuned", 0.01))
        for i in range(6)
    ]
    lines = selected(over_participants(table), model="brain-tuned")
    assert [line["p"] for line in lines] == pytest.approx([0.03125] * 3)
    assert [line["p_holm"] for line in lines] == pytest.approx([3 * 0.03125] * 3)


def test_empty_regions_count_for_nothing_and_participants_without_a_pair_are_not_tested():
    table = [
        row("pretrained", "P1", None, region="language"),
        row("pretrained", "P2", 0.2, region="language"),
        row("brain-tuned", "P1", 0.4, region="language"),
        row("brain-tuned", "P2", 0.5, region="language"),
        row("pretrained", "P1", None, region="silent"),
    ]
    lines = over_participants(table)
    tuned = only(lines, model="brain-tuned")
    assert (tuned["n"], tuned["n_tested"], tuned["p"]) == (2, 1, None)
    assert tuned["gain"] == pytest.approx(0.3)
    silent = only(lines, region="silent")
    assert (silent["n"], silent["value"]) == (0, None)


def test_only_layers_of_tasks_are_averaged():
    table = [row(layer=0), row(layer="all"), row(layer="weighted_sum"), row(region="language")]
    assert layer_means(table) == []
    assert only(layer_means([*table, row(layer=3, value=0.9)]))["value"] == 0.9


def test_rows_of_a_sweep_are_compared_at_each_size():
    table = [
        row(model, f"P{i}", value + i / 100, region="language", n_trs=n_trs + i, **size)
        for model, gains in (("pretrained", (0.0, 0.0)), ("brain-tuned", (0.1, 0.2)))
        for gain, fraction, n_trs in zip(gains, (0.5, 1.0), (400, 800), strict=True)
        for start, value in (("small", 0.3 + gain), ("large", 0.4 + gain))
        for size in [{"pretrained": start, "fraction": fraction, "n_parameters": 9}]
        for i in (1, 2, 3)
    ]
    lines = selected(over_participants(table), model="brain-tuned")
    found = {(line["pretrained"], line["fraction"]): line for line in lines}
    for key, (gain, n_trs) in {
        ("small", 0.5): (0.1, 402),
        ("small", 1.0): (0.2, 802),
        ("large", 0.5): (0.1, 402),
        ("large", 1.0): (0.2, 802),
    }.items():
        assert found[key]["gain"] == pytest.approx(gain)
        assert (found[key]["n_trs"], found[key]["n_tested"]) == (n_trs, 3)
        assert found[key]["n_parameters"] == 9


def test_a_baseline_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="baseline: got 'pretrain'. Did you mean 'pretrained'?"):
        over_participants([row()], "pretrain")


def test_a_participant_counts_once_however_many_seeds_there_are():
    values = {("P01", 0): 0.4, ("P01", 1): 0.6, ("P02", 0): 0.7, ("P02", 1): 0.9}
    table = [
        row("pretrained", participant, 0.3, region="language", seed=seed)
        for participant, seed in values
    ]
    table += [
        row("brain-tuned", participant, value, region="language", seed=seed)
        for (participant, seed), value in values.items()
    ]
    lines = over_participants(table)
    tuned = only(lines, model="brain-tuned")
    assert (tuned["n"], tuned["n_tested"]) == (2, 2)
    assert tuned["value"] == pytest.approx(0.65)
    assert tuned["gain"] == pytest.approx(0.35)
    assert tuned["standard_error"] == pytest.approx(np.std([0.5, 0.8], ddof=1) / np.sqrt(2))
    alone = only(over_participants([r for r in table if r["participant"] == "P01"])[1:])
    assert (alone["value"], alone["interval_low"]) == (pytest.approx(0.5), None)
    same = only(over_participants([r for r in table if r["participant"] == "P01"])[:1])
    assert (same["value"], same["interval_low"]) == (0.3, pytest.approx(0.2))


def test_families_are_compared_with_their_own_baselines():
    starts = {"wav2vec2-base": 0.2, "hubert-base": 0.4}
    table = [
        row(model, f"P{i}", start + gain, region="language", pretrained=family)
        for family, start in starts.items()
        for model, gain in (("pretrained", 0), ("brain-tuned", 0.1 + start))
        for i in (1, 2)
    ]
    lines = selected(over_participants(table), model="brain-tuned")
    assert {line["pretrained"]: line["gain"] for line in lines} == {
        "wav2vec2-base": pytest.approx(0.3),
        "hubert-base": pytest.approx(0.5),
    }
