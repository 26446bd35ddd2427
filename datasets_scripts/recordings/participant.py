"""What one participant heard and how the brain answered, mapped into memory."""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from datasets.exceptions import DatasetNotFoundError
from huggingface_hub import hf_hub_download

from ..cortex import Anatomy, check_voxel_order
from ..names import check_name, checked_stories
from ..story import Interval, Story, StoryResponses
from .annex import all_unfetched, check_there, fetching
from .checksums import responses_checksum, sound_checksum
from .ds003020_anatomy import read_json
from .kept_anatomy import ANATOMY, kept_anatomy
from .layouts import find_layout
from .listening import REPEATS, RESPONSES, STORIES, fetched_stories
from .prepared import prepare_stories
from .sound import with_sound

PROVENANCE = "provenance/{}.json"  # in a repository of prepared recordings
# What it tells, and of which kind that is
TOLD = {"participant": str, "layout": str, "options": dict, "trims": dict, "sources": dict}
TOLD |= {"noise_ceiling": dict}
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def open_participant(
    data: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    *,
    dtype: str = "float32",
    options: dict[str, Any] | None = None,
    atlas: Sequence[str] | None = None,
    atlas_spheres: Sequence[str] | None = None,
    cache_dir: str | PathLike[str] | None = None,
) -> "Participant":
    """Open the recordings of a participant, preparing what is not prepared yet.

    Of a folder only the files of the stories that are asked for are looked at, and each story is
    prepared once, whatever it is opened along with.

    Parameters
    ----------
    data : path-like or str
        A folder of recordings, which is prepared to the cache of `datasets` by `Listening`; or
        prepared recordings: a folder with a `provenance/`, or the name of a data set on the Hub.
    participant : str
    stories : list of str, optional
        Names of those to open. By default all: of a folder, all that are fetched and usable.
    dtype, options
        As `Listening`; prepared recordings have theirs already.
    atlas, atlas_spheres : list of path-like, optional
        What regions follow from, unless the folder has files of regions: for ds003020 as
        `derive_anatomy`, for BIDS derivatives as `bids_anatomy`. Prepared recordings have theirs.
    cache_dir : path-like, optional
        Instead of the cache of `datasets`.

    Returns
    -------
    Participant

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        There is no such folder or data set; files of the stories are missing or not fetched; as
        `Listening`; prepared recordings are given a dtype or options.

    Warns
    -----
    UserWarning
        No stories are named, and some are not fetched or cannot be used; something of another story
        cannot be used.
    """
    if is_folder(data):
        cortex = {"atlas": atlas, "atlas_spheres": atlas_spheres, "cache_dir": cache_dir}
        return _of_folder(data, participant, stories, options, dtype, cortex)
    if options or atlas or atlas_spheres or dtype != "float32":
        raise ValueError(
            f"{data} is prepared already: dtype, options and atlas cannot change it, got "
            f"dtype={dtype!r}, options={options}, atlas={atlas}"
        )
    try:
        own = datasets.load_dataset(str(data), participant, cache_dir=cache_dir)
        sounds = datasets.load_dataset(str(data), STORIES, cache_dir=cache_dir)
    except (DatasetNotFoundError, ConnectionError) as error:
        raise FileNotFoundError(f"{data} was not found locally or on the Hub: {error}") from error
    provenance = _provenance(_beside(data, PROVENANCE.format(participant)))
    anatomy = Anatomy.load(_beside(data, ANATOMY.format(participant)))
    opened = Participant(
        own[RESPONSES], own.get(REPEATS), sounds[STORIES], provenance, data=data, anatomy=anatomy
    )
    checked_stories(participant, stories, opened.story_names)
    return opened


def _provenance(path):
    """What is told of prepared recordings, if it is all there."""
    told = read_json(path)
    lacking = [name for name, kind in TOLD.items() if not isinstance(told.get(name), kind)]
    if lacking:
        raise ValueError(
            f"{path} does not tell where prepared recordings come from: {', '.join(lacking)} must "
            "be there, as recipes/prepare.py writes it"
        )
    return told


def is_folder(data: str | PathLike[str]) -> bool:
    """Whether recordings are a laboratory's folder, and not prepared ones.

    Parameters
    ----------
    data : path-like or str
        As `open_participant`.

    Returns
    -------
    bool

    Raises
    ------
    FileNotFoundError
        They are neither.
    """
    folder = Path(data)
    if not folder.exists() and not HUB_NAME.fullmatch(str(data)):
        raise FileNotFoundError(
            f"there is no folder {data}, and it is not the name of a data set on the Hub"
        )
    return folder.exists() and not (folder / PROVENANCE).parent.exists()


