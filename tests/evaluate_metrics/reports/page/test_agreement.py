"""Words about intervals follow from them, and claims from tidy rows."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t, ttest_1samp

from evaluate_metrics.reports.page import Published, agreement, claim, claims, claims_by_figure
from tests.evaluate_metrics.reports.page.tidy_rows import tidy

GAIN = Published(
    figure="2a", what="gain", metric="alignment", place="language", words="", source="a test"
)
NUMBERS = st.floats(-1e6, 1e6)
SIGNS = st.sampled_from([-1, 0, 1])
VALUES = st.none() | NUMBERS


@given(NUMBERS, NUMBERS, VALUES, SIGNS)
def test_the_word_says_where_the_interval_lies(a, b, value, sign):
    low, high = min(a, b), max(a, b)
    word = agreement(replace(GAIN, value=value, sign=sign), (low + high) / 2, low, high)
    expected = 0 if value is None else value
    assert (word == "above") == (low > expected)
    assert (word == "below") == (high < expected)
    assert (word == "within") == (low <= expected <= high)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_mirrored_result_gets_the_opposite_word(a, b, value):
    low, high = min(a, b), max(a, b)
    opposite = {"above": "below", "below": "above", "within": "within"}
    word = agreement(replace(GAIN, value=value), low, low, high)
    assert agreement(replace(GAIN, value=-value), -low, -high, -low) == opposite[word]


@given(
    st.permutations([None, 0.1, 0.2]) | st.permutations([math.nan, 0.1, 0.2]) | st.just([1, 2, 0])
)
def test_what_is_no_interval_is_not_compared_and_says_why(numbers):
    word = agreement(GAIN, *numbers)
    assert word.startswith("not comparable: ") and word.removeprefix("not comparable: ")


@pytest.mark.parametrize(
    ("changes", "verdicts"),
    [
        (dict(sign=1), ["as expected", "not shown", "not as expected"]),
        (dict(sign=-1), ["not as expected", "not shown", "as expected"]),
        (dict(sign=0), ["not as expected", "as expected", "not as expected"]),
        (dict(sign=1, value=0.2), ["as expected", "not as expected", "not as expected"]),
    ],
)
def test_what_the_word_means_depends_on_what_is_expected(changes, verdicts):
    rise, none, fall = ([d, d + 0.01, d - 0.01] for d in (0.2, 0, -0.2))
    for differences, verdict in zip((rise, none, fall), verdicts, strict=True):
        rows = [tidy("pretrained", f"P{n}", 0.5) for n in range(3)]
        rows += [tidy("brain-tuned", f"P{n}", 0.5 + d) for n, d in enumerate(differences)]
        found = claim(replace(GAIN, **changes), "wav2vec2", rows)
        assert found.verdict == verdict
        assert verdict in found.sentence


@given(st.lists(st.floats(-0.4, 0.4), min_size=2, max_size=9))
def test_the_interval_is_student_s_over_participants(differences):
    rows = [tidy("pretrained", f"P{n}", 0.5) for n in range(len(differences))]
    rows += [tidy("brain-tuned", f"P{n}", 0.5 + d) for n, d in enumerate(differences)]
    found = claim(GAIN, "wav2vec2", rows)
    assert found.n == len(differences)
    assert found.estimate == pytest.approx(sum(differences) / len(differences), abs=1e-9)
    if max(differences) - min(differences) > 1e-6:
        interval = ttest_1samp(differences, 0).confidence_interval()
        assert (found.low, found.high) == pytest.approx(tuple(interval), abs=1e-9)


def with_own_intervals(differences, half):
    rows = [tidy("pretrained", f"P{n}", 0.5) for n in range(len(differences))]
    rows += [tidy("brain-tuned", f"P{n}", 0.5 + d) for n, d in enumerate(differences)]
    ends = [dict(interval_low=d - half, interval_high=d + half) for d in differences]
    return rows + [
        tidy("brain-tuned", f"P{n}", d, metric="gain", **ends[n]) for n, d in enumerate(differences)
    ]


def test_what_is_particular_to_the_story_does_not_average_out_over_who_heard_it():
    alike = claim(GAIN, "wav2vec2", with_own_intervals([0.1, 0.1, 0.1, 0.1], 0.15))
    assert (alike.low, alike.high) == pytest.approx((-0.05, 0.25))
    differences = [0.02, 0.1, 0.18]
    both = claim(GAIN, "wav2vec2", with_own_intervals(differences, 0.15))
    over_participants, of_story = np.std(differences, ddof=1) / 3**0.5, 0.15 / norm.ppf(0.975)
    error = (over_participants**2 + of_story**2) ** 0.5
    reach = t.ppf(0.975, 2 * (error / over_participants) ** 4) * error
    assert (both.low, both.high) == pytest.approx((0.1 - reach, 0.1 + reach))
    part = with_own_intervals(differences, 0.15)[:-1]  # that of one is not known
    alone = ttest_1samp(differences, 0).confidence_interval()
    found = claim(GAIN, "wav2vec2", part)
    assert (found.low, found.high) == pytest.approx(tuple(alone))


def test_over_stories_and_participants_the_interval_covers_what_it_says():
    """A difference that is 0, of participants who hear one story and differ among themselves."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        differences = 0.05 * rng.standard_normal() + 0.03 * rng.standard_normal(4)
        found = claim(GAIN, "wav2vec2", with_own_intervals(list(differences), 0.05 * 1.96))
        covered += found.low <= 0 <= found.high
    assert covered / 1000 == pytest.approx(0.95, abs=0.025)


