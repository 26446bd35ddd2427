"""Word and phone intervals in Praat's TextGrid files."""

import codecs
import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from praatio.data_classes.interval_tier import IntervalTier
from praatio.data_classes.textgrid import Textgrid

from ..names import check_name
from ..story import Interval
from .annex import check_plain

CHRONOLOGICAL = "Praat chronological TextGrid text file"
FORMATS = ("long", "short", "chronological")

# A quoted text and its closing quote, a comment, or a word. Of these Praat takes the texts and the
# words that are numbers and passes over the rest, which makes the long format and the short one
# the same file.
TOKEN = re.compile(r'"([^"]*(?:""[^"]*)*)("?)|![^\n]*|([^\s"=]+)')
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
ROUNDING = 1.001e-3  # seconds: a millisecond, and what the decimals of two times add to it
END = type(None)
KINDS = {str: "a text in quotes", float: "a number", END: "the end of the file"}


class _Tier(NamedTuple):
    kind: str
    name: str
    intervals: list[Interval]


def read_textgrid(path: str | PathLike[str]) -> dict[str, list[Interval]]:
    """Read the interval tiers of a TextGrid in any of Praat's three text formats.

    The long and the short format hold one tier after another, each with its number of intervals. A
    chronological TextGrid begins with ``"Praat chronological TextGrid text file"``, the start and
    the end of the time domain, the number of tiers, and for each tier its class, name, start and
    end; then follow the intervals of all tiers by their starts, each with the number of its tier
    (from 1), its start, end and label. Comments run from ``!`` to the end of the line.

    Blank labels are a TextGrid's way of writing a gap between intervals: they are not returned.
    Silence that carries a label ("sp", "sil") is. Point tiers hold no intervals and are left out.
    Intervals that overlap by a millisecond at most, as aligners round, begin where the one before
    them ends.

    Parameters
    ----------
    path : path-like
        UTF-8, or UTF-16 with a byte order mark.

    Returns
    -------
    dict of str to list of Interval
        The intervals of each tier in order of time; the tiers in the order of the file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is empty, no TextGrid in one of the three formats, cut short, has two tiers of one
        name, or intervals that overlap by more than a millisecond. The message names the file.
    """
    path = Path(path)
    take = _taker(path, _text(path))
    read_tiers = _chronological_tiers if take(str) == CHRONOLOGICAL else _counted_tiers
    tiers = {}
    for tier in read_tiers(path, take):
        if tier.kind == "TextTier":
            continue
        if tier.name in tiers:
            raise ValueError(f"{path}: two tiers are named {tier.name!r}; rename one")
        tiers[tier.name] = list(_joined(path, tier.name, tier.intervals))
    return tiers


def write_textgrid(
    path: str | PathLike[str],
    tiers: Mapping[str, Sequence[Interval]],
    end: float,
    format: str = "long",
) -> None:
    """Write interval tiers as a TextGrid.

    Gaps between intervals become intervals with a blank label, as Praat wants them;
    `read_textgrid` takes them for gaps again.

    Parameters
    ----------
    path : path-like
    tiers : dict of str to list of Interval
        In order of time.
    end : float
        Duration of the sound in seconds.
    format : {"long", "short", "chronological"}

    Raises
    ------
    ValueError
        Intervals are out of order, overlap, have no length, or lie outside 0 to `end`; an unknown
        format.
    """
    check_name("TextGrid format", format, FORMATS)
    for name, intervals in tiers.items():
        _check_order(path, name, intervals)
        wrong = [i for i in intervals if not 0 <= i.start < i.end <= end]
        if wrong:
            raise ValueError(
                f"{path}: tier {name!r} has {wrong[0]}, of no length or outside 0 to {end} s"
            )
    if format == "chronological":
        Path(path).write_text(_chronological_text(tiers, end), encoding="utf-8")
        return
    grid = Textgrid(0, float(end))
    for name, intervals in tiers.items():
        grid.addTier(IntervalTier(name, intervals, 0, end))
    grid.save(str(path), f"{format}_textgrid", includeBlankSpaces=True, minimumIntervalLength=None)


