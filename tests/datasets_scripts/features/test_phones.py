import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_scripts import Interval, Story, lanczos, read_ds003020
from datasets_scripts.features.phones import (
    ARTICULATORS,
    PHONES,
    articulation,
    diphones,
    phone_inventory,
    triphones,
    unknown_labels,
    without_unknown_labels,
)
from datasets_scripts.phantom.speech import PHONES as SYNTHESISED
from datasets_scripts.phantom.speech import SILENCE

LISTENING_MINI = Path(__file__).resolve().parents[3].parent / "shared/data/listening-mini"
PLACES, MANNERS, VOICINGS = ARTICULATORS[:8], ARTICULATORS[8:14], ARTICULATORS[14:16]
HEIGHTS, BACKNESSES = ARTICULATORS[16:19], ARTICULATORS[19:]
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split()


def spoken(labels, seconds=0.1, start=0.0):
    """Phones of equal length, one after the other."""
    return back_to_back(labels.split(), start + seconds * np.arange(len(labels.split()) + 1))


def back_to_back(labels, times):
    """Phones that each end where the next one starts."""
    return [Interval(*bounds, name) for bounds, name in zip(pairwise(times), labels, strict=True)]


def story(phones, name="naked"):
    return Story(
        name=name,
        participant="UTS01",
        audio=np.zeros(9),
        audio_file=Path("naked.wav"),
        tr=2.0,
        tr_times=np.ones(1),
        responses=np.zeros((1, 1)),
        phones=phones,
    )


def articulators(phone):
    """Those of a phone in the middle of a TR."""
    row = articulation([Interval(0.9, 1.1, phone)], [1.0, 3.0])[0]
    return {name for name, value in zip(ARTICULATORS, row, strict=True) if value == 1}


# The phones and how they are articulated


def test_the_alphabet_is_the_39_phones_of_arpabet_which_the_phantom_speaks():
    assert len(PHONES) == 39
    assert sorted([*PHONES, SILENCE]) == sorted(SYNTHESISED)


def test_the_articulators_are_22():
    assert len(set(ARTICULATORS)) == 22


@pytest.mark.parametrize("phone", PHONES)
def test_a_phone_has_one_of_each_kind(phone):
    kinds = (HEIGHTS, BACKNESSES, VOICINGS) if phone in VOWELS else (PLACES, MANNERS, VOICINGS)
    found = articulators(phone)
    assert [len(found & set(kind)) for kind in kinds] == [1, 1, 1]
    assert len(found) == 3
    if phone in VOWELS:
        assert "voiced" in found


def test_no_two_consonants_coincide():
    consonants = set(PHONES) - set(VOWELS)
    assert len({frozenset(articulators(phone)) for phone in consonants}) == 24


def test_every_articulator_is_used():
    assert set().union(*map(articulators, PHONES)) == set(ARTICULATORS)


@pytest.mark.parametrize(
    ("voiced", "unvoiced"),
    ["BP", "DT", "GK", "VF", "ZS", ("DH", "TH"), ("ZH", "SH"), ("JH", "CH")],
)
def test_pairs_differ_in_voicing_only(voiced, unvoiced):
    assert articulators(voiced) ^ articulators(unvoiced) == {"voiced", "unvoiced"}


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("M", "bilabial nasal voiced"),
        ("CH", "postalveolar affricate unvoiced"),
        ("HH", "glottal fricative unvoiced"),
        ("L", "alveolar lateral voiced"),
        ("R", "alveolar approximant voiced"),
        ("W", "velar approximant voiced"),
        ("Y", "palatal approximant voiced"),
        ("NG", "velar nasal voiced"),
        ("IY", "high front voiced"),
        ("AA", "low back voiced"),
        ("ER", "mid central voiced"),
        ("AY", "low central voiced"),
        ("OY", "mid back voiced"),
        ("EY", "mid front voiced"),
    ],
)
def test_known_phones(phone, expected):
    assert articulators(phone) == set(expected.split())


# Articulation on the TR axis


def test_phones_act_at_their_midpoints_through_lanczos():
    # "cheese", spoken with its middle phone at the first TR's midpoint.
    phones = [
        Interval(0.5, 0.8, "CH"),
        Interval(0.8, 1.2, "IY1"),
        Interval(1.2, 1.6, "Z"),
        Interval(1.6, 2.0, "sp"),
    ]
    tr_times = np.array([1.0, 3.0])
    at = {name: column for column, name in enumerate(ARTICULATORS)}
    features = articulation(phones, tr_times)
    weight = lanczos(np.eye(3), [0.65, 1.0, 1.4], tr_times)
    cheese = {
        **dict.fromkeys(["postalveolar", "affricate", "unvoiced"], weight[:, 0]),
        **dict.fromkeys(["high", "front"], weight[:, 1]),
        **dict.fromkeys(["alveolar", "fricative"], weight[:, 2]),
        "voiced": weight[:, 1] + weight[:, 2],
    }
    for name, column in at.items():
        np.testing.assert_allclose(features[:, column], cheese.get(name, 0), atol=1e-6)


