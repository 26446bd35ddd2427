"""From finished jobs to one tidy table, the figures, and the page."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from datasets_scripts import written_whole
from recipes.stages.study.jobs import Job, done, record_of
from recipes.stages.study.planning import Study

PAGE = "index.html"
OF_A_RUN = ("settings_hash", "code_version")  # facts


def finish(
    study: Study,
    jobs: Sequence[Job],
    figures: Sequence[str],
    *,
    planted: bool,
    circular: Sequence[str] = (),
    missing: Mapping[str, Sequence[str]] | None = None,
) -> list[tuple[str, str]]:
    """Write the tidy table of what is done, draw what can be drawn of it, and write the page.

    Parameters
    ----------
    study : Study
    jobs : list of Job
        Those that are not done are passed over.
    figures : list of str
        By number.
    planted : bool
        Whether the truth is known, and stands in the place of published values.
    circular : list of str
        Participants whose voxels are selected by the repeats that are scored.
    missing : dict of {collection: figures}
        Collections that were not given.

    Returns
    -------
    list of (figure, reason)
        Figures that could not be drawn.

    Raises
    ------
    ImportError
        What draws or writes the page is not installed.
    """
    # Not before: a plan is shown, and jobs run, without what draws
    from evaluate_metrics.figures.paper import FIGURES, Missing
    from evaluate_metrics.reports.tidy import Source, tidy, write_tidy

    ended = [job for job in jobs if done(job)]
    rows = tidy(
        [Source(job.folder / name, made_with(job)) for job in ended for name in job.sources]
    )
    write_tidy(rows, study.folder)
    folder = study.folder / "figures"
    folder.mkdir(exist_ok=True)
    drawn, left_out = [], []
    for number in figures:
        if number not in FIGURES:
            left_out.append((number, "this version does not draw it"))
            continue
        try:
            drawn.append(FIGURES[number].draw(rows, folder))
        except Missing as error:
            left_out.append((number, "; ".join([str(error), *_undone(jobs, number)])))

    import evaluate_metrics.reports.page as pages

    expected = pages.PLANTED if planted else pages.PUBLISHED
    claims = pages.claims_by_figure(pages.claims(expected, rows), [one.number for one in drawn])
    told = pages.Study(
        title="Brain-tuning, reproduced",
        about=about(study, jobs),
        figures=[pages.PageFigure(one, claims[one.number]) for one in drawn],
        warnings=pages.cautions(rows, circular, missing),
        commands=[shlex.join(job.command) for job in ended],
        left_out=left_out,
        expectations="planted" if planted else "published",
    )
    with written_whole(study.folder / PAGE) as partial:
        partial.write_text(pages.page(told), encoding="utf-8")
    return left_out


def _undone(jobs, number):
    """What is to be said of a figure's jobs that are not done, which may be why it lacks rows."""
    names = [job.name for job in jobs if number in job.figures and not done(job)]
    return [f"not done: {', '.join(names)}"] if names else []


def made_with(job: Job) -> dict[str, Any]:
    """Return a job's facts, its settings and version being those that it ran with."""
    then = record_of(job).get("facts", {})
    return job.facts | {name: then[name] for name in OF_A_RUN if name in then}


def about(study: Study, jobs: Sequence[Job]) -> list[tuple[str, Any]]:
    """Say what was run on what: words and their values."""
    models = [f"{family} ({one.name})" for family, one in study.backbones.items()]
    return [
        ("Recordings", str(study.recordings["data"])),
        ("Participants", ", ".join(study.participants)),
        ("Models", ", ".join(models)),
        ("Collections", ", ".join(study.collections) or "none"),
        ("Seconds between windows", f"{study.evaluation_chunk:g}"),
        ("Jobs", f"{sum(map(done, jobs))} of {len(jobs)} are done"),
        ("Settings", study.settings_hash),
        ("Version of braintune", study.code_version),
    ]
