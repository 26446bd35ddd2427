"""Checkpoints and metrics on a Hub: whole, in one commit, and in nobody else's name."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from huggingface_hub import HfApi
from safetensors.numpy import save_file

from evaluate_metrics import space_files
from modeling_braintune.model_card import UNPUBLISHED
from recipes.publish import PublishOptions
from tests.command_process import run

BROKEN_AFTER = {"second weights": 1, "commit": 2}  # so many uploads succeed
TO = "--push_to_hub"
REFUSED = {  # command line without checkpoint, and the line that it ends with
    (TO, "grace/other"): "PermissionError: grace/other: the token is that of ada, who may",
    (TO, "ada/../other"): "HFValidationError: Repo id must be",
    (TO, "other"): "ValueError: a repository is named <your name>/<its name>, got 'other'",
    (TO, "ada/open", "--revision", "draft"): (
        "FileNotFoundError: ada/open: No such branch: 'draft' (404); check the names of repository"
    ),
    (TO, "ada/open", "--private", "true"): (
        "ValueError: ada/open exists and is public: make it private on the Hub, or take another"
    ),
    (TO, "ada/other", "--metric", "m"): "ValueError: give one of --checkpoints and --metric",
}
PROGRAM = """
import contextlib, io, json, os, sys
from pathlib import Path
from huggingface_hub import constants
from recipes.publish import main

commands = json.loads(Path(sys.argv[1]).read_text())
for constants.ENDPOINT, os.environ["HF_TOKEN"], *words in commands:
    sys.argv, printed, ended = ["publish.py", *words], io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        try:
            main()
        except SystemExit as end:
            ended = end.code
    print(json.dumps([printed.getvalue(), ended]))
"""


def fill(folder):
    """Write a checkpoint's files, and others that lie beside them."""
    (folder / "figures").mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "wav2vec2"}')
    (folder / "modeling_braintune.py").write_text("shipped = True\n")
    (folder / "README.md").write_text(f'---\ntags: [speech]\n---\ncheckpoint = "{UNPUBLISHED}"\n')
    (folder / "figures" / "tuning.png").write_bytes(b"a figure")
    for name in ("model", "brain"):
        save_file({name: np.ones(3, np.float32)}, folder / f"{name}.safetensors")
    (folder / "README.md.partial").write_text("half of it")
    (folder / "train.log").write_text("a log")
    return folder


def contents(folder):
    """{path: bytes} of all files below a folder, but the client's own."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in files.items() if not name.startswith(".cache/")}


@pytest.fixture(scope="module")
def published(start_loopback_hub, tmp_path_factory):
    """One process in which the recipe runs command after command.

    Gives the folder, what it held before, the Hubs by name and, by Hub and command line, what was
    printed and the line that ended it, None where it succeeded.
    """
    folder = fill(tmp_path_factory.mktemp("runs") / "brain-tuned")
    before = contents(folder)
    hubs = {"whole": start_loopback_hub()}
    for name, n_written in BROKEN_AFTER.items():
        hubs[name] = start_loopback_hub("--fail-after", str(n_written))
    hub = hubs["whole"]
    HfApi(hub.url, hub.token).create_repo("ada/open")
    model = ("--checkpoints", str(folder))
    to_model = (*model, "--push_to_hub", "ada/published")
    commands = [
        (hub.url, hub.token, *to_model, "--private", "true"),
        (hub.url, hub.token, "--metric", "low_level_impact", "--push_to_hub", "ada/metric"),
        *((hub.url, hub.token, *model, *words) for words in REFUSED),
        (hub.url, "hf_wrong", *to_model),
        (hub.url, "", *to_model),
        ("http://127.0.0.1:9", hub.token, *to_model),
        *((hubs[name].url, hub.token, *to_model) for name in BROKEN_AFTER for _ in range(2)),
    ]
    written = tmp_path_factory.mktemp("program")
    (written / "program.py").write_text(PROGRAM)
    (written / "commands.json").write_text(json.dumps(commands))
    done = run(written / "program.py", written / "commands.json")
    assert done.returncode == 0, done.stderr
    answers = map(json.loads, done.stdout.splitlines())
    ran = {}
    for command, answer in zip(commands, answers, strict=True):
        ran.setdefault(command, []).append(answer)
    return SimpleNamespace(folder=folder, before=before, hubs=hubs, ran=ran, to_model=to_model)


def held(hub, repo, folder, kind="model"):
    """What a Hub holds: {path: bytes}, and the number of commits since the repository began."""
    HfApi(hub.url, hub.token).snapshot_download(repo, repo_type=kind, local_dir=folder)
    manifest = json.loads((hub.folder / f"{kind}s" / f"{repo}.json").read_text())
    return contents(folder), len(manifest["commits"]) - 1


def uploaded(before):
    """What should be there: a checkpoint's files, with a card that knows its repository."""
    files = dict(before)
    del files["README.md.partial"], files["train.log"]
    return files | {"README.md": b'---\ntags: [speech]\n---\ncheckpoint = "ada/published"\n'}


