"""Prepare recordings: from a laboratory's files to a data set that is mapped into memory.

    python recipes/prepare.py --data <folder> --participants UTS01 UTS02
    python recipes/prepare.py --data <folder> --participants UTS01 --push_to_hub <name>/<data set>
    python recipes/prepare.py --data <folder> --check

The other commands prepare what they need by themselves; this one does it ahead of time, and
uploads. `--check` prepares nothing: it says what is in the folder, what is missing of the stories
that a configuration names, what a run will take, and what to type next.
"""

import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from recipes.command.process import one_line_errors

import datasets
from huggingface_hub import HfApi

from datasets_scripts import PROVENANCE, STORIES
from datasets_scripts.recordings import (
    ANATOMY,
    Inventory,
    ParticipantFiles,
    find_layout,
    is_folder,
    prepare_stories,
    take_inventory,
)
from recipes.command.arguments import (
    CONFIGS,
    chosen_config,
    keys_of,
    parse_arguments,
    read_config,
)
from recipes.command.checkpoints import PHANTOM, recordings_folder
from recipes.command.vocabulary import Hub, Recordings, Stories
from recipes.stages.checkup import checkup, least_to_fetch, next_commands
from recipes.stages.recordings import layout_options, named_stories, open_recordings
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

ATLAS = ("lh.HCP-MMP1.annot", "rh.HCP-MMP1.annot")
SPLITS = ("train_stories", "validation_stories")


@dataclass(kw_only=True)
class PrepareOptions(Recordings, Stories, Hub):
    """Which recordings, how they are stored, and where they are uploaded to."""

    prepared_dir: str | None = field(
        default=None,
        metadata={
            "help": "Folder that the prepared data set is written to; by default the cache of the "
            "datasets library, where the other commands look for it."
        },
    )
    check: bool = field(
        default=False,
        metadata={
            "help": "Whether nothing is prepared, but it is said what is there, what is missing "
            "and what a run takes, of all participants unless some are named; false by default."
        },
    )

    def __post_init__(self) -> None:
        self.names_participants = bool(self.participants)
        if self.check and not self.participants:
            data = recordings_folder(self.data)
            self.participants = find_layout(data, layout_options(self)).participants()
        super().__post_init__()


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
        As `datasets_scripts.open_participant`; the recordings are prepared already.
    """
    data = recordings_folder(arguments.data)
    if not is_folder(data):
        raise ValueError(f"data: {data} holds recordings that are prepared already")
    participants = open_recordings(data, arguments, arguments.prepared_dir)
    sounds = prepare_stories(
        STORIES,
        data,
        sorted({story for one in participants for story in one.story_names}),
        options=layout_options(arguments),
        cache_dir=arguments.prepared_dir,
    )
    prepared = {one.name: one.splits for one in participants} | {STORIES: sounds.splits}
    facts = {one.name: one.provenance for one in participants}
    facts[STORIES] = sounds.facts
    folder = arguments.prepared_dir or datasets.config.HF_DATASETS_CACHE
    for name, splits in prepared.items():
        rows = ", ".join(f"{len(rows)} {split}" for split, rows in splits.items())
        size = sum(rows.data.nbytes for rows in splits.values())
        print(f"{name}: {rows}, {size / 1e6:.1f} MB in {folder}")
    if arguments.push_to_hub:
        for name, splits in prepared.items():
            splits.push_to_hub(arguments.push_to_hub, name, private=arguments.private)
            HfApi().upload_file(
                path_or_fileobj=json.dumps(facts[name]).encode(),
                path_in_repo=PROVENANCE.format(name),
                repo_id=arguments.push_to_hub,
                repo_type="dataset",
            )
        for one in participants:
            _upload_anatomy(one, arguments.push_to_hub)
        print(f"Uploaded to {arguments.push_to_hub}")
    return prepared


def _upload_anatomy(participant, repository):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "anatomy.npz")
        participant.anatomy.save(path)
        HfApi().upload_file(
            path_or_fileobj=path,
            path_in_repo=ANATOMY.format(participant.name),
            repo_id=repository,
            repo_type="dataset",
        )


def check(arguments: PrepareOptions, config: Path | None = None) -> Inventory:
    """Say what is in a folder, what is missing, what a run takes, and what to type next.

    Parameters
    ----------
    arguments : PrepareOptions
    config : Path, optional
        Configuration that names the stories that matter, unless the arguments do. By default the
        phantom's for the phantom, that of ds003020 for a folder with the sounds of most of its
        stories, and none for any other, of which all stories matter.

    Returns
    -------
    datasets_scripts.recordings.Inventory

    Raises
    ------
    FileNotFoundError, ValueError
        As `datasets_scripts.recordings.take_inventory`.
    """
    data, options = recordings_folder(arguments.data), layout_options(arguments)
    if not is_folder(data):
        raise ValueError(f"check: {data} holds recordings that are prepared already")
    config = config or default_config(arguments.data, data, options)
    settings = {} if config is None else read_config(config)
    stories = arguments.stories or named_stories(SimpleNamespace(**settings))
    found = take_inventory(data, arguments.participants, stories, options)
    cache = Path(arguments.prepared_dir or datasets.config.HF_DATASETS_CACHE)
    train = settings.get("train_stories", [])
    lines = checkup(found, arguments.dtype, cache, settings.get("num_train_epochs"), train)
    print("\n".join(lines), end="\n\n")
    nearest = found.participants if arguments.names_participants else [least_to_fetch(found)]
    named = "<your configuration>" if config is None else os.path.relpath(config)
    tune = ["--config", named, "--data", arguments.data]
    for option, value in layout_options(arguments).items():
        values = value if isinstance(value, list) else [value]
        tune += [f"--{option}", *map(str, values)]
    if arguments.atlas is not None or (settings.get("tuning_regions") and lays_atlas(nearest)):
        tune += ["--atlas", *(arguments.atlas or ATLAS)]
    if arguments.dtype != "float32":
        tune += ["--dtype", arguments.dtype]
    splits = {split: settings[split] for split in SPLITS if split in settings}
    print("\n".join(next_commands(dataclasses.replace(found, participants=nearest), tune, splits)))
    return found


def lays_atlas(participants: list[ParticipantFiles]) -> bool:
    """Whether regions of all participants have to follow from an atlas, and can."""
    files = [one.anatomy for one in participants]
    return all("transform" in of and not of["regions"].is_file() for of in files)


def default_config(name: str, folder: str, options: dict[str, Any]) -> Path | None:
    """Return the configuration that goes with a folder, if there is one."""
    if name == PHANTOM:
        return CONFIGS / "phantom.yaml"
    layout, config = find_layout(folder, options), CONFIGS / "ds003020.yaml"
    named = named_stories(SimpleNamespace(**read_config(config)))
    there = layout.sound_files()
    return config if sum(story in there for story in named) > len(named) / 2 else None


def main() -> None:
    with one_line_errors():
        # A configuration of tune.py will do: how models are tuned and published is passed over.
        (arguments,) = parse_arguments(
            (PrepareOptions,),
            renamed={"push_to_hub": None, "private": None},
            passed_over=keys_of(TuningOptions, TrainerOptions),
        )
        config, _ = chosen_config()
        if arguments.check:
            check(arguments, config)
            return
        if config is not None and arguments.stories is None:
            arguments.stories = named_stories(SimpleNamespace(**read_config(config)))
        prepare(arguments)


if __name__ == "__main__":
    main()
