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
    assert len(found) == 6
    assert {c.agreement for c in found} == {"within"}
    turned = study({where: 30 - gain for where, gain in pattern.items()})
    words = {(c.family, c.published.place): c.agreement for c in claims(PUBLISHED, turned)}
    assert words[("hubert", "late_language")] == "below"
    assert words[("whisper", "late_language")] == words[("whisper", "early_auditory")] == "above"
    assert words[("hubert", "primary_auditory")].startswith("not comparable: no alignment")
