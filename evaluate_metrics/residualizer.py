"""What is left of a representation once low-level features are taken out of it."""

from collections.abc import Sequence
from numbers import Integral
from typing import Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .columns import check_columns, column_names, set_column_names
from .encoding_model import checked_penalties, checked_stories, story_folds
from .ridge import ridge_cv
from .zscore import zscore

PENALTIES = tuple(np.logspace(-6, 9, 16).tolist())  # an array has no plain comparison to print by
ROUNDING = 1e-6  # some ten roundings of float32, relative to the largest value


class Residualizer(BaseEstimator):
    """Remove from a representation what low-level features of the sound predict linearly.

    A ridge from the features to each dimension of the representation at the same TR, unless other
    lags are given, is fitted on the training stories; its prediction is subtracted from any story
    (Oota et al. 2024; Moussa et al. 2025, figure 3). Encoding models of the representation with
    and without it then tell the low-level impact.

    Parameters
    ----------
    penalties : array of shape (n_penalties,)
        Candidate lambdas of ``||Z b - x||^2 + lambda ||b||^2``, by default 16 from 1e-6 to 1e9.
        That of a dimension has the highest mean over folds of held-out R^2.
    folds : int
        Cross-validation folds: contiguous chunks of equal length of all stories laid end to end.
    lags : sequence of int
        Lags of the features in TRs, -1 being the TR before, never across a story's ends; 0 alone,
        the TR itself, is the published definition. A representation that looks back over many
        seconds, in an encoding model with delays, keeps what the features were at other TRs.

    Attributes
    ----------
    coef_ : array of shape (n_low_level * n_lags, n_dimensions), float64
        Rows in one block per lag. A dimension that is constant within each story has coefficients
        of 0.
    penalty_ : array of shape (n_dimensions,)
        NaN for such a dimension.
    cv_score_ : array of shape (n_dimensions,)
        Held-out R^2 of the chosen penalty, averaged over folds; NaN for such a dimension.
    n_features_in_ : int
        Columns of the low-level features.
    feature_names_in_ : array of shape (n_low_level,)
        Their names, where stories are data frames; `transform` then takes no other columns.

    Notes
    -----
    Low-level columns are z-scored within each story (a constant column gives 0), so predictions
    have a mean of 0 there. The representation is not z-scored: the ridge sees it minus its mean
    in each story, which makes the intercept needless, and the residual keeps that mean.

    What is left of a dimension within the rounding of its values is nothing, and becomes the
    dimension's mean: an encoding model z-scores what it is given, and would otherwise restore
    a copy of a low-level feature from the specks that the penalty leaves of it.

    Dimensions do not depend on one another: layers laid side by side share the decompositions of
    the low-level features, which are the larger part of the work.

    Examples
    --------
    >>> import numpy as np
    >>> loudness, meaning = np.random.default_rng(0).standard_normal((2, 300, 1))
    >>> layer = np.hstack([loudness, loudness + meaning])
    >>> residual = Residualizer().fit(loudness, layer).transform(loudness, layer)
    >>> float(np.ptp(residual[:, 0]))
    0.0
    >>> bool(np.corrcoef(residual[:, 1], meaning[:, 0])[0, 1] > 0.99)
    True
    """

    def __init__(
        self,
        penalties: Sequence[float] | np.ndarray = PENALTIES,
        folds: int = 10,
        lags: Sequence[int] = (0,),
    ):
        self.penalties = penalties
        self.folds = folds
        self.lags = lags

    def fit(
        self,
        low_level: np.ndarray | list[np.ndarray],
        representation: np.ndarray | list[np.ndarray],
    ) -> Self:
        """Choose the penalties and fit the coefficients.

        Parameters
        ----------
        low_level : array of shape (n_trs, n_low_level), or list of them
            One array for a single story, otherwise a list with one per training story.
        representation : array of shape (n_trs, n_dimensions), or list of them
            The same stories on the same TRs.

        Returns
        -------
        Residualizer
            Itself, fitted.

        Raises
        ------
        TypeError
            If one argument is a list of stories and the other is not, or is no array of numbers.
        ValueError
            If stories do not match in number, length, width or names of columns, hold NaN or
            infinite values, fewer than 2 TRs or no column, if there are fewer than 2 TRs for each
            fold, or if a parameter is out of its range.
        """
        penalties = checked_penalties(self.penalties)
        if not len(self.lags) or not all(isinstance(lag, Integral) for lag in self.lags):
            raise ValueError(f"lags must be integers, at least one, got {self.lags!r}")
        given = [_first(low_level), _first(representation)]
        low_level, representation = _checked_pairs(low_level, representation)
        # as if one story, since folds are chunks whatever the number of stories
        folds = story_folds([sum(map(len, low_level))], self.folds)

        Z = np.concatenate([_lagged(zscore(story), self.lags) for story in low_level])
        X = np.concatenate([_centred(story) for story in representation])
        varies = X.any(axis=0)
        self.coef_ = np.zeros((Z.shape[1], X.shape[1]))
        self.penalty_, self.cv_score_ = np.full((2, X.shape[1]), np.nan)
        self.coef_[:, varies], self.penalty_[varies], self.cv_score_[varies] = ridge_cv(
            Z,
            X[:, varies],  # float64: the smallest penalties are below what float32 resolves
            penalties,
            folds,
            device="cuda" if torch.cuda.is_available() else "cpu",
        )
        self.n_features_in_ = low_level[0].shape[1]
        set_column_names(self, given[0])
        self._dimensions = column_names(given[1])
        return self

    def transform(
        self,
        low_level: np.ndarray | list[np.ndarray],
        representation: np.ndarray | list[np.ndarray],
    ) -> np.ndarray | list[np.ndarray]:
        """Subtract what the low-level features predict.

        Parameters
        ----------
        low_level : array of shape (n_trs, n_low_level), or list of them
        representation : array of shape (n_trs, n_dimensions), or list of them
            The same stories, which need not be those of `fit`.

        Returns
        -------
        array of shape (n_trs, n_dimensions), or list of them
            A list where lists were given; float32 for a float32 representation.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            As `fit`, or if the widths are not the fitted ones.
        """
        check_is_fitted(self)
        one_story = not isinstance(representation, (list, tuple))
        given = [_first(low_level), _first(representation)]
        low_level, representation = _checked_pairs(low_level, representation)
        _check_width(low_level, "low_level", self.n_features_in_)
        _check_width(representation, "representation", self.coef_.shape[1])
        check_columns(given[0], "low_level", getattr(self, "feature_names_in_", None))
        check_columns(given[1], "representation", self._dimensions)
        residuals = [
            _residual(story, _lagged(zscore(features), self.lags) @ self.coef_)
            for features, story in zip(low_level, representation, strict=True)
        ]
        return residuals[0] if one_story else residuals


