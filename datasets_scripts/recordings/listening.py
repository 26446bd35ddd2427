"""Recordings as a data set of the `datasets` library: a participant's responses, the stories."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from datasets import Audio, Features, List, SplitGenerator, Value
from datasets.exceptions import DatasetGenerationError

from ..names import check_name, checked_stories
from ..noise_ceiling import noise_ceiling
from .annex import all_unfetched, check_there
from .checksums import check_seal, responses_checksum, seal, sound_checksum
from .layouts import BIDS, DS003020, find_layout
from .sense import check_repeats, check_responses
from .sound import read_recording
from .tiers import read_phones_and_words

STORIES, RESPONSES, REPEATS = "stories", "responses", "repeats"
DTYPES = ("float32", "float16")
WINDOW_TRS = 5  # of the training windows, unless a recipe says otherwise


@dataclass
class ListeningConfig(datasets.BuilderConfig):
    """What is prepared from a folder of recordings, and how.

    Parameters
    ----------
    name : str
        A participant, or "stories".
    data_dir : path-like
        The recordings.
    dtype : str
        Of the stored responses: "float32" or "float16".
    options : dict, optional
        What the layout's reader is told besides: `tr` and `tr_times` of `read_ds003020`, `space`,
        `res`, `lead`, `confounds` and `high_pass` of `read_bids`.
    stories : list of str, optional
        Their names, in the order of the rows; the builder sets it.
    sources : str, optional
        Fingerprint of what these are read from; the builder sets it.
    """

    dtype: str = "float32"
    options: dict | None = None
    stories: list | None = None
    sources: str | None = None


class Listening(datasets.ArrowBasedBuilder):
    """Build a data set from a folder of recordings.

    A participant's configuration has a split `responses` with a row per TR of every story and,
    where a story was heard repeatedly, a split `repeats` with a row per TR of every presentation.
    The configuration "stories" has one row per story: the sound file as it is, words and phones.
    `info.description` is JSON that says where the rows come from.

    Rows are written as they are read, a story at a time, to a folder that takes its place when it
    is complete. A change of the files that the stories are read from makes another data set, that
    of any other file does not.

    Parameters
    ----------
    config_name : str
        A participant, or "stories".
    data_dir : path-like
        The recordings, in a layout that `find_layout` knows.
    dtype : str
    options : dict, optional
        See `ListeningConfig`.
    stories : list of str, optional
        Names in the order of the rows. All that are fetched, sorted, by default.
    **kwargs
        Arguments of `datasets.DatasetBuilder`, such as `cache_dir`.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        The folder is in no known layout; the participant, a story or an option is unknown; files of
        the stories are not there or not fetched; the stories have different numbers of voxels;
        while preparing, as the layout's reader.

    Examples
    --------
    ::

        builder = Listening("UTS03", "path/to/ds003020", dtype="float16")
        builder.download_and_prepare()
        responses = builder.as_dataset("responses")
    """

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = ListeningConfig
    # A story's rows stay in one piece: then they are one array in memory that is mapped.
    DEFAULT_WRITER_BATCH_SIZE = 1_000_000

    def __init__(
        self,
        config_name: str,
        data_dir: str | PathLike[str],
        dtype: str | None = "float32",
        options: dict[str, Any] | None = None,
        stories: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
        self._layout = find_layout(Path(data_dir).resolve(), options)
        if config_name == STORIES:
            stories = self._choose_sounds(stories)
            dtype, options, timing = None, None, {}  # of responses alone
            # A sound at a time: many together exceed what 32-bit offsets in a table can address.
            kwargs.setdefault("writer_batch_size", 1)
        else:
            stories = self._choose_responses(config_name, stories)
            timing = {story: self._layout.timing(config_name, story) for story in stories}
        super().__init__(
            config_name=config_name,
            data_dir=str(self._layout.root),
            dtype=dtype,
            options=options or None,
            stories=stories,
            dataset_name="listening",
            sources=_fingerprint(self._files, timing),
            **kwargs,
        )

    def _choose_sounds(self, stories):
        root, sounds = self._layout.root, self._layout.sound_files()
        if stories is None:
            stories = sorted(name for name in sounds if not all_unfetched(sounds[name]))
        stories = checked_stories(str(root), stories, sounds)
        # A TextGrid may be lacking altogether where the layout has it so.
        files = {f for name in stories for f in sounds[name] if os.path.lexists(f)}
        check_there(sorted(files), "the stories", root)
        self._sounds, self._files = sounds, sorted(files)
        return stories

    def _choose_responses(self, participant, stories):
        layout = self._layout
        check_name(f"participant in {layout.root}", participant, layout.participants())
        if stories is None:
            stories = fetched_stories(layout, participant)
        stories = checked_stories(
            f"{participant} in {layout.root}", stories, layout.stories(participant)
        )
        check_there(layout.files(participant, stories), participant, layout.root)
        files = {f for story in stories for f in layout.response_files(participant, story)}
        self._files = sorted(files)
        return stories

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Prepare the data set as `datasets.DatasetBuilder`, unless that is done.

        Raises
        ------
        FileNotFoundError, ValueError
            As the layout's reader; a file that was prepared is damaged.
        """
        try:
            super().download_and_prepare(*args, **kwargs)
        except DatasetGenerationError as error:
            # The reader's own error says which file is at fault and what would do.
            raise error.__cause__ or error from None
        if Path(self.cache_dir).is_dir():  # and not somewhere else
            seal(self.cache_dir)

    def _build_cache_dir(self):
        folder = super()._build_cache_dir()
        check_seal(folder)  # before anything is read of what was prepared
        return folder

    def _info(self):
        name = self.config.name
        interval = {"start": Value("float64"), "end": Value("float64"), "label": Value("string")}
        if name == STORIES:
            features = {
                "story": Value("string"),
                "audio": Audio(decode=False),
                "words": List(interval),
                "phones": List(interval),
            }
        else:
            n_voxels = self._layout.n_voxels(name, self.config.stories)
            features = {
                "story": Value("string"),
                "repeat": Value("int32"),
                "time": Value("float64"),
                "tr": Value("float64"),
                "responses": List(Value(self.config.dtype), length=n_voxels),
            }
        return datasets.DatasetInfo(features=Features(features))

    def _split_generators(self, dl_manager):
        name, stories = self.config.name, self.config.stories
        if name == STORIES:
            splits = {STORIES: stories}
        else:
            splits = {RESPONSES: stories, REPEATS: self._layout.repeated_stories(name, stories)}
        self._facts = None if dl_manager.is_streaming else self._provenance()
        self._describe()
        # A tuple, since lists are dealt out to processes, which would each keep their own ceilings.
        return [
            SplitGenerator(
                split, {"split": split, "stories": tuple(names) if split == REPEATS else names}
            )
            for split, names in splits.items()
            if names
        ]

    def _generate_tables(self, split, stories):
        dtype, schema = self.config.dtype, self.info.features.arrow_schema
        for i, name in enumerate(stories):
            if split == STORIES:
                columns = self._sound(name)
            elif split == RESPONSES:
                heard = self._read(name, repeats=False)
                check_responses(heard)
                columns = _response_rows(heard, dtype)
                self._note_checksum(split, heard, columns)
            else:
                repeated = self._read(name)
                check_repeats(repeated)
                self._note_ceiling(repeated)
                columns = _rows(repeated, repeated.repeats, dtype)
                self._note_checksum(split, repeated, columns)
            yield datasets.builder.Key(i, 0), pa.table(columns, schema=schema)

    def _read(self, story, repeats=True):
        (read,) = self._layout.read_responses(self.config.name, [story], repeats)
        return read

    def _note_ceiling(self, story):
        if self._facts is not None:
            ceiling = noise_ceiling(story.repeats).astype(float).round(6).tolist()
            self._facts["noise_ceiling"][story.name] = [
                None if np.isnan(value) else value for value in ceiling
            ]
            self._describe()

    def _note_checksum(self, split, story, columns):
        if self._facts is not None:
            stored = columns["responses"].flatten().to_numpy().reshape(len(columns["story"]), -1)
            value = responses_checksum(story.tr, story.tr_times, stored)
            self._facts["checksums"][f"{split}/{story.name}"] = value
            self._describe()

    def _describe(self):
        if self._facts is not None:
            self.info.description = json.dumps(self._facts)

    def _sound(self, story):
        recording, textgrid = self._sounds[story]
        samples, _ = read_recording(recording)  # refuses what is no sound before it is stored
        if samples.min() == samples.max():
            raise ValueError(f"{recording}: the sound is silent: all samples are {samples[0]:g}")
        phones, words = read_phones_and_words(textgrid)
        sound = recording.read_bytes()
        if self._facts is not None:
            value = sound_checksum(sound, words, phones)
            self._facts["checksums"][f"{STORIES}/{story}"] = value
            self._describe()
        return {
            "story": [story],
            "audio": [{"bytes": sound, "path": recording.name}],
            "words": [[word._asdict() for word in words]],
            "phones": [[phone._asdict() for phone in phones]],
        }

    def _provenance(self):
        """Where the rows come from, as JSON holds it; noise ceilings follow as repeats are read."""
        root = self._layout.root
        provenance = {
            "layout": self._layout.name,
            "options": self.config.options or {},
            "trims": self._layout.trims,
            "sources": {_name_in(root, file): _checksum(file) for file in self._files},
            "checksums": {},  # of the rows, as they are written
        }
        if self.config.name == STORIES:
            return provenance
        return provenance | {
            "participant": self.config.name,
            "n_voxels": self.info.features["responses"].length,
            "dtype": self.config.dtype,
            "window": {"n_trs": WINDOW_TRS},
            "noise_ceiling": {},
        }


