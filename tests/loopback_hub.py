"""A Hub on loopback: enough of the Hub's protocol for its own clients, with storage on disk.

    python tests/loopback_hub.py --folder hub --token hf_ada=ada

The first line printed is the address, for HF_ENDPOINT. Below the folder, `blobs/` holds every
file under the sha256 of its content, and `models/`, `datasets/` and `spaces/` hold one JSON
manifest per repository: its branches and, for every commit, {file name: blob}. File names stand
in manifests only and never become paths of this machine.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

CHUNK = 1 << 20
LARGE = 10_000_000
LARGE_SUFFIXES = {".arrow", ".bin", ".h5", ".npy", ".npz", ".parquet", ".pt", ".safetensors"}
KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}

REPOSITORY = r"(?P<kind>models|datasets|spaces)/(?P<repository>[^/]+(?:/[^/]+)?)"
PREFIXED = r"(?:(?P<kind>datasets|spaces)/)?(?P<repository>[^/]+(?:/[^/]+)?)"
REVISION = r"(?P<revision>[^/]+)"
LARGE_FILE = "/large/(?P<sha256>[^/]+)/(?P<size>[^/]+)/(?P<signature>[0-9a-f]+)"


class Refusal(Exception):
    """An answer other than 200: HTTP status, the Hub's error code and a message."""

    def __init__(self, status, message, code=None, **body):
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.body = {"error": message, **body}


def is_repository_name(name):
    """Whether `name` is `user/repository` in the Hub's alphabet."""
    part = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
    return bool(re.fullmatch(f"{part}/{part}", name)) and not re.search(r"\.\.|--|\.git$", name)


def check_file_name(name):
    """Refuse a file or branch name that could leave the folder it is one day downloaded to."""
    if (
        {"", ".", "..", ".git"} & set(name.split("/"))
        or "\\" in name
        or PureWindowsPath(name).drive
        or not name.isprintable()
    ):
        raise Refusal(400, f"Names are relative, with '/' and without '..': got {name!a}")


def card_metadata(card):
    """Return the YAML mapping between the `---` lines that open a card, empty without them."""
    front = re.match(r"\s*---\r?\n(.*?)^---\s*$", card, re.DOTALL | re.MULTILINE)
    try:
        metadata = yaml.safe_load(front[1]) if front else {}
    except yaml.YAMLError as error:
        raise Refusal(400, f"README.md: {error}", errors=[{"message": str(error)}]) from error
    if not isinstance(metadata, dict | None):
        message = f"README.md: metadata must be a mapping, got {metadata!r}"
        raise Refusal(400, message, errors=[{"message": message}])
    return metadata or {}


