"""Warnings name what a reader must know, and are silent otherwise."""

from evaluate_metrics.reports.page import cautions
from tests.evaluate_metrics.reports.page.tidy_rows import tidy


def of(n, family):
    return [tidy("pretrained", f"P{i}", 0.1, family=family) for i in range(n)]


def test_few_participants_are_counted_for_each_family():
    (said,) = cautions([*of(4, "hubert"), *of(4, "hubert"), *of(6, "whisper"), *of(1, "wav2vec2")])
    assert "4 of hubert and 1 of wav2vec2" in said and "whisper" not in said
    assert cautions(of(6, "hubert")) == []


def test_rows_of_no_participant_are_nobody():
    tasks = [tidy("pretrained", None, 0.1), tidy("brain-tuned", "P1", 0.1, region=None)]
    assert cautions(tasks) == []


def test_circular_ceilings_and_missing_collections_are_named():
    circular, missing = cautions([], ["UTS01", "UTS02"], {"slurp": ["4"]})
    assert "UTS01 and UTS02" in circular
    assert missing == "Collection slurp is missing: figure 4 lacks what is measured on it."
