"""What is said in clips, as it is recognised and counted."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset

from ..labels import is_silence
from .clips import sounds

UNITS = ("phones", "characters")


def transcripts(clips: Dataset | Mapping[str, Sequence[Any]], units: str) -> list[str]:
    """Return what is said in clips.

    Parameters
    ----------
    clips : Dataset
        With intervals in `phones`, or with `text`.
    units : str
        "phones": labels other than silences. "characters": words in small letters; hyphens, dashes
        and slashes part words, other punctuation is dropped, apostrophes stay.

    Returns
    -------
    list of str
        Phones or words with a space between each two.
    """
    if units == "phones":
        return [
            " ".join(p["label"] for p in phones if not is_silence(p["label"]))
            for phones in clips["phones"]
        ]
    parted = (re.sub(r"[-–—/]", " ", text.lower().replace("’", "'")) for text in clips["text"])
    return [" ".join(re.sub(r"[^\w\s']|_", "", text).split()) for text in parted]


class TranscribedClips:
    """Clips of a split with what is said in them, as a Trainer takes them.

    Parameters
    ----------
    clips : Dataset
        With sound files in `audio`.
    texts : list of str
        What is said in each, phones or words with a space between each two.
    labels : list of list of int
        The same as a model's classes.
    """

    def __init__(self, clips: Dataset, texts: list[str], labels: list[list[int]]) -> None:
        self.files, self.sounds = list(clips["file"]), sounds(clips)
        self.texts, self.labels = texts, labels
        self.fingerprint = clips._fingerprint

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"audio": self.sounds[index], "labels": self.labels[index]}