def check_recordings(
    data: str | PathLike[str],
    participants: Iterable[str],
    stories: Iterable[str] | None,
    options: dict[str, Any] | None = None,
    atlas: Sequence[str] | None = None,
) -> None:
    """Refuse stories of which files are not there, or cut short, before any is prepared.

    Parameters
    ----------
    data, stories, options, atlas
        As `open_participant`, which checks one participant; prepared recordings are whole.
    participants : list of str

    Raises
    ------
    FileNotFoundError
        Files are missing or not fetched: the message names those of all participants, and says how
        many bytes there are to fetch, and how.
    TypeError, ValueError
        An unknown participant, story or option.
    """
    if stories is None or not is_folder(data):
        return
    layout, participants = find_layout(data, options), list(participants)
    files: list[Path] = []
    for name in participants:
        check_name(f"participant in {data}", name, layout.participants())
        stories = checked_stories(f"{name} in {data}", stories, layout.stories(name))
        files += layout.files(name, stories)
        if atlas is not None:
            files += layout.files_under_an_atlas(name)
    check_there(files, ", ".join(participants), layout.root)
    for name in participants:
        for story in stories:
            layout.check_story(name, story)


def _of_folder(data, participant, stories, options, dtype, cortex):
    layout = find_layout(data, options)
    check_name(f"participant in {data}", participant, layout.participants())
    listed = layout.stories(participant)
    not_fetched = {}
    if stories is None:
        stories = fetched_stories(layout, participant)
        for story in sorted({*listed} - {*stories}):
            files = all_unfetched(layout.files(participant, [story]))
            not_fetched[story] = fetching(files, f"{participant}, story {story!r},", layout.root)
        stories = _usable(layout, participant, stories)
    stories = sorted(checked_stories(f"{participant} in {data}", stories, listed))
    if not stories:
        raise ValueError(f"stories of {participant} must name at least one, got none")
    if not_fetched:
        warnings.warn(
            f"{len(not_fetched)} of the {len(listed)} stories of {participant} are left out, since "
            f"they are not fetched: {', '.join(not_fetched)}",
            stacklevel=3,
        )
    check_there(layout.files(participant, stories), participant, layout.root)
    for story in stories:
        layout.check_story(participant, story)
    n_voxels = layout.n_voxels(participant, stories)
    anatomy, _ = kept_anatomy(layout, participant, n_voxels, stories=stories, **cortex)
    kept = {"options": options, "dtype": dtype, "cache_dir": cortex["cache_dir"]}
    own = prepare_stories(participant, data, stories, **kept)
    sounds = prepare_stories(STORIES, data, stories, **kept)
    of_both = {key: own.facts[key] | sounds.facts[key] for key in ("sources", "checksums")}
    provenance = own.facts | of_both
    opened = Participant(
        own.splits[RESPONSES],
        own.splits.get(REPEATS),
        sounds.splits[STORIES],
        provenance,
        data=data,
        anatomy=anatomy,
        not_fetched=not_fetched,
    )
    mask_name = layout.mask_name(participant)
    if anatomy.mask is not None and mask_name is not None:
        check_voxel_order(anatomy.mask, _smooth_values(opened), mask_name)
    return opened


def _usable(layout, participant, stories):
    """Those that can be used, of stories that nobody named."""
    reasons = {story: layout.unusable(participant, story) for story in stories}
    usable = [story for story, reason in reasons.items() if reason is None]
    passed_over = {story: reason for story, reason in reasons.items() if reason is not None}
    if not usable:
        story, reason = next(iter(passed_over.items()))
        raise ValueError(f"no story of {participant} can be used; {story}: {reason}")
    for story, reason in passed_over.items():
        warnings.warn(f"story {story} of {participant} is passed over: {reason}", stacklevel=4)
    return usable


def _smooth_values(participant):
    """What neighbours share: noise ceilings of all that was repeated, or else some responses."""
    ceilings = list(participant.provenance["noise_ceiling"].values())
    if ceilings:
        return np.mean(np.array(ceilings, dtype=np.float64), axis=0)
    (story,) = participant.responses(participant.story_names[:1])
    return story.responses


