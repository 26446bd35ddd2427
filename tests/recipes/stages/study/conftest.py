"""Jobs whose commands take no time."""

import pytest

from recipes.stages.study.jobs import Job

SCRIPT = """
import pathlib, sys
folder, text, more = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
folder.mkdir(parents=True, exist_ok=True)
with open(folder / "begun", "a") as file:
    file.write("x")
exec(" ".join(more))
(folder / "result").write_text(text)
"""


@pytest.fixture
def job(tmp_path):
    """Make a job that notes that it has begun, does something, and writes a result."""
    script = tmp_path / "command.py"
    script.write_text(SCRIPT)

    def make(name, *code, text="text", **more):
        folder = tmp_path / "study/jobs" / name
        command = ["python", str(script), str(folder), text, *code]
        return Job(name=name, command=command, folder=folder, result="result", **more)

    return make


def times_begun(job):
    """How often the command of a job was started."""
    path = job.folder / "begun"
    return len(path.read_text()) if path.exists() else 0
