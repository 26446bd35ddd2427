"""Results of several participants in one table: known means, errors, tests and files."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import sem, wilcoxon

from evaluate_metrics import holm
from recipes.summarise import (
    COLUMNS,
    SUMMARY,
    SummaryArguments,
    layer_means,
    merged,
    over_participants,
    result_files,
    summarise,
)
from recipes.summary_report import markdown

REGIONS = ("language", "auditory")
FIGURES = ["alignment", "impact", "tasks", "layers"]


def row(model="pretrained", participant="P01", value=0.5, **more):
    """A row with all columns; of a task unless a region is given."""
    known = {"model": model, "participant": participant, "value": value, "measure": "macro_f1"}
    known |= {"layer": 1, "n": 30, "unit": "clips", "task": "phantom/word"}
    if value is not None:
        known |= {"interval_low": value - 0.1, "interval_high": value + 0.1}
    if "region" in more:
        known |= {"task": None, "measure": "alignment", "layer": "mean", "unit": "voxels"}
    return dict.fromkeys(COLUMNS) | known | more


def scores(mean):
    interval = [mean - 0.1, mean + 0.1]
    by_layer = {"1": mean - 0.02, "2": mean + 0.02}
    intervals = {layer: interval for layer in by_layer}
    of_all = {"mean": mean, "interval": interval, "n_voxels": 100}
    return of_all | {"layers": by_layer, "layer_intervals": intervals}


def measured(participant, gain):
    """What align.py writes of a participant whose language voxels gain so much."""
    base = 0.2 + int(participant[1:]) / 100

    def alignment(model):
        means = {"language": base + gain * (model == "brain-tuned"), "auditory": base + 0.3}
        return {region: scores(mean) for region, mean in means.items()}

    models = ("pretrained", "brain-tuned")
    return {
        "participant": participant,
        "alignment": {model: alignment(model) for model in models},
        "gain": {"brain-tuned": {"language": scores(gain), "auditory": scores(0.0)}},
        "tests": {"brain-tuned": {region: {"p": 0.5, "p_holm": 1.0} for region in REGIONS}},
        "predicted_voxels": {model: {"language": scores(80.0)} for model in models},
        "impact": {
            model: {"diphones": {r: scores(20.0 + 100 * base) for r in REGIONS}} for model in models
        },
        "impact_tests": {
            "brain-tuned": {
                "diphones": {r: scores(0.0) | {"p": 0.5, "p_holm": 1.0} for r in REGIONS}
            }
        },
    }


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def short(rows):
    """Rows as recipes write them: without the columns that are not theirs."""
    return [{name: value for name, value in one.items() if value is not None} | {
        name: one[name] for name in ("participant", "feature", "interval_low", "interval_high")
    } for one in rows]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six participants; a probe of layers and of recognition for each, the baseline's being one."""
    folder = tmp_path_factory.mktemp("outputs")
    for i in range(1, 7):
        name = f"P{i:02d}"
        written(folder / name / "alignment.json", measured(name, 0.1 + i / 100))
        rows = [
            row(model, participant, value + layer / 10, layer=layer, majority=0.05)
            for model, participant, value in (
                ("pretrained", None, 0.3),
                ("brain-tuned", name, 0.3 + i / 50),
            )
            for layer in (0, 1, 2)
        ]
        rows.append(row("pretrained", None, 0.7, layer="weighted_sum"))
        written(folder / name / "probes" / "probes.json", {"rows": short(rows)})
    # several participants in one file, as tune.py writes them: the same values, read twice
    several = {name: measured(name, 0.1 + int(name[1:]) / 100) for name in ("P01", "P02")}
    written(folder / "both" / "results.json", {"participants": several, "curves": {}})
    return folder


@pytest.fixture(scope="module")
def summary(folder):
    """What is returned, and the folder of the report."""
    report_dir = folder.parent / "summary"
    arguments = SummaryArguments(results=[str(folder)], report_dir=str(report_dir))
    return summarise(arguments), report_dir


def selected(lines, **wanted):
    return [line for line in lines if all(line[name] == value for name, value in wanted.items())]


def only(lines, **wanted):
    (line,) = selected(lines, **wanted)
    return line


def test_values_are_means_over_participants_with_their_standard_error(summary):
    lines = summary[0]["summary"]
    line = only(lines, model="brain-tuned", region="language", measure="alignment", layer="mean")
    values = [0.2 + i / 100 + 0.1 + i / 100 for i in range(1, 7)]
    assert line["value"] == pytest.approx(np.mean(values))
    assert line["standard_error"] == pytest.approx(sem(values))
    assert (line["n"], line["unit"], line["interval_low"]) == (6, "participants", None)
    assert line["gain"] == pytest.approx(0.135)


def test_p_is_wilcoxons_and_holm_adjusts_over_regions(summary):
    lines = selected(summary[0]["summary"], model="brain-tuned", measure="alignment", layer="mean")
    found = {line["region"]: (line["p"], line["p_holm"], line["n_tested"]) for line in lines}
    assert found == {"language": (0.03125, 0.0625, 6), "auditory": (1.0, 1.0, 6)}


