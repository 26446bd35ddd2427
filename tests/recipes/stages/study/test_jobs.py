"""What a job is, and which jobs figures take."""

import dataclasses

import pytest

from recipes.stages.study.jobs import done, for_figures, record_of, with_needs
from recipes.stages.study.running import run_job


def test_a_job_is_done_with_its_command_and_its_result(job):
    one = job("one")
    assert not done(one) and record_of(one) == {}
    run_job(one)
    assert done(one) and record_of(one)["command"] == one.command
    assert not done(job("one", text="other"))
    (one.folder / "result").unlink()
    assert not done(one)


def test_a_study_that_was_moved_is_still_done(job, tmp_path):
    one = job("one")
    run_job(one)
    (tmp_path / "study").rename(tmp_path / "moved")
    folder = tmp_path / "moved/jobs/one"
    moved = [word.replace(str(one.folder), str(folder)) for word in one.command]
    assert done(dataclasses.replace(one, folder=folder, command=moved))


def test_a_configuration_is_the_same_from_wherever_the_command_is_given(job):
    near, far, other = (
        dataclasses.replace(job("one"), command=["python", "tune.py", "--config", path])
        for path in ("configs/phantom.yaml", "../up/configs/phantom.yaml", "configs/other.yaml")
    )
    assert near.key == far.key != other.key


def test_figures_take_their_jobs_and_what_these_need(job):
    jobs = [
        job("a"),
        job("b", needs=("a",), figures=frozenset({"2a", "5"})),
        job("c", needs=("a",), figures=frozenset({"8"})),
        job("d", needs=("b", "c"), figures=frozenset({"9"})),
    ]
    for figures, names in [({"2a"}, "ab"), ({"8"}, "ac"), ({"9"}, "abcd"), ({"7"}, "")]:
        assert "".join(one.name for one in for_figures(jobs, figures)) == names
    for wrong in (jobs[1:], [*jobs, jobs[0]]):
        with pytest.raises(ValueError, match="stands twice, or before one that it needs"):
            with_needs(wrong, ["d"])
