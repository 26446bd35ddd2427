"""Clips of a speech collection: opened in their splits, heard, and described by their spectra."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from datasets import Audio, Dataset, DatasetDict, load_dataset
from datasets.exceptions import DatasetNotFoundError

from ..features import fbank, mfcc
from ..recordings import HUB_NAME, read_recording, resample
from .speech_task import SpeechTask

SPLITS = ("train", "validation", "test")
# Tasks that any clip has
LOW_LEVEL: dict[str, Callable[..., np.ndarray]] = {"mfcc": mfcc, "fbank": fbank}


def open_clips(
    build: Callable[..., SpeechTask],
    folder: str | os.PathLike[str],
    tasks: Iterable[str],
    max_unreadable: float = 0.01,
) -> tuple[DatasetDict, int]:
    """Prepare the clips that some tasks share, or take them from the Hub.

    Parameters
    ----------
    build : callable
        Makes the collection's builder from a folder and `max_unreadable`.
    folder : path-like or str
        The collection, or the name of a prepared data set on the Hub.
    tasks : iterable of str
        "<collection>/<task>"; a task is a column of the clips, or a key of `LOW_LEVEL`.
    max_unreadable : float
        Share of a split's recordings that may be left out because they cannot be read.

    Returns
    -------
    data : DatasetDict
        With the splits of `SPLITS`, and sound files as they are in `audio`.
    n_unreadable : int
        Recordings that are left out, as the builder's description has it.

    Raises
    ------
    FileNotFoundError
        There is no such folder or data set, or the folder lacks what the collection consists of.
    ValueError
        As the builders; or the data set has not been prepared for these tasks.
    """
    tasks = list(tasks)
    if Path(folder).exists() or not HUB_NAME.fullmatch(str(folder)):
        builder = build(folder, max_unreadable=max_unreadable)
        builder.download_and_prepare()
        unreadable = json.loads(builder.info.description)["unreadable"]
        return builder.as_dataset(), sum(map(len, unreadable.values()))
    try:
        data = load_dataset(str(folder), getattr(build, "keywords", {}).get("kind"))
    except (DatasetNotFoundError, ConnectionError) as error:
        raise FileNotFoundError(f"{folder} was not found locally or on the Hub: {error}") from error
    columns = {"file", "audio"} | {task_name(task) for task in tasks} - LOW_LEVEL.keys()
    lacking = [split for split in SPLITS if split not in data] or sorted(
        columns.difference(data[SPLITS[0]].column_names)
    )
    if lacking:
        raise ValueError(
            f"{folder} is not a data set that was prepared for {', '.join(tasks)}: it lacks "
            f"{', '.join(lacking)}"
        )
    return data.cast_column("audio", Audio(decode=False)), 0


def task_name(task: str) -> str:
    """Return the name of a task within its collection: "mood" of "phantom/mood"."""
    return task.partition("/")[2]


def sounds(clips: Dataset) -> Sequence[np.ndarray]:
    """Return the sound of clips, which is read when it is taken.

    Parameters
    ----------
    clips : Dataset
        With sound files in `audio`.

    Returns
    -------
    sequence of float32 arrays of shape (n_samples,), mono at 16 kHz
    """

    def read(rows):
        files = (BytesIO(audio["bytes"]) for audio in rows["audio"])
        return {"audio": [resample(*read_recording(file)) for file in files]}

    return clips.select_columns("audio").with_transform(read)["audio"]


def mean_spectra(clips: Dataset, task: str) -> np.ndarray:
    """Return the mean over frames of clips' spectra.

    Parameters
    ----------
    clips : Dataset
        With names in `file` and sound files in `audio`.
    task : str
        A key of `LOW_LEVEL`.

    Returns
    -------
    array of shape (n_clips, n_bands)

    Raises
    ------
    ValueError
        A clip is shorter than a frame; the message names it.
    """
    means = []
    for file, sound in zip(clips["file"], sounds(clips), strict=True):
        try:
            means.append(LOW_LEVEL[task](sound).mean(axis=0))
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
    return np.stack(means)
