"""The arithmetic of low-level impact, on scores of brain alignment."""

from typing import Any


def impact(original: float | None, residual: float | None) -> float | None:
    """Share of an alignment that is lost with the low-level features, in per cent.

    R = 100 (B_o - B_r) / B_o (Oota et al. 2024; Moussa et al. 2025, figure 3). A representation
    that holds everything, where a share s of the explainable variance is low-level, has
    R = 100 (1 - sqrt(1 - s)).

    Parameters
    ----------
    original : float or None
        B_o, a region's mean alignment; None for a region without voxels.
    residual : float or None
        B_r, that of the representation without the low-level features, over the same voxels.

    Returns
    -------
    float or None
        None without voxels, or where the original alignment is not positive and there is nothing
        to lose.

    Examples
    --------
    >>> impact(0.5, 0.25)
    50.0
    """
    if original is None or residual is None or original <= 0:
        return None
    return 100 * (original - residual) / original


def impact_scores(original: dict[str, Any], residual: dict[str, Any]) -> dict[str, Any]:
    """Compare the alignment of a representation with that of its residual.

    Parameters
    ----------
    original, residual : dict
        As `alignment_scores` of brain alignment gives them, for the same references, noise
        ceiling and regions, which make one voxel set.

    Returns
    -------
    dict
        As the metric's card describes.
    """
    return {
        **_summary(original, residual),
        "n_excluded": original["n_excluded"],
        "regions": {
            name: _summary(region, residual["regions"][name])
            for name, region in original["regions"].items()
        },
    }


def _summary(original, residual):
    score = "pearson" if original["brain_alignment"] is None else "brain_alignment"
    return {
        "low_level_impact": impact(original[score], residual[score]),
        "brain_alignment": original["brain_alignment"],
        "residual_brain_alignment": residual["brain_alignment"],
        "pearson": original["pearson"],
        "residual_pearson": residual["pearson"],
        "n_voxels": original["n_voxels"],
    }
