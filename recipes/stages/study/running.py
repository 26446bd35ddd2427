"""Running the jobs of a study: each once, whatever was killed, and whoever else runs them too."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from datasets_scripts import written_whole
from recipes.stages.study.jobs import Job, done, record_of

LAST_LINES = 3  # of a log, that a failure is told by


class Running(Protocol):
    """A job that was begun, as `concurrent.futures` and submitit have it."""

    def done(self) -> bool: ...

    def exception(self) -> BaseException | None: ...


class Here:
    """Runs jobs as processes of this machine.

    Parameters
    ----------
    n_at_once : int
    """

    def __init__(self, n_at_once: int = 1):
        self.n_at_once = n_at_once
        self._threads = ThreadPoolExecutor(n_at_once)

    def submit(self, job: Job) -> Running:
        """Begin a job."""
        environment = {}
        if self.n_at_once > 1 and "OMP_NUM_THREADS" not in os.environ:
            n_cores = len(os.sched_getaffinity(0))
            environment["OMP_NUM_THREADS"] = str(max(1, n_cores // self.n_at_once))
        return self._threads.submit(run_job, job, environment)


class JobFailed(RuntimeError):
    """A command ended with an error, which its log tells."""


def run_job(job: Job, environment: dict[str, str] | None = None) -> None:
    """Run a job's command to its end, unless it is done.

    Where another process is at work on it, that one is waited for.

    Parameters
    ----------
    job : Job
    environment : dict, optional
        Variables that the command's process has besides those of this one.

    Raises
    ------
    JobFailed
        The command failed. Its folder, from which the next call goes on, and its log are kept.
    """
    with sole_holder(job.place(".lock")) as held:
        if done(job):
            return
        record = {"key": job.key, "command": job.command, "facts": job.facts}
        started = time.time()
        # One that refuses to be run again may have ended just after its caller was killed.
        ended = job.refuses and record_of(job).get("key") == job.key
        if not (ended and (job.folder / job.result).exists()):
            _note(job, record)
            with open(job.place(".log"), "ab") as log:
                log.write(f"\n$ {' '.join(job.command)}\n".encode())
                log.flush()
                process = subprocess.run(
                    [sys.executable, *job.command[1:]],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=os.environ | (environment or {}),
                    pass_fds=[held],  # so that the lock outlives a caller that is killed
                )
            if process.returncode:
                raise JobFailed(f"ended with status {process.returncode}")
        _note(job, record | {"seconds": round(time.time() - started, 1)})


def _note(job, record):
    # Not by recipes.command, whose import of models would cost each submitted job seconds
    with written_whole(job.place(".json")) as partial:
        partial.write_text(json.dumps(record, indent=1), encoding="utf-8")


@contextmanager
def sole_holder(path: Path) -> Iterator[int]:
    """Wait for a lock and hold it, in this process and in those that its descriptor is passed to.

    filelock releases its lock with the process that took it; a command may live on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def why_failed(job: Job, error: BaseException) -> str:
    """Return the last lines of a job's log, or of an error that came before there was any."""
    try:
        said = job.place(".log").read_text(encoding="utf-8", errors="replace")
        said = said.split("\n$ ")[-1].partition("\n")[2]
    except FileNotFoundError:
        said = ""
    lines = [line.strip() for line in (said.strip() or str(error)).splitlines()]
    return " / ".join([line for line in lines if line][-LAST_LINES:])


def run_all(
    jobs: Sequence[Job],
    executor: Any,
    say: Callable[[str], object] = print,
    pause: float = 0.2,
) -> dict[str, str]:
    """Run what is not done, each job after those that it needs.

    A job that fails stops those alone that need it.

    Parameters
    ----------
    jobs : list of Job
    executor : object
        With `n_at_once` and `submit(job)`, which gives a `Running`: `Here`, or `Cluster`.
    say : callable
        Is told what begins and ends.
    pause : float
        Seconds between two looks at what is running.

    Returns
    -------
    dict of {name: reason}
        Jobs that failed or could not begin.
    """
    there = {job.name for job in jobs if done(job)}
    waiting = [job for job in jobs if job.name not in there]
    failed: dict[str, str] = {}
    by_name = {job.name: job for job in jobs}
    running: dict[str, Running] = {}
    while waiting or running:
        for name, began in list(running.items()):
            if not began.done():
                continue
            del running[name]
            error = began.exception()
            if error is None:
                there.add(name)
                say(f"{name}: done ({len(there)} of {len(jobs)})")
            else:
                failed[name] = why_failed(by_name[name], error)
                say(f"{name}: FAILED: {failed[name]}")
        for job in list(waiting):
            if lost := [name for name in job.needs if name in failed]:
                waiting.remove(job)
                failed[job.name] = f"not begun, since {lost[0]} failed"
            elif {*job.needs} <= there and len(running) < executor.n_at_once:
                waiting.remove(job)
                say(f"{job.name}: {' '.join(job.command)}")
                try:
                    running[job.name] = executor.submit(job)
                except Exception as error:  # of whatever kind a cluster's refusal is
                    failed[job.name] = f"could not be submitted: {error}"
                    say(f"{job.name}: FAILED: {failed[job.name]}")
        if running:
            time.sleep(pause)
    return failed
