"""Publish a checkpoint as a model on the Hub, or a metric as a Space.

    python recipes/publish.py --checkpoints outputs/phantom/brain-tuned --push_to_hub <name>/phantom
    python recipes/publish.py --metric brain_alignment --push_to_hub <name>/brain_alignment

An upload is one commit: where it breaks off, the repository is as it was before, and the same
command again completes it.
"""

from dataclasses import dataclass, field

from recipes.command.process import one_line_errors

from evaluate_metrics import space_files
from modeling_braintune import check_access, commit_files, publish_checkpoint
from recipes.command.arguments import parse_arguments
from recipes.command.checkpoints import one_checkpoint
from recipes.command.vocabulary import Checkpoints, Hub


@dataclass(kw_only=True)
class PublishOptions(Checkpoints, Hub):
    """What is uploaded, and where to."""

    metric: str | None = field(
        default=None,
        metadata={
            "help": "Metric that is uploaded as a Space in place of a checkpoint: brain_alignment "
            "or low_level_impact; none by default."
        },
    )
    revision: str | None = field(
        default=None,
        metadata={"help": "Branch that is uploaded to, which must exist; main by default."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.checkpoints) == (self.metric is not None):
            raise ValueError(
                "give one of --checkpoints and --metric, got "
                f"checkpoints={', '.join(self.checkpoints) or None} and metric={self.metric}"
            )
        if self.metric is None:
            one_checkpoint(self.checkpoints)
        if self.push_to_hub is None:
            raise ValueError("push_to_hub must name the repository: give --push_to_hub NAME")


def publish_metric(
    name: str,
    repo: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
) -> str:
    """Upload a metric as a Space, from where `evaluate.load` takes it.

    Parameters
    ----------
    name : str
        Such as "brain_alignment".
    repo, private, token, revision
        As `modeling_braintune.publish_checkpoint`.

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


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments((PublishOptions,))
        options = {"private": arguments.private or None, "revision": arguments.revision}
        if arguments.metric is None:
            (folder,) = arguments.checkpoints
            address = publish_checkpoint(folder, arguments.push_to_hub, **options)
        else:
            address = publish_metric(arguments.metric, arguments.push_to_hub, **options)
    print(f"Uploaded: {address}")


if __name__ == "__main__":
    main()
