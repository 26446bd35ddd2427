"""From what jobs found to a table, the figures that it suffices for, and a page."""

import csv
import dataclasses
import json
import re
from pathlib import Path

import pytest

from recipes.stages.study.finishing import PAGE, finish
from recipes.stages.study.jobs import Job
from recipes.stages.study.planning import Study
from recipes.stages.study.running import run_job

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

FACTS = {"family": "hubert", "n_layers": 4, "n_parameters": 1000}
NOW = {"settings_hash": "now", "code_version": "2"}
WRITE = """
import pathlib, sys
path = pathlib.Path(sys.argv[1])
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(sys.argv[2])
"""


def alignment(participant):
    """What align.py finds of a participant: a gain in language, none in auditory regions."""
    rows = []
    for region, values in {"language": (0.3, 0.5), "auditory": (0.7, 0.7)}.items():
        for model, value in zip(("pretrained", "brain-tuned"), values, strict=True):
            rows.append(
                {
                    **{"model": model, "participant": participant, "region": region},
                    **{"layer": "mean", "feature": None, "measure": "alignment", "value": value},
                    **{"n": 100, "unit": "voxels", "interval_low": None, "interval_high": None},
                    **{"stride": 0.1, "chunk": 2.0, "normalisation": "normalised"},
                }
            )
    return json.dumps({"rows": rows})


@pytest.fixture
def study(tmp_path):
    return Study(
        folder=tmp_path / "study",
        participants=["P01", "P02"],
        families={},
        recordings={"data": "phantom"},
        kinds={},
        evaluation_chunk=2.0,
    )


@pytest.fixture
def jobs(study, tmp_path):
    """Two jobs whose results are written at once, by a version that is older than today's."""
    script = tmp_path / "align.py"
    script.write_text(WRITE)
    made = []
    for participant in study.participants:
        folder = study.folder / "jobs" / f"align-{participant}"
        path = str(folder / "alignment.json")
        made.append(
            Job(
                name=folder.name,
                command=["python", str(script), path, alignment(participant)],
                folder=folder,
                result="alignment.json",
                figures=frozenset({"2a", "2b"}),
                facts=FACTS | {"settings_hash": "then", "code_version": "1"},
                sources=("alignment.json",),
            )
        )
    return made


def again(jobs):
    """The same jobs in a call of today."""
    return [dataclasses.replace(job, facts=FACTS | NOW) for job in jobs]


def test_what_is_there_is_drawn_and_what_is_not_is_said(study, jobs):
    for job in jobs:
        run_job(job)
    left_out = finish(study, again(jobs), ["2a", "2b", "8"], planted=True)
    assert [number for number, _ in left_out] == ["8"]
    assert {"2a.png", "2a.csv", "2b.png", "2b.csv"} <= {
        path.name for path in Path(study.folder, "figures").iterdir()
    }
    page = (study.folder / PAGE).read_text()
    assert len(re.findall(r"<img ", page)) == 2
    assert "as expected" in page and left_out[0][1] in page.replace("&#39;", "'")
    assert all(job.command[1] in page for job in jobs)


def test_rows_say_which_version_and_settings_they_were_made_with(study, jobs):
    for job in jobs:
        run_job(job)
    finish(study, again(jobs), ["2a"], planted=True)
    with open(study.folder / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 and {row["participant"] for row in rows} == {"P01", "P02"}
    assert {(row["settings_hash"], row["code_version"]) for row in rows} == {("then", "1")}


def test_a_job_that_is_not_done_is_left_out_and_counted(study, jobs):
    run_job(jobs[0])
    assert finish(study, jobs, ["2a"], planted=True) == []
    assert "1 of 2 are done" in (study.folder / PAGE).read_text()
    with open(study.folder / "results.csv", newline="") as file:
        assert {row["participant"] for row in csv.DictReader(file)} == {"P01"}


def test_a_figure_that_lacks_rows_names_the_jobs_that_are_not_done(study, jobs):
    run_job(jobs[0])
    lacking = dataclasses.replace(jobs[1], figures=frozenset({"8"}))
    ((number, why),) = finish(study, [jobs[0], lacking], ["2a", "8"], planted=True)
    assert number == "8" and why.endswith("; not done: align-P02")