def test_one_measurement_stands_for_all_participants(summary):
    lines = selected(summary[0]["summary"], task="phantom/word", layer=2)
    base, tuned = (only(lines, model=model) for model in ("pretrained", "brain-tuned"))
    assert (base["value"], base["n"], base["unit"]) == (0.5, 1, "models")
    assert (base["interval_low"], base["interval_high"]) == pytest.approx((0.4, 0.6))
    assert (tuned["n"], tuned["n_tested"], tuned["p"]) == (6, 6, 0.03125)
    assert tuned["gain"] == pytest.approx(np.mean(np.arange(1, 7)) / 50)


def test_tasks_are_averaged_over_the_transformers_layers(summary):
    line = only(summary[0]["summary"], model="pretrained", task="phantom/word", layer="mean")
    assert line["value"] == pytest.approx(0.45)  # of layers 1 and 2, not of the input
    assert (line["interval_low"], line["interval_high"]) == pytest.approx((0.35, 0.55))
    assert line["majority"] == 0.05


def test_rows_are_read_once_and_files_hold_the_summary(summary, folder):
    content, report_dir = summary
    names = {"summary.json", "summary.csv", "summary.md", *(f"{name}.png" for name in FIGURES)}
    assert {path.name for path in report_dir.iterdir()} == names
    assert json.loads((report_dir / "summary.json").read_text()) == json.loads(json.dumps(content))
    assert {tuple(one) for one in content["rows"]} == {COLUMNS}
    assert len(selected(content["rows"], participant="P01", layer="mean", measure="gain")) == 2
    assert len(selected(content["rows"], model="pretrained", layer="weighted_sum")) == 1
    with open(report_dir / "summary.csv", newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert tuple(read[0]) == SUMMARY
    text = (report_dir / "summary.md").read_text(encoding="utf-8")
    assert text == markdown(content["summary"], content["notes"])
    blank = {None: ""}
    assert read == [
        {name: blank.get(value, str(value)) for name, value in line.items()}
        for line in content["summary"]
    ]


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


def test_what_runs_left_below_their_report_is_passed_over(tmp_path):
    files = [
        written(tmp_path / name, {})
        for name in ("asr/asr.json", "sweep/sweep.json", "tuned/compare.json", "tuned/results.json")
    ]
    losses = [
        written(tmp_path / folder / "results.json", {"train": []})
        for folder in ("asr/brain-tuned", "tuned/stimulus-tuned")
    ]
    for path in losses:
        written(path.with_name("config.json"), {})
    written(tmp_path / "sweep" / "small" / "1" / "results.json", {"of": "a run of the sweep"})
    assert sorted(result_files([str(tmp_path)])) == sorted(files)
    assert result_files([str(losses[0])]) == [losses[0]]
    with pytest.raises(FileNotFoundError, match="none of alignment.json, .* in it"):
        result_files([str(losses[0].parent)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "bad/alignment.json is no JSON of results"),
        ('{"rows": [{"value": NaN}]}', "no JSON of results: a value is NaN"),
        ("[1]", "holds no results: expected rows, participants or alignment, got list"),
        ('{"loss": 1}', "holds no results: .* got loss"),
        ('{"alignment": {}, "gain": {}}', "lacks 'participant': measure again"),
        ('{"rows": [{"model": "a"}]}', "a row lacks participant, layer, feature, measure, value"),
    ],
)
def test_a_file_that_is_no_results_is_named_with_what_is_wrong(content, message, tmp_path):
    path = tmp_path / "bad" / "alignment.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        merged([path])


@pytest.mark.parametrize("more", [{"region": "language", "task": "a/b"}, {"task": None}])
def test_a_row_is_of_a_region_or_of_a_task(more, tmp_path):
    path = written(tmp_path / "probes.json", {"rows": [row() | more]})
    with pytest.raises(ValueError, match="a row needs a region or else a task"):
        merged([path])


def test_different_values_of_the_same_thing_name_both_files(tmp_path):
    paths = [
        written(tmp_path / name / "probes.json", {"rows": [row(value=value)]})
        for name, value in (("a", 0.5), ("b", 0.5 + 1e-9), ("c", 0.6))
    ]
    assert merged(paths[:2]) == [row()]
    with pytest.raises(ValueError, match=r"a/probes.json and .*c/probes.json hold different .*P01"):
        merged(paths)
    empty = written(tmp_path / "d" / "probes.json", {"rows": [row(value=None)]})
    with pytest.raises(ValueError, match="0.5 and None; leave out one of the files"):
        merged([paths[0], empty])


def test_places_without_results_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such file"):
        result_files([str(tmp_path / "nowhere")])
    with pytest.raises(FileNotFoundError, match="none of alignment.json, .* in it"):
        result_files([str(tmp_path)])


def test_a_baseline_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="baseline: got 'pretrain'. Did you mean 'pretrained'?"):
        over_participants([row()], "pretrain")
