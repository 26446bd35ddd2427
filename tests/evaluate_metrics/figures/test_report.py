"""The figure of a report: alignment, and the impact of low-level features."""

import copy

import numpy as np
import pytest

from evaluate_metrics.figures import report_figure


@pytest.fixture(scope="module")
def report_pixels(tmp_path_factory, make_report, drawn):
    return drawn(report_figure, make_report(), tmp_path_factory.mktemp("report") / "report.png")


def test_report_is_of_slide_width_with_or_without_impact(
    report_pixels, tmp_path, make_report, drawn
):
    alignment_only = {"alignment": make_report()["alignment"]}
    for pixels in (report_pixels, drawn(report_figure, alignment_only, tmp_path / "report.png")):
        height, width, _ = pixels.shape
        assert width >= 1920 and 1.3 < width / height < 2.5


def test_impact_bars_grow_with_the_mean_in_the_panel_of_their_region(
    report_pixels, tmp_path, make_report, bar, drawn, share, colours
):
    results = make_report()
    results["impact"]["brain-tuned"]["power_spectrum"]["primary_auditory"] = bar(5, 5)
    lowered = drawn(report_figure, results, tmp_path / "lowered.png")
    before, after = (
        [share(half, colours["brain-tuned"]) for half in np.array_split(lower, 2, axis=1)]
        for lower in (pixels[pixels.shape[0] // 2 :] for pixels in (report_pixels, lowered))
    )
    assert before[0] == after[0] > 0
    assert 0 < after[1] < 0.3 * before[1]


def test_star_stands_where_the_adjusted_p_is_below_5_per_cent(
    report_pixels, tmp_path, make_report, drawn
):
    results = make_report()
    results["tests"]["brain-tuned"]["late_language"]["p_holm"] = 0.05
    plain = drawn(report_figure, results, tmp_path / "plain.png")
    rows, columns = np.nonzero((report_pixels != plain).any(axis=-1))
    assert 0 < rows.size < 1000
    assert rows.max() < plain.shape[0] / 2  # in the upper row, the alignment
    assert columns.max() < plain.shape[1] / 2  # and the left region


def test_star_stands_on_the_impact_that_differs(report_pixels, tmp_path, make_report, drawn):
    results = make_report()
    test = {"p": 0.01, "p_holm": 0.02}
    results["impact_tests"] = {"brain-tuned": {"power_spectrum": {"primary_auditory": test}}}
    starred = drawn(report_figure, results, tmp_path / "starred.png")
    test["p_holm"] = 0.05
    plain = drawn(report_figure, results, tmp_path / "plain.png")
    rows, columns = np.nonzero((starred != plain).any(axis=-1))
    assert 0 < rows.size < 1000
    assert rows.min() > plain.shape[0] / 2  # in the lower row, the impact
    assert columns.min() > plain.shape[1] / 2  # and the right region


def test_impact_that_is_undefined_is_marked_and_has_no_bar(
    tmp_path, make_report, bar, drawn, share, colours
):
    results = make_report()
    for by_region in results["impact"]["brain-tuned"].values():
        for region in by_region:
            by_region[region] = bar(None)
    pixels = drawn(report_figure, results, tmp_path / "empty.png")
    assert share(pixels[pixels.shape[0] // 2 :], colours["brain-tuned"]) == 0


def test_models_must_have_the_same_regions_and_features(tmp_path, make_report):
    for table, message in (("alignment", "same regions"), ("impact", "same features")):
        results = copy.deepcopy(make_report())
        results[table]["brain-tuned"].popitem()
        with pytest.raises(ValueError, match=message):
            report_figure(results, tmp_path / "report.png")