def fetched_stories(layout: DS003020 | BIDS, participant: str) -> list[str]:
    """Stories of a participant of which nothing is left to be fetched, sorted.

    Parameters
    ----------
    layout : DS003020 or BIDS
    participant : str

    Returns
    -------
    list of str

    Raises
    ------
    FileNotFoundError
        None is fetched; the message says how to fetch them.
    ValueError
        As the layout, of the participant.
    """
    listed = layout.stories(participant)
    found = [name for name in listed if not all_unfetched(layout.files(participant, [name]))]
    if not found:
        check_there(layout.files(participant, listed), participant, layout.root)
    return found


def _response_rows(story, dtype):
    rows = _rows(story, story.responses[None], dtype)
    return rows | {"repeat": pa.nulls(len(story.responses), pa.int32())}


def _rows(story, responses, dtype):
    """Columns with a row per presentation and TR, from (n_repeats, n_trs, n_voxels) responses."""
    n_repeats, n_trs, n_voxels = responses.shape
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(responses, dtype=dtype).reshape(-1)
    if np.isinf(values).any():
        raise ValueError(
            f"story {story.name} of {story.participant}: responses of up to "
            f"{np.nanmax(np.abs(responses)):g} do not fit {dtype}; prepare them as float32"
        )
    return {
        "story": [story.name] * (n_repeats * n_trs),
        "repeat": np.repeat(np.arange(n_repeats, dtype=np.int32), n_trs),
        "time": np.tile(np.asarray(story.tr_times, dtype=np.float64), n_repeats),
        "tr": np.full(n_repeats * n_trs, story.tr, dtype=np.float64),
        "responses": pa.FixedSizeListArray.from_arrays(pa.array(values), n_voxels),
    }


def _fingerprint(files, timing):
    """Changes whenever a file is replaced, or TRs are, without reading gigabytes."""
    state = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    state.append(timing)
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]


def _checksum(file):
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _name_in(root, file):
    return str(file.relative_to(root)) if file.is_relative_to(root) else file.name
