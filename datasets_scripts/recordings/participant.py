"""What one participant heard and how the brain answered, mapped into memory."""

import json
import re
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import datasets
import nibabel
import numpy as np
import pyarrow as pa
from datasets.exceptions import DatasetNotFoundError
from huggingface_hub import hf_hub_download

from ..names import checked_stories
from ..story import Interval, Story, StoryResponses
from .listening import REPEATS, RESPONSES, STORIES, Listening
from .sound import with_sound

PROVENANCE = "provenance/{}.json"  # in a repository of prepared recordings
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def open_participant(
    data: str | PathLike[str],
    participant: str,
    *,
    dtype: str = "float32",
    options: dict[str, Any] | None = None,
    cache_dir: str | PathLike[str] | None = None,
) -> "Participant":
    """Open the recordings of a participant, preparing them unless that is done.

    Parameters
    ----------
    data : path-like or str
        A folder of recordings, which is prepared to the cache of `datasets` by `Listening`; or
        prepared recordings: a folder with a `provenance/`, or the name of a data set on the Hub.
    participant : str
    dtype, options
        As `Listening`; prepared recordings have theirs already.
    cache_dir : path-like, optional
        Instead of the cache of `datasets`.

    Returns
    -------
    Participant

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such folder or data set; as `Listening`; prepared recordings are given a dtype
        or options.
    """
    folder = Path(data)
    if folder.exists() and not (folder / PROVENANCE).parent.exists():
        kept = {"cache_dir": None if cache_dir is None else str(cache_dir)}
        builders = (
            Listening(participant, folder, dtype=dtype, options=options, **kept),
            Listening(STORIES, folder, options=options, **kept),
        )
        for builder in builders:
            builder.download_and_prepare()
        # What was written stays in Arrow's pool otherwise: gigabytes, with repeats of full size.
        pa.default_memory_pool().release_unused()
        own, stories = (builder.as_dataset() for builder in builders)
        provenance = json.loads(builders[0].info.description)
    elif not folder.exists() and not HUB_NAME.fullmatch(str(data)):
        raise FileNotFoundError(
            f"there is no folder {data}, and it is not the name of a data set on the Hub"
        )
    else:
        if options or dtype != "float32":
            raise ValueError(
                f"{data} is prepared already: dtype and options cannot change it, got "
                f"dtype={dtype!r}, options={options}"
            )
        try:
            own = datasets.load_dataset(str(data), participant, cache_dir=cache_dir)
            stories = datasets.load_dataset(str(data), STORIES, cache_dir=cache_dir)
        except (DatasetNotFoundError, ConnectionError) as error:
            raise FileNotFoundError(
                f"{data} was not found locally or on the Hub: {error}"
            ) from error
        provenance = _read_provenance(data, participant)
    return Participant(own[RESPONSES], own.get(REPEATS), stories[STORIES], provenance)


def _read_provenance(data, participant):
    name = PROVENANCE.format(participant)
    path = Path(data) / name
    if not Path(data).exists():
        path = Path(hf_hub_download(data, name, repo_type="dataset"))
    return json.loads(path.read_text(encoding="utf-8"))


