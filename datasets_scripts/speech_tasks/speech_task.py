"""Speech tasks as data sets of the `datasets` library: what their builders have in common."""

import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
import pyarrow as pa
from datasets import Audio, Features, List, SplitGenerator, Value
from datasets.exceptions import DatasetGenerationError

from ..recordings import read_recording
from ..recordings.checksums import check_seal, seal

INTERVALS = List({"start": Value("float64"), "end": Value("float64"), "label": Value("string")})
ROWS_AT_ONCE = 100


class Clip(NamedTuple):
    """A recording of a speech collection, and what the collection says of it.

    Parameters
    ----------
    file : str
        Path within the collection, with forward slashes.
    speaker : str
    columns : dict
        Values of the further columns, as JSON holds them; classes by name.
    """

    file: str
    speaker: str
    columns: dict


@dataclass
class SpeechTaskConfig(datasets.BuilderConfig):
    """What is prepared from a speech collection, and how.

    Parameters
    ----------
    data_dir : path-like
        The collection.
    max_unreadable : float
        Share of a split's recordings that may be left out because they are missing or cannot be
        read.
    sources : str, optional
        Fingerprint of the source files and of the splits; the builder sets it.
    """

    max_unreadable: float = 0.01
    sources: str | None = None


class SpeechTask(datasets.ArrowBasedBuilder):
    """Build a data set from a collection of short recordings.

    A row holds `file`, `speaker`, `audio` (the sound file as it is) and the collection's columns. A
    task is a column of classes, a `ClassLabel` or, where several apply to a recording, a list of
    them; the order of the classes is that of the feature's names.

    Recordings that are missing or cannot be read are left out, with a warning that names them, as
    long as they are few. `info.description` is JSON: the `speakers` of every split, and the files
    left out of it as `unreadable`.

    Parameters
    ----------
    data_dir : path-like
    columns : dict of str to feature
        The further columns.
    splits : dict of str to list of Clip
    max_unreadable : float
        See `SpeechTaskConfig`.
    **kwargs
        Arguments of `datasets.DatasetBuilder`, such as `cache_dir`.

    Raises
    ------
    FileNotFoundError
        More than `max_unreadable` of a split's recordings are missing.
    ValueError
        A split is empty, or two of them share a recording or, where `SPEAKERS_APART`, a speaker;
        `max_unreadable` is no share.
    """

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = SpeechTaskConfig
    SPEAKERS_APART = True

    def __init__(
        self,
        data_dir: str | PathLike[str],
        columns: Mapping[str, Any],
        splits: Mapping[str, list[Clip]],
        max_unreadable: float = 0.01,
        **kwargs: Any,
    ) -> None:
        if not 0 <= max_unreadable < 1:
            raise ValueError(
                f"max_unreadable must be a share from 0 to below 1, got {max_unreadable}"
            )
        self._root = Path(data_dir).resolve()
        self._columns, self._splits = dict(columns), splits
        self._unreadable = {}
        self._check_splits(max_unreadable)
        super().__init__(
            data_dir=str(self._root),
            max_unreadable=max_unreadable,
            sources=self._fingerprint(),
            **kwargs,
        )

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Prepare the data set as `datasets.DatasetBuilder`, unless that is done.

        Raises
        ------
        ValueError
            More than `max_unreadable` of a split's recordings cannot be read; a file that was
            prepared is damaged.
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
        features = {"file": Value("string"), "speaker": Value("string")}
        features |= {"audio": Audio(decode=False)} | self._columns
        return datasets.DatasetInfo(features=Features(features))

    def _split_generators(self, dl_manager):
        # A tuple, since lists are dealt out to processes, which would each count their own share.
        return [
            SplitGenerator(split, {"split": split, "clips": tuple(clips)})
            for split, clips in self._splits.items()
        ]

    def _generate_tables(self, split, clips):
        schema, unreadable = self.info.features.arrow_schema, []
        for first in range(0, len(clips), ROWS_AT_ONCE):
            rows = []
            for clip in clips[first : first + ROWS_AT_ONCE]:
                try:
                    read_recording(self._root / clip.file)
                except (ValueError, FileNotFoundError) as error:
                    unreadable.append(clip.file)
                    if len(unreadable) > self.config.max_unreadable * len(clips):
                        raise ValueError(
                            f"{self._left_out(split, unreadable)}, more than max_unreadable="
                            f"{self.config.max_unreadable:g} of them; {error}"
                        ) from error
                else:
                    rows.append(self._row(clip))
            yield datasets.builder.Key(first, 0), pa.Table.from_pylist(rows, schema=schema)
        if unreadable:
            warnings.warn(f"{self._left_out(split, unreadable)}, and left out", stacklevel=2)
        self._unreadable[split] = unreadable
        self.info.description = json.dumps(
            {"speakers": self._speakers(), "unreadable": self._unreadable}
        )

    def _row(self, clip):
        path = self._root / clip.file
        audio = {"bytes": path.read_bytes(), "path": path.name}
        columns = Features(self._columns).encode_example(clip.columns)
        return {"file": clip.file, "speaker": clip.speaker, "audio": audio} | columns

    def _left_out(self, split, unreadable):
        names = ", ".join(unreadable[:3]) + (", ..." if len(unreadable) > 3 else "")
        return (
            f"{self._root}: {len(unreadable)} of the {len(self._splits[split])} recordings of "
            f"{split} are missing or unreadable ({names})"
        )

    def _speakers(self):
        return {
            split: sorted({clip.speaker for clip in clips}) for split, clips in self._splits.items()
        }

    def _check_splits(self, max_unreadable):
        for split, clips in self._splits.items():
            if not clips:
                raise ValueError(f"{self._root}: no recording for the split {split}")
        files = {split: [clip.file for clip in clips] for split, clips in self._splits.items()}
        listed = [file for names in files.values() for file in names]
        absent = {
            split: [file for file in names if not (self._root / file).is_file()]
            for split, names in files.items()
        }
        if any(len(absent[split]) > max_unreadable * len(files[split]) for split in files):
            missing = [file for names in absent.values() for file in names]
            raise FileNotFoundError(
                f"{self._root} lacks {len(missing)} of {len(listed)} recordings, such as "
                f"{', '.join(missing[:3])}"
            )
        _check_apart(self._root, "recording", files)
        if self.SPEAKERS_APART:
            _check_apart(self._root, "speaker", self._speakers())

    def _fingerprint(self):
        """Changes whenever a recording is replaced, an annotation or a split is another."""
        state = [
            (split, *clip, *_size_and_time(self._root / clip.file))
            for split, clips in self._splits.items()
            for clip in clips
        ]
        return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]


