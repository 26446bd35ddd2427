"""Jobs run once each, in order, through failures and kills."""

import multiprocessing
import os
import signal
import time

import pytest

from recipes.stages.study.jobs import done, record_of
from recipes.stages.study.running import Here, JobFailed, run_all, run_job, why_failed
from tests.recipes.stages.study.conftest import times_begun

PROCESSES = multiprocessing.get_context("fork")


def quiet(_):
    pass


def test_a_job_runs_after_what_it_needs_and_once(job):
    one = job("one")
    two = job("two", "assert (folder.parent / 'one/result').exists()", needs=("one",))
    told = []
    assert run_all([one, two], Here(2), told.append, pause=0.01) == {}
    assert [line.split(":")[0] for line in told] == ["one", "one", "two", "two"]
    assert run_all([one, two], Here(), told.append) == {}
    assert len(told) == 4 and times_begun(one) == times_begun(two) == 1


def test_a_failure_stops_only_what_needs_it_and_is_tried_again(job, tmp_path):
    flag = tmp_path / "flag"
    broken = job("broken", f"assert pathlib.Path({str(flag)!r}).exists(), 'no flag'")
    after = job("after", needs=("broken",))
    other = job("other")
    failed = run_all([broken, after, other], Here(), quiet, pause=0.01)
    assert failed.keys() == {"broken", "after"} and done(other)
    assert "AssertionError: no flag" in failed["broken"]
    assert failed["after"] == "not begun, since broken failed"
    assert "no flag" in broken.place(".log").read_text()
    flag.touch()
    assert run_all([broken, after, other], Here(), quiet, pause=0.01) == {}
    assert times_begun(broken) == 2 and times_begun(other) == 1


def test_what_a_cluster_refuses_is_a_failure_of_that_job_alone(job):
    class Full(Here):
        def submit(self, job):
            if job.name == "refused":
                raise OSError("no such partition")
            return super().submit(job)

    refused, after, other = job("refused"), job("after", needs=("refused",)), job("other")
    failed = run_all([refused, after, other], Full(), quiet, pause=0.01)
    assert failed.keys() == {"refused", "after"} and done(other)
    assert failed["refused"] == "could not be submitted: no such partition"


def test_a_command_that_fails_in_silence_is_told_by_its_status(job):
    one = job("one", "raise SystemExit(3)")
    with pytest.raises(JobFailed, match="status 3") as raised:
        run_job(one)
    assert why_failed(one, raised.value) == "ended with status 3"


def test_two_calls_at_once_run_a_job_once(job):
    one = job("one", "import time; time.sleep(0.3)")
    processes = [PROCESSES.Process(target=run_job, args=(one,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert times_begun(one) == 1


@pytest.mark.parametrize("refuses", [False, True])
def test_what_outlives_a_killed_call_is_waited_for(job, refuses):
    """The command goes on; the next call waits, and repeats one only that may be repeated."""
    one = job("one", "import time; time.sleep(0.5)", refuses=refuses)
    process = PROCESSES.Process(target=run_job, args=(one,))
    process.start()
    while not times_begun(one):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not done(one) and not (one.folder / "result").exists()
    run_job(one)
    assert done(one) and record_of(one)["seconds"] >= 0
    assert times_begun(one) == (1 if refuses else 2)
