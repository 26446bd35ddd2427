"""Panels of bars and of lines: what is drawn shows, and nothing is cut off."""

import numpy as np
import pytest
from matplotlib.image import imread

from evaluate_metrics.figures import bar_figure, line_figure

COLOURS = {
    "pretrained": (0x56, 0xB4, 0xE9),
    "brain-tuned": (0xD5, 0x5E, 0x00),
    "some-other": (0x00, 0x9E, 0x73),
}


def bars(mean, **more):
    """A panel of three models in two groups."""
    groups = ("language", "auditory")
    scores = {m: {g: {"mean": 0.3, "interval": (0.2, 0.4)} for g in groups} for m in COLOURS}
    scores["brain-tuned"] = {group: {"mean": mean, "interval": None, **more} for group in groups}
    return {"title": "", "label": "alignment", "number": "{:.2f}", "scores": scores}


def lines(means):
    points = [(layer, mean, (mean - 0.05, mean + 0.05)) for layer, mean in enumerate(means)]
    return {
        "title": "word",
        "aside": "lexical",
        "label": "macro F1",
        "x_label": "layer",
        "share": "word",
        "lines": {"brain-tuned": points, "pretrained": [(x, 0.2, None) for x, *_ in points]},
    }


def drawn(figure, panels, path, **more):
    figure(panels, path, **more)
    return (imread(path)[..., :3] * 255).round()


def area(pixels, model):
    """Pixels of the model's colour, but for the legend's at the top."""
    return (pixels[160:] == COLOURS[model]).all(axis=-1).sum()


def test_bars_of_every_model_grow_with_the_mean(tmp_path):
    low, high = (drawn(bar_figure, [bars(mean)], tmp_path / "a.png") for mean in (0.1, 0.4))
    assert all(area(low, model) > 0 for model in COLOURS)
    assert area(high, "brain-tuned") > 2 * area(low, "brain-tuned")


def test_a_missing_bar_leaves_its_place_and_an_empty_one_is_marked(tmp_path):
    missing, empty = bars(0.4), bars(0.4)
    del missing["scores"]["brain-tuned"]["auditory"]
    empty["scores"]["brain-tuned"]["auditory"] = {"mean": None, "interval": None}
    both, one, marked = (
        drawn(bar_figure, [panel], tmp_path / "a.png") for panel in (bars(0.4), missing, empty)
    )
    for model, share in (("brain-tuned", 1 / 2), ("pretrained", 1)):
        assert area(one, model) == pytest.approx(share * area(both, model), rel=0.1)
    assert (one != marked).any() and area(marked, "brain-tuned") < area(both, "brain-tuned")


@pytest.mark.parametrize("change", [{"stars": "**"}, {}])
def test_stars_and_reference_lines_are_drawn(change, tmp_path):
    plain = drawn(bar_figure, [bars(0.4)], tmp_path / "a.png")
    panel = bars(0.4, **change) if change else bars(0.4) | {"reference": {"auditory": 0.1}}
    assert (drawn(bar_figure, [panel], tmp_path / "b.png") != plain).any()


def test_panels_wrap_into_rows_and_long_captions_into_lines(tmp_path):
    heights = [drawn(bar_figure, [bars(0.4)] * n, tmp_path / "a.png").shape[0] for n in (1, 6, 7)]
    assert heights[0] == heights[1] < heights[2]
    pixels = drawn(
        bar_figure, [bars(0.4)], tmp_path / "b.png", caption="differs from the baseline " * 20
    )
    assert (pixels[:, -8:] == 255).all()


def test_a_legend_of_many_names_takes_rows_above_the_title(tmp_path):
    panel = bars(0.4)
    panel["scores"] |= {f"{c}-model-tuned-on-much": panel["scores"]["some-other"] for c in "abc"}
    pixels = drawn(bar_figure, [panel], tmp_path / "a.png", title="Many models")
    assert (pixels[:, :8] == 255).all() and (pixels[:, -8:] == 255).all()
    in_columns = [(pixels[:160] == COLOURS[m]).all(axis=-1).any(axis=1) for m in COLOURS]
    assert len({tuple(np.flatnonzero(rows)) for rows in in_columns}) == 2  # rows of swatches


def test_lines_and_bands_follow_the_values(tmp_path):
    rising, level = (
        drawn(line_figure, [lines(means)], tmp_path / "a.png") for means in ((0.2, 0.6), (0.6, 0.6))
    )
    middles = []
    for pixels in (rising, level):
        rows, columns = np.nonzero((pixels[160:] == COLOURS["brain-tuned"]).all(axis=-1))
        left, right = rows[columns < np.median(columns)], rows[columns > np.median(columns)]
        middles.append(left.mean() - right.mean())
    assert middles[0] > 50 > abs(middles[1])
    without = lines((0.6, 0.6))
    without["lines"]["brain-tuned"] = [(x, mean, None) for x, mean in ((0, 0.6), (1, 0.6))]
    assert (drawn(line_figure, [without], tmp_path / "b.png") != level).any()


def test_ticks_on_a_logarithmic_axis_are_those_that_are_given(tmp_path):
    panel = lines((0.2, 0.6))
    panel["lines"] = {"brain-tuned": [(100, 0.2, None), (800, 0.6, None)]}
    panel |= {"log": True, "ticks": {100: "one hundred", 800: "eight hundred"}}
    given = drawn(line_figure, [panel], tmp_path / "a.png")
    panel["ticks"] = {100: "", 800: ""}
    assert (drawn(line_figure, [panel], tmp_path / "b.png") != given).any()


def test_more_panels_than_columns_make_rows_and_no_empty_panel(tmp_path):
    three = drawn(line_figure, [lines((0.2, 0.6))] * 3, tmp_path / "a.png", columns=2)
    height, width, _ = three.shape
    assert (three[int(0.6 * height) : int(0.9 * height), int(0.55 * width) :] == 255).all()
