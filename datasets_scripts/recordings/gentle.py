"""Word and phone intervals as the aligner Gentle writes them."""

import csv
import json
import math
from pathlib import Path

from ..story import Interval
from .annex import check_plain

OUT_OF_VOCABULARY = "oov"  # Gentle's phone of a word that it does not know
NOISE = "spn"


def read_gentle(path: Path) -> tuple[list[Interval], list[Interval]]:
    """Phones and words of a Gentle alignment; words that it did not find in the sound are left out.

    Parameters
    ----------
    path : Path
        `align.csv`, without a header: word, word as aligned, start, end. Or `align.json`, which
        says the phones of each word too.

    Returns
    -------
    phones, words : list of Interval
        In order of time. No phones from a `.csv`. Phones are ARPAbet; that of a word that Gentle
        did not know is "spn", spoken noise.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        Another content.
    """
    check_plain(path)
    read = _read_json if path.suffix == ".json" else _read_csv
    try:
        phones, words = read(path.read_text(encoding="utf-8-sig"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path}: not an alignment by Gentle ({type(error).__name__}: {error})"
        ) from error
    return sorted(phones), sorted(words)


def _read_csv(text):
    words = []
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        if not row:
            continue
        if len(row) != 4:
            raise ValueError(f"line {number} has {len(row)} columns, not word, aligned, start, end")
        label, _, start, end = row
        if start or end:
            words.append(_interval(start, end, label))
    return [], words


def _read_json(text):
    phones, words = [], []
    for word in json.loads(text)["words"]:
        if word["case"] != "success":
            continue
        words.append(_interval(word["start"], word["end"], word["word"]))
        start = words[-1].start
        for phone in word["phones"]:
            end = start + phone["duration"]
            label = phone["phone"].split("_")[0]  # what follows is the place in the word
            label = NOISE if label == OUT_OF_VOCABULARY else label.upper()
            phones.append(_interval(start, end, label))
            start = end
    return phones, words


def _interval(start, end, label):
    start, end = float(start), float(end)
    if not 0 <= start <= end < math.inf:
        raise ValueError(f"{label!r} from {start} to {end} s")
    return Interval(start, end, label)