def test_silence_has_no_articulation():
    features = articulation(spoken("sp {LG} ns"), np.arange(4) * 2.0 + 1)
    assert features.shape == (4, 22)
    assert features.dtype == np.float32
    assert not features.any()


# Sequences


def test_pairs_and_triples_are_those_that_follow_one_another():
    stories = [story(spoken("K AE1 T S sp AE0 T"))]
    assert phone_inventory(stories, 2) == (("AE", "T"), ("K", "AE"), ("T", "S"))
    assert phone_inventory(stories, 3) == (("AE", "T", "S"), ("K", "AE", "T"))


@pytest.mark.parametrize(
    "silence",
    ["sp", "SIL", "spn", "br", "LG", "ls", "ns", "cg", "sl", "ig", "{BR}", "{door slams}", "", " "],
)
def test_a_silence_breaks_a_sequence(silence):
    phones = [Interval(0, 1, "K"), Interval(1, 2, silence), Interval(2, 3, "AE1")]
    with pytest.raises(ValueError, match="sequence of 2 phones, got none"):
        phone_inventory([story(phones)], 2)


@pytest.mark.parametrize(("gap", "n_pairs"), [(0.0, 1), (0.0009, 1), (0.0011, 0), (0.5, 0)])
def test_a_gap_of_more_than_a_millisecond_is_a_silence(gap, n_pairs):
    phones = [Interval(0, 1, "K"), Interval(1 + gap, 2, "AE")]
    assert diphones(phones, [1.0], 2.0, [("K", "AE")]).sum() == n_pairs


@pytest.mark.parametrize("label", ["AE", "ae", "AE0", "ae1", "AE2 ", "ae_B"])
def test_stress_and_case_do_not_tell_phones_apart(label):
    assert phone_inventory([story(spoken(f"{label} T"))], 2) == (("AE", "T"),)


def test_the_inventory_is_of_the_given_stories_and_of_all_of_them():
    training = (story(spoken(said)) for said in ("K AE T", "K AE P"))
    test_story = spoken("K AE B")
    inventory = phone_inventory(training, 2)
    assert inventory == (("AE", "P"), ("AE", "T"), ("K", "AE"))
    # What training has not seen has no column.
    assert diphones(test_story, [1.0], 2.0, inventory).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(
    ("onset", "expected"),
    [(-0.01, [0, 0]), (0.0, [1, 0]), (1.99, [1, 0]), (2.0, [0, 1]), (3.99, [0, 1]), (4.0, [0, 0])],
)
def test_a_tr_holds_the_onsets_from_its_start_to_before_its_end(onset, expected):
    phones = spoken("K AE", start=onset)
    assert diphones(phones, [1.0, 3.0], 2.0, [("K", "AE")])[:, 0].tolist() == expected


