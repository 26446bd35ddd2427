"""The figure of alignment by layer."""

import json

import numpy as np
import pytest

from evaluate_metrics.figures import layer_figure

SHADE = (0xF1, 0xF1, 0xF1)


@pytest.fixture(scope="module")
def layer_pixels(tmp_path_factory, make_report, drawn):
    return drawn(layer_figure, make_report(), tmp_path_factory.mktemp("layers") / "layers.png")


def test_late_half_of_the_layers_is_shaded(layer_pixels):
    shaded = (layer_pixels == SHADE).all(axis=-1).mean(axis=0) > 0.3  # columns of pixels
    n_panels = np.count_nonzero(np.diff(shaded.astype(int)) == 1)
    assert n_panels == 2 and 0.35 < shaded.mean() < 0.5


def test_layers_may_come_from_json_and_in_any_order(layer_pixels, tmp_path, make_report, drawn):
    results = json.loads(json.dumps(make_report()))
    scores = results["alignment"]["brain-tuned"]["late_language"]
    scores["layers"] = dict(reversed(scores["layers"].items()))
    assert (drawn(layer_figure, results, tmp_path / "layers.png") == layer_pixels).all()


def test_intervals_of_layers_are_bands(layer_pixels, tmp_path, make_report, drawn, colours):
    results = make_report()
    for by_region in results["alignment"].values():
        for scores in by_region.values():
            del scores["layer_intervals"]
    plain = drawn(layer_figure, results, tmp_path / "plain.png")
    tint = 0.8 * 255 + 0.2 * np.array(colours["brain-tuned"])
    banded, without = (
        (np.abs(pixels - tint) <= 1).all(axis=-1).mean() for pixels in (layer_pixels, plain)
    )
    assert banded > 0.03 and without < 0.001


def test_empty_region_leaves_its_panel_empty(tmp_path, make_report, bar, drawn, share, colours):
    results = make_report()
    for by_region in results["alignment"].values():
        empty = {"layers": dict.fromkeys(range(1, 5)), "layer_intervals": None}
        by_region["late_language"] = bar(None, n_voxels=0) | empty
    pixels = drawn(layer_figure, results, tmp_path / "layers.png")
    left, right = np.array_split(pixels[pixels.shape[0] // 6 :], 2, axis=1)  # below the legend
    assert share(left, colours["brain-tuned"]) == 0 < share(right, colours["brain-tuned"])
