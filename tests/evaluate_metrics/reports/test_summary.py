"""Notes and Markdown of a summary: every number stands where it belongs."""

import re

import pytest

from evaluate_metrics.reports.over_participants import SUMMARY
from evaluate_metrics.reports.summary import markdown, notes_on

ALONE = {"n": 1, "n_tested": 1, "standard_error": None, "p": None, "p_holm": None}


def unpadded(text):
    """Markdown whose cells are as wide as what they hold."""
    return re.sub(r"\|[:|-]+\|\n", "", re.sub(" +", " ", text))


def line(model="brain-tuned", value=0.5, **more):
    """Of alignment in a region over six participants, unless more says otherwise."""
    known = {"model": model, "value": value, "region": "language", "measure": "alignment"}
    known |= {"layer": "mean", "n": 6, "unit": "participants", "standard_error": 0.02}
    if model != "pretrained":
        known |= {"gain": 0.1, "n_tested": 6, "p": 0.031, "p_holm": 0.062}
    return dict.fromkeys(SUMMARY) | known | more


def task(name, model="brain-tuned", measure="macro_f1", **more):
    return line(model, **{"region": None, "task": name, "measure": measure, **more})


def swept(start, fraction, model="brain-tuned", value=0.4, **more):
    weights, n_trs = {"small": 200_000, "runs/large": 3_000_000}[start], 800 * fraction
    size = {"pretrained": start, "n_parameters": weights, "fraction": fraction, "n_trs": n_trs}
    return line(model, value, **size, **more)


def both(of, *what, **more):
    return [of(*what, model=model, **more) for model in ("pretrained", "brain-tuned")]


def test_a_cell_holds_mean_and_error_and_the_gain_with_its_p():
    text = markdown([line("pretrained", 0.4), line()], ["Said."])
    assert unpadded(text) == (
        "## Summary over participants\n\n### Normalised brain alignment\n\n"
        "| region | pretrained | brain-tuned |\n"
        "| language | 0.40 ± 0.02 | 0.50 ± 0.02 (+0.10, p=0.031, Holm 0.062)\\* |\n\n- Said.\n"
    )


@pytest.mark.parametrize(
    ("change", "cell"),
    [
        ({"p_holm": 0.031}, "0.50 ± 0.02 (+0.10, p=0.031, Holm 0.031)\\*\\*"),
        ({"p": 0.0002, "p_holm": 0.0004}, "0.50 ± 0.02 (+0.10, p<0.001, Holm <0.001)\\*\\*"),
        ({"p": 0.05, "p_holm": 0.1}, "0.50 ± 0.02 (+0.10, p=0.050, Holm 0.100)"),
        (ALONE | {"interval_low": 0.4, "interval_high": 0.6}, "0.50 [0.40, 0.60] (+0.10)"),
        ({"value": None}, "empty"),
        (ALONE | {"value": None, "n_undetermined": 1}, "not determined"),
        (
            ALONE | {"value": None, "n_undetermined": 1, "interval_low": -4, "interval_high": 6},
            "not determined [-4.00, 6.00]",
        ),
        (
            {"n_undetermined": 2, "gain": None},
            "0.50 ± 0.02 (without 2 of 8, not determined)",
        ),
        ({"measure": "gain"}, None),
        ({"layer": 3}, None),
    ],
)
def test_stars_intervals_and_empty_regions(change, cell):
    text = unpadded(markdown([line(**change)], []))
    assert f"| language | {cell} |\n" in text if cell else "language" not in text


def test_names_open_no_cell_link_or_html():
    lines = [line("<b>tuned", region="a|b"), task("[x](y)/word", model="<b>tuned")]
    text = unpadded(markdown(lines, []))
    assert "| region | &lt;b&gt;tuned |\n| a\\|b | " in text
    assert "| \\[x\\](y)/word |" in text
    said = notes_on(
        [line()], [{"participant": "P*1*", "task": None, "stride": 0.1, "chunk": 0.1}], "<i>"
    )
    assert said[0] == "Participants: P\\*1\\*."
    assert "gains over &lt;i&gt;, with p" in said[1]


