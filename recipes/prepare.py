"""Prepare recordings: from a laboratory's files to a data set that is mapped into memory.

    python recipes/prepare.py --data <folder> --participants UTS01 UTS02
    python recipes/prepare.py --data <folder> --participants UTS01 --push_to_hub <name>/<data set>

The other recipes prepare what they need by themselves; this one does it ahead of time, and uploads.
"""

from dataclasses import dataclass, field

from huggingface_hub import HfApi
from transformers import HfArgumentParser

from datasets_scripts import Listening
from datasets_scripts.recordings.listening import STORIES
from datasets_scripts.recordings.participant import PROVENANCE
from recipes.phantom import DATA, phantom_data
from recipes.process import one_line_errors


@dataclass
class PrepareArguments:
    """Which recordings, how they are stored, and where they are uploaded to."""

    data: str = field(
        metadata={"help": f"Folder in the layout of ds003020 or of BIDS derivatives, or '{DATA}'."}
    )
    participants: list[str] = field(metadata={"help": "Such as UTS01 UTS02."})
    dtype: str = field(
        default="float32",
        metadata={"help": "Of the responses: float32, or float16 at half the size."},
    )
    tr: float | None = field(
        default=None, metadata={"help": "Seconds per TR of ds003020, instead of 2.0."}
    )
    tr_times: str | None = field(
        default=None, metadata={"help": "Folder of exact TR times, <story>.report, for ds003020."}
    )
    space: str | None = field(
        default=None, metadata={"help": "Space of the BIDS images, where there are several."}
    )
    cache_dir: str | None = field(
        default=None, metadata={"help": "Where to prepare; the cache of `datasets` if none."}
    )
    push_to_hub: str | None = field(
        default=None, metadata={"help": "Data set on the Hub to upload to, as in name/data-set."}
    )
    private: bool = field(default=False, metadata={"help": "Make that data set private."})


def prepare(arguments):
    """Prepare each participant and the stories, and upload them if asked to.

    Parameters
    ----------
    arguments : PrepareArguments

    Returns
    -------
    dict of str to datasets.DatasetDict
        By configuration: the participants and "stories".

    Raises
    ------
    FileNotFoundError, ValueError
        As `datasets_scripts.Listening`.
    """
    data = phantom_data()[0] if arguments.data == DATA else arguments.data
    options = {name: getattr(arguments, name) for name in ("tr", "tr_times", "space")}
    options = {name: value for name, value in options.items() if value is not None}
    builders = {
        name: Listening(
            name,
            data,
            dtype=arguments.dtype,
            options=options,
            cache_dir=arguments.cache_dir,
        )
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


def main():
    (arguments,) = HfArgumentParser(PrepareArguments).parse_args_into_dataclasses()
    with one_line_errors():
        prepare(arguments)


if __name__ == "__main__":
    main()
