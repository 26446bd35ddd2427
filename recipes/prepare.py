"""Prepare recordings: from a laboratory's files to a data set that is mapped into memory.

    python recipes/prepare.py --data <folder> --participants UTS01 UTS02
    python recipes/prepare.py --data <folder> --participants UTS01 --push_to_hub <name>/<data set>

The other commands prepare what they need by themselves; this one does it ahead of time,
and uploads.
"""

from dataclasses import dataclass, field
from typing import Any

import datasets
from huggingface_hub import HfApi

from datasets_scripts import PROVENANCE, STORIES, Listening
from recipes.command.arguments import parse_arguments
from recipes.command.checkpoints import recordings_folder
from recipes.command.process import one_line_errors
from recipes.command.vocabulary import Hub, Recordings


@dataclass(kw_only=True)
class PrepareOptions(Recordings, Hub):
    """Which recordings, how they are stored, and where they are uploaded to."""

    prepared_dir: str | None = field(
        default=None,
        metadata={
            "help": "Folder that the prepared data set is written to; by default the cache of the "
            "datasets library, where the other commands look for it."
        },
    )


def prepare(arguments: PrepareOptions) -> dict[str, datasets.DatasetDict]:
    """Prepare each participant and the stories, and upload them if asked to.

    Parameters
    ----------
    arguments : PrepareOptions

    Returns
    -------
    dict of str to datasets.DatasetDict
        By configuration: the participants and "stories".

    Raises
    ------
    FileNotFoundError, ValueError
        As `datasets_scripts.Listening`.
    """
    data = recordings_folder(arguments.data)
    options = {name: getattr(arguments, name) for name in ("tr", "tr_times", "space")}
    options = {name: value for name, value in options.items() if value is not None}
    kept: dict[str, Any] = {"options": options, "cache_dir": arguments.prepared_dir}
    builders = {
        name: Listening(name, data, dtype=arguments.dtype, **kept)
        for name in (*arguments.participants, STORIES)
    }
    prepared = {}
    for name, builder in builders.items():
        builder.download_and_prepare()
        prepared[name] = builder.as_dataset()
        rows = ", ".join(f"{len(rows)} {split}" for split, rows in prepared[name].items())
        print(f"{name}: {rows}, {builder.info.dataset_size / 1e6:.1f} MB in {builder.cache_dir}")
    if arguments.push_to_hub:
        for name, splits in prepared.items():
            splits.push_to_hub(arguments.push_to_hub, name, private=arguments.private)
            HfApi().upload_file(
                path_or_fileobj=builders[name].info.description.encode(),
                path_in_repo=PROVENANCE.format(name),
                repo_id=arguments.push_to_hub,
                repo_type="dataset",
            )
        print(f"Uploaded to {arguments.push_to_hub}")
    return prepared


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments((PrepareOptions,))
        prepare(arguments)


if __name__ == "__main__":
    main()
