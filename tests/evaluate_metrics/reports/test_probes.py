import json

import pytest

from evaluate_metrics.reports.probes import (
    COLUMNS,
    probe_report,
    probe_results,
    probe_rows,
    probe_table,
)


def scored(value):
    return {"value": value, "interval": (value - 0.1, value + 0.1), "n": 30, "majority": 0.25}


@pytest.fixture
def results():
    """Of two models in one task, and of one in another."""

    def result(model, participant, task, measure, *values):
        scores = dict(zip([0, 1, "weighted_sum"], map(scored, values), strict=False))
        rows = probe_rows(model, participant, task, measure, scores)
        return {"key": f"{model} {task}", "notes": [f"{task} is so"], "rows": rows}

    return {
        ("pretrained", "a/mood"): result("pretrained", None, "a/mood", "macro_f1", 0.5, 0.6, 0.7),
        ("tuned", "a/mood"): result("tuned", "P01", "a/mood", "macro_f1", 0.5, 0.55, 0.8),
        ("tuned", "a/fbank"): result("tuned", "P01", "a/fbank", "r2", 0.3),
    }


@pytest.fixture
def report(results):
    return probe_report(results, list(results), ["all is well"])


def test_rows_hold_the_scores_of_every_layer(results):
    rows = results["tuned", "a/mood"]["rows"]
    assert [tuple(row) for row in rows] == [COLUMNS] * 3
    assert [(row["layer"], row["value"]) for row in rows] == [
        (0, 0.5),
        (1, 0.55),
        ("weighted_sum", 0.8),
    ]
    assert rows[0]["majority"] == 0.25 and rows[0]["participant"] == "P01"


def test_a_report_holds_what_there_is_of_the_results_in_order(results):
    pairs = [("tuned", "a/fbank"), ("tuned", "a/word"), ("tuned", "a/mood")]
    report = probe_report(results, pairs, [])
    assert [row["task"] for row in report["rows"]] == ["a/fbank", *["a/mood"] * 3]
    assert list(report["finished"]) == ["tuned"]
    assert report["finished"]["tuned"]["a/mood"] == {
        "key": "tuned a/mood",
        "notes": ["a/mood is so"],
    }


def test_notes_are_said_once(report):
    assert report["notes"] == ["all is well", "a/mood is so", "a/fbank is so"]


def test_results_come_back_from_a_report(results, report):
    assert probe_results(json.loads(json.dumps(report))) == results
    del report["finished"]["tuned"]["a/mood"], results["tuned", "a/mood"]
    assert probe_results(report) == results


def test_the_table_shows_the_gain_over_the_baseline_and_the_notes(report):
    lines = probe_table(report, "pretrained").splitlines()
    assert lines[1] == (
        "a/mood: macro F1 on 30 test clips [95 % interval], gain over pretrained; without hearing "
        "0.25"
    )
    assert lines[2].split() == ["layer", "pretrained", "tuned"]
    assert lines[4].split(maxsplit=1)[0] == "1"
    assert "0.60 [0.50, 0.70]" in lines[4]
    assert lines[4].endswith("0.55 [0.45, 0.65] -0.05")
    assert lines[7].startswith("a/fbank: R^2") and lines[9].endswith("0.30 [0.20, 0.40]")
    assert lines[-3:] == ["all is well", "a/mood is so", "a/fbank is so"]


def test_the_table_shows_no_gain_without_the_baseline(report):
    report["rows"] = [row for row in report["rows"] if row["model"] == "tuned"]
    text = probe_table(report, "pretrained")
    assert "gain" not in text and "pretrained" not in text
