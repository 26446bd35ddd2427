"""Targets of permuted controls: which moments' they are, and what is left in them of the signal."""

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


def permuted_order(stories: list[Story], block: int | None = None, seed: int = 0) -> np.ndarray:
    """Order of the TRs of stories in which targets do not belong to what is heard.

    Parameters
    ----------
    stories : list of Story
    block : int, optional
        TRs of a story that change places with others of it; other stories' TRs by default.
    seed : int

    Returns
    -------
    int64 array of shape (n_all_trs,)
        As `TrainingWindows` takes it.

    Raises
    ------
    ValueError
        There are no other stories, or a block is not shorter than a story.
    """
    n_trs = [len(story.tr_times) for story in stories]
    if block is None and len(stories) == 1:
        raise ValueError(
            f"responses to other stories are needed, and {stories[0].name} alone is tuned on: name "
            "more stories, or give --permute_within true for its own in blocks"
        )
    if block is None:
        return permute_stories(n_trs, seed)
    orders = []
    for i, story in enumerate(stories):
        try:
            orders.append(sum(n_trs[:i]) + permute_blocks(n_trs[i], block, [seed, i]))
        except ValueError as error:
            raise ValueError(f"permutation_block, story {story.name}: {error}") from error
    return np.concatenate(orders)


def signal_left(
    stories: list[Story],
    true: TrainingWindows | JointWindows,
    control: TrainingWindows | JointWindows,
    block: int | None = None,
) -> str:
    """Say how the targets of a control correlate with the true ones.

    Parameters
    ----------
    stories : list of Story
        That are tuned on.
    true, control : windows of the same sounds
    block : int, optional
        As `permuted_order`.

    Returns
    -------
    str
        A warning where 0 is outside the interval.
    """
    mean, (low, high) = control_correlation(true, control)
    said = (
        f"its targets correlate with the true ones by r = {mean:+.3f} [{low:+.3f}, {high:+.3f}], "
        "mean over voxels"
    )
    if block is not None:
        n_trs = [len(story.tr_times) for story in stories]
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
