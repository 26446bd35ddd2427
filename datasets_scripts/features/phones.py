"""What is said, phone by phone, on the TR axis: phone sequences and articulation."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from ..lanczos import lanczos
from ..names import check_name
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

PHONES = tuple(sorted(ARTICULATION))

# How forced aligners label pauses, breaths, coughs, laughter, lip smacks and noise.
SILENCES = ("BR", "CG", "LG", "LS", "NS", "SIL", "SP", "SPN")

LONGEST_GAP = 1e-3  # seconds without a label that rounded times may leave between two phones


def phone_inventory(stories: Iterable[Story], n: int) -> tuple[tuple[str, ...], ...]:
    """Sequences of n phones that occur in the given stories.

    The phones of a sequence follow one another without a silence: no silence label, and no stretch
    of more than 1 ms without a label.

    Parameters
    ----------
    stories : iterable of Story
        The training stories, of which `Story.phones` is read. Labels are ARPAbet phones in either
        case, with or without a stress digit; "sp", "sil", "spn", "br", "cg", "lg", "ls", "ns",
        labels in braces and blank ones are silence.
    n : int
        2 for `diphones`, 3 for `triphones`.

    Returns
    -------
    tuple of tuple of str
        Sorted sequences of `PHONES`.

    Raises
    ------
    ValueError
        A label that is no phone and no silence, phones that are not in order of time, `n` below 1,
        or no such sequence in any of the stories.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1 phone, got {n}")
    inventory = set()
    for story in stories:
        try:
            inventory.update(sequence for _, sequence in _sequences(story.phones, n))
        except ValueError as error:
            raise ValueError(f"story {story.name}: {error}") from error
    if not inventory:
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

    Raises
    ------
    ValueError
        A label that is no phone and no silence, phones that are not in order of time, an inventory
        of anything but pairs of `PHONES`, `tr_times` of another shape, or `tr` not positive.
    """
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

    Raises
    ------
    ValueError
        As `diphones`.
    """
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

    Raises
    ------
    ValueError
        A label that is no phone and no silence, phones that are not in order of time, or fewer
        than two TRs.
    """
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
        if len(sequence) != n or not ARTICULATION.keys() >= set(sequence):
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
    """Split phones at silences, into lists of Interval whose labels are of `PHONES`."""
    for earlier, later in pairwise(phones):
        if later.start < earlier.start:
            raise ValueError(f"phones must be in order of time, got {earlier} and then {later}")
    run = []
    for interval in phones:
        phone = _phone(interval)
        if phone is None or (run and interval.start - run[-1].end > LONGEST_GAP):
            yield run
            run = []
        if phone is not None:
            run.append(interval._replace(label=phone))
    yield run


def is_silence(label: str) -> bool:
    """Whether a label of a phone or a word stands for silence or noise, such as "sp" or "{LG}".

    Parameters
    ----------
    label : str

    Returns
    -------
    bool
    """
    label = label.strip().upper()
    return not label or label in SILENCES or (label[0] == "{" and label[-1] == "}")


def _phone(interval):
    """Name of a phone without its stress, or None for a silence."""
    if is_silence(interval.label):
        return None
    label = interval.label.strip().upper()
    phone = label.rstrip("012")
    if phone not in ARTICULATION:
        check_name(f"phone at {interval.start:g} s", phone, (*PHONES, *SILENCES))
    return phone
