"""What is said, phone by phone, on the TR axis: phone sequences and articulation."""

import dataclasses
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from ..labels import PHONES, arpabet, is_silence
from ..lanczos import lanczos
from ..story import Interval, Story

ARTICULATORS = tuple(
    "bilabial postalveolar alveolar dental labiodental velar glottal palatal "
    "plosive affricate fricative nasal lateral approximant voiced unvoiced "
    "low mid high front central back".split()
)

# The phones of General American by the chart of the International Phonetic Association (1999).
# A diphthong is described by where it starts, its nucleus. W has a place at the lips and one at
# the velum, of which the tongue's is taken.
ARTICULATION = {
    "P": "bilabial plosive unvoiced",
    "B": "bilabial plosive voiced",
    "T": "alveolar plosive unvoiced",
    "D": "alveolar plosive voiced",
    "K": "velar plosive unvoiced",
    "G": "velar plosive voiced",
    "CH": "postalveolar affricate unvoiced",
    "JH": "postalveolar affricate voiced",
    "F": "labiodental fricative unvoiced",
    "V": "labiodental fricative voiced",
    "TH": "dental fricative unvoiced",
    "DH": "dental fricative voiced",
    "S": "alveolar fricative unvoiced",
    "Z": "alveolar fricative voiced",
    "SH": "postalveolar fricative unvoiced",
    "ZH": "postalveolar fricative voiced",
    "HH": "glottal fricative unvoiced",
    "M": "bilabial nasal voiced",
    "N": "alveolar nasal voiced",
    "NG": "velar nasal voiced",
    "L": "alveolar lateral voiced",
    "R": "alveolar approximant voiced",
    "Y": "palatal approximant voiced",
    "W": "velar approximant voiced",
    "IY": "high front voiced",
    "IH": "high front voiced",
    "UH": "high back voiced",
    "UW": "high back voiced",
    "EH": "mid front voiced",
    "EY": "mid front voiced",
    "AH": "mid central voiced",
    "ER": "mid central voiced",
    "AO": "mid back voiced",
    "OW": "mid back voiced",
    "OY": "mid back voiced",
    "AE": "low front voiced",
    "AY": "low central voiced",
    "AW": "low central voiced",
    "AA": "low back voiced",
}

LONGEST_GAP = 1e-3  # seconds without a label that rounded times may leave between two phones
LISTED = 10  # labels that a warning names


def unknown_labels(phones: Iterable[Interval]) -> dict[str, int]:
    """Count the labels that are neither phones nor known to be silence.

    Parameters
    ----------
    phones : iterable of Interval

    Returns
    -------
    dict of {label: number of intervals}
        The most frequent first.
    """
    unknown = Counter(
        phone.label.strip()
        for phone in phones
        if arpabet(phone.label) is None and not is_silence(phone.label)
    )
    return dict(unknown.most_common())


def without_unknown_labels(stories: Iterable[Story]) -> list[Story]:
    """Make silence of the labels that are neither phones nor known to be silence.

    Parameters
    ----------
    stories : iterable of Story

    Returns
    -------
    list of Story
        With blank labels in place of these.

    Warns
    -----
    UserWarning
        There are such labels: which ones, and how often.
    """
    stories = list(stories)
    _warn_of(unknown_labels(phone for story in stories for phone in story.phones))
    return [
        dataclasses.replace(
            story,
            phones=[p if arpabet(p.label) else p._replace(label="") for p in story.phones],
        )
        for story in stories
    ]


def _warn_of(unknown):
    if unknown:
        told = ", ".join(f"{label!r} ({n})" for label, n in list(unknown.items())[:LISTED])
        more = f" and {len(unknown) - LISTED} more" if len(unknown) > LISTED else ""
        warnings.warn(
            f"{sum(unknown.values())} labels of phones are not ARPAbet and count as silence: "
            f"{told}{more}. If these are phones, align the stories anew with an ARPAbet model, "
            "such as english_us_arpa of the Montreal Forced Aligner",
            stacklevel=3,
        )


