"""Bars by region: planted alignment and impact stand in the drawn bars, the table and the words."""

import pytest

from evaluate_metrics.figures.paper import FIGURES, Missing

MAIN = ("pretrained", "permuted", "brain-tuned")
CONTROLS = (*MAIN, "text-model-tuned", "stimulus-tuned")
GAINS = {"hubert": 0.15, "wav2vec2": 0.1, "whisper": 0.0}


def planted(models, regions=("language", "auditory"), scale=1):
    """Brain-tuning changes the first region of two families of three."""
    return {
        (family, model, region): scale
        * (0.3 + 0.2 * (region != regions[0]) + gain * ((model, region) == (MAIN[-1], regions[0])))
        for family, gain in GAINS.items()
        for model in models
        for region in regions
    }


@pytest.mark.parametrize(
    ("number", "metric", "region"),
    [
        ("2a", "alignment", "language"),
        ("2b", "alignment", "auditory"),
        ("3a", "impact", "language"),
        ("3b", "impact", "auditory"),
    ],
)
def test_planted_values_stand_in_the_bars(show, regions, number, metric, region):
    scale = 100 if metric == "impact" else 1
    values = planted(CONTROLS, scale=scale)
    shown = show(number, regions(values, metric))
    assert list(shown.axes) == [region]
    for model in MAIN:  # no other control is shown
        assert shown.bars(region, model, MAIN) == {
            family: pytest.approx(values[family, model, region] + 0.015) for family in GAINS
        }
        error = pytest.approx(0.006455, abs=1e-6)  # of 0, 0.01, 0.02, 0.03
        assert shown.errors(region, model, MAIN) == dict.fromkeys(GAINS, error)
    assert {round(r["standard_error"], 6) for r in shown.drawn.table} == {0.006455}
    assert "standard error over 4 participants" in shown.drawn.caption
    assert "No stars: p < .05 needs 6 participants, and there are 4" in shown.drawn.caption


@pytest.mark.parametrize("number", ["6", "7"])
def test_all_controls_stand_side_by_side(show, regions, number):
    metric = {"6": "alignment", "7": "impact"}[number]
    values = planted(CONTROLS)
    shown = show(number, regions(values, metric))
    assert list(shown.axes) == ["language", "auditory"]
    for region in shown.axes:
        for model in CONTROLS:
            assert shown.bars(region, model, CONTROLS) == {
                family: pytest.approx(values[family, model, region] + 0.015) for family in GAINS
            }


def test_regions_are_those_of_the_rows(show, regions):
    names = ("late_language", "early_auditory", "primary_auditory")
    rows = regions(planted(MAIN, names))
    assert list(show("2a", rows).axes) == ["late language"]
    assert list(show("2b", rows).axes) == ["early auditory", "primary auditory"]


def test_six_participants_have_stars_with_holm_beside_them(show, regions, row):
    participants = [f"P{i:02}" for i in range(6)]
    rows = regions(planted(MAIN), participants=participants)
    for one in rows:  # in the auditory region as many gain as lose
        if (one["model"], one["region"]) == ("brain-tuned", "auditory"):
            one["value"] += 0.01 * (1 if int(one["participant"][1:]) % 2 else -1)
    shown = show("2a", rows)
    lines = {(r["family"], r["model"]): r for r in shown.drawn.table}
    assert lines["hubert", "brain-tuned"]["p"] == 0.03125
    assert lines["hubert", "brain-tuned"]["p_holm"] == 0.0625  # two regions
    assert lines["hubert", "brain-tuned"]["stars"] == "*"
    assert sum("*" in text for text in shown.texts("language")) == 2
    assert "two-sided Wilcoxon" in shown.drawn.caption
    assert "No stars" not in shown.drawn.caption


def test_the_words_follow_from_the_numbers(show, regions):
    rows = regions(planted(MAIN))
    for one in rows:  # whisper's gain is nothing, with noise
        if (one["family"], one["model"]) == ("whisper", "brain-tuned"):
            one["value"] += 0.01 * (1 if one["participant"] in ("P01", "P02") else -1)
    alt = show("2a", rows).drawn.alt
    assert "Brain-tuning raises normalised brain alignment in language of hubert" in alt
    assert "(+0.15, +48 %, n = 4)" in alt
    assert "does not clearly change normalised brain alignment in language of whisper" in alt


@pytest.mark.parametrize(
    ("participants", "noise", "verb"),
    [(4, 0.02, "does not clearly change"), (4, 0.01, "raises"), (6, 0.02, "raises")],
)
def test_words_follow_student_for_few_participants_and_the_test_for_six(
    show, regions, participants, noise, verb
):
    """A gain of 0.03, whose noise has a standard error of 0.0115 over four: 3.18 are 0.037."""
    names = [f"P{i:02}" for i in range(participants)]
    values = planted(MAIN[::2])
    values["hubert", "brain-tuned", "language"] = values["hubert", "pretrained", "language"] + 0.03
    rows = regions(values, participants=names)
    for one in rows:
        if (one["family"], one["model"]) == ("hubert", "brain-tuned"):
            one["value"] += noise * (1 if int(one["participant"][1:]) % 2 else -1)
    assert (
        f"Brain-tuning {verb} normalised brain alignment in language of hubert"
        in show("2a", rows).drawn.alt
    )


def test_of_one_participant_nothing_is_claimed(show, regions):
    alt = show("2a", regions(planted(MAIN), participants=["P01"])).drawn.alt
    assert "raises" not in alt and "lowers" not in alt
    assert "Brain-tuning in one participant changes" in alt and "n = 1" in alt


def test_a_larger_model_without_tuning_is_in_another_figure(show, regions):
    values = planted(MAIN) | {("hubert-large", "pretrained", "language"): 0.4}
    assert "hubert-large" not in {r["family"] for r in show("2a", regions(values)).drawn.table}


@pytest.mark.parametrize("number", ["2a", "2b", "3a", "3b", "6", "7"])
def test_what_is_missing_is_named(regions, tmp_path, number):
    metric = "impact" if number[0] in "37" else "alignment"
    figure = FIGURES[number]
    with pytest.raises(Missing, match=f"no row is of {metric} by region"):
        figure.draw([], tmp_path)
    only = {key: value for key, value in planted(MAIN).items() if key[1] == "pretrained"}
    with pytest.raises(
        Missing, match="needs a pretrained and a brain-tuned .* hubert: pretrained;"
    ):
        figure.draw(regions(only, metric), tmp_path)
    rows = regions(planted(MAIN[::2], ("visual",)), metric)
    with pytest.raises(Missing, match="of a control, such as|in a region called .*, got visual"):
        figure.draw(rows, tmp_path)
    assert not list(tmp_path.iterdir())
