import numpy as np
import pytest

from evaluate_metrics.reports.probes import COLUMNS
from evaluate_metrics.reports.recognition import recognition_report, recognition_table

WORDS = [4, 5, 6, 5, 4, 6, 7, 3]
ERRORS = {"pretrained": [2, 3, 1, 4, 2, 2, 3, 1], "tuned": [1, 2, 1, 3, 2, 2, 2, 1]}


@pytest.fixture
def report():
    clips = {
        model: [{"errors": e, "words": w} for e, w in zip(errors, WORDS, strict=True)]
        for model, errors in ERRORS.items()
    }
    participants = {"pretrained": None, "tuned": "P01"}
    return recognition_report(clips, participants, "timit/asr_phones", "pretrained")


def test_rows_hold_the_error_rate_and_what_is_left_of_one(report):
    assert [(row["model"], row["measure"]) for row in report["rows"]] == [
        (model, measure) for model in ERRORS for measure in ("wer", "1-wer")
    ]
    for wrong, right in zip(report["rows"][::2], report["rows"][1::2], strict=True):
        assert wrong["value"] == pytest.approx(sum(ERRORS[wrong["model"]]) / sum(WORDS))
        assert wrong["interval_low"] < wrong["value"] < wrong["interval_high"]
        assert right["value"] == 1 - wrong["value"]
        assert right["interval_low"] == 1 - wrong["interval_high"]
        assert right["interval_high"] == 1 - wrong["interval_low"]
        assert tuple(wrong) == tuple(right) == COLUMNS and wrong["majority"] is None
    assert report["n_words"] == sum(WORDS)


def test_the_difference_is_paired_over_clips(report):
    fewer = np.subtract(ERRORS["pretrained"], ERRORS["tuned"])
    difference = report["differences"]["tuned"]
    assert difference["value"] == pytest.approx(fewer.sum() / sum(WORDS))
    low, high = difference["interval"]
    assert 0 < low < difference["value"] < high  # no clip has more errors
    assert list(report["differences"]) == ["tuned"]


@pytest.mark.parametrize(("units", "counted"), [("phones", "phone"), ("characters", "word")])
def test_the_table_has_a_line_for_every_model(units, counted, report):
    said = recognition_table(report | {"notes": ["so it is"]}, units, "pretrained")
    lines = said.splitlines()
    assert lines[1] == (f"timit/asr_phones: 8 test clips, 40 {counted}s [95 % interval over clips]")
    assert f"{counted} error rate" in lines[2] and "gain over pretrained" in lines[2]
    assert lines[3].startswith("pretrained") and lines[4].startswith("tuned")
    assert f"{report['differences']['tuned']['value']:+.3f} [" in lines[4]
    assert lines[-1] == "so it is"
