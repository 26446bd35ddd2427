"""The Hub on loopback as its clients see it, each client in a process of its own."""

import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from textwrap import dedent
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

BATCH = "/ada/{}.git/info/lfs/objects/batch"


@pytest.fixture(scope="module")
def loopback_hub(start_loopback_hub):
    """One that no other test writes to."""
    return start_loopback_hub()


@pytest.fixture
def client(tmp_path):
    """Function that runs a program against a Hub and returns the `answer` that it sets."""

    def run(hub, program):
        start = "import json, os, sys\nfrom huggingface_hub import HfApi\napi = HfApi()\n"
        end = "\nprint(json.dumps(answer))"
        done = subprocess.run(
            [sys.executable, "-c", start + dedent(program) + end],
            env=hub.environment(tmp_path / "home") | {"OMP_NUM_THREADS": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def request(hub, method, path, body=b"", token="hf_ada"):
    """Send one request as it stands; return status and content."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with closing(http.client.HTTPConnection(urlsplit(hub.url).netloc, timeout=10)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def post(hub, path, content, **kwargs):
    return request(hub, "POST", path, json.dumps(content).encode(), **kwargs)


def commit(hub, repository, *operations):
    """Commit operations (key, value) as the client words them."""
    lines = [{"key": "header", "value": {"summary": "a commit"}}]
    lines += [{"key": key, "value": value} for key, value in operations]
    body = "\n".join(map(json.dumps, lines)).encode()
    return request(hub, "POST", f"/api/models/{repository}/commit/main", body)


def stored(hub):
    """All files below the folder's parent, as relative paths."""
    paths = hub.folder.parent.rglob("*")
    return {path.relative_to(hub.folder.parent).as_posix() for path in paths if path.is_file()}


def test_files_come_back_as_they_were_uploaded(loopback_hub, client):
    answer = client(
        loopback_hub,
        """
        from pathlib import Path
        from huggingface_hub import hf_hub_download, snapshot_download

        api.create_repo("notes")
        url = api.create_repo("notes", exist_ok=True)
        first = api.upload_file(
            path_or_fileobj=b"one", path_in_repo="texts/small.txt", repo_id="ada/notes"
        ).oid
        contents = {
            "texts/small.txt": b"two",
            "texts/empty.txt": b"",
            "weights.safetensors": os.urandom(1000),
            "large.dat": os.urandom(10_500_000),
        }
        for name, content in contents.items():
            Path("folder", name).parent.mkdir(parents=True, exist_ok=True)
            Path("folder", name).write_bytes(content)
        second = api.upload_folder(folder_path="folder", repo_id="ada/notes").oid
        again = api.upload_folder(folder_path="folder", repo_id="ada/notes").oid
        copy = Path(snapshot_download("ada/notes"))
        old = hf_hub_download("ada/notes", "texts/small.txt", revision=first)
        tree = {entry.path: entry for entry in api.list_repo_tree("ada/notes", recursive=True)}
        listed = api.list_repo_files("ada/notes")
        checked = api.verify_repo_checksums("ada/notes", local_dir="folder")
        api.delete_file("large.dat", "ada/notes")
        api.delete_folder("texts", "ada/notes")
        answer = dict(
            url=url,
            same=all((copy / name).read_bytes() == contents[name] for name in contents),
            unchanged_is_no_commit=again == second,
            old=Path(old).read_text(),
            large=sorted(name for name, entry in tree.items() if getattr(entry, "lfs", None)),
            listed=listed,
            tree=sorted(tree),
            checked=[checked.checked_count, checked.mismatches, checked.missing_paths],
            left=api.list_repo_files("ada/notes"),
            at_first=api.list_repo_files("ada/notes", revision=first),
        )
        """,
    )
    names = ["large.dat", "texts/empty.txt", "texts/small.txt", "weights.safetensors"]
    assert answer == {
        "url": f"{loopback_hub.url}/ada/notes",
        "same": True,
        "unchanged_is_no_commit": True,
        "old": "one",
        "large": ["large.dat", "weights.safetensors"],
        "listed": names,
        "tree": sorted([*names, "texts"]),
        "checked": [4, [], []],
        "left": ["weights.safetensors"],
        "at_first": ["texts/small.txt"],
    }


def test_what_is_missing_has_its_own_error(loopback_hub, client):
    answer = client(
        loopback_hub,
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError

        def error(function, *args, **kwargs):
            try:
                function(*args, **kwargs)
            except HfHubHTTPError as error:
                return [type(error).__name__, error.response.status_code]

        api.create_repo("present")
        api.upload_file(path_or_fileobj=b"", path_in_repo="texts/a.txt", repo_id="ada/present")
        api.create_repo("emptied")
        api.delete_repo("emptied")
        answer = dict(
            created=error(api.create_repo, "present"),
            file=error(hf_hub_download, "ada/present", "absent.txt"),
            folder=error(lambda: list(api.list_repo_tree("ada/present", "absent"))),
            deleted=error(api.delete_file, "absent.txt", "ada/present"),
            folder_as_file=error(api.delete_file, "texts", "ada/present"),
            file_as_folder=error(api.delete_folder, "texts/a.txt", "ada/present"),
            revision=error(hf_hub_download, "ada/present", "a", revision="absent"),
            branch=error(api.upload_file, path_or_fileobj=b"", path_in_repo="a",
                         repo_id="ada/present", revision="absent"),
            repository=error(api.model_info, "ada/absent"),
            gone=error(api.model_info, "ada/emptied"),
            kind=error(api.dataset_info, "ada/present"),
            canonical=error(hf_hub_download, "absent", "config.json"),
        )
        """,
    )
    assert answer == {
        "created": ["HfHubHTTPError", 409],
        "file": ["RemoteEntryNotFoundError", 404],
        "folder": ["RemoteEntryNotFoundError", 404],
        "deleted": ["RemoteEntryNotFoundError", 404],
        "folder_as_file": ["RemoteEntryNotFoundError", 404],
        "file_as_folder": ["RemoteEntryNotFoundError", 404],
        "revision": ["RevisionNotFoundError", 404],
        "branch": ["RevisionNotFoundError", 404],
        "repository": ["RepositoryNotFoundError", 404],
        "gone": ["RepositoryNotFoundError", 404],
        "kind": ["RepositoryNotFoundError", 404],
        "canonical": ["RepositoryNotFoundError", 404],
    }


def test_tokens_decide_who_reads_and_writes(loopback_hub, client):
    answer = client(
        loopback_hub,
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError

        def status(function, *args, **kwargs):
            try:
                function(*args, **kwargs)
            except HfHubHTTPError as error:
                return [type(error).__name__, error.response.status_code]

        api.create_repo("open")
        api.create_repo("secret", private=True)
        file = dict(path_or_fileobj=b"mine", path_in_repo="a.txt")
        for name in ("ada/open", "ada/secret"):
            api.upload_file(**file, repo_id=name)
        readers = {}
        for token in ("hf_ada", "hf_grace", "hf_wrong", False):
            user = HfApi(token=token)
            readers[str(token)] = [
                status(user.model_info, "ada/open"),
                status(user.model_info, "ada/secret"),
                status(hf_hub_download, "ada/secret", "a.txt", token=token, cache_dir=str(token)),
                status(user.upload_file, **file, repo_id="ada/open"),
                status(user.create_repo, "ada/other", exist_ok=False),
            ]
            api.delete_repo("ada/other", missing_ok=True)
        answer = dict(name=api.whoami()["name"], readers=readers)
        """,
    )
    hidden, wrong = ["RepositoryNotFoundError", 404], ["HfHubHTTPError", 401]
    assert answer["name"] == "ada"
    assert answer["readers"] == {
        "hf_ada": [None] * 5,
        "hf_grace": [None, hidden, hidden, ["HfHubHTTPError", 403], ["HfHubHTTPError", 403]],
        "hf_wrong": [wrong] * 5,
        "False": [None, hidden, hidden, wrong, wrong],
    }


def test_branches_and_the_card(loopback_hub, client):
    answer = client(
        loopback_hub,
        """
        import warnings
        from huggingface_hub.errors import HfHubHTTPError

        api.create_repo("carded")
        api.create_branch("ada/carded", branch="tuned/first")
        metadata = "license: mit\\ntags: [brain]\\npipeline_tag: audio-classification"
        card = f"---\\n{metadata}\\n---\\n# A".encode()
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md",
                        repo_id="ada/carded", revision="tuned/first")
        info = api.model_info("ada/carded", revision="tuned/first")
        main = api.model_info("ada/carded").sha

        def message(content, **kwargs):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    api.upload_file(path_or_fileobj=content, path_in_repo="README.md",
                                    repo_id="ada/carded", **kwargs)
                except (ValueError, HfHubHTTPError) as error:
                    return str(error)
            return str(caught[0].message)

        answer = dict(
            license=info.card_data.license,
            tags=info.tags,
            task=info.pipeline_tag,
            main=api.list_repo_files("ada/carded"),
            branches=[branch.name for branch in api.list_repo_refs("ada/carded").branches],
            bare=message(b"# No metadata"),
            broken=message(b"---\\ntags: [brain\\n---\\n"),
            scalar=message(b"---\\nbrain\\n---\\n"),
            moved=message(b"# B", parent_commit=main),
            pull=message(b"# C", create_pr=True),
        )
        """,
    )
    assert answer["license"] == "mit" and answer["tags"] == ["brain"]
    assert answer["task"] == "audio-classification"
    assert answer["main"] == [] and answer["branches"] == ["main", "tuned/first"]
    assert "empty or missing yaml metadata" in answer["bare"]
    assert answer["broken"].startswith("Invalid metadata in README.md")
    assert "must be a mapping, got 'brain'" in answer["scalar"]
    assert "has moved on" in answer["moved"] and "no pull requests" in answer["pull"]


LIBRARIES = """
from pathlib import Path

import torch
from datasets import Dataset, Features, List, Value, load_dataset
from evaluate import load
from transformers import AutoModel, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

config = Wav2Vec2Config(
    hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
    conv_dim=(8,), conv_kernel=(10,), conv_stride=(5,), num_conv_pos_embeddings=4,
    num_conv_pos_embedding_groups=2,
)
model = Wav2Vec2Model(config)
model.push_to_hub("ada/listener", private=True)
Wav2Vec2FeatureExtractor().push_to_hub("ada/listener")
loaded = AutoModel.from_pretrained("ada/listener").state_dict()
weights = model.state_dict()

features = Features({"tr": Value("int32"), "response": List(Value("float32"), length=3)})
rows = {"tr": list(range(40)), "response": [[i, i / 2, -i] for i in range(40)]}
responses = Dataset.from_dict(rows, features)
responses.push_to_hub("ada/listening", "P01", split="train")
Dataset.from_dict({"story": ["one", "two"]}).push_to_hub("ada/listening", "stories")
back = load_dataset("ada/listening", "P01", split="train")
streamed = load_dataset("ada/listening", "stories", split="train", streaming=True)

Path("metric").mkdir()
Path("metric/gap.py").write_text('''
import datasets
import evaluate

from .absolute import absolute


class Gap(evaluate.Metric):
    def _info(self):
        numbers = datasets.Features(
            {"predictions": datasets.Value("float32"), "references": datasets.Value("float32")}
        )
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="", features=numbers
        )

    def _compute(self, predictions, references):
        return {"gap": sum(map(absolute, predictions, references)) / len(references)}
''')
Path("metric/absolute.py").write_text("def absolute(a, b):\\n    return abs(a - b)\\n")
api.create_repo("gap", repo_type="space", space_sdk="static")
api.upload_folder(folder_path="metric", repo_id="ada/gap", repo_type="space")

answer = dict(
    model=set(loaded) == set(weights) and all(torch.equal(loaded[k], weights[k]) for k in weights),
    processor=sorted(set(api.list_repo_files("ada/listener"))),
    dataset=back.features == features and back.to_dict() == responses.to_dict(),
    streamed=list(streamed),
    metric=load("ada/gap").compute(predictions=[1, 2, 3], references=[1, 1, 1]),
)
"""


def test_models_datasets_and_metrics_load_as_they_were_pushed(loopback_hub, client):
    answer = client(loopback_hub, LIBRARIES)
    assert answer["model"] and answer["dataset"]
    assert {"config.json", "model.safetensors", "preprocessor_config.json"} <= set(
        answer["processor"]
    )
    assert answer["streamed"] == [{"story": "one"}, {"story": "two"}]
    assert answer["metric"] == {"gap": 1.0}


def test_an_upload_that_broke_is_completed_by_running_it_again(start_loopback_hub, client):
    upload = """
        from pathlib import Path

        for i in range(3):
            Path("folder").mkdir(exist_ok=True)
            Path(f"folder/{i}.safetensors").write_bytes(bytes([i]) * 1000)
        api.create_repo("tuned", exist_ok=True)
        try:
            api.upload_folder(folder_path="folder", repo_id="ada/tuned")
            answer = {"error": None}
        except Exception as error:
            answer = {"error": str(error)}
        answer["files"] = api.list_repo_files("ada/tuned")
        answer["sizes"] = [file.size for file in api.list_repo_tree("ada/tuned")]
        """
    for fail_after in (1, 3):  # the second large file, the commit
        hub = start_loopback_hub("--fail-after", str(fail_after))
        broken = client(hub, upload)
        assert broken["error"] and broken["files"] == []
        assert client(hub, upload) == {
            "error": None,
            "files": ["0.safetensors", "1.safetensors", "2.safetensors"],
            "sizes": [1000] * 3,
        }
        assert len(list((hub.folder / "blobs").iterdir())) == 3


def test_repositories_outlive_the_server(loopback_hub, start_loopback_hub):
    post(loopback_hub, "/api/repos/create", {"name": "lasting"})
    commit(loopback_hub, "ada/lasting", ("file", {"path": "a.txt", "content": "b25l"}))
    restarted = start_loopback_hub(folder=loopback_hub.folder)
    assert request(restarted, "GET", "/ada/lasting/resolve/main/a.txt") == (200, b"one")


def large_file_url(hub, repository, content):
    """Create a repository and ask where a large file may be put."""
    post(hub, "/api/repos/create", {"name": repository})
    asked = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
    _, answer = post(hub, BATCH.format(repository), {"objects": [asked]})
    return json.loads(answer)["objects"][0]["actions"]["upload"]["href"]


@pytest.mark.parametrize("length", ["", "Content-Length: 100000\r\n"])
def test_half_an_upload_never_becomes_a_blob(loopback_hub, length):
    content = os.urandom(100_000)
    url = urlsplit(large_file_url(loopback_hub, "cut", content))
    before = stored(loopback_hub)
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall(f"PUT {url.path} HTTP/1.1\r\nHost: hub\r\n{length}\r\n".encode())
        if length:
            connection.sendall(content[:60_000])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert stored(loopback_hub) == before
    assert request(loopback_hub, "PUT", url.path, content, token=None)[0] == 200
    assert stored(loopback_hub) - before == {f"hub/blobs/{hashlib.sha256(content).hexdigest()}"}


def test_an_upload_is_what_was_asked_for(loopback_hub):
    content = os.urandom(1000)
    path = urlsplit(large_file_url(loopback_hub, "asked", content)).path
    before = stored(loopback_hub)
    oid = hashlib.sha256(content).hexdigest()
    other = hashlib.sha256(b"other").hexdigest()
    assert request(loopback_hub, "PUT", path, os.urandom(1000))[0] == 400
    assert request(loopback_hub, "PUT", path, content[:-1])[0] == 400
    assert request(loopback_hub, "PUT", path.replace(oid, other), b"other")[0] == 403
    pointer = {"path": "a.bin", "oid": oid, "size": 1000}
    assert commit(loopback_hub, "ada/asked", ("lfsFile", pointer))[0] == 400
    assert stored(loopback_hub) == before


@pytest.mark.parametrize(
    ("asked", "content", "length"),
    [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=10-", b"", "bytes */10"),
    ],
)
def test_ranges(loopback_hub, asked, content, length):
    post(loopback_hub, "/api/repos/create", {"name": "ranges"})
    commit(loopback_hub, "ada/ranges", ("file", {"path": "d", "content": "MDEyMzQ1Njc4OQ=="}))
    address = urlsplit(loopback_hub.url).netloc
    with closing(http.client.HTTPConnection(address, timeout=10)) as connection:
        connection.request("GET", "/ada/ranges/resolve/main/d", headers={"Range": asked})
        answer = connection.getresponse()
        assert answer.status == (206 if content else 416)
        assert (answer.read(), answer.headers["Content-Range"]) == (content, length)


def test_a_file_is_not_a_folder_too(loopback_hub):
    post(loopback_hub, "/api/repos/create", {"name": "shapes"})
    one = {"content": "b25l"}
    files = [("file", {"path": "a", **one}), ("file", {"path": "a/b", **one})]
    assert commit(loopback_hub, "ada/shapes", *files)[0] == 400
    assert commit(loopback_hub, "ada/shapes", files[0])[0] == 200


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b"null", b'{"objects": 3}', b'{"key": "header"}', b"\xff"]
)
@pytest.mark.parametrize(
    "path",
    ["/api/repos/create", "/api/models/ada/odd/commit/main", "/api/models/ada/odd/preupload/main"],
)
def test_a_body_that_cannot_be_read_is_refused(loopback_hub, path, body):
    post(loopback_hub, "/api/repos/create", {"name": "odd"})
    status, answer = request(loopback_hub, "POST", path, body)
    assert status == 400 and json.loads(answer)["error"]


