import numpy as np
import pytest

from evaluate_metrics.preference import preference
from evaluate_metrics.reports.preference import preference_rows, preference_table
from evaluate_metrics.reports.task_rows import COLUMNS

NEIGHBOURS = {"dog": {"semantic": ["hound"], "phonetic": ["fog"]}}
NEIGHBOURS |= {"cat": {"semantic": ["puss"], "phonetic": ["hat"]}}
KINDS = ["semantic", "phonetic", "random"]
MEASURES = ["d", "d_relative", *KINDS]
CHANGES = ["d_change", "d_relative_change"]


@pytest.fixture
def distances():
    """Of two models with two layers each."""
    rng = np.random.default_rng(0)

    def model():
        kinds = {kind: rng.random((2, 2)) for kind in KINDS}
        return kinds | {"d": kinds["semantic"] - kinds["phonetic"]}

    return {"pretrained": model(), "tuned": model()}


@pytest.fixture
def rows(distances):
    return preference_rows(
        distances, NEIGHBOURS, "P01", "phantom/preference", [2, 5], "pretrained", seed=3
    )


def test_every_layer_of_every_model_has_d_and_its_distances(rows, distances):
    expected = {"pretrained": MEASURES, "tuned": [*MEASURES, *CHANGES]}
    assert [(row["model"], row["layer"], row["measure"]) for row in rows] == [
        (model, layer, measure)
        for model, measures in expected.items()
        for layer in (2, 5)
        for measure in measures
    ]
    assert {tuple(row) for row in rows} == {COLUMNS}
    assert {(row["participant"], row["n"], row["unit"]) for row in rows} == {("P01", 2, "words")}
    (_, scores) = preference(distances["tuned"], NEIGHBOURS, distances["pretrained"], seed=3)
    for name, row in zip(CHANGES, rows[-2:], strict=True):
        expected = (scores[name]["value"], *scores[name]["interval"])
        assert (row["value"], row["interval_low"], row["interval_high"]) == expected


def test_layers_are_numbered_where_all_are_measured(distances):
    rows = preference_rows(distances, NEIGHBOURS, "P01", "a/preference", None, "other")
    assert {row["layer"] for row in rows} == {0, 1}
    assert "d_change" not in {row["measure"] for row in rows}


def test_the_table_has_a_line_for_every_layer_of_a_model(rows):
    report = {"rows": rows, "notes": ["so it is"]}
    lines = preference_table(report, "pretrained").splitlines()
    assert len(lines) == 3 + 4 + 2 and lines[-1] == "so it is"
    assert lines[1] == "phantom/preference: d and distances over 2 words [95 % interval]"
    assert lines[6].split()[:2] == ["tuned", "5"]
    for change in rows[-2:]:
        low, high = change["interval_low"], change["interval_high"]
        assert f"{change['value']:+.3f} [{low:+.3f}, {high:+.3f}]" in lines[6]
    random = rows[-3]
    assert random["measure"] == "random" and lines[6].endswith(f" {random['value']:.3f}")


def test_a_ratio_over_nothing_is_not_determined(distances):
    distances["tuned"]["random"] = np.zeros((2, 2))
    rows = preference_rows(distances, NEIGHBOURS, "P01", "a/preference", None, "pretrained")
    ratios = [row for row in rows if row["measure"].startswith("d_relative")]
    assert [row["value"] is None for row in ratios] == [False] * 2 + [True] * 4
    report = {"rows": rows, "notes": []}
    assert preference_table(report, "pretrained").count("not determined") == 4
