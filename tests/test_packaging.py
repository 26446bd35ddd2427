"""What is installed from the wheel: every package, and what is no Python file."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ["modeling_braintune", "datasets_scripts", "evaluate_metrics", "recipes"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The rooms as they stand, without what Python left there; the build writes beside them."""
    folder = tmp_path_factory.mktemp("packaging") / "source"
    for room in ROOMS:
        left = shutil.ignore_patterns("__pycache__", "*.partial")
        shutil.copytree(ROOT / room, folder / room, ignore=left)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source):
    """Names of the files in the wheel, and its metadata."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    # pip's own warnings are no business of ours
    done = subprocess.run(
        [*build, "--wheel-dir", source.parent, source], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (path,) = source.parent.glob("braintune-*.whl")
    with ZipFile(path) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        return set(archive.namelist()), archive.read(metadata).decode()


def test_the_wheel_has_every_file_of_the_rooms(source, wheel):
    files = {
        path.relative_to(source).as_posix()
        for room in ROOMS
        for path in (source / room).rglob("*")
        if path.is_file()
    }
    names = {name for name in wheel[0] if ".dist-info/" not in name}
    assert names == files


@pytest.mark.parametrize("room", ROOMS)
def test_type_checkers_find_the_types(room, wheel):
    assert f"{room}/py.typed" in wheel[0]


@pytest.mark.parametrize(
    "name",
    [
        "recipes/configs/phantom.yaml",
        "recipes/configs/fsdp.json",
        "evaluate_metrics/brain_alignment/README.md",
        "evaluate_metrics/low_level_impact/requirements.txt",
    ],
)
def test_what_commands_and_spaces_read_is_in_it(name, wheel):
    assert name in wheel[0]


def test_its_metadata_say_where_to_look(wheel):
    _, metadata = wheel
    assert "Project-URL: Issues, https://" in metadata
    assert "Requires-Python: >=3.11" in metadata
    for version in ("3.11", "3.12", "3.13"):
        assert f"Programming Language :: Python :: {version}" in metadata