def _size_and_time(path):
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_size, found.st_mtime_ns


def require(collection: str, root: str | PathLike[str], names: Iterable[str]) -> None:
    """Refuse a folder that lacks what a collection is published with.

    Parameters
    ----------
    collection : str
        As the message calls it ("SLURP").
    root : path-like
    names : iterable of str
        Files and folders that must be in it.

    Raises
    ------
    FileNotFoundError
        Some are not; the message lists them.
    """
    missing = [name for name in names if not (Path(root) / name).exists()]
    if missing:
        raise FileNotFoundError(
            f"{root} is not a complete folder of {collection}: it lacks {', '.join(missing)}"
        )


def set_aside(speakers: Iterable[str], n: int, seed: int) -> set[str]:
    """Draw the speakers that a split is made of, whatever order they come in.

    Parameters
    ----------
    speakers : iterable of str
    n : int
    seed : int

    Returns
    -------
    set of str
        `n` of the speakers.
    """
    return set(np.random.default_rng(seed).permutation(sorted(speakers))[:n].tolist())


def read_json_lines(path: str | PathLike[str]) -> Iterator[tuple[str, Any]]:
    """Read a file with a JSON object on each line.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    where : str
        The file and the line, for messages.
    record : dict

    Raises
    ------
    ValueError
        A line is not JSON.
    """
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path}, line {number}"
        try:
            yield where, json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{where}: not a JSON object ({error})") from error


def _check_apart(root, what, splits):
    """Refuse splits that share a value, {split: values}."""
    found = {}
    for split, values in splits.items():
        for value in values:
            if found.setdefault(value, split) != split:
                raise ValueError(
                    f"{root}: {what} {value} is in the splits {found[value]} and {split}; what is "
                    "tested on must not be trained on"
                )
