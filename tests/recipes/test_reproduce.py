"""A study by one command: its plan, and what becomes of its jobs."""

import json
import sys

import pytest
import yaml

from recipes import reproduce
from recipes.stages.study.jobs import Job


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
