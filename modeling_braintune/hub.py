"""Repositories on the Hub: uploads in one commit, and refusals in plain words."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    get_hf_file_metadata,
    get_session,
    hf_hub_url,
    set_client_factory,
    try_to_load_from_cache,
)
from huggingface_hub.errors import HTTPError
from huggingface_hub.utils import validate_repo_id
from transformers.trainer import TRAINING_ARGS_NAME

from .configuration_braintune import checkpoint_model_type, is_path
from .model_card import CARD, UNPUBLISHED

CONFIG = "config.json"
OF_A_CHECKPOINT = {".json", ".safetensors", ".md", ".py", ".png", ".txt"}
PICKLED = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"}
GIT = ".gitattributes"  # the Hub's own
COMMIT_TIMEOUT = 120  # seconds; the Hub looks at all files of a commit before it answers


def limit_waiting() -> None:
    """Let no request of this process wait for ever for a Hub that does not answer.

    Most of the client's requests have no time limit of their own, and those that are made again
    wait for a minute each. They now wait as long as HF_HUB_ETAG_TIMEOUT or HF_HUB_DOWNLOAD_TIMEOUT
    says, 10 s by default, and longer where something is uploaded.
    """
    stock = get_session()
    if _limited in stock.event_hooks["request"]:
        return
    hooks = {**stock.event_hooks, "request": [*stock.event_hooks["request"], _limited]}
    make = type(stock)

    def client() -> Any:
        return make(event_hooks=hooks, follow_redirects=True)

    set_client_factory(client)


def _limited(request):
    limit = max(constants.HF_HUB_ETAG_TIMEOUT, constants.HF_HUB_DOWNLOAD_TIMEOUT)
    if request.method not in ("GET", "HEAD"):
        limit = max(limit, COMMIT_TIMEOUT)
    given = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {
        kind: min(given.get(kind) or limit, limit) for kind in ("connect", "read", "write", "pool")
    }


def publish_checkpoint(
    folder: str | os.PathLike,
    repo: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
) -> str:
    """Upload a checkpoint's weights, configuration, code, card and figures.

    Parameters
    ----------
    folder : path-like
    repo : str
        Such as "name/phantom"; created if need be.
    private : bool, optional
        As the Hub does by default, for a new repository.
    token : str, optional
        That of the machine's user by default.
    revision : str, optional
        A branch that exists; main by default.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    FileNotFoundError
        If the folder is no checkpoint, or the branch does not exist.
    ValueError
        If the folder holds pickled files, which run code where they are loaded.
    PermissionError, ConnectionError
        As `check_access`, or the upload breaks off.
    """
    files: dict[str, Path | bytes] = {**checkpoint_files(folder)}
    if CARD in files:
        # Only now is it known what the checkpoint is loaded by.
        card = Path(folder, CARD).read_text(encoding="utf-8")
        files[CARD] = card.replace(UNPUBLISHED, repo).encode()
    check_access(repo, token, private)
    return commit_files(files, repo, "Upload checkpoint", token=token, revision=revision)


def checkpoint_files(folder: str | os.PathLike) -> dict[str, Path]:
    """Find the files that a checkpoint consists of.

    Others in its folder are passed over, such as what a killed training has left there.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    dict of {str: Path}
        By path in the repository.

    Raises
    ------
    FileNotFoundError
        If there is no configuration, or there are no weights.
    ValueError
        If there are pickled files, or links to files elsewhere.
    """
    folder = Path(folder)
    paths = [path for place in ("*", "figures/*") for path in folder.glob(place) if path.is_file()]
    found = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(paths)
        if not path.name.startswith(".") and path.name != TRAINING_ARGS_NAME
    }
    pickled = [name for name, path in found.items() if path.suffix in PICKLED]
    if pickled:
        raise ValueError(
            f"{folder} holds files that may be pickled, which run code where they are loaded: "
            f"{', '.join(pickled)}; move them elsewhere, and save weights as safetensors"
        )
    files = {name: path for name, path in found.items() if path.suffix in OF_A_CHECKPOINT}
    # Of a snapshot in the Hub's cache, the files lie beside the snapshots.
    home = folder.resolve()
    home = home.parents[1] if home.parent.name == "snapshots" else home
    links = [name for name, path in files.items() if not path.resolve().is_relative_to(home)]
    if links:
        raise ValueError(
            f"{folder} holds links to files elsewhere, which would be published: "
            f"{', '.join(links[:3])}; put the files there, or remove the links"
        )
    if CONFIG not in files or not any(name.endswith(".safetensors") for name in files):
        raise FileNotFoundError(
            f"{folder} is not a checkpoint: config.json and weights in .safetensors are needed, "
            f"and its {len(found)} files do not include both"
        )
    return files


def check_access(
    repo: str,
    token: str | None = None,
    private: bool | None = None,
    repo_type: str = "model",
) -> None:
    """Make sure that a repository can be written to; it is created if need be.

    Parameters
    ----------
    repo : str
    token : str, optional
        That of the machine's user by default.
    private : bool, optional
        As the Hub does by default, for a new repository.
    repo_type : str
        "model" or "space".

    Raises
    ------
    ValueError
        If `repo` is no name of a repository, or it exists and is public against the wish.
    PermissionError
        If there is no token, it is not valid, or the repository would be somebody else's.
    ConnectionError
        If the Hub cannot be reached, or refuses.
    """
    validate_repo_id(repo)
    owner, slash, _ = repo.partition("/")
    if not slash:
        raise ValueError(f"a repository is named <your name>/<its name>, got {repo!r}")
    api = HfApi(token=token)
    with plain_errors(repo):
        user = api.whoami()
        owners = [user["name"], *(organization["name"] for organization in user["orgs"])]
        if owner not in owners:
            raise PermissionError(
                f"{repo}: the token is that of {user['name']}, who may write to repositories of "
                f"{', '.join(owners)} only"
            )
        api.create_repo(
            repo,
            private=private,
            repo_type=repo_type,
            space_sdk="gradio" if repo_type == "space" else None,
            exist_ok=True,
        )
        if private and not api.repo_info(repo, repo_type=repo_type).private:
            raise ValueError(
                f"{repo} exists and is public: make it private on the Hub, or take another name"
            )


def commit_files(
    files: Mapping[str, str | os.PathLike | bytes],
    repo: str,
    message: str,
    *,
    repo_type: str = "model",
    token: str | None = None,
    revision: str | None = None,
    replace: bool = False,
) -> str:
    """Upload files to a repository in one commit.

    Parameters
    ----------
    files : dict of {str: path-like or bytes}
        By path in the repository.
    repo, message : str
    repo_type : str
        "model" or "space".
    token : str, optional
    revision : str, optional
        A branch that exists; main by default.
    replace : bool
        Whether files that are there and not among these are removed by the same commit.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    FileNotFoundError, PermissionError, ConnectionError
        As `plain_errors`; the repository is as it was.
    """
    api = HfApi(token=token)
    operations: list = [CommitOperationAdd(path, content) for path, content in files.items()]
    with plain_errors(repo):
        if replace:
            there = api.list_repo_files(repo, repo_type=repo_type, revision=revision)
            gone = [path for path in there if path not in files and path != GIT]
            operations += [CommitOperationDelete(path) for path in gone]
        commit = api.create_commit(
            repo, operations, commit_message=message, repo_type=repo_type, revision=revision
        )
    return commit.commit_url


def check_model(name: str | os.PathLike) -> None:
    """Make sure, at once, that there is a model: in a folder, in the cache, or on the Hub.

    Without a network the library tries for half a minute, and does not say what it looked for.

    Parameters
    ----------
    name : a folder, or a name on the Hub

    Raises
    ------
    FileNotFoundError, PermissionError, ConnectionError, ValueError
        There is none, it may not be read, or it is not here and the Hub cannot be reached; or the
        name can be none.
    """
    name = os.fspath(name)
    if is_path(name) or Path(name).exists():
        checkpoint_model_type(name)
    elif not isinstance(try_to_load_from_cache(name, CONFIG), str):
        try:
            with plain_errors(name):
                get_hf_file_metadata(hf_hub_url(name, CONFIG))
        except (ConnectionError, FileNotFoundError) as error:
            kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ConnectionError
            raise kind(
                f"no model '{name}': there is no such folder (working folder: {Path.cwd()}), it is "
                f"not in the Hugging Face cache, and on the Hub: {error}"
            ) from error


@contextmanager
def plain_errors(repo: str) -> Iterator[None]:
    """Say in one line what the Hub refuses, or that it does not answer, and what would do.

    Raises
    ------
    PermissionError, FileNotFoundError, ConnectionError
        In place of the client's errors.
    """
    limit_waiting()
    try:
        yield
    except (HTTPError, RuntimeError) as raised:
        # Threads that upload wrap what stopped them.
        error = raised.__cause__ if isinstance(raised, RuntimeError) else raised
        if not isinstance(error, HTTPError):
            raise
        response = getattr(error, "response", None)
        said = " ".join(str(getattr(error, "server_message", None) or error).split())
        if response is None:
            raise ConnectionError(
                f"{repo}: the Hub cannot be reached ({said}); run the same command again"
            ) from raised
        kind, advice = {
            401: (PermissionError, "log in with `hf auth login`, or set HF_TOKEN"),
            403: (PermissionError, "the token must allow to write there"),
            404: (FileNotFoundError, "check the names of repository and branch"),
        }.get(response.status_code, (ConnectionError, "run the same command again"))
        raise kind(f"{repo}: {said} ({response.status_code}); {advice}") from raised
