"""TIMIT: read sentences with phones labelled by hand (LDC93S1; Garofolo et al. 1993)."""

import re
from os import PathLike
from pathlib import Path
from typing import Any

from datasets import ClassLabel, List, Value

from ..names import check_name
from ..story import Interval
from .speech_task import INTERVALS, Clip, SpeechTask, set_aside

TIMIT_PHONES = tuple(
    "aa ae ah aw ay b ch d dh dx eh er ey f g hh ih iy jh k "
    "l m n ng ow oy p r s sh sil t th uh uw v w y z".split()
)
# The other labels of the 61, by the phone that they are taken for (Lee and Hon 1989). Closures are
# silence; the glottal stop, q, is left out.
ALLOPHONES = {
    "aa": "ao",
    "ah": "ax ax-h",
    "er": "axr",
    "hh": "hv",
    "ih": "ix",
    "l": "el",
    "m": "em",
    "n": "en nx",
    "ng": "eng",
    "sh": "zh",
    "sil": "bcl dcl gcl kcl pcl tcl epi pau h#",
    "uw": "ux",
}
FOLDED = {phone: phone for phone in TIMIT_PHONES if phone != "sil"} | {"q": None}
FOLDED |= {label: phone for phone, labels in ALLOPHONES.items() for label in labels.split()}

SENTENCE_TYPES = ("SA", "SI", "SX")
SAMPLING_RATE = 16000
VALIDATION_SHARE = 0.1
DIALECTS = tuple(f"dr{number}" for number in range(1, 9))
SENTENCES_PER_SPEAKER = 10
SENTENCE = re.compile(r"((s[aix])\d+)\.(wav|phn|wrd|txt)")


class Timit(SpeechTask):
    """Build TIMIT's tasks: the phones of a sentence, and its type.

    Columns are `text`, `words` and `phones` (intervals in seconds; the 61 labels folded to 39),
    `phones_present` (a list of classes, without order or repetition) and `sentence_type` ("SA" the
    two that all speakers read, "SI" diverse, "SX" phonetically compact). "sil" is one of the 39 and
    in every sentence.

    The test split is the whole of TEST, its 168 speakers. The validation split is a tenth of the
    speakers of TRAIN (46 of 462), drawn by the seed, so that TEST is not looked at before the end;
    the customary development set would be 50 speakers of TEST beside a core test set of 24.
    Validation and training speakers are different people, who read some sentences in common.

    Parameters
    ----------
    data_dir : path-like
        The folder that holds TRAIN and TEST; names in capitals or small letters.
    seed : int
        Draws the speakers of the validation split.
    **kwargs
        `max_unreadable` of `SpeechTask`; arguments of `datasets.DatasetBuilder`.

    Raises
    ------
    FileNotFoundError
        A part, a dialect region, a speaker's sentence or a file of a sentence is missing.
    ValueError
        A label or a line of an annotation that is none; as `SpeechTask`.

    Examples
    --------
    ::

        builder = Timit("path/to/TIMIT")
        builder.download_and_prepare()
        train = builder.as_dataset("train")
        train.features["sentence_type"].names  # ['SA', 'SI', 'SX']
    """

    def __init__(self, data_dir: str | PathLike[str], seed: int = 0, **kwargs: Any) -> None:
        columns = {
            "text": Value("string"),
            "words": INTERVALS,
            "phones": INTERVALS,
            "phones_present": List(ClassLabel(names=list(TIMIT_PHONES))),
            "sentence_type": ClassLabel(names=list(SENTENCE_TYPES)),
        }
        super().__init__(data_dir, columns, _read_splits(Path(data_dir).resolve(), seed), **kwargs)


def _read_splits(root, seed):
    parts = _members(root, ("train", "test"))
    train, test = (_read_part(root, parts[name]) for name in ("train", "test"))
    speakers = {clip.speaker for clip in train}
    held = set_aside(speakers, round(VALIDATION_SHARE * len(speakers)), seed)
    return {
        "train": [clip for clip in train if clip.speaker not in held],
        "validation": [clip for clip in train if clip.speaker in held],
        "test": test,
    }


def _read_part(root, part):
    dialects = _members(part, DIALECTS)
    return [
        clip
        for name in DIALECTS
        for speaker in sorted(_listed(dialects[name]).values())
        if speaker.is_dir()
        for clip in _read_speaker(root, speaker)
    ]


def _read_speaker(root, folder):
    # Some copies hold the sound as RIFF beside the original, SA1.WAV.wav, which is passed over.
    listed = _listed(folder)
    named = (SENTENCE.fullmatch(name) for name in listed)
    sentences = sorted({found.groups()[:2] for found in named if found})
    if len(sentences) != SENTENCES_PER_SPEAKER:
        raise FileNotFoundError(
            f"{folder} must hold {SENTENCES_PER_SPEAKER} sentences, got {len(sentences)}: "
            f"{', '.join(name for name, _ in sentences)}"
        )
    for name, kind in sentences:
        wav, phn, wrd, txt = _members(folder, [f"{name}.{e}" for e in ("wav", "phn", "wrd", "txt")])
        phones = _read_phones(listed[phn])
        columns = {
            "text": _read_intervals(listed[txt])[0].label,
            "words": [word._asdict() for word in _read_intervals(listed[wrd])],
            "phones": [phone._asdict() for phone in phones],
            "phones_present": sorted({phone.label for phone in phones}),
            "sentence_type": kind.upper(),
        }
        yield Clip(listed[wav].relative_to(root).as_posix(), folder.name.upper(), columns)


def _read_phones(path):
    """Intervals of the 39 phones, from a file with labels of the 61."""
    phones = []
    for interval in _read_intervals(path):
        check_name(f"phone in {path}", interval.label, FOLDED)
        phone = FOLDED[interval.label]
        if phone is not None:
            phones.append(interval._replace(label=phone))
    return phones


def _read_intervals(path):
    """Lines of first sample, last sample and label, in seconds."""
    intervals = []
    for line in path.read_text(encoding="ascii").splitlines():
        try:
            start, end, label = line.split(maxsplit=2)
            interval = Interval(int(start) / SAMPLING_RATE, int(end) / SAMPLING_RATE, label.strip())
        except ValueError:
            raise ValueError(
                f"{path}: a line must hold a start, an end and a label, got {line!r}"
            ) from None
        intervals.append(interval)
    if not intervals:
        raise ValueError(f"{path} is empty")
    return intervals


def _listed(folder):
    """What a folder holds, by its name in small letters."""
    return {path.name.lower(): path for path in folder.iterdir()}


def _members(folder, names):
    """Entries of a folder by name in small letters, each of which must be there."""
    listed = _listed(folder) if folder.is_dir() else {}
    missing = [name.upper() for name in names if name not in listed]
    if missing:
        raise FileNotFoundError(
            f"{folder} is not a complete folder of TIMIT: it lacks {', '.join(missing)}"
        )
    return {name: listed[name] for name in names}