def test_a_sequence_counts_once_in_the_tr_of_its_first_onset():
    # The first K AE T lies before 2 s, where the second TR begins; the rest is after it.
    phones = [*spoken("K AE T sp", 0.02, start=1.9), *spoken("K AE T S K AE T", 0.1, start=2.0)]
    pairs = phone_inventory([story(phones)], 2)
    assert pairs == (("AE", "T"), ("K", "AE"), ("S", "K"), ("T", "S"))
    tr_times = [1.0, 3.0, 5.0]
    np.testing.assert_array_equal(
        diphones(phones, tr_times, 2.0, pairs), [[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    )
    np.testing.assert_array_equal(
        triphones(phones, tr_times, 2.0, [("T", "S", "K"), ("K", "AE", "T")]),
        [[0, 1], [1, 1], [0, 0]],
    )


def test_the_columns_are_in_the_order_of_the_inventory():
    phones = spoken("K AE T")
    assert diphones(phones, [1.0], 2.0, [("T", "K"), ["AE", "T"]]).tolist() == [[0, 1]]


@settings(deadline=None)
@given(
    labels=st.lists(st.sampled_from([*PHONES[:4], "sp"]), max_size=40),
    lengths=st.lists(st.floats(0.02, 0.5), min_size=40, max_size=40),
    n=st.sampled_from([2, 3]),
    tr=st.floats(0.5, 3.0),
    n_trs=st.integers(1, 12),
    start=st.floats(-2.0, 2.0),
)
def test_presence_is_what_a_plain_reading_gives(labels, lengths, n, tr, n_trs, start):
    times = np.cumsum([0.0, *lengths[: len(labels)]])
    phones = back_to_back(labels, times)
    tr_times = start + tr * np.arange(n_trs)
    expected = {}
    for i in range(len(labels) - n + 1):
        said = tuple(labels[i : i + n])
        if "sp" not in said:
            column = expected.setdefault(said, np.zeros(n_trs))
            column += (tr_times - tr / 2 <= times[i]) & (times[i] < tr_times + tr / 2)
    if not expected:
        with pytest.raises(ValueError, match=f"sequence of {n} phones"):
            phone_inventory([story(phones)], n)
        return
    inventory = phone_inventory([story(phones)], n)
    features = {2: diphones, 3: triphones}[n](phones, tr_times, tr, inventory)
    assert features.dtype == np.float32
    assert inventory == tuple(sorted(expected))
    plain = np.stack([expected[said] for said in inventory], axis=1)
    np.testing.assert_array_equal(features, np.minimum(plain, 1))


# Unknown labels


SAID = "K AE1 T X1 sp AE T ə X1 S sl K ə X1"


def test_labels_that_are_neither_phones_nor_silence_are_counted():
    assert list(unknown_labels(spoken(SAID)).items()) == [("X1", 3), ("ə", 2)]
    assert unknown_labels(spoken("K AE1 t_E sp {BR} sl <unk>")) == {}


@pytest.mark.parametrize(
    "features",
    [
        lambda phones: articulation(phones, [0.5, 1.5]),
        lambda phones: diphones(phones, [0.5, 1.5], 1.0, [("K", "AE"), ("AE", "T"), ("T", "S")]),
        lambda phones: triphones(phones, [0.5, 1.5], 1.0, [("K", "AE", "T"), ("T", "AE", "T")]),
        lambda phones: phone_inventory([story(phones), story(phones)], 2),
    ],
)
def test_an_unknown_label_is_a_silence_and_named_in_one_warning(features):
    with pytest.warns(UserWarning, match=r"'X1' \(\d\), 'ə' \(\d\)\. .*english_us_arpa") as told:
        found = features(spoken(SAID))
    assert len(told) == 1
    np.testing.assert_array_equal(found, features(spoken("K AE T sp sp AE T sp sp S sp K sp sp")))


def test_counts_of_unknown_labels_are_over_all_stories_and_the_rest_is_counted_too():
    stories = [story(spoken("K AE " + " ".join(f"X{i}" for i in range(n)))) for n in (3, 12)]
    with pytest.warns(UserWarning, match=r"^15 labels .*: 'X0' \(2\).*'X9' \(1\) and 2 more\."):
        phone_inventory(stories, 2)


def test_phones_of_another_alphabet_make_no_sequence():
    with pytest.warns(UserWarning, match="'ð'"):
        inventory = phone_inventory([story(spoken("ð ə"))], 2)
    assert inventory == ()
    assert diphones(spoken("K AE"), [1.0], 2.0, inventory).shape == (1, 0)


@given(st.lists(st.sampled_from([*PHONES[:3], "sp", "??", "1x", "ə", "{BR}"]), max_size=30))
def test_stories_without_unknown_labels_have_silences_in_their_place(labels):
    phones = back_to_back(labels, np.arange(len(labels) + 1) / 10)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        (cleaned,) = without_unknown_labels([story(phones)])
    assert len(told) == bool({"1x", "ə"} & set(labels))
    assert unknown_labels(cleaned.phones) == {}
    assert [(p.start, p.end) for p in cleaned.phones] == [(p.start, p.end) for p in phones]
    kept = [p.label for p in cleaned.phones if p.label]
    assert kept == [label for label in labels if label in PHONES]


# What is refused


def test_phones_out_of_order_are_refused():
    with pytest.raises(ValueError, match="order of time, got .*'K'.* then .*'AE'"):
        diphones([Interval(1, 2, "K"), Interval(0, 1, "AE")], [1.0], 2.0, [("K", "AE")])


@pytest.mark.parametrize("n", [0, -1])
def test_a_sequence_has_at_least_one_phone(n):
    with pytest.raises(ValueError, match=f"n must be at least 1 phone, got {n}"):
        phone_inventory([story(spoken("K AE T"))], n)


@pytest.mark.parametrize("wrong", [("K", "AE", "T"), ("K", "AE1"), ("K", "sp"), "AE"])
def test_an_inventory_of_anything_but_pairs_is_refused(wrong):
    with pytest.raises(ValueError, match=r"tuples of 2 phones, got .*phone_inventory\(stories, 2"):
        diphones(spoken("K AE T"), [1.0], 2.0, [("K", "AE"), wrong])


@pytest.mark.parametrize(
    ("tr_times", "tr", "message"),
    [([[1.0]], 2.0, r"tr_times .* got \(1, 1\)"), ([1.0], 0.0, "tr must be positive.* got 0.0")],
)
def test_an_axis_that_is_none_is_refused(tr_times, tr, message):
    with pytest.raises(ValueError, match=message):
        triphones(spoken("K AE T"), tr_times, tr, [("K", "AE", "T")])


# Recordings


@pytest.mark.skipif(not LISTENING_MINI.exists(), reason="the shared recordings are not there")
def test_every_story_has_as_many_rows_as_responses():
    stories = list(read_ds003020(LISTENING_MINI, "UTS02"))
    *training, _ = stories
    pairs, triples = phone_inventory(training, 2), phone_inventory(training, 3)
    assert {triple[:2] for triple in triples} <= set(pairs)
    for heard in stories:
        times = heard.tr_times, heard.tr
        n_trs = len(heard.responses)
        assert diphones(heard.phones, *times, pairs).shape == (n_trs, len(pairs))
        assert triphones(heard.phones, *times, triples).shape == (n_trs, len(triples))
        assert articulation(heard.phones, heard.tr_times).shape == (n_trs, 22)
