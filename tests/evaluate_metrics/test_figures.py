"""The figures of a tuning run and of a comparison of models."""

import copy
import json
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from evaluate_metrics.figures import change_figure, layer_figure, report_figure, tuning_figure

COLOURS = {
    "pretrained": (0x56, 0xB4, 0xE9),
    "random": (0x99, 0x99, 0x99),
    "brain-tuned": (0xD5, 0x5E, 0x00),
    "some-other": (0x00, 0x9E, 0x73),
}
SHADE = (0xF1, 0xF1, 0xF1)


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


def report():
    """Results of two models in two regions, with a test and a low-level feature."""
    alignment = {
        model: {
            region: bar(mean)
            | {
                "layers": {layer: mean + 0.01 * layer for layer in range(1, 5)},
                "layer_intervals": {layer: [mean - 0.05, mean + 0.1] for layer in range(1, 5)},
            }
            for region in ("late_language", "primary_auditory")
        }
        for model, mean in (("pretrained", 0.3), ("brain-tuned", 0.5))
    }
    impact = {
        model: {"power_spectrum": {region: bar(mean, 5) for region in alignment["pretrained"]}}
        for model, mean in (("pretrained", 60), ("brain-tuned", 40))
    }
    tests = {
        "brain-tuned": {
            "late_language": {"p": 0.01, "p_holm": 0.02},
            "primary_auditory": {"p": 0.01, "p_holm": 0.02},
        }
    }
    return {"alignment": alignment, "impact": impact, "tests": tests}


def picture(path):
    return (imread(path)[..., :3] * 255).round()


def drawn(figure, results, path):
    figure(results, path)
    return picture(path)


def share(pixels, colour):
    return (pixels == colour).all(axis=-1).mean()


@pytest.fixture(scope="module")
def report_pixels(tmp_path_factory):
    return drawn(report_figure, report(), tmp_path_factory.mktemp("report") / "report.png")


@pytest.fixture(scope="module")
def layer_pixels(tmp_path_factory):
    return drawn(layer_figure, report(), tmp_path_factory.mktemp("layers") / "layers.png")


