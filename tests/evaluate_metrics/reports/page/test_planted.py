"""What is planted is expected of the phantom's own regions, tasks and features."""

import pytest

from datasets_scripts.phantom import PHANTOM_TASKS
from datasets_scripts.phantom.recordings import VOXEL_COUNTS
from evaluate_metrics.figures.paper import FIGURES
from evaluate_metrics.reports.page import PLANTED, claims
from tests.evaluate_metrics.reports.page.tidy_rows import tidy

KINDS = {name.removeprefix("n_") for name in VOXEL_COUNTS}
LOW_LEVEL = {"mfcc", "fbank"}  # regressed from any clips


@pytest.mark.parametrize("expected", PLANTED, ids=lambda e: f"{e.figure}-{e.place}")
def test_places_exist_on_the_phantom(expected):
    assert expected.place in {*KINDS, *PHANTOM_TASKS, *LOW_LEVEL}
    assert expected.figure in FIGURES
    said = expected.words.partition(":")[0]
    assert {"none": 0, "a gain": 1, "a rise": 1, "a fall": -1}[said] == expected.sign


def test_it_is_found_where_it_is_planted_and_said_to_be_absent_where_not():
    def rows(step):
        for one in PLANTED:
            task = f"phantom/{one.place}" if one.place not in KINDS else None
            where = dict(metric=one.metric, feature=one.feature, task=task)
            where |= dict(region=None if task else one.place)
            for n in range(4):
                change = step(one.sign) + 0.01 * (-1) ** n
                yield tidy(one.contrast[0], f"P{n}", 0.4 + change, **where)
                yield tidy(one.contrast[1], f"P{n}", 0.4, **where)

    found = claims(PLANTED, list(rows(lambda sign: 0.2 * sign)))
    assert len(found) == len(PLANTED)
    assert {one.verdict for one in found} == {"as expected"}
    absent = claims(PLANTED, list(rows(lambda sign: 0.0)))
    assert {one.verdict for one in absent if one.published.sign} == {"not shown"}
