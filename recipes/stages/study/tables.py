"""A plan as text."""

from collections.abc import Sequence

from tabulate import tabulate

from recipes.stages.study.jobs import Job, done

HEADERS = ("job", "command", "figures", "needs", "hours", "GB", "done")


def job_table(jobs: Sequence[Job]) -> str:
    """Say of each job what it is, what for, from what, what it costs, and whether it is done.

    Parameters
    ----------
    jobs : list of Job

    Returns
    -------
    str
    """
    rows = [
        (
            job.name,
            job.script,
            " ".join(sorted(job.figures, key=_number)),
            " ".join(job.needs),
            _amount(job.hours),
            _amount(job.gigabytes),
            "yes" if done(job) else "no",
        )
        for job in jobs
    ]
    return tabulate(rows, HEADERS, disable_numparse=True)


def _amount(value):
    """Hours or GB to a hundredth; what is less than that is not nothing."""
    if value is None:
        return ""
    return "<0.01" if 0 < value < 0.01 else f"{value:.2f}"


def _number(figure):
    number = figure.rstrip("abc")
    return (int(number) if number.isdecimal() else 99, figure)
