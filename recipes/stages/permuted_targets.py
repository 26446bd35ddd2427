"""Targets of permuted controls: which moments' they are, and what is left in them of the signal."""

from typing import Any

import numpy as np

from datasets_scripts import (
    JointWindows,
    Story,
    TrainingWindows,
    blocks_correlation,
    permute_blocks,
    permute_stories,
)
from evaluate_metrics.statistics import bootstrap_interval
from recipes.stages.controls import TARGETS


def permuted_order(
    arguments: Any, stories: list[Story], target: str, split: str, seed: int
) -> np.ndarray:
    """Order of the TRs of stories in which targets do not belong to what is heard.

    Parameters
    ----------
    arguments : TuningOptions
    stories : list of Story
    target : str
        A key of `TARGETS` that is permuted.
    split : str
        "tuning" or "validation".
    seed : int

    Returns
    -------
    int64 array of shape (n_all_trs,)
        As `TrainingWindows` takes it.

    Raises
    ------
    ValueError
        There are no other stories to tune on, or a block is not shorter than a story.
    """
    n_trs = [len(story.tr_times) for story in stories]
    # The loss of a lone validation story decides nothing: a permuted model makes no selection.
    lone = len(stories) == 1 and split == "validation"
    if not (arguments.permute_within or lone):
        if len(stories) == 1:
            raise ValueError(
                f"targets: {target} needs responses to other stories, and {stories[0].name} alone "
                "is tuned on: name more stories, or give --permute_within true for its own in "
                "blocks"
            )
        return permute_stories(n_trs, seed)
    block = min(n_trs[0] // 2, _block(arguments, target)) if lone else _block(arguments, target)
    orders = []
    for i, story in enumerate(stories):
        try:
            orders.append(sum(n_trs[:i]) + permute_blocks(n_trs[i], block, [seed, i]))
        except ValueError as error:
            raise ValueError(f"permutation_block, story {story.name}: {error}") from error
    return np.concatenate(orders)


def _block(arguments, target):
    # Without noise, blocks of a short story give themselves away by what they are not.
    return 1 if TARGETS[target].teacher else arguments.permutation_block


def signal_left(
    arguments: Any,
    stories: list[Story],
    target: str,
    true: TrainingWindows | JointWindows,
    control: TrainingWindows | JointWindows,
) -> str:
    """Say how the targets of a control correlate with the true ones.

    Parameters
    ----------
    arguments : TuningOptions
    stories : list of Story
        That are tuned on.
    target : str
        The control's key of `TARGETS`.
    true, control : windows of the same sounds

    Returns
    -------
    str
        A warning where 0 is outside the interval.
    """
    mean, (low, high) = control_correlation(true, control)
    said = (
        f"{TARGETS[target].model}: its targets correlate with the true ones by r = {mean:+.3f} "
        f"[{low:+.3f}, {high:+.3f}], mean over voxels"
    )
    if arguments.permute_within:
        n_trs, block = [len(story.tr_times) for story in stories], _block(arguments, target)
        expected = np.average([blocks_correlation(n, block) for n in n_trs], weights=n_trs)
        said += f"; of what varies little within a block {expected:+.3f} is expected"
    if low <= 0 <= high:
        return said
    return f"Warning: {said}. 0 is outside: this control is not without the signal"


def control_correlation(
    true: TrainingWindows | JointWindows, control: TrainingWindows | JointWindows
) -> tuple[float, tuple[float, float]]:
    """Correlate a control's targets with the true ones.

    Parameters
    ----------
    true, control : windows of the same sounds

    Returns
    -------
    mean : float
        Over the voxels that vary.
    interval : (low, high)
        95 %, from resampled blocks of TRs.
    """
    (mean, spread), (other_mean, other_spread) = _moments(true), _moments(control)
    shared = np.array(
        [
            np.nanmean(
                (true.labels(i) - mean) / spread * (control.labels(i) - other_mean) / other_spread
            )
            for i in range(len(true))
        ]
    )
    interval = bootstrap_interval(
        lambda rows: float(shared[rows].mean()), len(shared), block=min(20, len(shared))
    )
    return float(shared.mean()), interval


def _moments(pairs):
    """Mean and standard deviation of each target, NaN where it does not vary."""
    total = squares = n = 0.0
    for i in range(len(pairs)):  # a TR at a time: all together could fill the memory
        labels = pairs.labels(i).astype(np.float64)
        known = np.isfinite(labels)  # of several participants one has heard it
        labels[~known] = 0
        total, squares, n = total + labels, squares + labels**2, n + known
    mean = total / n
    spread = np.sqrt(np.maximum(squares / n - mean**2, 0))
    return mean, np.where(spread > 1e-6, spread, np.nan)
