"""Publish a checkpoint as a model on the Hub, or a metric as a Space.

    python recipes/publish.py --checkpoint outputs/phantom/brain-tuned --to <name>/phantom
    python recipes/publish.py --metric brain_alignment --to <name>/brain_alignment

An upload is one commit: where it breaks off, the repository is as it was before, and the same
command again completes it.
"""

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HTTPError
from huggingface_hub.utils import validate_repo_id
from transformers import HfArgumentParser

from evaluate_metrics import space_files
from modeling_braintune.model_card import CARD, UNPUBLISHED
from recipes.process import one_line_errors

OF_A_CHECKPOINT = {".json", ".safetensors", ".md", ".py", ".png", ".txt"}
PICKLED = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"}


@dataclass
class PublishArguments:
    """What is uploaded, and where to."""

    to: str = field(metadata={"help": "Repository on the Hub, as in name/phantom."})
    checkpoint: str | None = field(default=None, metadata={"help": "Folder of a checkpoint."})
    metric: str | None = field(
        default=None, metadata={"help": "Such as brain_alignment, to be a Space."}
    )
    private: bool | None = field(
        default=None, metadata={"help": "Make a new repository private; as the Hub does if none."}
    )
    revision: str | None = field(
        default=None, metadata={"help": "Branch to upload to; main if none."}
    )

    def __post_init__(self):
        if (self.checkpoint is None) == (self.metric is None):
            raise ValueError(
                f"give one of checkpoint and metric, got checkpoint={self.checkpoint} and "
                f"metric={self.metric}"
            )


def publish_checkpoint(folder, repo, *, private=None, token=None, revision=None):
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
    files = checkpoint_files(folder)
    if CARD in files:
        # Only now is it known what the checkpoint is loaded by.
        card = files[CARD].read_text(encoding="utf-8")
        files[CARD] = card.replace(UNPUBLISHED, repo).encode()
    check_access(repo, token, private)
    return commit_files(files, repo, "Upload checkpoint", token=token, revision=revision)


def publish_metric(name, repo, *, private=None, token=None, revision=None):
    """Upload a metric as a Space, from where `evaluate.load` takes it.

    Parameters
    ----------
    name : str
        Such as "brain_alignment".
    repo, private, token, revision
        As `publish_checkpoint`.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    ValueError
        If there is no such metric.
    FileNotFoundError, PermissionError, ConnectionError
        As `publish_checkpoint`.
    """
    files = space_files(name)
    check_access(repo, token, private, repo_type="space")
    return commit_files(
        files, repo, f"Upload {name}", repo_type="space", token=token, revision=revision
    )


def checkpoint_files(folder):
    """Find the files that a checkpoint consists of; others in its folder are passed over.

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
        If there are pickled files.
    """
    folder = Path(folder)
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    pickled = [name for name, path in found.items() if path.suffix in PICKLED]
    if pickled:
        raise ValueError(
            f"{folder} holds files that may be pickled, which run code where they are loaded: "
            f"{', '.join(pickled)}; move them elsewhere, and save weights as safetensors"
        )
    files = {name: path for name, path in found.items() if path.suffix in OF_A_CHECKPOINT}
    if "config.json" not in files or not any(name.endswith(".safetensors") for name in files):
        raise FileNotFoundError(
            f"{folder} is no checkpoint: it needs config.json and weights in .safetensors, among "
            f"its {len(found)} files they are not"
        )
    return files


def check_access(repo, token=None, private=None, repo_type="model"):
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


def commit_files(files, repo, message, *, repo_type="model", token=None, revision=None):
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

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    FileNotFoundError, PermissionError, ConnectionError
        As `plain_errors`; the repository is as it was.
    """
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    with plain_errors(repo):
        commit = HfApi(token=token).create_commit(
            repo, operations, commit_message=message, repo_type=repo_type, revision=revision
        )
    return commit.commit_url


@contextmanager
def plain_errors(repo):
    """Say in one line what the Hub refuses, and what would do.

    Raises
    ------
    PermissionError, FileNotFoundError, ConnectionError
        In place of the client's errors.
    """
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


def main():
    with one_line_errors():
        (arguments,) = HfArgumentParser(PublishArguments).parse_args_into_dataclasses()
        options = {"private": arguments.private, "revision": arguments.revision}
        if arguments.metric is None:
            address = publish_checkpoint(arguments.checkpoint, arguments.to, **options)
        else:
            address = publish_metric(arguments.metric, arguments.to, **options)
    print(f"Uploaded: {address}")


if __name__ == "__main__":
    main()