class Participant:
    """A participant's stories in a prepared data set.

    Responses are views of the mapped file wherever a story's rows lie in one piece there, as they
    do when they were prepared on this machine. A story that came in several pieces is copied.

    Parameters
    ----------
    responses, stories : datasets.Dataset
        The splits of `Listening`.
    repeats : datasets.Dataset or None
    provenance : dict

    Attributes
    ----------
    name : str
    story_names : list of str, sorted
    n_trs : dict of {story: int}
        How many TRs each story has.
    n_voxels : int
    regions : dict of str to int64 array of shape (n_region_voxels,)
        Empty where none are known.
    mask : nibabel.Nifti1Image of shape (x, y, z), or None
        1 at the voxels, which are in C order; for `write_volume`. None where it is not known.
    provenance : dict
        Where the recordings come from: as `info.description` of the data set.
    """

    def __init__(
        self,
        responses: datasets.Dataset,
        repeats: datasets.Dataset | None,
        stories: datasets.Dataset,
        provenance: dict[str, Any],
    ) -> None:
        self._responses, self._repeats, self._stories = responses, repeats, stories
        self._rows = _rows_by_story(responses)
        self._repeat_rows = _rows_by_story(repeats) if repeats is not None else {}
        self._sound_rows = {
            name: row for row, name in enumerate(stories.with_format(None)["story"])
        }
        self.provenance = provenance
        self.name = provenance["participant"]
        self.story_names = sorted(self._rows)
        self.n_trs = {name: len(self._rows[name]) for name in self.story_names}
        self.n_voxels = responses.features["responses"].length
        self.regions = {
            region: np.array(voxels, dtype=np.int64)
            for region, voxels in provenance["regions"].items()
        }

    @property
    def mask(self) -> nibabel.Nifti1Image | None:
        place = self.provenance["mask"]
        if place is None:
            return None
        inside = np.zeros(place["shape"], dtype=np.uint8)
        inside.flat[place["voxels"]] = 1
        return nibabel.Nifti1Image(inside, np.array(place["affine"]))

    def responses(self, names: Iterable[str] | None = None) -> Iterator[StoryResponses]:
        """Read responses, a story at a time, and nothing of what was heard.

        Parameters
        ----------
        names : list of str, optional
            As `stories`.

        Returns
        -------
        iterator of StoryResponses
            In the precision that they are stored in.

        Raises
        ------
        TypeError, ValueError
            As `stories`.
        """
        names = checked_stories(self.name, names, self.story_names)
        return (self._read(name) for name in names)

    def stories(self, names: Iterable[str] | None = None) -> Iterator[Story]:
        """Read stories, one at a time.

        Parameters
        ----------
        names : list of str, optional
            In the order wanted. All that the participant heard, sorted, by default.

        Returns
        -------
        iterator of Story
            With responses and repeats in the precision that they are stored in.

        Raises
        ------
        TypeError
            `names` is one name, not a list.
        ValueError
            An unknown story, or one named twice; the message lists those that are there.
        """
        return map(self._with_sound, self.responses(names))

    def _read(self, name):
        rows = self._rows[name]
        responses = _view(self._responses, rows)
        repeats = None
        if name in self._repeat_rows:
            repeats = _view(self._repeats, self._repeat_rows[name]).reshape(-1, *responses.shape)
        return StoryResponses(
            name=name,
            participant=self.name,
            tr=self._responses.data["tr"][rows.start].as_py(),
            tr_times=self._responses.data["time"].slice(rows.start, len(rows)).to_numpy(),
            responses=responses,
            repeats=repeats,
        )

    def _with_sound(self, responses):
        sound = self._stories.data.slice(self._sound_rows[responses.name], 1)
        audio_file = pa.BufferReader(sound["audio"].chunk(0).field("bytes")[0].as_buffer())
        words, phones = (
            [Interval(**interval) for interval in sound[tier][0].as_py()]
            for tier in ("words", "phones")
        )
        return with_sound(responses, audio_file, words, phones)


def _rows_by_story(dataset):
    """{story: range of its rows}, which follow one another."""
    names = np.array(dataset.with_format(None)["story"])
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    stops = np.r_[starts[1:], len(names)]
    return {str(names[a]): range(a, b) for a, b in zip(starts, stops, strict=True)}


def _view(dataset, rows):
    """Responses of consecutive rows, (n_rows, n_voxels), without a copy where they lie together."""
    pieces = dataset.data["responses"].slice(rows.start, len(rows)).chunks
    arrays = [
        piece.flatten().to_numpy(zero_copy_only=True).reshape(len(piece), -1) for piece in pieces
    ]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