def phone_inventory(stories: Iterable[Story], n: int) -> tuple[tuple[str, ...], ...]:
    """Sequences of n phones that occur in the given stories.

    The phones of a sequence follow one another without a silence: no label but those of phones,
    and no stretch of more than 1 ms without a label.

    Parameters
    ----------
    stories : iterable of Story
        The training stories, of which `Story.phones` is read. Labels are ARPAbet phones as
        `arpabet` takes them; all others are silence.
    n : int
        2 for `diphones`, 3 for `triphones`.

    Returns
    -------
    tuple of tuple of str
        Sorted sequences of `PHONES`; none where labels are unknown and no phones follow one
        another beside them.

    Warns
    -----
    UserWarning
        Labels that are neither phones nor known to be silence: which ones, and how often.

    Raises
    ------
    ValueError
        Phones that are not in order of time, `n` below 1, or no such sequence in any of the
        stories although all labels are known.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1 phone, got {n}")
    inventory, unknown = set(), Counter()
    for story in stories:
        unknown.update(unknown_labels(story.phones))
        try:
            inventory.update(sequence for _, sequence in _sequences(story.phones, n))
        except ValueError as error:
            raise ValueError(f"story {story.name}: {error}") from error
    _warn_of(unknown)
    if not inventory and not unknown:
        raise ValueError(
            f"stories must hold a sequence of {n} phones, got none; have they a tier of phones?"
        )
    return tuple(sorted(inventory))


def diphones(
    phones: Sequence[Interval],
    tr_times: np.ndarray,
    tr: float,
    inventory: Sequence[tuple[str, ...]],
) -> np.ndarray:
    """Which pairs of phones begin in each TR (Oota et al. 2024).

    Parameters
    ----------
    phones : list of Interval
        In order of time; labels as `phone_inventory` takes them.
    tr_times : array of shape (n_trs,)
        TR midpoints in seconds from the start of the sound.
    tr : float
        Seconds per TR.
    inventory : sequence of tuple of str
        The pairs to look for, from `phone_inventory(training_stories, 2)`. Pairs that are not in
        it have no column.

    Returns
    -------
    float32 array of shape (n_trs, len(inventory))
        1 where the first phone of the pair starts at tr_time - tr / 2 or later and before
        tr_time + tr / 2; 0 elsewhere.

    Warns
    -----
    UserWarning
        As `phone_inventory`.

    Raises
    ------
    ValueError
        Phones that are not in order of time, an inventory of anything but pairs of `PHONES`,
        `tr_times` of another shape, or `tr` not positive.
    """
    _warn_of(unknown_labels(phones))
    return _presence(phones, tr_times, tr, inventory, n=2)


def triphones(
    phones: Sequence[Interval],
    tr_times: np.ndarray,
    tr: float,
    inventory: Sequence[tuple[str, ...]],
) -> np.ndarray:
    """Which triples of phones begin in each TR (Oota et al. 2024).

    As `diphones`, with an inventory from `phone_inventory(training_stories, 3)`.

    Parameters
    ----------
    phones : list of Interval
    tr_times : array of shape (n_trs,)
    tr : float
    inventory : sequence of tuple of str

    Returns
    -------
    float32 array of shape (n_trs, len(inventory))

    Warns
    -----
    UserWarning
        As `phone_inventory`.

    Raises
    ------
    ValueError
        As `diphones`.
    """
    _warn_of(unknown_labels(phones))
    return _presence(phones, tr_times, tr, inventory, n=3)


def articulation(phones: Sequence[Interval], tr_times: np.ndarray) -> np.ndarray:
    """How speech is articulated around each TR (Oota et al. 2024).

    Every phone sets its place, manner and voicing, or a vowel's height, backness and voicing, to 1
    at its midpoint; these are brought to the TRs by `lanczos`.

    Parameters
    ----------
    phones : list of Interval
        In order of time; labels as `phone_inventory` takes them.
    tr_times : array of shape (n_trs,)
        TR midpoints in seconds from the start of the sound.

    Returns
    -------
    float32 array of shape (n_trs, 22)
        Columns as `ARTICULATORS`.

    Warns
    -----
    UserWarning
        As `phone_inventory`.

    Raises
    ------
    ValueError
        Phones that are not in order of time, or fewer than two TRs.
    """
    _warn_of(unknown_labels(phones))
    spoken = [phone for run in _runs(phones) for phone in run]
    midpoints = np.array([(phone.start + phone.end) / 2 for phone in spoken])
    values = np.zeros((len(spoken), len(ARTICULATORS)), dtype=np.float32)
    for row, phone in zip(values, spoken, strict=True):
        row[:] = np.isin(ARTICULATORS, ARTICULATION[phone.label].split())
    return lanczos(values, midpoints, tr_times)


def _presence(phones, tr_times, tr, inventory, n):
    tr_times = np.asarray(tr_times)
    if tr_times.ndim != 1:
        raise ValueError(f"tr_times must be of shape (n_trs,), got {tr_times.shape}")
    if not tr > 0:
        raise ValueError(f"tr must be positive seconds, got {tr}")
    for sequence in inventory:
        if len(sequence) != n or not set(PHONES) >= set(sequence):
            raise ValueError(
                f"inventory must hold tuples of {n} phones, got {sequence!r}; "
                f"make it by phone_inventory(stories, {n})"
            )
    columns = {tuple(sequence): column for column, sequence in enumerate(inventory)}
    seen = [(onset, columns[said]) for onset, said in _sequences(phones, n) if said in columns]
    onsets = np.array([onset for onset, _ in seen])
    said = np.array([column for _, column in seen], dtype=np.intp)
    first = onsets.searchsorted(tr_times - tr / 2)
    last = onsets.searchsorted(tr_times + tr / 2)
    present = np.zeros((len(tr_times), len(inventory)), dtype=np.float32)
    for row, start, stop in zip(present, first, last, strict=True):
        row[said[start:stop]] = 1
    return present


def _sequences(phones, n):
    """Onset and names of every n phones that follow one another."""
    for run in _runs(phones):
        for i in range(len(run) - n + 1):
            yield run[i].start, tuple(phone.label for phone in run[i : i + n])


def _runs(phones):
    """Lists of the phones that follow one another, labelled as in `PHONES`."""
    for earlier, later in pairwise(phones):
        if later.start < earlier.start:
            raise ValueError(f"phones must be in order of time, got {earlier} and then {later}")
    run = []
    for interval in phones:
        phone = arpabet(interval.label)
        if phone is None or (run and interval.start - run[-1].end > LONGEST_GAP):
            yield run
            run = []
        if phone is not None:
            run.append(interval._replace(label=phone))
    yield run
