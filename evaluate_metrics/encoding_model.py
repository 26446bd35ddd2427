"""The voxelwise encoding model: from a model's representations of a story to its fMRI."""

from collections.abc import Sequence
from numbers import Integral
from typing import Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .brain_alignment.arrays import numeric
from .columns import check_columns, column_names, set_column_names
from .ridge import ridge_cv, ridge_validated
from .zscore import zscore

PENALTIES = tuple(np.logspace(2, 8, 15).tolist())  # an array has no plain comparison to print by


class EncodingModel(BaseEstimator):
    """Ridge regression from delayed features to voxels, with a penalty for each voxel.

    A finite impulse response model: each story's features are z-scored over its TRs (a constant
    column gives 0) and repeated at several delays, so that the regression learns the
    haemodynamic response (Moussa et al. 2025, section 3.2; Antonello et al. 2023). There is no
    intercept and responses are not rescaled: give them z-scored per story.

    Parameters
    ----------
    penalties : array of shape (n_penalties,)
        Candidate lambdas of ``||X b - y||^2 + lambda ||b||^2``, by default 15 from 1e2 to 1e8.
        The penalty of a voxel has the highest mean over folds of held-out R^2,
        ``1 - SS_res / SS_tot`` with SS_tot about the held-out mean; a fold in which the voxel
        does not vary is left out of the mean.
    delays : sequence of int
        Delays in TRs, 0 or more; never across the start of a story.
    folds : int
        Cross-validation folds. With at least as many stories as folds, a fold is a set of whole
        stories: the longest story first, each goes to the fold that has the fewest TRs so far.
        With fewer stories, folds are contiguous chunks of equal length of all stories laid end
        to end, delays having been applied before.
    device : str, torch.device or None
        None takes "cuda" where there is a GPU, otherwise "cpu".
    voxel_batch : int or None
        Voxels solved at a time, which bounds memory; None takes as many as a working memory of
        256 MiB holds, beside the decomposition.

    Attributes
    ----------
    coef_ : array of shape (n_features * n_delays, n_voxels)
        Rows ordered as the columns of `delay`. float32 if features and responses are.
    penalty_ : array of shape (n_voxels,)
    at_edges_ : (int, int)
        Voxels that chose the smallest and the largest of several penalties: many of them say that
        the grid is too narrow.
    cv_score_ : array of shape (n_voxels,)
        Held-out R^2 of the chosen penalty, averaged over folds, or over the stories that it was
        chosen on.
    n_features_in_ : int
        Features before delaying.
    feature_names_in_ : array of shape (n_features,)
        Their names, where stories are data frames; `predict` then takes no other columns.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> features = [rng.standard_normal((200, 3)) for story in range(5)]
    >>> responses = [np.roll(story, 2, axis=0) for story in features]  # a lag of two TRs
    >>> model = EncodingModel(penalties=[1.0, 10.0], delays=[1, 2]).fit(features, responses)
    >>> model.predict(features)[0].shape
    (200, 3)
    >>> bool(model.cv_score_.min() > 0.9)
    True
    """

    def __init__(
        self,
        penalties: Sequence[float] | np.ndarray = PENALTIES,
        delays: Sequence[int] = (1, 2, 3, 4),
        folds: int = 5,
        device: str | torch.device | None = None,
        voxel_batch: int | None = None,
    ):
        self.penalties = penalties
        self.delays = delays
        self.folds = folds
        self.device = device
        self.voxel_batch = voxel_batch

    def fit(
        self,
        features: list[np.ndarray],
        responses: list[np.ndarray],
        validation: tuple[list[np.ndarray], list[np.ndarray]] | None = None,
    ) -> Self:
        """Choose the penalties and fit the coefficients.

        Parameters
        ----------
        features : list of arrays of shape (n_trs, n_features)
            One array per story.
        responses : list of arrays of shape (n_trs, n_voxels)
            The same stories in the same order, z-scored per story.
        validation : (features, responses), optional
            Of other stories, which penalties are chosen on, in place of folds: those that a
            backbone was tuned on pick penalties that are too small.

        Returns
        -------
        EncodingModel
            Itself, fitted.

        Raises
        ------
        TypeError
            If a list of stories, or an array of numbers, is something else.
        ValueError
            If stories do not match in number, length, width or names of columns, hold NaN or
            infinite values, fewer than 2 TRs or no feature, if a voxel never varies, or if a
            parameter is out of its range.
        """
        penalties = checked_penalties(self.penalties)
        if self.voxel_batch is not None:
            _check_count(self.voxel_batch, "voxel_batch", at_least=1)
        _check_delays(self.delays)
        given, features = features, checked_stories(features, "features", at_least=1)
        responses = checked_stories(responses, "responses")
        _check_pairs(features, responses)
        if validation is None:
            folds = story_folds([len(story) for story in features], self.folds)
        else:
            held = [checked_stories(stories, "validation", at_least=1) for stories in validation]
            _check_pairs(*held)

        # result_type promotes float16 and integers, which the solver does not take
        dtype = np.result_type(features[0], responses[0], np.float32)
        Y = np.concatenate(responses).astype(dtype, copy=False)
        X = np.concatenate([delay(zscore(story), self.delays) for story in features])
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        if validation is None:
            _check_variation([Y[fold] for fold in folds], "fold")
            fitted = ridge_cv(X, Y, penalties, folds, device, self.voxel_batch)
        else:
            _check_variation(held[1], "validation story")
            pairs = [
                (delay(zscore(story), self.delays), response)
                for story, response in zip(*held, strict=True)
            ]
            fitted = ridge_validated(X, Y, penalties, pairs, device, self.voxel_batch)
        self.coef_, self.penalty_, self.cv_score_ = fitted
        several = penalties.max() > penalties.min()
        self.at_edges_ = tuple(
            int(several and np.count_nonzero(self.penalty_ == edge))
            for edge in (penalties.min(), penalties.max())
        )
        self.n_features_in_ = features[0].shape[1]
        set_column_names(self, given[0])
        return self

    def predict(self, features: list[np.ndarray]) -> list[np.ndarray]:
        """Predict the responses to stories.

        Parameters
        ----------
        features : list of arrays of shape (n_trs, n_features)

        Returns
        -------
        list of arrays of shape (n_trs, n_voxels), of the coefficients' dtype

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If stories do not have the fitted width or columns, hold NaN or infinite values or
            fewer than 2 TRs.
        """
        check_is_fitted(self)
        given, features = features, checked_stories(features, "features")
        if features[0].shape[1] != self.n_features_in_:
            raise ValueError(
                f"features have {features[0].shape[1]} columns, but the model was fitted with "
                f"{self.n_features_in_}: give representations of the same layer and model"
            )
        check_columns(given[0], "features[0]", getattr(self, "feature_names_in_", None))
        return [
            delay(zscore(story), self.delays).astype(self.coef_.dtype, copy=False) @ self.coef_
            for story in features
        ]