def area(path, model):
    """Share of the left half of the picture that has the model's colour."""
    pixels = picture(path)
    return share(pixels[:, : pixels.shape[1] // 2], COLOURS[model])


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


def test_model_of_any_name_has_a_colour_of_its_own(tmp_path):
    alignment, curves = results()
    alignment["some-other"] = alignment.pop("pretrained")
    curves["some-other"] = curves.pop("random")
    tuning_figure(alignment, curves, tmp_path / "tuning.png")
    assert area(tmp_path / "tuning.png", "some-other") > 0
    assert area(tmp_path / "tuning.png", "pretrained") == 0


def test_regions_must_be_those_of_all_models(tmp_path):
    alignment, curves = results()
    del alignment["random"]["auditory"]
    with pytest.raises(ValueError, match=r"same regions, .* \['language'\] for 'random'"):
        tuning_figure(alignment, curves, tmp_path / "tuning.png")


def test_report_is_of_slide_width_with_or_without_impact(report_pixels, tmp_path):
    alignment_only = {"alignment": report()["alignment"]}
    for pixels in (report_pixels, drawn(report_figure, alignment_only, tmp_path / "report.png")):
        height, width, _ = pixels.shape
        assert width >= 1920 and 1.3 < width / height < 2.5


def test_impact_bars_grow_with_the_mean_in_the_panel_of_their_region(report_pixels, tmp_path):
    results = report()
    results["impact"]["brain-tuned"]["power_spectrum"]["primary_auditory"] = bar(5, 5)
    lowered = drawn(report_figure, results, tmp_path / "lowered.png")
    before, after = (
        [share(half, COLOURS["brain-tuned"]) for half in np.array_split(lower, 2, axis=1)]
        for lower in (pixels[pixels.shape[0] // 2 :] for pixels in (report_pixels, lowered))
    )
    assert before[0] == after[0] > 0
    assert 0 < after[1] < 0.3 * before[1]


def test_star_stands_where_the_adjusted_p_is_below_5_per_cent(report_pixels, tmp_path):
    results = report()
    results["tests"]["brain-tuned"]["late_language"]["p_holm"] = 0.05
    plain = drawn(report_figure, results, tmp_path / "plain.png")
    rows, columns = np.nonzero((report_pixels != plain).any(axis=-1))
    assert 0 < rows.size < 1000
    assert rows.max() < plain.shape[0] / 2  # in the upper row, the alignment
    assert columns.max() < plain.shape[1] / 2  # and the left region


def test_star_stands_on_the_impact_that_differs(report_pixels, tmp_path):
    results = report()
    test = {"p": 0.01, "p_holm": 0.02}
    results["impact_tests"] = {"brain-tuned": {"power_spectrum": {"primary_auditory": test}}}
    starred = drawn(report_figure, results, tmp_path / "starred.png")
    test["p_holm"] = 0.05
    plain = drawn(report_figure, results, tmp_path / "plain.png")
    rows, columns = np.nonzero((starred != plain).any(axis=-1))
    assert 0 < rows.size < 1000
    assert rows.min() > plain.shape[0] / 2  # in the lower row, the impact
    assert columns.min() > plain.shape[1] / 2  # and the right region


def test_impact_that_is_undefined_is_marked_and_has_no_bar(tmp_path):
    results = report()
    for by_region in results["impact"]["brain-tuned"].values():
        for region in by_region:
            by_region[region] = bar(None)
    pixels = drawn(report_figure, results, tmp_path / "empty.png")
    assert share(pixels[pixels.shape[0] // 2 :], COLOURS["brain-tuned"]) == 0


def test_late_half_of_the_layers_is_shaded(layer_pixels):
    shaded = (layer_pixels == SHADE).all(axis=-1).mean(axis=0) > 0.3  # columns of pixels
    n_panels = np.count_nonzero(np.diff(shaded.astype(int)) == 1)
    assert n_panels == 2 and 0.35 < shaded.mean() < 0.5


def test_layers_may_come_from_json_and_in_any_order(layer_pixels, tmp_path):
    results = json.loads(json.dumps(report()))
    scores = results["alignment"]["brain-tuned"]["late_language"]
    scores["layers"] = dict(reversed(scores["layers"].items()))
    assert (drawn(layer_figure, results, tmp_path / "layers.png") == layer_pixels).all()


def test_intervals_of_layers_are_bands(layer_pixels, tmp_path):
    results = report()
    for by_region in results["alignment"].values():
        for scores in by_region.values():
            del scores["layer_intervals"]
    plain = drawn(layer_figure, results, tmp_path / "plain.png")
    tint = 0.8 * 255 + 0.2 * np.array(COLOURS["brain-tuned"])
    banded, without = (
        (np.abs(pixels - tint) <= 1).all(axis=-1).mean() for pixels in (layer_pixels, plain)
    )
    assert banded > 0.03 and without < 0.001


def test_empty_region_leaves_its_panel_empty(tmp_path):
    results = report()
    for by_region in results["alignment"].values():
        empty = {"layers": dict.fromkeys(range(1, 5)), "layer_intervals": None}
        by_region["late_language"] = bar(None, n_voxels=0) | empty
    pixels = drawn(layer_figure, results, tmp_path / "layers.png")
    left, right = np.array_split(pixels[pixels.shape[0] // 6 :], 2, axis=1)  # below the legend
    assert share(left, COLOURS["brain-tuned"]) == 0 < share(right, COLOURS["brain-tuned"])


def test_change_has_one_colour_for_rise_and_one_for_fall(tmp_path):
    rise = np.linspace(0.01, 0.1, 50)
    risen = drawn(change_figure, {"language": rise}, tmp_path / "rise.png")
    fallen = drawn(change_figure, {"language": -rise}, tmp_path / "fall.png")
    assert share(risen, COLOURS["brain-tuned"]) > 0.05 > share(risen, COLOURS["pretrained"]) == 0
    assert share(fallen, COLOURS["pretrained"]) > 0.05 > share(fallen, COLOURS["brain-tuned"]) == 0


def test_regions_without_voxels_or_without_change_are_drawn(tmp_path):
    change_figure({"language": np.zeros(5), "auditory": []}, tmp_path / "change.png")
    pixels = picture(tmp_path / "change.png")
    left, right = np.array_split(pixels, 2, axis=1)
    assert share(left, COLOURS["brain-tuned"]) > 0 == share(right, COLOURS["brain-tuned"])


def test_change_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'language' are NaN or infinite in 1 of 2 voxels"):
        change_figure({"language": [0.1, np.nan]}, tmp_path / "change.png")
    assert not (tmp_path / "change.png").exists()


def test_models_must_have_the_same_regions_and_features(tmp_path):
    for table, message in (("alignment", "same regions"), ("impact", "same features")):
        results = copy.deepcopy(report())
        results[table]["brain-tuned"].popitem()
        with pytest.raises(ValueError, match=message):
            report_figure(results, tmp_path / "report.png")