def _centred(story):
    """Subtract the mean over TRs, in float64; a constant dimension gives exactly 0."""
    story = story.astype(np.float64)
    return np.where(np.ptp(story, axis=0) == 0, 0, story - story.mean(axis=0))


def _lagged(columns, lags):
    """One block of columns per lag: row t of that of lag k is row t + k, or 0 outside the story."""
    n_trs, n_columns = columns.shape
    lagged = np.zeros((n_trs, len(lags), n_columns))
    for block, lag in enumerate(lags):
        rows = np.arange(max(0, -lag), min(n_trs, n_trs - lag))
        lagged[rows, block] = columns[rows + lag]
    return lagged.reshape(n_trs, -1)


def _residual(representation, prediction):
    left = representation - prediction
    spread = np.ptp(left, axis=0)
    nothing = (spread > 0) & (spread <= ROUNDING * np.abs(representation).max(axis=0))
    left = np.where(nothing, left.mean(axis=0), left)
    return left.astype(np.result_type(representation, np.float32), copy=False)


def _first(stories):
    return next(iter(stories), None) if isinstance(stories, (list, tuple)) else stories


def _checked_pairs(low_level, representation):
    """Both as lists of stories that fit each other."""
    listed = [isinstance(stories, (list, tuple)) for stories in (low_level, representation)]
    if listed[0] != listed[1]:
        raise TypeError(
            "low_level and representation must both be arrays or both be lists with one array per "
            f"story, got {type(low_level).__name__} and {type(representation).__name__}"
        )
    if not listed[0]:
        low_level, representation = [low_level], [representation]
    low_level = checked_stories(low_level, "low_level", at_least=1)
    representation = checked_stories(representation, "representation", at_least=1)
    if len(low_level) != len(representation):
        raise ValueError(
            "low_level and representation must list the same stories, got "
            f"{len(low_level)} and {len(representation)}"
        )
    for index, (features, story) in enumerate(zip(low_level, representation, strict=True)):
        if len(features) != len(story):
            raise ValueError(
                f"low_level[{index}] has {len(features)} TRs, but representation[{index}] has "
                f"{len(story)}: bring both to the TRs of the story"
            )
    return low_level, representation


def _check_width(stories, name, fitted):
    if stories[0].shape[1] != fitted:
        raise ValueError(
            f"{name} has {stories[0].shape[1]} columns, but the residualizer was fitted with "
            f"{fitted}: give the features and the layer of the fit"
        )
