"""Figures of a summary."""

import pytest
from matplotlib.image import imread

from evaluate_metrics.reports import summary_figures
from evaluate_metrics.reports.over_participants import SUMMARY
from evaluate_metrics.reports.summary_figures import _alignment_bars, caption_of, draw


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


def test_captions_of_alignment_say_its_stride():
    said = caption_of("Bars", [line(stride=0.5, chunk=0.5)])
    assert "Normalised brain alignment: representations every 0.5 s." in said
    said = caption_of("Bars", [line(stride=0.5, chunk=0.5, normalisation="not normalised")])
    assert "Brain alignment, not normalised: representations every 0.5 s." in said
    assert "every" not in caption_of("Bars", [task("a/word")])


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


def test_each_family_has_panels_of_its_own(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        summary_figures, "bar_figure", lambda panels, path, *_: drawn.update({path.stem: panels})
    )
    lines = [
        line(model, value, pretrained=family, **more)
        for family, value in (("wav2vec2-base", 0.4), ("hubert-base", 0.6))
        for model in ("pretrained", "brain-tuned")
        for more in ({}, {"measure": "impact", "feature": "diphones"})
    ]
    draw(lines, tmp_path)
    for figure, title in (("alignment", "{}"), ("impact", "language, {}")):
        scores = {panel["title"]: panel["scores"] for panel in drawn[figure]}
        group = "language" if figure == "alignment" else "diphones"
        assert {name: of["brain-tuned"][group]["mean"] for name, of in scores.items()} == {
            title.format("wav2vec2-base"): 0.4,
            title.format("hubert-base"): 0.6,
        }
    (one,) = {panel["title"] for panel in _alignment_bars(lines[:4])[0]}
    assert one == ""