def test_a_checkpoint_is_uploaded_in_one_commit(published, tmp_path):
    hub = published.hubs["whole"]
    ((printed, ended),) = published.ran[
        hub.url, hub.token, *published.to_model, "--private", "true"
    ]
    info = HfApi(hub.url, hub.token).model_info("ada/published")
    assert ended is None and printed == f"Uploaded: {hub.url}/ada/published/commit/{info.sha}\n"
    assert info.private
    assert held(hub, "ada/published", tmp_path) == (uploaded(published.before), 1)


def test_a_metric_is_uploaded_as_a_space(published, tmp_path):
    hub = published.hubs["whole"]
    assert held(hub, "ada/metric", tmp_path, "space") == (space_files("low_level_impact"), 1)


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused_ends_in_one_line_and_writes_nothing(published, words):
    hub = published.hubs["whole"]
    checkpoint = ("--checkpoints", str(published.folder))
    ((printed, ended),) = published.ran[hub.url, hub.token, *checkpoint, *words]
    assert ended.startswith(REFUSED[words]) and "\n" not in ended
    assert printed == ""
    api = HfApi(hub.url, hub.token)
    assert api.list_repo_files("ada/open") == []
    assert not api.repo_exists("ada/other") and not api.repo_exists("grace/other")


@pytest.mark.parametrize(
    ("url", "token", "line"),
    [
        (None, "hf_wrong", "PermissionError: ada/published: Invalid user token"),
        (None, "", "LocalTokenNotFoundError: Token is required"),
        ("http://127.0.0.1:9", "hf_ada", "ConnectionError: ada/published: the Hub cannot be re"),
    ],
)
def test_without_a_token_or_a_hub_it_says_so(published, url, token, line):
    key = (url or published.hubs["whole"].url, token, *published.to_model)
    ((_, ended),) = published.ran[key]
    assert ended.startswith(line) and "\n" not in ended
    assert "log" in ended or "run the same command again" in ended


@pytest.mark.parametrize("name", BROKEN_AFTER)
def test_an_upload_that_breaks_off_is_completed_by_the_same_command(published, name, tmp_path):
    hub = published.hubs[name]
    (_, broken), (printed, ended) = published.ran[hub.url, hub.token, *published.to_model]
    assert broken == (
        "ConnectionError: ada/published: Insufficient storage (507); run the same command again"
    )
    assert ended is None and printed
    # One commit: the first run left the repository empty.
    assert held(hub, "ada/published", tmp_path) == (uploaded(published.before), 1)


def test_the_folder_is_left_as_it_was(published):
    assert contents(published.folder) == published.before


def test_a_metric_and_a_checkpoint_are_not_published_as_one():
    with pytest.raises(ValueError, match="give one of .* got checkpoints=a and metric=b"):
        PublishOptions(push_to_hub="ada/x", checkpoints=["a"], metric="b")