def test_the_stride_stands_above_alignment_and_not_above_tasks():
    text = markdown([line(stride=0.5, chunk=1.0), task("a/word")], [])
    assert "### Normalised brain alignment, representations every 0.5 s in chunks of 1 s\n" in text
    assert "### Tasks\n" in text
    measured = {"participant": "P1", "task": None, "stride": 0.5, "chunk": 1.0}
    said = notes_on([line()], [measured], "pretrained")
    assert said[-2].startswith("Warning: representations every 0.5 s, not 0.1 s")
    assert said[-1].startswith("Warning: representations every 0.5 s in chunks of 1 s hear up to")


def test_tasks_stand_from_acoustic_to_semantic_with_what_needs_no_hearing():
    known = ("mfcc", "emotion", "phones_present", "word", "sentence_type", "topic", "unheard-of")
    lines = [task(f"phantom/{name}", majority=0.05) for name in reversed(known)]
    found = [
        row.split(" | ") for row in unpadded(markdown(lines, [])).splitlines() if "phantom/" in row
    ]
    assert [row[0] for row in found] == [f"| phantom/{name}" for name in known]
    assert {tuple(row[1:3]) for row in found} == {("macro_f1", "0.05")}


def test_a_model_that_was_not_measured_leaves_its_cell_blank():
    text = unpadded(markdown([line("pretrained"), line(region="silent", value=None)], []))
    assert "| language | 0.50 ± 0.02 | |\n| silent | | empty |\n" in text


def test_a_sweep_has_a_row_for_every_size_of_model_and_data():
    text = unpadded(markdown(both(swept, "runs/large", 0.25) + both(swept, "small", 1.0), []))
    assert "| pretrained | n_parameters | fraction | n_trs | region |" in text
    assert "| runs/large | 3,000,000 | 0.25 | 200 | language | 0.40 ±" in text
    assert "| small | 200,000 | 1 | 800 | language |" in text
    assert "### Normalised brain alignment\n" not in text


def test_notes_name_participants_test_and_what_stars_mean():
    table = [
        {"participant": name, "task": None, "stride": 0.1, "chunk": 0.1} for name in ("P02", "P01")
    ]
    said = notes_on([line()], table, "pretrained")
    assert said[0] == "Participants: P01, P02."
    assert "Mean ± standard error over participants; in brackets gains over pretrained" in said[1]
    assert said[2].startswith("\\*: differs from pretrained, p < .05 (two-sided Wilcoxon")
    assert len(said) == 3


def test_fewer_than_six_participants_get_no_star_and_it_is_said():
    said = notes_on([line(n_tested=5)], [], "pretrained")
    assert "No stars: p < .05 needs 6 participants, and there are 5." in said


def test_a_single_measurement_is_not_tested_and_it_is_said():
    table = [{"participant": None, "task": "a/word", "stride": None}]
    first, second, third, fourth = notes_on([task("a/word", **ALONE)], table, "pretrained")
    assert first == "Participants: none named."
    assert second.endswith("of one measurement; nothing is tested over participants.")
    assert "tuned on no single participant have one measurement in a task" in third
    assert fourth.startswith("Tasks: mean over the transformer's layers")


def test_a_summary_of_what_is_not_normalised_says_so():
    text = markdown(both(line, normalisation="not normalised"), [])
    assert "### Brain alignment, not normalised\n" in text


def test_several_families_are_rows_of_their_own():
    lines = [line(m, pretrained=f) for f in ("hubert", "whisper") for m in ("pretrained", "tuned")]
    text = unpadded(markdown(lines, []))
    assert "| pretrained | region | pretrained | tuned |" in text
    assert "| hubert | language |" in text and "| whisper | language |" in text
    assert "| region | pretrained |" in unpadded(markdown(lines[:2], []))