def _text(path):
    check_plain(path)
    content = path.read_bytes()
    if not content:
        raise ValueError(f"{path}: the file is empty")
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8 or UTF-16 ({error})") from error
    head = text[:100]
    if f'"{CHRONOLOGICAL}"' not in head and not ('"ooTextFile' in head and '"TextGrid"' in head):
        raise ValueError(f"{path}: not a TextGrid in text format; it begins with {text[:40]!r}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _tokens(text):
    for match in TOKEN.finditer(text):
        string, closing_quote, word = match.groups()
        if closing_quote:
            yield string.replace('""', '"'), match.start()
        elif word and NUMBER.fullmatch(word):
            yield float(word), match.start()


def _taker(path, text):
    """A function that gives the next text or number of a file, if it is of the kind asked for."""
    tokens = _tokens(text)

    def take(*kinds):
        value, offset = next(tokens, (None, len(text)))
        if type(value) not in kinds or value in (math.inf, -math.inf):
            expected = " or ".join(KINDS[kind] for kind in kinds)
            got = KINDS[END] if value is None else repr(value)
            line = text.count("\n", 0, offset) + 1
            raise ValueError(
                f"{path}: expected {expected} at line {line}, got {got}; "
                "the file is cut short, or does not hold as many entries as it declares"
            )
        return value

    return take


def _counted_tiers(path, take):
    take(str), take(float), take(float)  # the object class, start and end of the time domain
    tiers = []
    for _ in range(int(take(float))):
        tiers.append(_take_tier(path, take))
        for _ in range(int(take(float))):
            _take_entry(take, tiers[-1])
    take(END)
    return tiers


def _chronological_tiers(path, take):
    start, end = take(float), take(float)
    tiers = [_take_tier(path, take) for _ in range(int(take(float)))]
    while (number := take(float, END)) is not None:
        if number not in range(1, len(tiers) + 1):
            raise ValueError(f"{path}: it has {len(tiers)} tiers, but an entry of tier {number:g}")
        _take_entry(take, tiers[int(number) - 1])
    # The entries are not counted; but interval tiers fill the time domain. One that does tells that
    # the file is whole, up to last entries of the others.
    intervals = [tier.intervals for tier in tiers if tier.kind == "IntervalTier"]
    ends = [tier[-1].end if tier else start for tier in intervals]
    if max(ends, default=end) < end - 0.001:
        raise ValueError(
            f"{path}: it declares times up to {end} s, but no tier goes beyond {max(ends)} s; "
            "the file is cut short"
        )
    return tiers


def _take_tier(path, take):
    kind, name = take(str), take(str)
    if kind not in ("IntervalTier", "TextTier"):
        raise ValueError(
            f"{path}: tier {name!r} is neither IntervalTier nor TextTier, got {kind!r}"
        )
    take(float), take(float)  # the tier's start and end
    return _Tier(kind, name, [])


def _take_entry(take, tier):
    start = take(float)
    # A point has one time, the same as the interval that begins and ends there.
    end = take(float) if tier.kind == "IntervalTier" else start
    tier.intervals.append(Interval(start, end, take(str).strip()))


def _chronological_text(tiers, end):
    lines = [
        f'"{CHRONOLOGICAL}"',
        f"0 {end}   ! Time domain.",
        f"{len(tiers)}   ! Number of tiers.",
    ]
    lines += [f'"IntervalTier" {_quoted(name)} 0 {end}' for name in tiers]
    entries = sorted(
        (interval.start, number, interval.end, interval.label)
        for number, intervals in enumerate(tiers.values(), 1)
        for interval in [*intervals, *_gaps(intervals, end)]
    )
    for start, number, stop, label in entries:
        lines += [f"{number} {start} {stop}", _quoted(label)]
    return "\n".join(lines) + "\n"


def _quoted(text):
    return '"' + text.replace('"', '""') + '"'


def _gaps(intervals, end):
    ends = [0.0, *(interval.end for interval in intervals)]
    starts = [*(interval.start for interval in intervals), end]
    return [Interval(a, b, "") for a, b in zip(ends, starts, strict=True) if a < b]


def _joined(path, tier, intervals):
    """Labelled intervals, none of which begins before the one before it ends."""
    labelled = [interval for interval in intervals if interval.label]
    _check_order(path, tier, labelled, tolerance=ROUNDING)
    end = -math.inf
    for interval in labelled:
        start = max(interval.start, end)
        end = max(interval.end, start)
        yield Interval(start, end, interval.label)


def _check_order(path, tier, intervals, tolerance=0.0):
    for interval in intervals:
        if interval.end < interval.start - tolerance:
            raise ValueError(f"{path}: tier {tier!r} has {interval}, which ends before it starts")
    for earlier, later in pairwise(intervals):
        if earlier.end > later.start + tolerance:
            raise ValueError(
                f"{path}: tier {tier!r} has {earlier} and after it {later}; "
                "intervals must follow one another without overlap"
            )