def delay(features: np.ndarray, delays: Sequence[int]) -> np.ndarray:
    """Repeat features at several delays.

    Parameters
    ----------
    features : array of shape (n_trs, n_features)
        The features of one story.
    delays : sequence of int
        Delays in TRs, 0 or more.

    Returns
    -------
    array of shape (n_trs, n_features * n_delays)
        One block of columns per delay, in the given order: row t of the block of delay d is row
        t - d of the features, and zeros before the story's start.

    Raises
    ------
    TypeError, ValueError
        If a delay is negative or not an integer, there is none, or features are not 2-D numbers.

    Examples
    --------
    >>> delay(np.array([[1], [2], [3]]), delays=[0, 2])
    array([[1, 0],
           [2, 0],
           [3, 1]])
    """
    features = numeric(features, "features")
    if features.ndim != 2:
        raise ValueError(f"features must be (n_trs, n_features), got shape {features.shape}")
    _check_delays(delays)
    n_trs, n_features = features.shape
    delayed = np.zeros((n_trs, len(delays), n_features), dtype=features.dtype)
    for block, lag in enumerate(delays):
        delayed[lag:, block] = features[: max(n_trs - lag, 0)]
    return delayed.reshape(n_trs, len(delays) * n_features)


def story_folds(lengths: list[int], n_folds: int) -> list[np.ndarray]:
    """Divide the TRs of stories laid end to end into folds, by whole stories where possible.

    Parameters
    ----------
    lengths : list of int
        TRs of each story.
    n_folds : int

    Returns
    -------
    list of integer arrays
        The held-out rows of each fold, in increasing order; each row is in exactly one fold.
        `EncodingModel` documents how they are made.

    Raises
    ------
    ValueError
        If `n_folds` is below 2, or chunks would have fewer than 2 TRs.
    """
    _check_count(n_folds, "folds", at_least=2)
    if len(lengths) < n_folds:
        if sum(lengths) < 2 * n_folds:
            raise ValueError(
                f"{n_folds} folds need at least {2 * n_folds} TRs, got {sum(lengths)}: "
                "give longer stories or fewer folds"
            )
        return np.array_split(np.arange(sum(lengths)), n_folds)

    story_of_row = np.repeat(np.arange(len(lengths)), lengths)
    fold_of_story = np.empty(len(lengths), dtype=int)
    sizes = np.zeros(n_folds, dtype=int)
    for story in np.argsort(-np.asarray(lengths), kind="stable"):
        fold_of_story[story] = sizes.argmin()
        sizes[sizes.argmin()] += lengths[story]
    return [np.flatnonzero(fold_of_story[story_of_row] == fold) for fold in range(n_folds)]


