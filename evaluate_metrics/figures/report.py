"""The picture of a report: alignment and low-level impact by region and model."""

from pathlib import Path

from ..normalisation import NORMALISED
from .bars import draw_alignment, draw_bars, groups_of, stars_of
from .colours import colours_of
from .slide import slide, start_at_zero, words


def report_figure(
    results: dict,
    path: str | Path,
    title: str | None = None,
    caption: str = "Error bars: 95 % bootstrap intervals over blocks of TRs of the held-out story. "
    "*: differs from the baseline, p < .05 (Holm over regions; of impact, and features).",
) -> None:
    """Draw alignment and low-level impact by region and model, as one PNG.

    Parameters
    ----------
    results : dict
        - "alignment": {model: {region: scores}}, where scores hold "mean" over layers, its
          "interval" (low, high) and "n_voxels", and for `layer_figure` "layers", {layer: mean},
          and optionally "layer_intervals", {layer: (low, high)};
        - "normalisation", optional: "normalised", by noise ceilings, by default, "normalised across
          listeners" or "not normalised", as the axis says;
        - "impact", optional: {model: {feature: {region: scores}}} in per cent, where scores hold
          "mean" and "interval" (Moussa et al. 2025, figure 3);
        - "tests", optional: {model: {region: test}} against the baseline, where a test holds
          "p_holm"; a star is drawn where that is below .05;
        - "impact_tests", optional: {model: {feature: {region: test}}}, drawn likewise.

        Models may have any name; "pretrained", "permuted" and "brain-tuned" come first and always
        have the same colours. A mean of None is marked empty.
    path : str or path
        The PNG to write.
    title : str, optional
    caption : str
        What the error bars and stars are.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If the models do not have the same regions or features.
    """
    alignment, impact = results["alignment"], results.get("impact", {})
    impact_tests = results.get("impact_tests", {})
    colours = colours_of([*alignment, *impact])
    regions = list(next(iter(alignment.values())))
    columns = list(range(len(regions))) if impact else []
    rows = [["alignment"] * max(len(columns), 1)] + [columns] * bool(impact)
    size = (max(14, 4.5 * len(columns)), 9 if impact else 6)
    with slide(path, title, caption, size) as figure:
        axes = figure.subplot_mosaic(rows)
        normalisation = results.get("normalisation", NORMALISED)
        draw_alignment(
            axes["alignment"], alignment, colours, results.get("tests", {}), normalisation
        )
        for column in columns:
            if column > 0:
                axes[column].sharey(axes[0])
                axes[column].tick_params(labelleft=False)
            tests = {
                model: {
                    feature: by_region[regions[column]]
                    for feature, by_region in by_feature.items()
                    if regions[column] in by_region
                }
                for model, by_feature in impact_tests.items()
            }
            _draw_impact(axes[column], impact, regions[column], colours, tests)
        if columns:
            start_at_zero(axes[0])
            axes[0].set_ylabel("low-level impact\n(% of the alignment)")


def _draw_impact(axes, impact, region, colours, tests):
    features = groups_of(impact, "features")
    table = {
        model: {feature: by_feature[feature][region] for feature in features}
        for model, by_feature in impact.items()
    }
    draw_bars(axes, table, features, colours, "{:.0f}", stars_of(tests))
    axes.set_xticks(range(len(features)), [words(feature, "\n") for feature in features], size=10)
    axes.set_title(words(region), pad=12)
