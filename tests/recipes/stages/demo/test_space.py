"""A Space: what is uploaded is all that its page starts from."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from gradio_client import Client, handle_file
from huggingface_hub import HfApi, SpaceCard

from recipes.publish import PublishOptions
from recipes.stages.demo.predicted import predict
from recipes.stages.demo.sound import read_sound
from recipes.stages.demo.space import ROOMS, requirements, space_files
from recipes.stages.demo.time_courses import time_courses
from recipes.stages.predicting import brain_pipeline
from tests.small_brains import brain, bursts, write_checkpoint

ROOT = Path(__file__).resolve().parents[4]
CARD = "---\nlicense: apache-2.0\nwidget:\n- src: hello.wav\n---\n\n# A model\n"
ALIGNMENT = {"language": {"value": 0.5, "low": 0.25, "high": 0.75}}
MEASURED = {"story": "repeated", "n_trs": 232, "normalisation": "normalised"}
PUBLISH = """
import contextlib, io, json, sys
from recipes.publish import main

for words in json.load(sys.stdin):
    sys.argv, printed, ended = ["publish.py", *words], io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        try:
            main()
        except SystemExit as end:
            ended = end.code
    print(json.dumps([printed.getvalue(), ended]))
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Folder of a checkpoint that was measured, with a licence, and an example in its card."""
    folder = tmp_path_factory.mktemp("runs") / "brain-tuned"
    write_checkpoint(folder, brain("P01", alignment=ALIGNMENT, measured_on=MEASURED))
    (folder / "README.md").write_text(CARD)
    soundfile.write(folder / "hello.wav", bursts(3.0), 16000)
    return folder


@pytest.fixture(scope="module")
def published(checkpoint, loopback_hub, tmp_path_factory):
    """What the command printed, or ended with, for a Space of the folder and one of a name."""
    api = HfApi(loopback_hub.url, loopback_hub.token)
    api.create_repo("ada/listening", repo_type="space", space_sdk="gradio")
    for left in ("recipes/gone.py", "checkpoints/older/config.json"):
        api.upload_file(
            path_or_fileobj=b"of an earlier upload",
            path_in_repo=left,
            repo_id="ada/listening",
            repo_type="space",
        )
    commands = [
        ["--checkpoints", str(checkpoint), "--push_to_hub", "ada/of-phantom"],
        ["--demo", "--checkpoints", str(checkpoint), "--push_to_hub", "ada/listening"],
        ["--demo", "--checkpoints", "ada/of-phantom", "--push_to_hub", "ada/of-a-name"],
        ["--demo", "--checkpoints", str(checkpoint), "--push_to_hub", "grace/listening"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", PUBLISH],
        input=json.dumps(commands),
        env=loopback_hub.environment(tmp_path_factory.mktemp("home")),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def space(published, loopback_hub, tmp_path_factory):
    """Folder of the Space as it is downloaded."""
    folder = tmp_path_factory.mktemp("space")
    HfApi(loopback_hub.url, loopback_hub.token).snapshot_download(
        "ada/listening", repo_type="space", local_dir=folder
    )
    return folder


def test_a_space_is_uploaded_in_one_commit_in_place_of_what_was_there(
    published, space, checkpoint, loopback_hub
):
    api = HfApi(loopback_hub.url, loopback_hub.token)
    sha = api.space_info("ada/listening").sha
    printed, ended = published[1]
    assert ended is None and printed.endswith(f"ada/listening/commit/{sha}\n")
    manifest = json.loads((loopback_hub.folder / "spaces/ada/listening.json").read_text())
    assert len(manifest["commits"]) == 1 + 2 + 1  # that of the repository, the earlier ones, this
    there = {*api.list_repo_files("ada/listening", repo_type="space")} - {".gitattributes"}
    expected = space_files(str(checkpoint), "ada/listening", [checkpoint / "hello.wav"])
    assert there == expected.keys()
    for name, content in expected.items():
        content = content if isinstance(content, bytes) else Path(content).read_bytes()
        assert (space / name).read_bytes() == content
    assert not any("__pycache__" in name for name in there)
    assert {name.split("/")[0] for name in there} == {
        *(*ROOMS, "checkpoints", "examples", "README.md", "app.py", "requirements.txt")
    }


def test_its_card_says_what_the_hub_must_know_and_whose_brain_it_is(space):
    card = SpaceCard.load(space / "README.md")
    python = ".".join(map(str, sys.version_info[:2]))
    assert card.data.to_dict() | {"sdk": "gradio"} == card.data.to_dict()
    assert (card.data.sdk_version, card.data.python_version) == (version("gradio"), python)
    assert (card.data.app_file, card.data.license) == ("app.py", "apache-2.0")
    assert card.data.get("models") is None
    for words in (
        "P01's brain",
        "a model's prediction",
        "Licence: apache-2.0",
        "language 0.50 [0.25, 0.75]",
        "hf download ada/listening --repo-type space",
    ):
        assert words in card.text


def test_a_space_of_a_checkpoint_on_the_hub_names_it(published, loopback_hub, tmp_path):
    assert published[2][1] is None
    api = HfApi(loopback_hub.url, loopback_hub.token)
    (card,) = api.snapshot_download(
        "ada/of-a-name", repo_type="space", local_dir=tmp_path, allow_patterns="README.md"
    ) and tmp_path.glob("README.md")
    assert SpaceCard.load(card).data.models == ["ada/of-phantom"]
    names = api.list_repo_files("ada/of-a-name", repo_type="space")
    assert "checkpoints/of-phantom/brain.safetensors" in names


def test_a_space_in_somebody_elses_name_is_refused(published, loopback_hub):
    printed, ended = published[3]
    assert printed == "" and ended.startswith("PermissionError: grace/listening: the token is that")


def test_requirements_are_what_is_installed_without_the_kind_of_processor():
    lines = requirements().splitlines()
    versions = dict(line.split("==") for line in lines)
    assert {"torch", "transformers", "nilearn", "matplotlib", "gradio", "plotly"} <= versions.keys()
    assert not {"pytest", "ruff", "submitit", "jinja2"} & versions.keys()
    assert all(re.fullmatch(r"[\w.]+", number) for number in versions.values())
    assert versions["gradio"] == version("gradio")


def test_a_checkpoint_without_a_licence_is_said_to_have_none(tmp_path):
    write_checkpoint(tmp_path / "model", brain("P01"))
    said = space_files(str(tmp_path / "model"), "ada/x")["README.md"].decode()
    assert "Licence: not known" in said and "\nlicense:" not in said


@pytest.mark.parametrize(
    ("spoilt", "error", "message"),
    [
        ("training_args.pt", ValueError, "may be pickled, which run code"),
        ("brain.safetensors", ValueError, "not beside it: download the whole checkpoint"),
        ("config.json", FileNotFoundError, "no checkpoint at"),
    ],
)
def test_what_cannot_be_shown_is_refused(spoilt, error, message, tmp_path):
    write_checkpoint(tmp_path / "model", brain("P01"))
    path = tmp_path / "model" / spoilt
    path.unlink() if path.exists() else path.with_name("other.pt").write_bytes(b"")
    with pytest.raises(error, match=message):
        space_files(str(tmp_path / "model"), "ada/x")


def test_a_metric_has_no_page():
    with pytest.raises(ValueError, match="demo: a metric has no page .* got metric=m"):
        PublishOptions(push_to_hub="ada/x", metric="m", demo=True)


@pytest.fixture(scope="module")
def python(space, tmp_path_factory):
    """The Python of these tests, or with BRAINTUNE_FRESH_SPACE=1 one of the Space's own needs."""
    if "BRAINTUNE_FRESH_SPACE" not in os.environ:
        return sys.executable
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    needs = ("-c", ROOT / "constraints.txt", "-r", space / "requirements.txt")
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", *needs], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def started(space, python, tmp_path_factory):
    """Address of the page that the downloaded Space opens, as the Hub starts it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ours = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ours |= {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    ours |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path_factory.mktemp("home"))}
    log = tmp_path_factory.mktemp("log") / "app.txt"
    with (
        open(log, "w", encoding="utf-8") as said,
        subprocess.Popen([python, "app.py"], cwd=space, env=ours, stdout=said, stderr=said) as app,
    ):
        address = f"http://127.0.0.1:{port}"
        try:
            while app.poll() is None and "Running on" not in log.read_text():
                time.sleep(0.2)
            assert app.poll() is None, log.read_text()
            yield address
        finally:
            app.terminate()


def test_the_page_of_the_space_predicts_what_the_checkpoint_does(started, checkpoint, tmp_path):
    soundfile.write(tmp_path / "bursts.wav", bursts(13.0), 16000)
    client = Client(started, verbose=False)
    assert "Hear hello" in json.dumps(client.config)
    answer = client.predict(handle_file(tmp_path / "bursts.wav"), "P01", api_name="/hear")
    content = httpx.get(f"{started}/{answer[0]}").json()
    encode = brain_pipeline(str(checkpoint))
    expected = predict(encode, read_sound(tmp_path / "bursts.wav"), "P01")
    (shown,) = content["checkpoints"]
    assert shown["label"] == "brain-tuned" and "apache-2.0" in shown["about"]
    assert shown["n_trs"] == 7
    for course, found in zip(time_courses(expected), shown["regions"], strict=True):
        np.testing.assert_allclose(found["values"], course.values, atol=1e-4)
