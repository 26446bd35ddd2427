"""Phones and words of a recording: which tiers of a TextGrid hold them, or what Gentle aligned."""

import os
from pathlib import Path

from ..labels import arpabet, is_silence
from ..story import Interval
from .gentle import read_gentle
from .textgrid import read_textgrid


def read_phones_and_words(path: Path) -> tuple[list[Interval], list[Interval]]:
    """Read phones and words from whichever tiers of a TextGrid hold them, or from Gentle's files.

    A tier of phones is known by its labels, of which more than half are ARPAbet phones (silence
    apart), or by "phon" in its name. Of the others, that of words is the one with "word" in its
    name, or the only one, or the second of the file where the first one holds the phones. Where
    neither labels nor names tell, phones are the first tier and words the second, if there are
    more phones than words.

    Parameters
    ----------
    path : Path
        A TextGrid, or Gentle's `align.json` or `align.csv`.

    Returns
    -------
    phones, words : list of Interval
        Empty where the file holds words or phones only, or does not exist.

    Raises
    ------
    ValueError
        It cannot be told which tier holds the phones or the words; as `read_textgrid` or
        `read_gentle`.
    """
    if not os.path.lexists(path):
        return [], []
    if path.suffix in (".json", ".csv"):
        return read_gentle(path)
    tiers = read_textgrid(path)
    phones = _phone_tier(path, tiers)
    words = _word_tier(path, tiers, phones)
    return [] if phones is None else tiers[phones], [] if words is None else tiers[words]


def _phone_tier(path, tiers):
    phonetic = [name for name, tier in tiers.items() if _share_of_phones(tier) > 0.5]
    named = _named("phon", tiers)
    for found in ([name for name in phonetic if name in named], phonetic, named):
        if len(found) == 1:
            return found[0]
    if not phonetic and not named:
        if _named("word", tiers):
            return None
        first, second = [*map(len, tiers.values()), 0, 0][:2]
        if len(tiers) > 1 and first > second:
            return next(iter(tiers))
    raise _undecided(path, "phones", tiers)


def _word_tier(path, tiers, phones):
    others = {name: tier for name, tier in tiers.items() if name != phones}
    named = _named("word", others)
    if len(named) == 1:
        return named[0]
    if not named and (len(others) < 2 or phones == next(iter(tiers))):
        return next(iter(others), None)
    raise _undecided(path, "words", tiers)


def _share_of_phones(intervals):
    said = [interval.label for interval in intervals if not is_silence(interval.label)]
    return sum(arpabet(label) is not None for label in said) / max(1, len(said))


def _named(part, tiers):
    """Tiers whose name holds a part; those without labels only where all are."""
    named = [name for name in tiers if part in name.lower()]
    return [name for name in named if tiers[name]] or named


def _undecided(path, what, tiers):
    held = [
        f"{name!r} ({len(tier)} labels, {_share_of_phones(tier):.0%} of them ARPAbet phones)"
        for name, tier in tiers.items()
    ]
    return ValueError(
        f"{path}: cannot tell which tier of intervals holds the {what}; got "
        f"{', '.join(held) or 'none'}. Name one tier 'phones' and one 'words'"
    )
