"""Expectations are stated with their sources, and only where something is known."""

import pytest

from evaluate_metrics.figures.paper import FIGURES
from evaluate_metrics.reports.page import PLANTED, PUBLISHED, claims
from tests.evaluate_metrics.reports.page.tidy_rows import tidy


@pytest.mark.parametrize("expected", [*PUBLISHED, *PLANTED], ids=lambda e: f"{e.figure}-{e.place}")
def test_an_expectation_says_what_it_is_and_whence(expected):
    assert all((expected.what, expected.words, expected.source, expected.families))
    assert expected.value is None or expected.words == f"about {expected.value:+g}{expected.unit}"
    assert expected.sign == 0 or expected.value is None
    assert expected.figure in FIGURES


def study(gains, participants=8):
    """Rows of a study with given gains in per cent, {(family, region): gain}."""
    rows = []
    for (family, region), gain in gains.items():
        for n in range(participants):
            value = 0.2 + 0.01 * n
            noise = 1 + 0.02 * (-1) ** n
            more = dict(family=family, region=region)
            rows += [
                tidy("pretrained", f"UTS{n:02}", value, **more),
                tidy("brain-tuned", f"UTS{n:02}", value * (noise + gain / 100), **more),
            ]
    return rows


def test_the_published_pattern_agrees_with_itself_and_its_absence_does_not():
    self_supervised = {("wav2vec2", "late_language"): 30, ("hubert", "late_language"): 30}
    auditory = {(f, "early_auditory"): 0 for f in ("wav2vec2", "hubert", "whisper")}
    pattern = self_supervised | auditory | {("whisper", "late_language"): 0}
    found = [c for c in claims(PUBLISHED, study(pattern)) if not c.why]
    assert {c.published.figure for c in found} == {"2a", "2b"} and len(found) == 6
    assert {c.agreement for c in found} == {"within"}
    turned = study({where: 30 - gain for where, gain in pattern.items()})
    words = {
        (c.family, c.published.place): c.agreement
        for c in claims(PUBLISHED, turned)
        if c.published.metric == "alignment"
    }
    assert words[("hubert", "late_language")] == "below"
    assert words[("whisper", "late_language")] == words[("whisper", "early_auditory")] == "above"
    assert words[("hubert", "primary_auditory")].startswith("not comparable: no alignment")


def test_directions_that_the_abstract_states_are_found_or_refuted():
    """Of impact, a semantic task and the preference d, in two families."""
    of = {
        "3a": dict(region="late_language", metric="impact", feature="mean of the four"),
        "4": dict(task="slurp/action", region=None, metric="macro_f1", layer="3"),
        "8": dict(task="ds003020/preference", region=None, metric="d", layer="3"),
    }
    changes = {"3a": -5.0, "4": 0.1, "8": -0.1}
    for sign, verdict in ((1, "as expected"), (-1, "not as expected")):
        rows = [
            tidy(model, f"UTS{n:02}", 40 + n + (tuned * sign * changes[figure]), **more)
            for figure, more in of.items()
            for n in range(8)
            for model, tuned in (("pretrained", 0), ("brain-tuned", 1 + 0.01 * n))
        ]
        found = {c.published.figure: c.verdict for c in claims(PUBLISHED, rows) if not c.why}
        assert found == dict.fromkeys(of, verdict)
