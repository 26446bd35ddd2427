"""Word and phone intervals in Praat's TextGrid files."""

import codecs
import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from praatio.data_classes.interval_tier import IntervalTier
from praatio.data_classes.textgrid import Textgrid
from praatio.utilities.constants import INTERVAL_TIER
from praatio.utilities.errors import PraatioException
from praatio.utilities.textgrid_io import parseTextgridStr

# A tier's class, name, start, end and number of entries, in the long format and in the short one.
TIER_HEADER = re.compile(
    r'"(?:IntervalTier|TextTier)"\s+(?:name ?= ?)?"(?:[^"]|"")*"\s+'
    r"(?:xmin ?= ?)?\S+\s+(?:xmax ?= ?)?\S+\s+(?:\w+: size ?= ?)?(\d+)"
)


class Interval(NamedTuple):
    """What is said between two times.

    Parameters
    ----------
    start, end : float
        Seconds from the start of the sound.
    label : str
        A word, a phone, or a silence label such as "sp".
    """

    start: float
    end: float
    label: str


def read_textgrid(path):
    """Read the interval tiers of a TextGrid in the long or the short text format.

    Blank labels are a TextGrid's way of writing a gap between intervals: they are not returned.
    Silence that carries a label ("sp", "sil") is. Point tiers hold no intervals and are left out.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of str to list of Interval
        The intervals of each tier in order of time; the tiers in the order of the file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is empty, no TextGrid in one of the two formats, cut short, has two tiers of one
        name, or intervals that are out of order or overlap.
    """
    path = Path(path)
    text = _text(path)
    try:
        # The parser needs a line break after the last label.
        parsed = parseTextgridStr(text + "\n", includeEmptyIntervals=True)["tiers"]
    except (PraatioException, ValueError, IndexError) as error:
        raise ValueError(f"{path}: this TextGrid is damaged or has no tier ({error})") from error
    # The parser stops without a word at a record that it cannot read.
    declared = [int(size) for size in TIER_HEADER.findall(text)]
    found = [len(tier["entries"]) for tier in parsed]
    if declared != found:
        raise ValueError(f"{path}: its tiers declare {declared} entries, but {found} were found")

    tiers = {}
    for tier in parsed:
        if tier["class"] != INTERVAL_TIER:
            continue
        if tier["name"] in tiers:
            raise ValueError(f"{path}: two tiers are named {tier['name']!r}; rename one")
        intervals = [
            Interval(float(start), float(end), label) for start, end, label in tier["entries"]
        ]
        _check_order(path, tier["name"], intervals)
        tiers[tier["name"]] = [interval for interval in intervals if interval.label]
    return tiers


def write_textgrid(path, tiers, end):
    """Write interval tiers as a TextGrid in the long text format.

    Gaps between intervals become intervals with a blank label, as Praat wants them;
    `read_textgrid` takes them for gaps again.

    Parameters
    ----------
    path : path-like
    tiers : dict of str to list of Interval
        In order of time.
    end : float
        Duration of the sound in seconds.

    Raises
    ------
    ValueError
        Intervals are out of order, overlap, or lie outside 0 to `end`.
    """
    grid = Textgrid(0, float(end))
    for name, intervals in tiers.items():
        _check_order(path, name, intervals)
        outside = [i for i in intervals if i.start < 0 or i.end > end]
        if outside:
            raise ValueError(f"{path}: tier {name!r} has {outside[0]} outside 0 to {end} s")
        grid.addTier(IntervalTier(name, intervals, 0, end))
    grid.save(str(path), "long_textgrid", includeBlankSpaces=True, minimumIntervalLength=None)


def _text(path):
    content = path.read_bytes()
    if not content:
        raise ValueError(f"{path}: the file is empty")
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8 or UTF-16 ({error})") from error
    head = text[:100]
    if "chronological" in head.partition("\n")[0]:
        raise ValueError(
            f"{path}: a chronological TextGrid cannot be read yet; "
            "save it from Praat as a text file or a short text file"
        )
    if '"ooTextFile' not in head or '"TextGrid"' not in head:
        raise ValueError(f"{path}: not a TextGrid in text format; it begins with {text[:40]!r}")
    return text


def _check_order(path, tier, intervals):
    for interval in intervals:
        if not interval.start < interval.end:
            raise ValueError(f"{path}: tier {tier!r} has {interval}, which ends before it starts")
    for earlier, later in pairwise(intervals):
        if earlier.end > later.start:
            raise ValueError(
                f"{path}: tier {tier!r} has {earlier} and after it {later}; "
                "intervals must follow one another without overlap"
            )
