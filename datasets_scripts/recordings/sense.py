"""Whether responses are what they should be: z-scored, alive, and the mean of their repeats."""

import warnings
from itertools import combinations

import numpy as np

from ..story import StoryResponses
from ..zscore import zscore_responses

LARGEST_MEAN = 0.25
SPREADS = 0.5, 2.0  # of a mean over repeats that is not z-scored again, below 1
LEAST_AGREEMENT = 0.99
VOXELS_LOOKED_AT = 2048  # evenly spaced: medians need no more


def check_responses(story: StoryResponses) -> None:
    """Refuse responses that say nothing, and doubt those that are not z-scored.

    Parameters
    ----------
    story : StoryResponses

    Raises
    ------
    ValueError
        Values are infinite, or no voxel varies.

    Warns
    -----
    UserWarning
        Voxels are constant but not NaN, or means and spreads are not those of z-scores.
    """
    whose = f"story {story.name} of {story.participant}"
    _refuse_infinities(whose, "responses", story.responses)
    lowest, highest = story.responses.min(axis=0), story.responses.max(axis=0)  # NaN passes on
    varies = lowest < highest
    n_voxels, n_constant = len(varies), int(np.count_nonzero(lowest == highest))
    if not varies.any():
        n_zero = np.count_nonzero((lowest == 0) & (highest == 0))
        raise ValueError(
            f"{whose}: none of the {n_voxels} voxels has a response that varies: {n_zero} are zero "
            f"throughout, {n_constant - n_zero} constant, {n_voxels - n_constant} NaN at some TR"
        )
    if n_constant:
        warnings.warn(
            f"{whose}: {n_constant} of {n_voxels} voxels are constant; dead voxels should be NaN, "
            "so that they are left out",
            stacklevel=2,
        )
    looked_at = story.responses[:, _some(varies)].astype(np.float64)
    mean = np.median(np.abs(looked_at.mean(axis=0)))
    spread = np.median(looked_at.std(axis=0))
    if mean > LARGEST_MEAN or not SPREADS[0] <= spread <= SPREADS[1]:
        warnings.warn(
            f"{whose}: the responses are not z-scored: half of the voxels have a mean of "
            f"{mean:.3g} or more, away from 0, and the median of their standard deviations over "
            f"TRs is {spread:.3g}, not 1; z-score each story's responses",
            stacklevel=2,
        )


def check_repeats(story: StoryResponses) -> None:
    """Refuse repeats that are one another's copies, and doubt a mean that is not theirs.

    Parameters
    ----------
    story : StoryResponses
        With repeats.

    Raises
    ------
    ValueError
        Values are infinite, or two repeats are identical.

    Warns
    -----
    UserWarning
        The responses are not the mean of the z-scored repeats.
    """
    whose, repeats = f"story {story.name} of {story.participant}", story.repeats
    for repeat in repeats:
        _refuse_infinities(whose, "repeats", repeat)
    for (i, one), (j, other) in combinations(enumerate(repeats), 2):
        same = (np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))
        if all(same):  # which stops at the first TR that differs
            raise ValueError(
                f"{whose}: repeats {i} and {j} are identical, so that noise ceilings would be too "
                "high; leave one of them out"
            )
    varies = story.responses.min(axis=0) < story.responses.max(axis=0)
    for repeat in repeats:
        varies &= repeat.min(axis=0) < repeat.max(axis=0)
    voxels = _some(varies)
    if not len(voxels):
        return
    mean = np.mean([zscore_responses(r[:, voxels].astype(np.float64)) for r in repeats], axis=0)
    data = zscore_responses(story.responses[:, voxels].astype(np.float64))
    agreement = np.median((zscore_responses(mean) * data).mean(axis=0))
    if agreement < LEAST_AGREEMENT:
        warnings.warn(
            f"{whose}: its responses are not the mean of its {len(repeats)} z-scored repeats: the "
            f"two correlate by {agreement:.3f} in the median voxel; noise ceilings are those of "
            "the mean, which is what should be predicted",
            stacklevel=2,
        )


def _refuse_infinities(whose, what, values):
    infinite = np.isinf(values)
    if infinite.any():
        raise ValueError(
            f"{whose}: {np.count_nonzero(infinite)} of the {what} are infinite, or too large for "
            f"{values.dtype}, in {np.count_nonzero(infinite.any(axis=0))} voxels; dead voxels "
            "should be NaN"
        )


def _some(wanted):
    """Indices of voxels that are wanted, evenly spaced where they are many."""
    voxels = np.flatnonzero(wanted)
    return voxels[:: -(-len(voxels) // VOXELS_LOOKED_AT) or 1]
