"""The figure of a tuning run."""

import sys

import pytest
from matplotlib.image import imread

from evaluate_metrics import tuning_figure

COLOURS = {"random": (0x99, 0x99, 0x99), "brain-tuned": (0xD5, 0x5E, 0x00)}


def bar(mean, half_width=0.05, n_voxels=80):
    return {
        "mean": mean,
        "interval": None if mean is None else [mean - half_width, mean + half_width],
        "n_voxels": n_voxels,
    }


def results():
    alignment = {
        "brain-tuned": {"language": bar(0.5), "auditory": bar(0.6)},
        "pretrained": {"language": bar(0.3), "auditory": bar(0.6)},
        "random": {"language": bar(0.3), "auditory": bar(0.6)},
    }
    curve = {"train": [(0, 1.0), (10, 0.8)], "validation": [(0, 1.0), (10, 0.9)]}
    return alignment, {"brain-tuned": {**curve, "chosen_step": 10}, "random": curve}


def area(path, model):
    """Share of the left half of the picture that has the model's colour."""
    picture = (imread(path)[..., :3] * 255).round()
    left = picture[:, : picture.shape[1] // 2]
    return (left == COLOURS[model]).all(axis=-1).mean()


def test_figure_is_a_png_of_slide_width(tmp_path):
    tuning_figure(*results(), tmp_path / "tuning.png", title="Brain-tuning")
    height, width, _ = imread(tmp_path / "tuning.png").shape
    assert width >= 1920 and 1.5 < width / height < 2.5


def test_bars_grow_with_the_mean(tmp_path):
    alignment, curves = results()
    tuning_figure(alignment, curves, tmp_path / "before.png")
    before = area(tmp_path / "before.png", "brain-tuned")
    alignment["brain-tuned"]["language"] = bar(0.1)
    tuning_figure(alignment, curves, tmp_path / "after.png")
    assert 0 < area(tmp_path / "after.png", "brain-tuned") < 0.8 * before


def test_empty_region_has_no_bar(tmp_path):
    alignment, curves = results()
    alignment["random"] = {region: bar(None, n_voxels=0) for region in ("language", "auditory")}
    tuning_figure(alignment, curves, tmp_path / "empty.png")
    tuning_figure(*results(), tmp_path / "full.png")
    swatch, bars = (area(tmp_path / name, "random") for name in ("empty.png", "full.png"))
    assert swatch < 0.1 * bars


def test_drawing_leaves_matplotlib_as_it_was(tmp_path):
    import matplotlib
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    tuning_figure(*results(), tmp_path / "tuning.png")
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


def test_interval_may_lie_beside_the_mean(tmp_path):
    alignment, curves = results()
    alignment["random"]["language"]["interval"] = [0.31, 0.4]
    tuning_figure(alignment, curves, tmp_path / "tuning.png")
    assert (tmp_path / "tuning.png").stat().st_size > 0


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # Python's own mark of a missing module
    with pytest.raises(ImportError, match=r'pip install "braintune\[figures\]"'):
        tuning_figure(*results(), tmp_path / "tuning.png")


def test_unknown_model_is_refused_with_a_suggestion(tmp_path):
    alignment, curves = results()
    alignment["brain_tuned"] = alignment.pop("brain-tuned")
    with pytest.raises(ValueError, match="unknown model 'brain_tuned'. Did you mean 'brain-tuned'"):
        tuning_figure(alignment, curves, tmp_path / "tuning.png")


def test_regions_must_be_those_of_all_models(tmp_path):
    alignment, curves = results()
    del alignment["random"]["auditory"]
    with pytest.raises(ValueError, match=r"same regions, .* \['language'\] for 'random'"):
        tuning_figure(alignment, curves, tmp_path / "tuning.png")
