"""A plan as a table."""

from pathlib import Path

import pytest

from recipes.stages.study.jobs import Job
from recipes.stages.study.tables import job_table


@pytest.mark.parametrize(
    ("hours", "said"),
    [(None, []), (0.0, ["0.00"]), (0.004, ["<0.01"]), (0.01, ["0.01"]), (12.345, ["12.35"])],
)
def test_a_job_has_its_hours_in_hundredths_and_little_is_not_nothing(tmp_path, hours, said):
    job = Job(
        name="tune-P01",
        command=["python", "recipes/tune.py"],
        folder=Path(tmp_path, "jobs", "tune-P01"),
        result="results.json",
        figures=frozenset({"13", "2a"}),
        hours=hours,
    )
    header, _, line = job_table([job]).splitlines()
    assert header.split() == ["job", "command", "figures", "needs", "hours", "GB", "done"]
    assert line.split() == ["tune-P01", "tune", "2a", "13", *said, "no"]
