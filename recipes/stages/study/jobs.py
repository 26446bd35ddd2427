"""A job of a study: one command, what it needs, and whether it is done."""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command of this package, as a user could type it, and what becomes of it in a study.

    Parameters
    ----------
    name : str
        Of the job, and of its log and record in the folder of jobs.
    command : list of str
        Its words, from "python" on; paths are relative to the working directory.
    folder : Path
        That the command writes to.
    result : str
        A file in it that is there once the command has ended.
    needs : tuple of str
        Names of jobs that are done before.
    figures : frozenset of str
        Numbers of the figures that the results are drawn in.
    facts : dict
        Columns of the tidy table that hold for all results.
    sources : tuple of str
        Files in the folder whose values enter the tidy table.
    refuses : bool
        Whether the command, once it has ended, refuses to be run again.
    hours, gigabytes : float or None
        What it takes, where that is known.
    """

    name: str
    command: list[str]
    folder: Path
    result: str
    needs: tuple[str, ...] = ()
    figures: frozenset[str] = frozenset()
    facts: dict[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    refuses: bool = False
    hours: float | None = None
    gigabytes: float | None = None

    def place(self, ending: str) -> Path:
        """Return a file that is the job's own, beside the folders of jobs."""
        return self.folder.parent / f"{self.name}{ending}"

    @property
    def script(self) -> str:
        """Name of the command."""
        return Path(self.command[1]).stem

    def told(self) -> dict[str, Any]:
        """Return the job as JSON holds it, with whether it is done."""
        folder, figures = str(self.folder), sorted(self.figures)
        return asdict(self) | {"folder": folder, "figures": figures, "done": done(self)}

    @property
    def key(self) -> str:
        """Digest of the command, wherever the study's folder and the package lie."""
        study = str(self.folder.parent.parent)
        _, script, *words = self.command
        if "--config" in words:
            at = words.index("--config") + 1
            words[at] = Path(words[at]).name
        told = [Path(script).name, *(word.replace(study, "<study>") for word in words)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def record_of(job: Job) -> dict[str, Any]:
    """Return what is noted of a job's last start; empty where it has not been started."""
    try:
        return json.loads(job.place(".json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def done(job: Job) -> bool:
    """Whether a job has come to its end with the command that it has now."""
    found = record_of(job)
    return (
        found.get("key") == job.key
        and found.get("seconds") is not None
        and (job.folder / job.result).exists()
    )


def with_needs(jobs: Sequence[Job], wanted: Iterable[str]) -> list[Job]:
    """Return the jobs of these names and all that they need, in the order of the first list.

    Raises
    ------
    ValueError
        A job needs one that is unknown, or that stands behind it; two have one name.
    """
    known: dict[str, Job] = {}
    for job in jobs:
        if job.name in known or not {*job.needs} <= known.keys():
            raise ValueError(f"job {job.name} stands twice, or before one that it needs")
        known[job.name] = job
    chosen, left = set(), [*wanted]
    while left:
        name = left.pop()
        if name not in chosen:
            chosen.add(name)
            left += known[name].needs
    return [job for job in jobs if job.name in chosen]


def for_figures(jobs: Sequence[Job], figures: Collection[str]) -> list[Job]:
    """Return the jobs that figures are drawn from, and what these need."""
    return with_needs(jobs, [job.name for job in jobs if job.figures & {*figures}])