def test_a_published_percentage_is_found_where_it_is_planted(rows):
    about_30 = replace(GAIN, value=30.0, relative=True, unit=" %")
    found = claim(about_30, "wav2vec2", rows)
    assert found.agreement == "within" and found.estimate == pytest.approx(30, abs=1)
    assert found.sentence == "The interval holds 30 %: as expected."
    assert claim(replace(about_30, value=60.0), "wav2vec2", rows).agreement == "below"
    assert claim(replace(about_30, value=5.0), "wav2vec2", rows).agreement == "above"
    assert claim(replace(GAIN, place="auditory"), "wav2vec2", rows).verdict == "as expected"


def test_one_participant_has_the_interval_of_its_own_measurement():
    rows = [tidy("pretrained", "P01", 0.4), tidy("brain-tuned", "P01", 0.5)]
    found = claim(GAIN, "wav2vec2", rows)
    assert found.agreement.startswith("not comparable: one participant only")
    rows.append(
        tidy("brain-tuned", "P01", 0.1, metric="gain", interval_low=0.04, interval_high=0.16)
    )
    found = claim(replace(GAIN, relative=True), "wav2vec2", rows)
    assert (found.estimate, found.low, found.high) == pytest.approx((25, 10, 40))
    over = replace(GAIN, contrast=("brain-tuned", "permuted"))
    rows += [tidy("permuted", "P01", 0.4)]
    assert claim(over, "wav2vec2", rows).why
    of = dict(metric="gain over permuted", interval_low=0.02, interval_high=0.2)
    assert claim(over, "wav2vec2", [*rows, tidy("brain-tuned", "P01", 0.1, **of)]).low == 0.02


def test_tasks_are_averaged_over_layers_and_compared_with_a_model_of_nobody():
    topic = replace(GAIN, metric="macro_f1", place="topic", sign=1)
    of = dict(region=None, task="phantom/topic", metric="macro_f1")
    rows = [tidy("pretrained", None, 0.1 * n, layer=str(n), **of) for n in range(1, 5)]
    rows += [tidy("pretrained", None, 9.0, layer="0", **of)]  # the transformer's input
    for participant, value in (("P01", 0.6), ("P02", 0.62), ("P03", 0.61)):
        rows += [tidy("brain-tuned", participant, value, layer=str(n), **of) for n in (1, 2)]
    found = claim(topic, "wav2vec2", rows)
    assert found.estimate == pytest.approx(0.61 - 0.25) and found.agreement == "above"


def test_shares_of_the_data_and_empty_values_are_left_out(rows):
    few = [tidy("brain-tuned", f"P0{n}", 0.0, fraction=0.25) for n in range(1, 5)]
    empty = [tidy("brain-tuned", "P05", None), tidy("pretrained", "P05", math.nan)]
    expected = claim(GAIN, "wav2vec2", rows)
    assert claim(GAIN, "wav2vec2", [*rows, *few, *empty]) == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(place="late_language"), "no alignment of brain-tuned and pretrained in late_lang"),
        (dict(contrast=("permuted", "pretrained")), "no alignment of permuted in language"),
        (dict(feature="diphones", metric="impact"), "no diphones impact of"),
    ],
)
def test_what_is_not_there_is_named(rows, changes, said):
    found = claim(replace(GAIN, **changes), "wav2vec2", rows)
    assert found.agreement.startswith(f"not comparable: {said}")
    assert found.verdict == "not comparable"


def test_a_share_of_nothing_and_other_participants_are_not_compared():
    rows = [tidy("pretrained", "P01", -0.1), tidy("brain-tuned", "P01", 0.2)]
    found = claim(replace(GAIN, relative=True), "wav2vec2", rows)
    assert found.why == "the alignment of pretrained is not positive in P01"
    rows = [tidy("pretrained", "P01", 0.1), tidy("brain-tuned", "P02", 0.2)]
    assert "different participants" in claim(GAIN, "wav2vec2", rows).why


def test_claims_are_of_measured_families_and_stand_once(rows):
    both = [GAIN, replace(GAIN, families=("whisper",)), replace(GAIN, figure="9")]
    found = claims(both, rows)
    assert [(one.published.figure, one.family) for one in found] == [
        ("2a", "wav2vec2"),
        ("9", "wav2vec2"),
    ]
    placed = claims_by_figure(found, ["2b", "2a", "12"])
    assert placed == {"2b": [], "2a": [found[0]], "12": []}
