"""Figures over layers: planted lines are found in what is drawn, layers matched by depth."""

import pytest

from evaluate_metrics.figures.paper import FIGURES, Missing

MAIN = ("pretrained", "permuted", "brain-tuned")
GAINS = {"hubert": 0.1, "whisper": 0.0}
DEEPEST = {"hubert": 12, "whisper": 4, "hubert-large": 24}


def layered(row, value, layers, models=MAIN, **more):
    """Rows of four participants, whose mean is `value(family, model, depth)`."""
    return [
        row(
            *(family, model, f"P{i}", layer),
            value=value(family, model, layer / DEEPEST[family]) + 0.01 * (i - 1.5),
            **more,
        )
        for family, of_family in layers.items()
        for model in (models if family != "hubert-large" else ("pretrained",))
        for i in range(4)
        for layer in of_family
    ]


LAYERS = {"hubert": (0, 3, 6, 12), "whisper": (0, 2, 4)}


def d(family, model, depth):
    """Brain-tuning makes the deepest layers of one family more semantic."""
    return 0.1 - 0.1 * depth - GAINS.get(family, 0) * depth * (model == "brain-tuned")


def test_planted_preference_stands_in_the_lines(show, row):
    rows = layered(row, d, LAYERS, metric="d", task="phantom/preference")
    shown = show("8", rows)
    assert list(shown.axes) == list(LAYERS)
    for family, layers in LAYERS.items():
        for model in MAIN:
            assert shown.line(family, model, MAIN) == {
                layer / DEEPEST[family]: pytest.approx(d(family, model, layer / DEEPEST[family]))
                for layer in layers
            }
            band = shown.band(family, model, MAIN)  # over 0, 0.01, 0.02 and 0.03 more
            assert band == {
                layer / DEEPEST[family]: pytest.approx(0.006455, abs=1e-6) for layer in layers
            }
    assert "Brain-tuning lowers the mean d of hubert" in shown.drawn.alt
    assert "does not clearly change the mean d of whisper" in shown.drawn.alt
    assert "No stars" in shown.drawn.caption


def alignment(family, model, depth):
    large = 0.05 * (family == "hubert-large")
    return 0.3 + 0.2 * depth + large + GAINS.get(family, 0) * (model == "brain-tuned")


def of_brain(row, layers, value=alignment):
    return [
        one
        for region in ("language", "auditory")
        for metric, feature in (("alignment", None), ("impact", "mean of the four"))
        for one in layered(row, value, layers, region=region, metric=metric, feature=feature)
    ]


def test_layers_of_a_larger_model_are_matched_by_depth(show, row):
    """The larger one has layers 7, 12, 24 of 24: nearest to 3, 6, 12 of 12."""
    rows = of_brain(row, {"hubert": (3, 6, 12), "hubert-large": (7, 12, 24)})
    shown = show("5", rows)
    models = ("pretrained", "brain-tuned", "hubert-large")
    assert len(shown.axes) == 4
    for title in shown.axes:
        assert shown.axes[title].get_xlabel() == "relative depth"
        lines = {model: shown.line(title, model, models) for model in models}
        assert all(list(line) == [0.25, 0.5, 1] for line in lines.values())
        assert list(lines["brain-tuned"].values()) == pytest.approx(
            [alignment("hubert", "brain-tuned", depth) for depth in (0.25, 0.5, 1)]
        )
        assert list(lines["hubert-large"].values()) == pytest.approx(
            [alignment("hubert-large", "pretrained", depth) for depth in (7 / 24, 0.5, 1)]
        )
    of = {(r["model"], r["region"], r["metric"], r["layer"]): r for r in shown.drawn.table}
    gain = of["brain-tuned", "language", "alignment", "mean"]["gain"]
    assert gain == pytest.approx(0.05 - 0.2 * (1 / 24) / 3)
    assert of["brain-tuned", "language", "alignment", 6]["gain"] == pytest.approx(0.05)
    assert "hubert-large 0.47 (brain-tuned +0.05" in shown.drawn.alt


def test_stages_go_from_sound_to_the_brain(show, row):
    rows = [
        one
        for task, metric in (("action", "macro_f1"), ("mfcc", "r2"), ("word", "macro_f1"))
        for one in layered(row, alignment, LAYERS, task=f"timit/{task}", metric=metric)
    ] + of_brain(row, LAYERS)
    shown = show("stages", rows)
    titles = [axes.get_title(loc="left") for axes in shown.figures[0].axes]
    assert list(dict.fromkeys(titles)) == ["mfcc", "word", "action", "language", "auditory"]
    asides = [axes.get_title(loc="right") for axes in shown.figures[0].axes]
    assert asides[:2] == ["acoustic, hubert", "acoustic, whisper"]
    for axes in shown.figures[0].axes:
        title, family = axes.get_title(loc="left"), axes.get_title(loc="right").split()[-1]
        shown.axes[title] = axes
        for model in MAIN:
            assert shown.line(title, model, MAIN) == {
                layer / DEEPEST[family]: pytest.approx(
                    alignment(family, model, layer / DEEPEST[family])
                )
                for layer in LAYERS[family]
            }
    assert "language: hubert 12, whisper 4." in shown.drawn.alt


def test_what_is_missing_is_named(row, tmp_path):
    def missing(number, rows):
        with pytest.raises(Missing) as caught:
            FIGURES[number].draw(rows, tmp_path)
        return str(caught.value)

    brain = of_brain(row, {"hubert": (6, 12)})
    tasks = layered(row, d, {"hubert": (6, 12)}, metric="d", task="a/preference")
    assert "preference d by layer" in missing("8", brain)
    assert "of a larger model, such as hubert-large, got hubert" in missing("5", brain)
    assert missing("stages", brain) == "no row is of scores in tasks by layer"
    assert missing("stages", tasks) == "no row is of alignment by layer"
    assert "and of alignment by layer" in missing("stages", [])
    large = of_brain(row, {"hubert": (6, 12), "hubert-large": (24,)})
    for one in large:
        one["n_layers"] = None
    assert "n_layers of hubert and hubert-large" in missing("5", large)
