"""Figures of tasks: planted scores stand in the drawn bars, lines, table and words."""

import pytest

from evaluate_metrics.figures.paper import FIGURES, Missing

MAIN = ("pretrained", "permuted", "brain-tuned")
CONTROLS = (*MAIN, "text-model-tuned")
GAINS = {"hubert": 0.2, "whisper": 0.0}
LAYERS = {"hubert": (6, 12), "whisper": (2, 4)}
METRICS = {"mfcc": "r2", "fbank": "r2", "word": "macro_f1", "action": "macro_f1"}


@pytest.fixture
def rows(row):
    """Brain-tuning raises hubert's scores in words; deeper layers have higher ones."""
    return [
        row(
            *(family, model, participant, layer),
            task=f"timit/{task}",
            metric=metric,
            value=score(family, model, task, layer) + 0.01 * (int(participant or 0) - 1.5),
            majority=0.1,
        )
        for family, layers in LAYERS.items()
        for model in CONTROLS
        for participant in ([None] if model == "pretrained" else "0123")
        for task, metric in METRICS.items()
        for layer in (0, *layers)
    ] + [
        row(family, model, None, "all", task="timit/asr_phones", metric="1-wer", value=0.4)
        for family in LAYERS
        for model in MAIN
    ]


def score(family, model, task, layer):
    depth = layer / LAYERS[family][-1]
    gain = GAINS[family] * ((model, task) == ("brain-tuned", "word"))
    return 0.3 + 0.1 * depth + gain + 0.015 * (model == "pretrained")


def mean(family, model, task):
    """Over layers but the transformer's input."""
    layers = LAYERS[family]
    means = sum(score(family, model, task, layer) for layer in layers) / len(layers)
    return pytest.approx(means - 0.015 * (model == "pretrained"))


@pytest.mark.parametrize(
    ("number", "models", "tasks"),
    [("4", MAIN, ("word", "action")), ("9", MAIN, ("mfcc", "fbank")), ("10", CONTROLS, ("word",))],
)
def test_planted_means_stand_in_the_bars(show, rows, number, models, tasks):
    shown = show(number, rows)
    for family in LAYERS:
        figure = shown.figures[0]
        (axes,) = [
            axes
            for axes in figure.axes
            if axes.get_title(loc="left") == family and len(axes.get_xticks()) >= 2
        ]
        shown.axes[family] = axes
        for model in models:
            bars = shown.bars(family, model, models)
            assert {task: bars[task] for task in tasks} == {
                task: mean(family, model, task) for task in tasks
            }
    assert "No stars: p < .05 needs 6" in shown.drawn.caption
    if number != "9":
        assert "hubert: raises 1, lowers 0 of" in shown.drawn.alt
        assert "most in word (+0.20, n = 4)" in shown.drawn.alt


def test_low_level_features_are_in_a_figure_of_their_own(show, rows):
    assert {r["task"] for r in show("9", rows).drawn.table} == {"timit/mfcc", "timit/fbank"}
    assert {r["task"] for r in show("4", rows).drawn.table} == {
        f"timit/{task}" for task in ("word", "action", "asr_phones")
    }


@pytest.mark.parametrize(("number", "task"), [("9", "mfcc"), ("11", "word")])
def test_planted_layers_stand_in_the_lines_by_relative_depth(show, rows, number, task):
    shown = show(number, rows)
    for axes in shown.figures[-1].axes:
        family = axes.get_title(loc="right").split()[-1]
        if axes.get_title(loc="left") != task:
            continue
        shown.axes[task] = axes
        assert axes.get_xlabel() == "relative depth"
        for model in MAIN:
            assert shown.line(task, model, MAIN) == {
                layer / LAYERS[family][-1]: pytest.approx(
                    score(family, model, task, layer) - 0.015 * (model == "pretrained")
                )
                for layer in (0, *LAYERS[family])
            }
    depths = {(r["family"], r["layer"]): r.get("depth") for r in shown.drawn.table}
    assert (depths["hubert", 6], depths["whisper", 4]) == (0.5, 1)


def test_models_of_one_depth_are_drawn_by_layer(show, rows):
    shown = show("11", [row for row in rows if row["family"] == "hubert"])
    assert list(shown.line("word", "brain-tuned", MAIN)) == [0, 6, 12]
    assert shown.axes["word"].get_xlabel() == "layer"


@pytest.mark.parametrize(
    ("number", "kept", "message"),
    [
        ("4", lambda r: r["task"].endswith("mfcc"), "no row is of scores in tasks"),
        ("9", lambda r: not r["task"].endswith(("mfcc", "fbank")), "scores in MFCC and FBANK"),
        ("10", lambda r: r["model"] in MAIN[::2], "scores in tasks of a control, such as"),
        ("11", lambda r: r["layer"] == "all", "no row is of scores in tasks of a single layer"),
        ("4", lambda r: r["model"] != "brain-tuned", "needs a pretrained and a brain-tuned model"),
    ],
)
def test_what_is_missing_is_named(rows, tmp_path, number, kept, message):
    with pytest.raises(Missing, match=message):
        FIGURES[number].draw([row for row in rows if kept(row)], tmp_path)


def test_relative_depth_needs_the_number_of_layers(rows, tmp_path):
    for one in rows:
        if one["family"] == "whisper":
            one["n_layers"] = None
    with pytest.raises(Missing, match="n_layers of whisper, for relative depth"):
        FIGURES["11"].draw(rows, tmp_path)
