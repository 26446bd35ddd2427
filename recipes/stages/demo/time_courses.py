"""What a model predicts of whole regions, and how far to trust it."""

from dataclasses import dataclass

import numpy as np

from evaluate_metrics.figures.surface_maps import by_size
from modeling_braintune.brain import Brain
from recipes.stages.demo.predicted import Predicted

WEAK = 0.1  # normalised alignment below which a region counts as not predicted
ALL = "all"  # in place of regions where there are none


@dataclass(frozen=True, kw_only=True)
class TimeCourse:
    """A region's mean predicted response.

    Attributes
    ----------
    region : str
    n_voxels : int
    values : float32 array of shape (n_trs,)
    is_trusted : bool or None
        Whether the model predicts the region in the held-out story; None if that is not known.
    said : str
        The same in a sentence, with numbers.
    """

    region: str
    n_voxels: int
    values: np.ndarray
    is_trusted: bool | None
    said: str


def time_courses(predicted: Predicted) -> list[TimeCourse]:
    """Average the predicted responses over the voxels of each region, the largest region first.

    Parameters
    ----------
    predicted : Predicted

    Returns
    -------
    list of TimeCourse
        Of all predicted voxels together, where the brain has no region with voxels.
    """
    brain = predicted.brain
    regions = {name: brain.regions[name] for name in by_size(brain.regions)}
    regions = {name: columns for name, columns in regions.items() if len(columns)}
    found = []
    for name, columns in (regions or {ALL: np.arange(len(brain.voxels))}).items():
        is_trusted, said = trust(brain, name)
        found.append(
            TimeCourse(
                region=name,
                n_voxels=len(columns),
                values=predicted.responses[:, columns].mean(axis=1),
                is_trusted=is_trusted,
                said=said,
            )
        )
    return found


def trust(brain: Brain, region: str) -> tuple[bool | None, str]:
    """Say how much of a region the model predicts in the story that it was not tuned on.

    Parameters
    ----------
    brain : Brain
    region : str

    Returns
    -------
    is_trusted : bool or None
        Whether what was measured is at least `WEAK`, and its interval above 0; None if the
        checkpoint says nothing of the region.
    said : str
    """
    measured = brain.alignment.get(region)
    if measured is None:
        return None, "how well the model predicts this region is not known: it was not measured"
    value, low, high = (measured[key] for key in ("value", "low", "high"))
    of = "of what the noise ceiling allows"
    if brain.measured_on["normalisation"] == "not normalised":
        of = "correlation with what was measured, no noise ceiling being known"
    share = (
        f"{value:.2f} {of} in story '{brain.measured_on['story']}', which it was not tuned on "
        f"[{low:.2f}, {high:.2f}]"
    )
    if low <= 0 or value < WEAK:
        return False, f"drawn pale, since the model predicts nothing reliable here: {share}"
    return True, share
