"""Speech Commands, version 2: single spoken words (Warden 2018)."""

import re
from os import PathLike
from pathlib import Path
from typing import Any

from datasets import ClassLabel

from .speech_task import Clip, SpeechTask, require

WORDS = tuple(
    "backward bed bird cat dog down eight five follow forward four go happy house learn left "
    "marvin nine no off on one right seven sheila six stop three tree two up visual wow yes "
    "zero".split()
)

LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
RECORDING = re.compile(r"([0-9a-f]{8})_nohash_\d+\.wav")


class SpeechCommands(SpeechTask):
    """Build the task of Speech Commands: which word is spoken.

    The column is `word` (35 classes; background noise is none). Splits are the official ones, by
    speaker: validation_list.txt, testing_list.txt, and the rest for training.

    Parameters
    ----------
    data_dir : path-like
        The unpacked archive of version 0.02, a folder per word beside the two lists.
    **kwargs
        `max_unreadable` of `SpeechTask`; arguments of `datasets.DatasetBuilder`.

    Raises
    ------
    FileNotFoundError
        A list, a word's folder or a recording that is listed is missing.
    ValueError
        A recording whose name tells no speaker; as `SpeechTask`.
    """

    def __init__(self, data_dir: str | PathLike[str], **kwargs: Any) -> None:
        columns = {"word": ClassLabel(names=list(WORDS))}
        super().__init__(data_dir, columns, _read_splits(Path(data_dir)), **kwargs)


def _read_splits(root):
    require("Speech Commands 0.02", root, [*LISTS.values(), *WORDS])
    listed = {split: (root / name).read_text().split() for split, name in LISTS.items()}
    held = {file for files in listed.values() for file in files}
    every = (f"{word}/{path.name}" for word in WORDS for path in (root / word).glob("*.wav"))
    files = {"train": sorted(file for file in every if file not in held)} | listed
    return {split: [_clip(root, file) for file in names] for split, names in files.items()}


def _clip(root, file):
    word, _, name = file.partition("/")
    found = RECORDING.fullmatch(name)
    if found is None or word not in WORDS:
        raise ValueError(
            f"{root}: a recording is named as yes/0a1b2c3d_nohash_0.wav, by word, speaker and "
            f"number, got {file}"
        )
    return Clip(file, found[1], {"word": word})