def _beside(data, name):
    """A file of prepared recordings: in a folder, or on the Hub."""
    path = Path(data) / name
    return path if Path(data).exists() else Path(hf_hub_download(data, name, repo_type="dataset"))


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
        Where the recordings come from: as `info.description` of the data set.
    data : path-like or str
        The recordings, as `open_participant` was given them.
    anatomy : Anatomy
        Where the voxels lie.
    not_fetched : dict of {str: str}, optional
        Stories that were heard, but are not fetched; how to fetch each.

    Attributes
    ----------
    name : str
    story_names : list of str, sorted
    n_trs : dict of {story: int}
        How many TRs each story has.
    n_repeats : dict of {story: int}
        How often each repeated story was heard.
    n_voxels : int
    splits : datasets.DatasetDict
        `responses`, and `repeats` where there are any, as given.
    anatomy, provenance, data
        As given.
    regions : dict of str to int64 array of shape (n_region_voxels,)
        Of the anatomy; empty where none are known.
    mask : nibabel.Nifti1Image of shape (x, y, z), or None
        Of the anatomy: 1 at the voxels, which are in C order.
    """

    def __init__(
        self,
        responses: datasets.Dataset,
        repeats: datasets.Dataset | None,
        stories: datasets.Dataset,
        provenance: dict[str, Any],
        *,
        data: str | PathLike[str],
        anatomy: Anatomy,
        not_fetched: dict[str, str] | None = None,
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
        self.n_repeats = {
            name: len(rows) // self.n_trs[name] for name, rows in self._repeat_rows.items()
        }
        self.n_voxels = responses.features["responses"].length
        self.splits = datasets.DatasetDict(
            {RESPONSES: responses} | ({} if repeats is None else {REPEATS: repeats})
        )
        self.anatomy = anatomy
        self.regions, self.mask = anatomy.regions, anatomy.mask
        self._not_fetched = not_fetched or {}
        self.data = data

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
        FileNotFoundError, TypeError, ValueError
            As `stories`.
        """
        names = names if names is None or isinstance(names, str) else list(names)
        for name in self._not_fetched.keys() & {*(names or ())}:
            raise FileNotFoundError(self._not_fetched[name])
        names = checked_stories(self.name, names, self.story_names)
        return (self._read(name) for name in names)

    def stories(self, names: Iterable[str] | None = None) -> Iterator[Story]:
        """Read stories, one at a time.

        Parameters
        ----------
        names : list of str, optional
            In the order wanted. All that were opened, sorted, by default.

        Returns
        -------
        iterator of Story
            With responses and repeats in the precision that they are stored in.

        Raises
        ------
        FileNotFoundError
            A story that is not fetched; the message says how to fetch it.
        TypeError
            `names` is one name, not a list.
        ValueError
            A story that was not opened, or is named twice; the message lists those that were.
        """
        return map(self._with_sound, self.responses(names))

    def _read(self, name):
        rows = self._rows[name]
        responses = _view(self._responses, rows)
        tr = self._responses.data["tr"][rows.start].as_py()
        tr_times = self._responses.data["time"].slice(rows.start, len(rows)).to_numpy()
        self._check(RESPONSES, name, responses_checksum(tr, tr_times, responses))
        repeats = None
        if name in self._repeat_rows:
            repeats = _view(self._repeats, self._repeat_rows[name])
            self._check(REPEATS, name, responses_checksum(tr, tr_times, repeats))
            repeats = repeats.reshape(-1, *responses.shape)
        return StoryResponses(
            name=name,
            participant=self.name,
            tr=tr,
            tr_times=tr_times,
            responses=responses,
            repeats=repeats,
        )

    def _check(self, split, story, checksum):
        """Refuse rows that are not what was written, where it is known what was."""
        said = self.provenance.get("checksums", {}).get(f"{split}/{story}", checksum)
        if checksum != said:
            data = self._stories if split == STORIES else self.splits[split]
            rows = data.with_format(None).data.column("story").to_pylist()
            files = [file["filename"] for file in data.cache_files]
            told = dict.fromkeys(rows)
            # A file for each story, where they were prepared here
            if len(files) == len(told):
                files = [files[list(told).index(story)]]
            raise ValueError(
                f"story {story} of {self.name}: the prepared {split} are damaged, in "
                f"{' or '.join(files)}; remove the folder that it is in, and start again"
            )

    def _with_sound(self, responses):
        row = self._sound_rows.get(responses.name)
        sound = None if row is None else self._stories.data.slice(row, 1)
        audio = None if sound is None else sound["audio"].chunk(0).field("bytes")[0].as_buffer()
        if audio is None:
            raise ValueError(f"story {responses.name}: the prepared recordings hold no sound of it")
        words, phones = (
            [Interval(**interval) for interval in sound[tier][0].as_py()]
            for tier in ("words", "phones")
        )
        self._check(STORIES, responses.name, sound_checksum(audio, words, phones))
        return with_sound(responses, pa.BufferReader(audio), words, phones)


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