parts = st.sampled_from(
    ["..", ".", "", "/", "\\", "C:", "~", "\0", "\n", "a", ".git", "%2e%2e", "é"]
)
nasty = st.lists(parts, min_size=1, max_size=6).flatmap(
    lambda names: st.sampled_from(["/", "\\", ""]).map(lambda separator: separator.join(names))
)
escapes = re.compile(r"(^|/)(\.\.?|\.git|)(/|$)|\\|^[A-Za-z]:|[\0\n]")


@settings(max_examples=60, deadline=None)
@given(name=nasty)
@example(name="../../../bystander")
def test_no_name_writes_outside_the_folder(loopback_hub, name):
    post(loopback_hub, "/api/repos/create", {"name": "safe"})
    (loopback_hub.folder.parent / "bystander.json").write_text("untouched")
    outside = {path for path in stored(loopback_hub) if not path.startswith("hub/")}
    quoted = "".join(f"%{byte:02x}" for byte in name.encode())
    status, _ = commit(loopback_hub, "ada/safe", ("file", {"path": name, "content": "b25l"}))
    assert status == (400 if escapes.search(name) else 200)
    if status == 200:
        commit(loopback_hub, "ada/safe", ("deletedFile", {"path": name}))
    request(loopback_hub, "DELETE", "/api/repos/delete", json.dumps({"name": name}).encode())
    post(loopback_hub, "/api/repos/create", {"name": name})
    post(loopback_hub, "/api/repos/create", {"name": "x", "organization": name})
    post(loopback_hub, "/api/repos/create", {"name": "x", "type": name})
    post(loopback_hub, f"/api/models/ada/safe/branch/{quoted}", {})
    request(loopback_hub, "PUT", f"/large/{quoted}/1/{quoted}", b"x")
    asked = {"objects": [{"oid": name, "size": 1}]}
    assert post(loopback_hub, BATCH.format("safe"), asked)[0] == 400
    pointer = {"path": "a", "oid": name}
    assert commit(loopback_hub, "ada/safe", ("lfsFile", pointer))[0] == 400
    for path in (f"/ada/safe/resolve/main/{quoted}", f"/ada/{quoted}/resolve/main/a"):
        assert request(loopback_hub, "GET", path)[0] == 404
    after = stored(loopback_hub)
    assert {path for path in after if not path.startswith("hub/")} == outside
    known = re.compile(r"hub/(blobs/[0-9a-f]{64}|(models|datasets|spaces)/ada/[\w.-]+\.json)")
    assert all(known.fullmatch(path) for path in after - outside)