def checked_penalties(penalties: Sequence[float] | np.ndarray) -> np.ndarray:
    """Penalties as an array; refused unless they are finite numbers above 0."""
    found = numeric(penalties, "penalties").astype(float)
    if found.ndim != 1 or not found.size or not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(f"penalties must be a list of finite numbers above 0, got {found}")
    return found


def _check_delays(delays: Sequence[int]) -> None:
    if not np.iterable(delays):
        raise ValueError(f"delays must be a list of integers, got {delays!r}: write [{delays!r}]")
    if len(delays) == 0 or not all(isinstance(lag, Integral) and lag >= 0 for lag in delays):
        raise ValueError(f"delays must be integers of 0 or more, at least one, got {delays!r}")


def _check_count(value, name, at_least):
    if not isinstance(value, Integral) or value < at_least:
        raise ValueError(f"{name} must be an integer of at least {at_least}, got {value!r}")


def checked_stories(stories: list[np.ndarray], name: str, at_least: int = 0) -> list[np.ndarray]:
    """Stories as arrays; refused unless they are 2-D, finite, and of the same columns."""
    if not isinstance(stories, (list, tuple)) or not stories:
        raise TypeError(
            f"{name} must be a non-empty list with one array per story, got "
            f"{type(stories).__name__} {getattr(stories, 'shape', stories)}: "
            f"for a single story write [{name}]"
        )
    first = column_names(stories[0])
    arrays = [numeric(story, f"{name}[{index}]") for index, story in enumerate(stories)]
    for index, story in enumerate(arrays):
        if story.ndim != 2 or len(story) < 2:
            raise ValueError(
                f"{name}[{index}] must be 2-D with 2 or more TRs as rows, got shape {story.shape}"
            )
        if story.shape[1] < at_least:
            raise ValueError(
                f"{name}[{index}] has 0 columns, got shape {story.shape}: at least "
                f"{at_least} is needed"
            )
        if story.shape[1] != arrays[0].shape[1]:
            raise ValueError(
                f"{name}[{index}] has {story.shape[1]} columns, but {name}[0] has "
                f"{arrays[0].shape[1]}: all stories need the same columns"
            )
        check_columns(stories[index], f"{name}[{index}]", first)
        bad = ~np.isfinite(story)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ValueError(
                f"{name}[{index}] holds {bad.sum()} NaN or infinite values, the first at TR {row}, "
                f"column {column}: leave such columns out before fitting"
            )
    return arrays


def _check_pairs(features, responses):
    if len(features) != len(responses):
        raise ValueError(
            f"features and responses must list the same stories, got {len(features)} and "
            f"{len(responses)}"
        )
    for index, (story, response) in enumerate(zip(features, responses, strict=True)):
        if len(story) != len(response):
            raise ValueError(
                f"features[{index}] has {len(story)} TRs, but responses[{index}] has "
                f"{len(response)}: trim both alike"
            )


def _check_variation(parts, name):
    varies = np.any([np.ptp(part, axis=0) > 0 for part in parts], axis=0)
    if not varies.all():
        raise ValueError(
            f"{(~varies).sum()} of {len(varies)} voxels are constant within every {name}, the "
            f"first is voxel {np.flatnonzero(~varies)[0]}: leave them out, no penalty can be chosen"
        )
