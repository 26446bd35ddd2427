"""A study by one command: its plan, and what becomes of its jobs."""

import json
import sys
import tarfile
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
import yaml

from evaluate_metrics.reports.tidy import read_tidy
from recipes import reproduce
from recipes.stages.study.jobs import Job
from tests.command_process import run_command, start_command

TWIN = Path(__file__).resolve().parents[2].parent / "shared/data/ds003020-twin.tar.xz"


@pytest.fixture
def study(settings, pretrained, tmp_path):
    """A configuration of a study of small recordings and one small model."""
    of_jobs = tmp_path / "tuning.yaml"
    own = {"data", "participants", "pretrained"}
    of_jobs.write_text(yaml.safe_dump({k: v for k, v in settings.items() if k not in own}))
    path = tmp_path / "study.yaml"
    content = {
        "data": settings["data"],
        "models": ["wav2vec2"],
        "figures": ["2a"],
        "output_dir": str(tmp_path / "study"),
        "checkpoints": {"wav2vec2": str(pretrained)},
        "jobs": {"all": {"config": str(of_jobs)}, "probe": {}},
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def command(study, monkeypatch):
    def run(*words):
        words = ["reproduce.py", "--config", study, *words]
        monkeypatch.setattr(sys, "argv", [*map(str, words)])
        reproduce.main()

    return run


def test_a_dry_run_shows_jobs_costs_gaps_and_commands(command, capsys, tmp_path):
    command("--dry_run", "--figures", "2", "4")
    said = capsys.readouterr().out
    for participant in ("P01", "P02"):
        (line,) = [
            line for line in said.splitlines() if line.startswith(f"tune-wav2vec2-{participant} ")
        ]
        assert float(line.split()[-3].removeprefix("<")) > 0 and line.endswith("no")
        assert f"--participants {participant} " in said
    assert "With --evaluation_chunk 0.1: 4 jobs" in said and "With --evaluation_chunk 1: " in said
    assert "With timit, slurp, speech_commands, crema_d too, at 0.1 s: 8 jobs" in said
    assert "Figures 2a, 2b, 2c: all is there" in said
    assert "collection timit: give --collections timit=<folder>" in said
    assert not (tmp_path / "study").exists()


@pytest.mark.skipif(not TWIN.exists(), reason="the twin of ds003020 is not here")
def test_a_dry_run_on_the_twin_says_what_each_figure_lacks_and_costs(command, study, capsys):
    """One participant has heard enough stories; nothing is fetched, and no atlas given."""
    with tarfile.open(TWIN) as archive:
        archive.extractall(study.parent / "twin", filter=lambda member, _: member)
    content = yaml.safe_load(study.read_text())
    content["jobs"] = {"all": {"config": "ds003020.yaml"}, "probe": {}}
    study.write_text(yaml.safe_dump(content))
    command("--data", study.parent / "twin/ds003020", "--dry_run", "--figures", "2", "13", "4")
    said = capsys.readouterr().out
    assert "UTS03 is left out, who heard 1 of 27 stories" in said
    (line,) = [line for line in said.splitlines() if line.startswith("tune-wav2vec2-UTS05 ")]
    assert float(line.split()[-3].removeprefix("<")) > 0
    gaps, of_tasks = said.partition("Figures 2a, 2b, 2c, 13: missing")[2].split(
        "Figures 4: missing"
    )
    for lacking in (gaps, of_tasks):
        assert "60 files of UTS05 are not fetched (2.24 GB)" in lacking
        assert "regions of UTS05: give --atlas, or a file of regions" in lacking
    assert "collection timit: give --collections timit=<folder>" in of_tasks


def test_what_no_job_can_make_is_said(command):
    with pytest.raises(SystemExit, match="figures 9 cannot be made .* timit=<folder>"):
        command("--figures", "9")


def test_what_fails_is_named_with_its_log_and_tried_again(command, capsys, tmp_path, monkeypatch):
    drawn, broken = [], tmp_path / "broken"
    script = tmp_path / "command.py"
    script.write_text(
        "import pathlib, sys\nfolder = pathlib.Path(sys.argv[1])\n"
        f"if pathlib.Path({str(broken)!r}).exists() and 'align' in folder.name:\n"
        "    sys.exit('no space')\n"
        "folder.mkdir(parents=True, exist_ok=True)\n"
        "(folder / 'results.json').touch(), (folder / 'alignment.json').touch()\n"
    )

    def planned(study):
        folder = study.folder / "jobs"
        shared = {"result": "results.json", "figures": frozenset({"2a"})}
        return [
            Job(
                name=n,
                folder=folder / n,
                command=["python", str(script), str(folder / n)],
                **shared,
            )
            for n in ("tune", "align")
        ]

    monkeypatch.setattr(reproduce, "plan", lambda study: [*planned(study)])
    monkeypatch.setattr(reproduce, "finish", lambda study, jobs, *_, **__: drawn.append(jobs) or [])
    broken.touch()
    with pytest.raises(SystemExit, match="1 jobs failed; the same command tries them again"):
        command()
    log = tmp_path / "study/jobs/align.log"
    assert f"align failed: no space ({log})" in capsys.readouterr().err
    assert "no space" in log.read_text() and len(drawn) == 1
    broken.unlink()
    command()
    told = json.loads((tmp_path / "study/plan.json").read_text())
    assert [job["name"] for job in told] == ["tune", "align"]
    said = capsys.readouterr().out
    assert "2 of 2 jobs are done" in said and "tune: python" not in said


BRIEF = {
    "train_stories": ["story01", "story02"],
    "n_trs_per_window": 2,
    "evaluation_stride": 4.0,
    "layers": [2],
    "max_steps": 4,
    "eval_steps": 2,
    "save_steps": 2,
    "per_device_train_batch_size": 4,
}


@pytest.fixture(scope="module")
def brief(settings, pretrained, tmp_path_factory):
    """What a study of two short jobs is called with, but for the output folder."""
    folder = tmp_path_factory.mktemp("brief")
    own = {"data", "participants", "pretrained"}
    of_jobs = {key: value for key, value in (settings | BRIEF).items() if key not in own}
    (folder / "tuning.yaml").write_text(yaml.safe_dump(of_jobs))
    content = {
        "data": settings["data"],
        "participants": ["P01"],
        "models": ["wav2vec2"],
        "figures": ["2"],
        "evaluation_chunk": 4.0,
        "checkpoints": {"wav2vec2": str(pretrained)},
        "jobs": {"all": {"config": str(folder / "tuning.yaml")}, "align": {"low_level": False}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    return "reproduce", "--config", folder / "study.yaml", "--output_dir"


@pytest.fixture(scope="module")
def undisturbed(brief, tmp_path_factory):
    """Folder of a study that two calls ran at once, neither of them killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    said = [folder / f"{name}.log" for name in ("one", "other")]
    calls = [start_command(*brief, folder / "study", stdout=log, stderr=log) for log in said]
    for call, log in zip(calls, said, strict=True):
        call.join()
        assert call.exitcode == 0, log.read_text()
        assert "2 of 2 jobs are done" in log.read_text()
    return folder / "study"


def test_two_calls_at_once_run_each_job_once_and_leave_a_table_of_both(undisturbed):
    for job in ("tune-wav2vec2-P01", "align-wav2vec2-P01"):
        assert (undisturbed / f"jobs/{job}.log").read_text().count("\n$ ") == 1
    rows = read_tidy([undisturbed / "results.parquet"])
    assert {row["model"] for row in rows} - {None} == {"pretrained", "brain-tuned"}
    assert {row["code_version"] for row in rows} == {version("braintune")}
    assert len({row["settings_hash"] for row in rows} - {None}) == 1
    assert not list(undisturbed.glob(".results*"))


def test_killed_at_many_moments_the_same_call_ends_with_the_same_table(
    brief, undisturbed, tmp_path
):
    study = tmp_path / "study"
    tuned, aligned = (study / f"jobs/{name}-wav2vec2-P01" for name in ("tune", "align"))
    # While a model is tuned (its first checkpoint is whole, or, where this process had to wait, the
    # training is over), while it is measured, and while figures are drawn
    whole = "brain-tuned/checkpoints/checkpoint-2/checksums.json"
    moments = (
        ((tuned / whole, tuned / "brain-tuned/losses.json"), tuned / "results.json"),
        ((aligned.with_suffix(".log"),), aligned / "alignment.json"),
        ((study / "results.csv",), study / "index.html"),
    )
    for marks, not_yet in moments:
        call = start_command(*brief, study, stderr=tmp_path / "killed.log")
        while call.is_alive() and not any(mark.exists() for mark in marks):
            time.sleep(0.01)
        caller = psutil.Process(call.pid)
        for process in (caller, *caller.children(recursive=True)):
            process.kill()
        call.join()
        assert call.exitcode == -9, (tmp_path / "killed.log").read_text()
        assert not not_yet.exists()
    again = run_command(*brief, study)
    assert again.returncode == 0, again.stderr
    table, other = (read_tidy([folder / "results.parquet"]) for folder in (study, undisturbed))
    assert table == other
    for name in ("results.parquet", "results.csv"):
        assert (study / name).read_bytes() == (undisturbed / name).read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--figures", "16"], "figures must be all, or some of .* got '16'"),
        (["--models", "hubert"], "hubert"),
        (["--executor", "slrum"], "slurm"),
        (["--slurm", "gpu"], "slurm must be given as <name>=<value>, got gpu"),
        (["--n_at_once", "0"], "n_at_once must be at least 1 job, got 0"),
        (["--participants", "P09"], "P09"),
    ],
)
def test_mistakes_are_one_line(command, words, message):
    with pytest.raises(SystemExit, match=message):
        command("--dry_run", *words)
