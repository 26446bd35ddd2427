"""Publish a checkpoint as a model on the Hub, or a metric or a checkpoint's page as a Space.

    python recipes/publish.py --checkpoints outputs/phantom/brain-tuned --push_to_hub <name>/phantom
    python recipes/publish.py --demo --checkpoints <name>/phantom --push_to_hub <name>/listening
    python recipes/publish.py --metric brain_alignment --push_to_hub <name>/brain_alignment

An upload is one commit: where it breaks off, the repository is as it was before, and the same
command again completes it.
"""

from dataclasses import dataclass, field
from pathlib import Path

from recipes.command.process import one_line_errors

from evaluate_metrics import space_files as metric_files
from modeling_braintune import check_access, commit_files, publish_checkpoint
from recipes.command.arguments import parse_arguments
from recipes.command.checkpoints import one_checkpoint
from recipes.command.examples import offered
from recipes.command.vocabulary import Checkpoints, Hub
from recipes.stages.demo.space import space_files


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
    demo: bool = field(
        default=False,
        metadata={
            "help": "Whether a Space is uploaded that shows what the checkpoint, of a folder or of "
            "a name on the Hub, predicts of a visitor's sound, as demo.py does; false by default."
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
        if self.demo and self.metric is not None:
            raise ValueError(f"demo: a metric has no page of that kind, got metric={self.metric}")
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
    files = metric_files(name)
    check_access(repo, token, private, repo_type="space")
    return commit_files(
        files, repo, f"Upload {name}", repo_type="space", token=token, revision=revision
    )


def publish_demo(
    checkpoint: str,
    repo: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
) -> str:
    """Upload the page of a checkpoint as a Space, which starts from what is uploaded alone.

    The sounds that the page offers here go with it.

    What an earlier upload left there, and this one does not hold, is removed.

    Parameters
    ----------
    checkpoint : folder or name on the Hub
    repo, private, token, revision
        As `modeling_braintune.publish_checkpoint`.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    ImportError
        Without what the page needs.
    ValueError, FileNotFoundError, PermissionError, ConnectionError
        As `publish_checkpoint`, or the checkpoint does not say whose voxels it predicts.
    """
    files = space_files(checkpoint, repo, offered([], [checkpoint]))
    check_access(repo, token, private, repo_type="space")
    message = f"Upload the page of {Path(checkpoint).name}"
    return commit_files(
        files, repo, message, repo_type="space", token=token, revision=revision, replace=True
    )


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments((PublishOptions,))
        options = {"private": arguments.private or None, "revision": arguments.revision}
        if arguments.metric is not None:
            address = publish_metric(arguments.metric, arguments.push_to_hub, **options)
        else:
            publish = publish_demo if arguments.demo else publish_checkpoint
            address = publish(arguments.checkpoints[0], arguments.push_to_hub, **options)
    print(f"Uploaded: {address}")


if __name__ == "__main__":
    main()
