"""Which files a checkpoint consists of, and what is said when a Hub refuses."""

import socket
import time
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HTTPError
from safetensors.numpy import save_file

from modeling_braintune.hub import (
    check_access,
    check_model,
    checkpoint_files,
    limit_waiting,
    plain_errors,
)


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "README.md").write_text("A card.")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "tuning.png").write_bytes(b"a figure")
    save_file({"head.weight": np.ones(3, np.float32)}, tmp_path / "model.safetensors")
    (tmp_path / "README.md.partial").write_text("half of it")
    (tmp_path / "train.log").write_text("a log")
    return tmp_path


def test_what_a_checkpoint_consists_of(checkpoint):
    names = ["README.md", "config.json", "figures/tuning.png", "model.safetensors"]
    assert checkpoint_files(checkpoint) == {name: checkpoint / name for name in names}


@pytest.mark.parametrize(
    "name", ["training_args.bin", "checkpoints/checkpoint-2/optimizer.pt", ".partial-losses.json"]
)
def test_what_a_killed_training_left_is_passed_over(checkpoint, name):
    files = checkpoint_files(checkpoint)
    (checkpoint / name).parent.mkdir(parents=True, exist_ok=True)
    (checkpoint / name).write_bytes(b"")
    assert checkpoint_files(checkpoint) == files


@pytest.mark.parametrize("name", ["pytorch_model.bin", "x.pkl"])
def test_what_may_be_pickled_is_refused(checkpoint, name):
    (checkpoint / name).write_bytes(b"")
    with pytest.raises(ValueError, match=f"run code where they are loaded: {name}; move"):
        checkpoint_files(checkpoint)


def test_a_link_to_a_file_elsewhere_is_not_published(checkpoint, tmp_path_factory):
    secret = tmp_path_factory.mktemp("home") / "secret"
    secret.write_text("a key")
    (checkpoint / "notes.txt").symlink_to(secret)
    with pytest.raises(ValueError, match=r"links to files elsewhere, .* published: notes\.txt"):
        checkpoint_files(checkpoint)
    (checkpoint / "notes.txt").unlink()
    (checkpoint / "notes.txt").symlink_to("README.md")
    assert "notes.txt" in checkpoint_files(checkpoint)


def test_a_snapshot_in_the_cache_is_a_checkpoint(checkpoint, tmp_path_factory):
    snapshot = tmp_path_factory.mktemp("models--ada--x") / "snapshots" / "0f3a"
    snapshot.mkdir(parents=True)
    checkpoint.rename(snapshot.parents[1] / "blobs")
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).symlink_to(f"../../blobs/{name}")
    assert set(checkpoint_files(snapshot)) == {"config.json", "model.safetensors"}


@pytest.mark.parametrize("missing", ["config.json", "*.safetensors", "*"])
def test_a_folder_without_a_checkpoint_is_refused(checkpoint, missing):
    for path in checkpoint.glob(missing):
        if path.is_file():
            path.unlink()
    with pytest.raises(FileNotFoundError, match="is not a checkpoint: config.json and weights"):
        checkpoint_files(checkpoint)
    with pytest.raises(FileNotFoundError, match="its 0 files do not"):
        checkpoint_files(checkpoint / "nowhere")


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (401, PermissionError, "log in with `hf auth login`"),
        (403, PermissionError, "must allow"),
        (404, FileNotFoundError, "check the names"),
        (507, ConnectionError, "run the same command again"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_would_do(status, kind, advice):
    refused = HTTPError("No.\n\nReally")
    refused.response = SimpleNamespace(status_code=status)
    with pytest.raises(kind, match=rf"^ada/x: No. Really \({status}\); .*{advice}"):
        with plain_errors("ada/x"):
            raise refused


def test_a_failed_upload_thread_says_what_stopped_it():
    with pytest.raises(ConnectionError, match="ada/x: the Hub cannot be reached"):
        with plain_errors("ada/x"):
            raise RuntimeError("Error while uploading") from HTTPError("no route")


def test_other_errors_are_let_through():
    with pytest.raises(RuntimeError, match="^no room$"), plain_errors("ada/x"):
        raise RuntimeError("no room")


@pytest.mark.parametrize("name", ["other", "a b/c", "a/b/c"])
def test_a_name_of_no_repository_is_refused_before_the_hub_is_asked(name):
    with pytest.raises(ValueError, match="repository is named|Repo id must"):
        check_access(name)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("HF_HUB_OFFLINE", True),
        (
            "HUGGINGFACE_CO_URL_TEMPLATE",
            "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}",
        ),
    ],
)
def test_a_model_that_is_not_here_is_named_at_once_without_a_network(monkeypatch, setting, value):
    monkeypatch.setattr(constants, setting, value)
    started = time.monotonic()
    with pytest.raises(ConnectionError, match=r"^no model 'ada/none': there is no such folder"):
        check_model("ada/none")
    assert time.monotonic() - started < 2


def test_a_model_that_is_here_needs_no_network(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        check_model(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="it has no config.json"):
        check_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "wav2vec2"}')
    check_model(tmp_path)
    cached = tmp_path / "models--ada--one"
    (cached / "snapshots" / "abc").mkdir(parents=True)
    (cached / "snapshots" / "abc" / "config.json").write_text("{}")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    check_model("ada/one")


@pytest.fixture
def silent_hub(monkeypatch):
    """Address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
            monkeypatch.setattr(huggingface_hub.constants, name, 0.1)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
        yield address


def test_a_hub_that_never_answers_is_not_waited_for(silent_hub):
    with pytest.raises(ConnectionError, match=r"ada/x: the Hub cannot be reached .*timed out"):
        check_access("ada/x", token="hf_ada")


def test_no_request_waits_longer_than_a_user_says(silent_hub):
    limit_waiting()
    hub = huggingface_hub.HfApi(silent_hub, token="hf_ada")
    for wait in (None, 60.0):
        with pytest.raises(HTTPError, match="timed out"):
            hub.repo_info("ada/x", timeout=wait)
    limit_waiting()
    assert len(huggingface_hub.get_session().event_hooks["request"]) == 2  # not once more each time
