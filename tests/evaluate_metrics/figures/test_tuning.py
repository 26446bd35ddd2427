"""The figure of a tuning run."""

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from evaluate_metrics.figures import loss_figure, tuning_figure
from evaluate_metrics.figures.tuning import _draw_curves


def test_figure_is_a_png_of_slide_width(tmp_path, make_tuned):
    tuning_figure(*make_tuned(), tmp_path / "tuning.png", title="Brain-tuning")
    height, width, _ = imread(tmp_path / "tuning.png").shape
    assert width >= 1920 and 1.5 < width / height < 2.5


def test_bars_grow_with_the_mean(tmp_path, make_tuned, bar, area):
    alignment, curves = make_tuned()
    tuning_figure(alignment, curves, tmp_path / "before.png")
    before = area(tmp_path / "before.png", "brain-tuned")
    alignment["brain-tuned"]["language"] = bar(0.1)
    tuning_figure(alignment, curves, tmp_path / "after.png")
    assert 0 < area(tmp_path / "after.png", "brain-tuned") < 0.8 * before


def test_empty_region_has_no_bar(tmp_path, make_tuned, bar, area):
    alignment, curves = make_tuned()
    alignment["permuted"] = {region: bar(None, n_voxels=0) for region in ("language", "auditory")}
    tuning_figure(alignment, curves, tmp_path / "empty.png")
    tuning_figure(*make_tuned(), tmp_path / "full.png")
    swatch, bars = (area(tmp_path / name, "permuted") for name in ("empty.png", "full.png"))
    assert swatch < 0.1 * bars


def test_interval_may_lie_beside_the_mean(tmp_path, make_tuned):
    alignment, curves = make_tuned()
    alignment["permuted"]["language"]["interval"] = [0.31, 0.4]
    tuning_figure(alignment, curves, tmp_path / "tuning.png")
    assert (tmp_path / "tuning.png").stat().st_size > 0


@pytest.mark.parametrize(("losses", "marker"), [([(10, 0.8)], "o"), ([(5, 1), (10, 0.8)], "None")])
def test_a_single_training_loss_is_a_point(losses, marker):
    bars, axes = Figure().subplots(1, 2)
    curve = {"train": losses, "validation": [(10, 0.9)]}
    _draw_curves(axes, {"brain-tuned": curve}, {"brain-tuned": "red"}, [bars])
    assert axes.lines[0].get_marker() == marker


def test_regions_must_be_those_of_all_models(tmp_path, make_tuned):
    alignment, curves = make_tuned()
    del alignment["permuted"]["auditory"]
    with pytest.raises(ValueError, match=r"same regions, .* \['language'\] for 'permuted'"):
        tuning_figure(alignment, curves, tmp_path / "tuning.png")


def test_losses_alone_are_lines_in_the_colour_of_the_model(tmp_path, make_tuned, area):
    _, curves = make_tuned()
    loss_figure({"brain-tuned": curves["brain-tuned"]}, tmp_path / "losses.png", title="Tuning")
    drawn, not_drawn = (area(tmp_path / "losses.png", m) for m in ("brain-tuned", "permuted"))
    assert drawn > 50 * not_drawn