def git_oid(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@cache
def file_git_oid(path):
    return git_oid(path.read_bytes())


class Store:
    """Blobs and manifests below one folder; each appears at once and whole, by renaming."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.lock = threading.Lock()
        for name in ("blobs", "incoming"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def incoming(self):
        """Give the path of a file to write and rename; what was not renamed goes away."""
        path = self.folder / "incoming" / uuid.uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def blob(self, sha256):
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise Refusal(400, f"Not a sha256: {sha256!a}")
        return self.folder / "blobs" / sha256

    def holds(self, sha256, size):
        path = self.blob(sha256)
        return path.is_file() and path.stat().st_size == size

    def keep(self, chunks, expected=None):
        """Store a content and return its sha256, which must be `expected` where that is given."""
        digest = hashlib.sha256()
        with self.incoming() as path:
            with open(path, "xb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
            if expected not in (None, digest.hexdigest()):
                raise Refusal(400, f"Content of {expected} has sha256 {digest.hexdigest()}")
            os.replace(path, self.blob(digest.hexdigest()))
        return digest.hexdigest()

    def manifest_path(self, kind, repository):
        return self.folder / kind / f"{repository}.json"

    def manifest(self, kind, repository):
        """Return what is known of a repository, None where there is none."""
        path = self.manifest_path(kind, repository)
        if is_repository_name(repository) and path.is_file():
            return json.loads(path.read_text())

    def save(self, kind, repository, manifest):
        path = self.manifest_path(kind, repository)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.incoming() as incoming:
            incoming.write_text(json.dumps(manifest, indent=1))
            os.replace(incoming, path)

    def entry(self, name, sha256):
        """Describe a file as listings do: large files by pointer, the others as git would."""
        path = self.blob(sha256)
        size = path.stat().st_size
        described = {"type": "file", "path": name, "size": size}
        if not is_large(name, size):
            return described | {"oid": file_git_oid(path)}
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        lfs = {"oid": sha256, "size": size, "pointerSize": len(pointer)}
        return described | {"oid": git_oid(pointer.encode()), "lfs": lfs}


def is_large(name, size):
    return size > LARGE or (size > 0 and PurePosixPath(name).suffix in LARGE_SUFFIXES)


def etag(entry):
    """Return what a client compares with its own hash of the file."""
    return entry.get("lfs", entry)["oid"]


def folders_of(names):
    return {str(parent) for name in names for parent in PurePosixPath(name).parents} - {"."}


def folder_entry(name, files):
    below = {path: blob for path, blob in files.items() if path.startswith(f"{name}/")}
    oid = git_oid(json.dumps(below, sort_keys=True).encode())
    return {"type": "directory", "path": name, "size": 0, "oid": oid} if below else None


def add_commit(manifest, branch, files, summary):
    """Put a commit of `files` on top of `branch` and return its sha."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    commit = {"parent": manifest["branches"].get(branch), "date": now, "summary": summary}
    commit["files"] = files
    sha = hashlib.sha1(json.dumps([commit, uuid.uuid4().hex]).encode()).hexdigest()
    manifest["commits"][sha] = commit
    manifest["branches"][branch] = sha
    return sha


ROUTES = []


def route(method, pattern):
    def register(function):
        ROUTES.append((method, re.compile(pattern), function))
        return function

    return register


class Handler(BaseHTTPRequestHandler):
    """One request: find its route, answer with the JSON that the route returns."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet, or the client waits for its own delayed ACK

    def log_message(self, *_):
        pass

    @property
    def store(self):
        return self.server.store

    def handle(self):
        with suppress(ConnectionError):  # a client may leave whenever it likes
            super().handle()

    def answer(self):
        self.url = urlsplit(self.path)
        self.query = parse_qs(self.url.query)
        if self.command != "PUT":
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        method = "GET" if self.command == "HEAD" else self.command
        try:
            self.user = self.identify()
            for known, pattern, function in ROUTES:
                match = pattern.fullmatch(self.url.path)
                if match and known == method:
                    given = {name: unquote(text) for name, text in match.groupdict("").items()}
                    content = function(self, **given)
                    break
            else:
                raise Refusal(404, f"No such endpoint: {self.command} {self.url.path!a}")
        except Refusal as refusal:
            return self.refuse(refusal)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            return self.refuse(Refusal(400, f"The request cannot be read: {error!r}"))
        if content is not None:
            self.send_json(content)

    def refuse(self, refusal):
        headers = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message}
        if self.command == "PUT":  # what was not read would be taken for the next request
            headers["Connection"] = "close"
        self.send_json(refusal.body, refusal.status, headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def send_headers(self, status, length, headers):
        self.send_response(status)
        for name, value in {"Content-Length": length, **headers}.items():
            if value is not None:
                self.send_header(name, ascii(str(value))[1:-1])
        self.end_headers()

    def send_json(self, content, status=200, headers=None):
        body = json.dumps(content, default=str).encode()
        self.send_headers(status, len(body), {"Content-Type": "application/json"} | (headers or {}))
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self):
        return json.loads(self.body)

    def identify(self):
        """Return the user whose token was sent, None where none was."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.server.users:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return self.server.users.get(token)

    def check_owner(self, owner):
        if self.user is None:
            raise Refusal(401, "Invalid username or password.")
        if self.user != owner:
            raise Refusal(403, f"{self.user} may not write to {owner!a}")

    def manifest(self, kind, repository, write=False):
        manifest = self.store.manifest(kind or "models", repository)
        owner = repository.split("/")[0]
        if manifest is None or (manifest["private"] and self.user != owner):
            raise Refusal(404, "Repository not found", "RepoNotFound")
        if write:
            self.check_owner(owner)
        return manifest

    def commit(self, manifest, revision):
        """Return the sha that a branch or sha names, and the commit."""
        sha = manifest["branches"].get(revision, revision)
        if sha not in manifest["commits"]:
            raise Refusal(404, f"Invalid rev id: {revision!a}", "RevisionNotFound")
        return sha, manifest["commits"][sha]

    def branch(self, manifest, revision):
        if revision not in manifest["branches"]:
            raise Refusal(404, f"No such branch: {revision!a}", "RevisionNotFound")
        return self.commit(manifest, revision)

    def link(self, kind, repository):
        return self.server.address + ("/" if kind == "models" else f"/{kind}/") + repository

    def break_if_due(self):
        """Refuse the one write that follows the number given as --fail-after."""
        with self.store.lock:
            self.server.writes += 1
            # Clients repeat by themselves what a 500 refused; 507 breaks the upload.
            if self.server.writes - 1 == self.server.fail_after:
                raise Refusal(507, "Insufficient storage")

    @route("GET", "/api/whoami-v2")
    def whoami(self):
        if self.user is None:
            raise Refusal(401, "Invalid username or password.")
        role = {"accessToken": {"displayName": "loopback", "role": "write"}}
        return {"type": "user", "name": self.user, "orgs": [], "auth": role}

    @route("POST", "/api/validate-yaml")
    def validate_card(self):
        empty = {"message": "empty or missing yaml metadata in repo card"}
        return {"errors": [], "warnings": [] if card_metadata(self.json()["content"]) else [empty]}

    def named_repository(self):
        """Return kind and name of the repository that the body asks to create or delete."""
        asked = self.json()
        owner = asked.get("organization") or self.user
        self.check_owner(owner)
        kind, repository = KINDS.get(asked.get("type") or "model"), f"{owner}/{asked['name']}"
        if not (kind and is_repository_name(repository)):
            raise Refusal(400, f"No kind or name of a repository: {kind}, {repository!a}")
        return kind, repository

    @route("POST", "/api/repos/create")
    def create(self):
        kind, repository = self.named_repository()
        url = self.link(kind, repository)
        asked = self.json()
        private = asked.get("private") or asked.get("visibility") == "private"
        manifest = {"private": bool(private), "branches": {}, "commits": {}}
        add_commit(manifest, "main", {}, "initial commit")
        with self.store.lock:
            if self.store.manifest(kind, repository):
                raise Refusal(409, "You already created this repository", url=url)
            self.store.save(kind, repository, manifest)
        return {"url": url}

    @route("DELETE", "/api/repos/delete")
    def delete(self):
        kind, repository = self.named_repository()
        with self.store.lock:
            self.manifest(kind, repository)
            self.store.manifest_path(kind, repository).unlink()
        return {}

    @route("GET", f"/api/{REPOSITORY}(?:/revision/{REVISION})?")
    def information(self, kind, repository, revision):
        manifest = self.manifest(kind, repository)
        sha, commit = self.commit(manifest, revision or "main")
        readme = commit["files"].get("README.md")
        card = card_metadata(self.store.blob(readme).read_text()) if readme else {}
        return {
            "id": repository,
            "author": repository.split("/")[0],
            "sha": sha,
            "lastModified": commit["date"],
            "private": manifest["private"],
            "gated": False,
            "tags": card.get("tags") or [],
            "pipeline_tag": card.get("pipeline_tag"),
            "cardData": card,
            "siblings": [{"rfilename": name} for name in sorted(commit["files"])],
        }

    @route("GET", f"/api/{REPOSITORY}/refs")
    def references(self, kind, repository):
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": sha}
            for name, sha in self.manifest(kind, repository)["branches"].items()
        ]
        return {"branches": branches, "tags": [], "converts": [], "pullRequests": []}

    @route("POST", f"/api/{REPOSITORY}/branch/{REVISION}")
    def create_branch(self, kind, repository, revision):
        check_file_name(revision)
        with self.store.lock:
            manifest = self.manifest(kind, repository, write=True)
            if revision in manifest["branches"]:
                raise Refusal(409, f"Branch {revision!a} exists")
            start, _ = self.commit(manifest, self.json().get("startingPoint") or "main")
            manifest["branches"][revision] = start
            self.store.save(kind, repository, manifest)
        return {}

    @route("GET", f"/api/{REPOSITORY}/tree/{REVISION}(?:/(?P<folder>.+))?")
    def tree(self, kind, repository, revision, folder):
        files = self.commit(self.manifest(kind, repository), revision)[1]["files"]
        prefix = f"{folder}/" if folder else ""
        names = {name for name in files if name.startswith(prefix)}
        if folder and not names:
            raise Refusal(404, f"{folder!a} does not exist on {revision!a}", "EntryNotFound")
        folders = {name for name in folders_of(names) if name.startswith(prefix)}
        recursive = self.query.get("recursive") == ["true"]
        shown = (n for n in sorted(names | folders) if recursive or "/" not in n[len(prefix) :])
        return [self.described(name, files) for name in shown]

    @route("POST", f"/api/{REPOSITORY}/paths-info/{REVISION}")
    def paths_information(self, kind, repository, revision):
        files = self.commit(self.manifest(kind, repository), revision)[1]["files"]
        asked = parse_qs(self.body.decode()).get("paths", [])
        return [entry for name in asked if (entry := self.described(name.rstrip("/"), files))]

    def described(self, name, files):
        if name in files:
            return self.store.entry(name, files[name])
        return folder_entry(name, files)

    @route("POST", f"/api/{REPOSITORY}/preupload/{REVISION}")
    def preupload(self, kind, repository, revision):
        manifest = self.manifest(kind, repository, write=True)
        present = self.branch(manifest, revision)[1]["files"]
        answers = []
        for file in self.json()["files"]:
            name = file["path"]
            check_file_name(name)
            mode = "lfs" if is_large(name, file["size"]) else "regular"
            oid = etag(self.described(name, present)) if name in present else None
            answers.append({"path": name, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return {"files": answers}

    @route("POST", rf"/{PREFIXED}\.git/info/lfs/objects/batch")
    def large_files(self, kind, repository):
        self.manifest(kind, repository, write=True)
        objects = []
        for asked in self.json()["objects"]:
            sha256, size = asked["oid"], asked["size"]
            url = f"{self.server.address}/large/{sha256}/{size}/{self.signature(sha256, size)}"
            actions = {"actions": {"upload": {"href": url}, "verify": {"href": url}}}
            done = self.store.holds(sha256, size)
            objects.append({"oid": sha256, "size": size, **({} if done else actions)})
        return {"transfer": "basic", "objects": objects}

    def signature(self, sha256, size):
        return hmac.new(self.server.secret, f"{sha256}/{size}".encode(), "sha256").hexdigest()

    def check_signature(self, sha256, size, signature):
        if not hmac.compare_digest(signature, self.signature(sha256, size)):
            raise Refusal(403, "The upload was not asked for")

    @route("PUT", LARGE_FILE)
    def put_large_file(self, sha256, size, signature):
        self.check_signature(sha256, size, signature)
        length = int(self.headers.get("Content-Length", -1))
        if length != int(size):
            raise Refusal(400, f"{sha256} has {size} bytes, got Content-Length {length}")
        self.store.keep(self.received(length), expected=sha256)
        return {}

    def received(self, length):
        """Yield the body, up to where the connection ends; then a write may be due to fail."""
        while length and (chunk := self.rfile.read(min(length, CHUNK))):
            length -= len(chunk)
            yield chunk
        self.break_if_due()

    @route("POST", LARGE_FILE)
    def verify_large_file(self, sha256, size, signature):
        self.check_signature(sha256, size, signature)
        if not self.store.holds(sha256, int(size)):
            raise Refusal(404, f"{sha256} was not uploaded")
        return {}

    @route("POST", f"/api/{REPOSITORY}/commit/{REVISION}")
    def make_commit(self, kind, repository, revision):
        self.manifest(kind, repository, write=True)
        if "create_pr" in self.query:
            raise Refusal(400, "There are no pull requests on this Hub")
        self.break_if_due()
        header, *operations = [json.loads(line) for line in self.body.splitlines()]
        with self.store.lock:
            manifest = self.manifest(kind, repository, write=True)
            head, commit = self.branch(manifest, revision)
            if header["value"].get("parentCommit", head) != head:
                raise Refusal(412, f"{revision!a} has moved on to {head}")
            files = dict(commit["files"])
            for operation in operations:
                self.apply(operation["key"], operation["value"], files)
            if clash := folders_of(files) & files.keys():
                raise Refusal(400, f"{min(clash)!a} would be a file and a folder")
            sha = add_commit(manifest, revision, files, header["value"]["summary"])
            self.store.save(kind, repository, manifest)
        return {"commitOid": sha, "commitUrl": f"{self.link(kind, repository)}/commit/{sha}"}

    def apply(self, key, value, files):
        """Do one operation of a commit to {file name: blob}."""
        name = value["path"].rstrip("/") if key == "deletedFolder" else value["path"]
        check_file_name(name)
        if key == "file":
            content = base64.b64decode(value["content"])
            if name == "README.md":
                card_metadata(content.decode())
            files[name] = self.store.keep([content])
        elif key == "lfsFile":
            if not self.store.blob(value["oid"]).is_file():
                raise Refusal(400, f"{name!a} was not uploaded")
            files[name] = value["oid"]
        elif key in ("deletedFile", "deletedFolder"):
            folder = key == "deletedFolder"
            gone = [path for path in files if path.startswith(f"{name}/") or path == name]
            if not gone or folder == (name in files):
                raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
            for path in gone:
                del files[path]
        else:
            raise Refusal(400, f"Unknown operation {key!a}")

    @route("GET", f"/{PREFIXED}/resolve/{REVISION}/(?P<name>.+)")
    def resolve(self, kind, repository, revision, name):
        sha, commit = self.commit(self.manifest(kind, repository), revision)
        if name not in commit["files"]:
            raise Refusal(404, f"{name!a} does not exist on {revision!a}", "EntryNotFound")
        entry = self.described(name, commit["files"])
        headers = {"X-Repo-Commit": sha, "ETag": f'"{etag(entry)}"', "Accept-Ranges": "bytes"}
        if "lfs" in entry:
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": entry["size"]}
        self.send_file(self.store.blob(commit["files"][name]), entry["size"], headers)

    def send_file(self, path, size, headers):
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        start, end = 0, size
        if asked and asked[1]:
            start, end = int(asked[1]), min(int(asked[2] or size) + 1, size)
        elif asked and asked[2]:
            start = max(size - int(asked[2]), 0)
        if asked and start >= end:
            return self.send_headers(416, 0, headers | {"Content-Range": f"bytes */{size}"})
        if asked:
            headers = headers | {"Content-Range": f"bytes {start}-{end - 1}/{size}"}
        self.send_headers(206 if asked else 200, end - start, headers)
        if self.command == "HEAD":
            return
        with open(path, "rb") as file:
            file.seek(start)
            while start < end and (chunk := file.read(min(end - start, CHUNK))):
                start += len(chunk)
                self.wfile.write(chunk)


class Hub(ThreadingHTTPServer):
    """The server, bound to 127.0.0.1.

    Parameters
    ----------
    folder : path-like
        What the repositories are kept in; made where it does not exist.
    users : dict
        {token: user}; each user owns the repositories named `user/...`.
    port : int
        0 takes any free one.
    fail_after : int, optional
        So many uploads of large files and commits succeed, then one is refused.
    """

    request_queue_size = 64

    def __init__(self, folder, users, port=0, fail_after=None):
        super().__init__(("127.0.0.1", port), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.store, self.users = Store(folder), users
        self.secret, self.writes, self.fail_after = secrets.token_bytes(32), 0, fail_after


def credential(text):
    """Read `token=user` from the command line."""
    token, _, user = text.partition("=")
    if not token or not is_repository_name(f"{user}/repository"):
        raise argparse.ArgumentTypeError(f"must be token=user, got {text!r}")
    return token, user


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", required=True, help="what the repositories are kept in")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--token", action="append", default=[], type=credential, help="token=user")
    parser.add_argument("--fail-after", type=int, help="refuse the write after so many")
    given = parser.parse_args()
    with Hub(given.folder, dict(given.token), given.port, given.fail_after) as server:
        print(server.address, flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
