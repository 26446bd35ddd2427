"""Stories that are prepared one by one, so that none is prepared twice, and put together."""

import json
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pyarrow as pa
from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from datasets.utils import tqdm

from ..whole_files import made_by_one
from .checksums import SEAL
from .listening import Listening


class Prepared(NamedTuple):
    """A participant's responses to some stories, or the stories' sounds.

    Parameters
    ----------
    splits : datasets.DatasetDict
        As `Listening` has them. Each story's rows lie in one piece of the mapped files.
    facts : dict
        Where the rows come from: what `info.description` says of each story, put together.
    """

    splits: datasets.DatasetDict
    facts: dict[str, Any]


def prepare_stories(
    config_name: str,
    data_dir: str | PathLike[str],
    stories: list[str],
    *,
    dtype: str = "float32",
    options: dict[str, Any] | None = None,
    cache_dir: str | PathLike[str] | None = None,
) -> Prepared:
    """Prepare stories that are not prepared yet, a data set for each, and open all of them.

    Parameters
    ----------
    config_name, data_dir, dtype, options
        As `Listening`.
    stories : list of str
        At least one.
    cache_dir : path-like, optional
        Instead of the cache of `datasets`.

    Returns
    -------
    Prepared

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        As `Listening`.
    """
    kept = {"cache_dir": None if cache_dir is None else str(cache_dir)}
    builders = [
        Listening(config_name, data_dir, dtype=dtype, options=options, stories=[story], **kept)
        for story in stories
    ]
    # One that another process has prepared since it was made does not know its splits yet.
    ahead = [b for b in builders if not (b.info.splits and Path(b.cache_dir, SEAL).is_file())]
    _prepare(ahead, f"Preparing {config_name}")
    opened = [builder.as_dataset() for builder in builders]
    names = dict.fromkeys(name for splits in opened for name in splits)
    facts = [json.loads(builder.info.description) for builder in builders]
    return Prepared(
        splits=datasets.DatasetDict(
            {
                name: datasets.concatenate_datasets([s[name] for s in opened if name in s])
                for name in names
            }
        ),
        facts=_merged(facts),
    )


def _prepare(builders, what):
    """Prepare with one bar over the stories, not one for each."""
    hidden = are_progress_bars_disabled()
    progress = tqdm(builders, desc=what, unit="story", disable=not builders)
    if not hidden:
        disable_progress_bars()
    try:
        for builder in progress:
            (story,) = builder.config.stories
            with made_by_one(builder.cache_dir, f"story {story} of {builder.config.name}"):
                builder.download_and_prepare()
            # What was written stays in Arrow's pool otherwise: gigabytes, with repeats.
            pa.default_memory_pool().release_unused()
    finally:
        if not hidden:
            enable_progress_bars()


def _merged(facts):
    """Facts of several stories: dictionaries are put together, the rest is the same in all."""
    merged = dict(facts[0])
    for one in facts[1:]:
        for key in ("sources", "checksums", "noise_ceiling"):
            if key in one:
                merged[key] = merged[key] | one[key]
    return merged
