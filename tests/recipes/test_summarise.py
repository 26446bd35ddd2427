"""Results of several participants in one table: known means, errors, tests and files."""

import csv
import json

import numpy as np
import pytest
from scipy.stats import sem

from evaluate_metrics.reports.merging import COLUMNS
from evaluate_metrics.reports.over_participants import SUMMARY
from evaluate_metrics.reports.summary import markdown
from recipes.summarise import SummaryOptions, summarise

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
        known |= {"stride": 0.1, "chunk": 0.1}
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
        "evaluation_stride": 0.1,
        "evaluation_chunk": 0.1,
        "normalisation": "normalised",
        "by_words": None,
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
    output_dir = folder.parent / "summary"
    arguments = SummaryOptions(results=[str(folder)], output_dir=str(output_dir))
    return summarise(arguments), output_dir


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
    content, output_dir = summary
    names = {"summary.json", "summary.csv", "summary.md", *(f"{name}.png" for name in FIGURES)}
    assert {path.name for path in output_dir.iterdir()} == names
    assert json.loads((output_dir / "summary.json").read_text()) == json.loads(json.dumps(content))
    assert {tuple(one) for one in content["rows"]} == {COLUMNS}
    assert len(selected(content["rows"], participant="P01", layer="mean", measure="gain")) == 2
    assert len(selected(content["rows"], model="pretrained", layer="weighted_sum")) == 1
    with open(output_dir / "summary.csv", newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert tuple(read[0]) == SUMMARY
    text = (output_dir / "summary.md").read_text(encoding="utf-8")
    assert text == markdown(content["summary"], content["notes"])
    blank = {None: ""}
    assert read == [
        {name: blank.get(value, str(value)) for name, value in line.items()}
        for line in content["summary"]
    ]
