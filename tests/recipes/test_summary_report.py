"""Notes, Markdown and figures of a summary: every number stands where it belongs."""

import pytest
from matplotlib.image import imread

from recipes.summarise import SUMMARY
from recipes.summary_report import draw, markdown, notes_on

ALONE = {"n": 1, "n_tested": 1, "standard_error": None, "p": None, "p_holm": None}


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
    assert text == (
        "## Summary over participants\n\n### Normalised brain alignment\n\n"
        "| region | pretrained | brain-tuned |\n| --- | --- | --- |\n"
        "| language | 0.40 ± 0.02 | 0.50 ± 0.02 (+0.10, p=0.031, Holm 0.062)\\* |\n\n- Said.\n"
    )


@pytest.mark.parametrize(
    ("change", "cell"),
    [
        ({"p_holm": 0.031}, "0.50 ± 0.02 (+0.10, p=0.031, Holm 0.031)\\*\\*"),
        ({"p": 0.05, "p_holm": 0.1}, "0.50 ± 0.02 (+0.10, p=0.050, Holm 0.100)"),
        (ALONE | {"interval_low": 0.4, "interval_high": 0.6}, "0.50 [0.40, 0.60] (+0.10)"),
        ({"value": None}, "empty"),
        ({"measure": "gain"}, None),
        ({"layer": 3}, None),
    ],
)
def test_stars_intervals_and_empty_regions(change, cell):
    text = markdown([line(**change)], [])
    assert f"| language | {cell} |\n" in text if cell else "language" not in text


def test_tasks_stand_from_acoustic_to_semantic_with_what_needs_no_hearing():
    known = ("mfcc", "emotion", "phones_present", "word", "sentence_type", "topic", "unheard-of")
    lines = [task(f"phantom/{name}", majority=0.05) for name in reversed(known)]
    found = [row.split(" | ") for row in markdown(lines, []).splitlines() if "phantom/" in row]
    assert [row[0] for row in found] == [f"| phantom/{name}" for name in known]
    assert {tuple(row[1:3]) for row in found} == {("macro_f1", "0.05")}


def test_a_model_that_was_not_measured_leaves_its_cell_blank():
    text = markdown([line("pretrained"), line(region="silent", value=None)], [])
    assert "| language | 0.50 ± 0.02 |  |\n| silent |  | empty |\n" in text


def test_a_sweep_has_a_row_for_every_size_of_model_and_data():
    text = markdown(both(swept, "runs/large", 0.25) + both(swept, "small", 1.0), [])
    assert "| pretrained | n_parameters | fraction | n_trs | region |" in text
    assert "| runs/large | 3,000,000 | 0.25 | 200 | language | 0.40 ±" in text
    assert "| small | 200,000 | 1 | 800 | language |" in text
    assert "### Normalised brain alignment\n" not in text


def test_notes_name_participants_test_and_what_stars_mean():
    table = [{"participant": name, "task": None} for name in ("P02", "P01")]
    said = notes_on([line()], table, "pretrained")
    assert said[0] == "Participants: P01, P02."
    assert "Mean ± standard error over participants; in brackets gains over pretrained" in said[1]
    assert said[2].startswith("\\*: differs from pretrained, p < .05 (two-sided Wilcoxon")
    assert len(said) == 3


def test_fewer_than_six_participants_get_no_star_and_it_is_said():
    said = notes_on([line(n_tested=5)], [], "pretrained")
    assert "No stars: p < .05 needs 6 participants, and there are 5." in said


def test_a_single_measurement_is_not_tested_and_it_is_said():
    table = [{"participant": None, "task": "a/word"}]
    first, second, third, fourth = notes_on([task("a/word", **ALONE)], table, "pretrained")
    assert first == "Participants: none named."
    assert second.endswith("of one measurement; nothing is tested over participants.")
    assert "tuned on no single participant have one measurement in a task" in third
    assert fourth.startswith("Tasks: mean over the transformer's layers")


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (both(line), ["alignment"]),
        (both(line, measure="impact", feature="diphones"), ["impact"]),
        (both(task, "a/word") + both(task, "a/mfcc", measure="r2"), ["tasks"]),
        (
            [task("a/preference", measure="d", layer=i) for i in (0, 1)] + [line(layer=1)],
            ["layers"],
        ),
        ([swept("small", f) for f in (0.5, 1.0)], ["data-size"]),
        ([swept(s, 1.0) for s in ("small", "runs/large")], ["data-size", "model-size"]),
        ([line(measure="gain")], []),
    ],
)
def test_what_is_there_is_drawn(lines, names, tmp_path):
    assert draw(lines, tmp_path) == [tmp_path / f"{name}.png" for name in names]
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(names)


def test_a_baseline_that_is_the_same_at_every_amount_of_data_is_a_level_line(tmp_path):
    lines = [swept("small", f, m) for f in (0.25, 1.0) for m in ("pretrained", "brain-tuned")]
    lines[-1]["value"] = 0.6
    (path,) = draw(lines, tmp_path)
    pixels = (imread(path)[160:, :, :3] * 255).round()
    heights = {}
    for model, colour in (("pretrained", (0x56, 0xB4, 0xE9)), ("brain-tuned", (0xD5, 0x5E, 0))):
        rows, columns = (pixels == colour).all(axis=-1).nonzero()
        middle = (columns.min() + columns.max()) / 2
        heights[model] = rows[columns < middle].mean() - rows[columns > middle].mean()
    assert heights["brain-tuned"] > 50 > 5 > abs(heights["pretrained"])
