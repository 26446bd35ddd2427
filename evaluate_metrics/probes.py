"""Linear probes: what can be read from each layer of a model about the clips that it heard."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch.nn.functional import softplus

from .brain_alignment.arrays import dense, numeric
from .columns import check_columns, column_names
from .encoding_model import checked_penalties
from .probe_solvers import layer_by_layer, weighted_sums
from .statistics import percentile_interval
from .zscore import ROUNDING

PENALTIES = (1.0, 1e1, 1e2, 1e3, 1e4, 1e5)


class LinearProbe(BaseEstimator):
    """What `ClassProbe`, `LabelProbe` and `RidgeProbe` share: a linear model of every layer.

    All layers are solved together. Features are standardised by the mean and standard deviation
    (ddof 0) of the training clips. The penalty of a layer is the one with the best score on the
    validation clips, the strongest of equals; the fit on the training clips alone is kept
    (Moussa et al. 2025, section 3.4.3).

    Parameters
    ----------
    penalties : array of shape (n_penalties,)
        Candidate lambdas of ``sum of losses + lambda / 2 ||b||^2``; the intercept is free.
    weighted_sum : bool
        Instead of a model of every layer, a single one of the sum of the standardised layers,
        with weights that are learned along (Yang et al. 2021): a softmax, equal at the start.
        From there a local optimum is found, the problem not being convex.
    names : sequence, optional
        What the outputs are called. For classes, the values that targets take, by default those
        of the training clips, sorted; otherwise names of the columns, by default those of a data
        frame, or their numbers.
    device : str, torch.device or None
        None takes "cuda" where there is a GPU, otherwise "cpu".

    Attributes
    ----------
    coef_ : array of shape (n_layers, n_features, n_outputs), float64
        For features as given, not standardised. With `weighted_sum` the layers' outputs add up.
    intercept_ : array of shape (n_probes, n_outputs), float64
        n_probes is n_layers, but 1 with `weighted_sum`.
    penalty_, validation_score_ : arrays of shape (n_probes,)
    layer_weights_ : array of shape (n_layers,)
        With `weighted_sum` only.
    n_features_in_ : int
        Features of a layer.
    names_ : array of shape (n_outputs,)
    majority_ : array of shape (n_outputs,)
        Outputs that stand, whatever the clip, for the most frequent class, the more frequent
        value of each label, or the mean of each real target.
    """

    def __init__(
        self,
        penalties: Sequence[float] = PENALTIES,
        weighted_sum: bool = False,
        names: Sequence | None = None,
        device: str | torch.device | None = None,
    ):
        self.penalties = penalties
        self.weighted_sum = weighted_sum
        self.names = names
        self.device = device

    def fit(
        self,
        features: np.ndarray | list[np.ndarray],
        targets: np.ndarray,
        validation_features: np.ndarray | list[np.ndarray],
        validation_targets: np.ndarray,
    ) -> Self:
        """Fit with every penalty on the training clips, and choose on the validation clips.

        Parameters
        ----------
        features : array of shape (n_layers, n_clips, n_features), or list of arrays per layer
        targets : array of shape (n_clips,) for classes, otherwise (n_clips, n_outputs)
        validation_features, validation_targets
            The same of other clips.

        Returns
        -------
        LinearProbe
            Itself, fitted.

        Raises
        ------
        TypeError, ValueError
            If something is no array of numbers (of anything, for classes), shapes or names of
            columns do not match, values are not finite, clips have a single class, no positive
            label or a constant real target, a class or label is absent from the training clips
            or a label is in all of them, or a parameter is out of its range.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If a penalty is too weak for the number of iterations.
        """
        penalties = np.sort(checked_penalties(self.penalties))[::-1]
        layers = _checked_layers(features, "features")
        y = self._checked_targets(targets, len(layers[0]), "training")
        self._columns = [column_names(layer) for layer in features]
        held_out = _checked_layers(
            validation_features, "validation_features", layers, self._columns
        )
        y_held_out = self._checked_targets(validation_targets, len(held_out[0]), "validation")

        self.n_features_in_ = layers[0].shape[1]
        self.majority_ = self._link(torch.as_tensor(y.mean(axis=0))).numpy()
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        solve = weighted_sums if self.weighted_sum else layer_by_layer
        zero, unit = self._scale(y)
        start = (self.majority_ - zero) / unit
        fits = solve(layers, (y - zero) / unit, start, self._cumulant, penalties, device)
        coef, intercept, *weights = (np.stack(parts) for parts in zip(*fits, strict=True))
        coef, intercept = coef * unit, intercept * unit + zero
        once = np.ones((1, len(y_held_out)))
        scores = np.stack(
            [
                [self._scores(y_held_out, outputs, once)[0] for outputs in _outputs(held_out, *fit)]
                for fit in zip(coef, intercept, strict=True)
            ]
        )
        best = scores.argmax(axis=0)
        self.penalty_, self.validation_score_ = penalties[best], scores.max(axis=0)
        self.intercept_ = intercept[best, np.arange(len(best))]
        self.coef_ = coef[best, np.arange(len(layers))]
        if self.weighted_sum:
            self.layer_weights_ = weights[0][best[0]]
        return self

    def predict(self, features: np.ndarray | list[np.ndarray]) -> np.ndarray:
        """Predict the targets of clips.

        Parameters
        ----------
        features : array of shape (n_layers, n_clips, n_features), or list of arrays per layer

        Returns
        -------
        array of shape (n_probes, n_clips) for classes, otherwise (n_probes, n_clips, n_outputs)
            Classes by name, labels as bool, real targets as float64.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If shapes do not match those of `fit`, or values are not finite.
        """
        check_is_fitted(self)
        layers = _checked_layers(features, "features", self.coef_.mT, self._columns)
        return self._decided(_outputs(layers, self.coef_, self.intercept_))

    def score(
        self,
        features: np.ndarray | list[np.ndarray],
        targets: np.ndarray,
        n_resamples: int = 1000,
        seed: int = 0,
    ) -> list[dict[str, Any]]:
        """Score on test clips, which served neither to fit nor to choose.

        Parameters
        ----------
        features, targets
            As in `fit`.
        n_resamples : int
            Resamples of the clips, the same for all layers, for 95 % percentile intervals.
        seed : int

        Returns
        -------
        list of dict, one per probe
            "value": F1 of classes or labels, or R^2 of real targets about their mean over the
            test clips, averaged. "interval": (low, high). "n": number of clips. "majority": what
            `majority_` scores. "absent": classes or labels of no test clip, which are left out of
            the average, as are those that a resample lacks.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If shapes do not match those of `fit`, values are not finite, clips have a single
            class, a class of another name, no positive label or a constant real target, or
            `n_resamples` is below 1.
        """
        check_is_fitted(self)
        if n_resamples < 1:
            raise ValueError(f"n_resamples must be at least 1, got {n_resamples}")
        layers = _checked_layers(features, "features", self.coef_.mT, self._columns)
        n_clips = len(layers[0])
        y = self._checked_targets(targets, n_clips, "test")
        chance = np.full(n_clips, 1 / n_clips)
        counts = np.random.default_rng(seed).multinomial(n_clips, chance, size=n_resamples)
        counts = np.vstack([np.ones(n_clips), counts])  # first, every clip once

        majority = self._scores(y, np.broadcast_to(self.majority_, y.shape), counts[:1])[0]
        absent = self.names_[~y.any(axis=0)].tolist()
        scores = (
            self._scores(y, outputs, counts)
            for outputs in _outputs(layers, self.coef_, self.intercept_)
        )
        return [
            {
                "value": float(value),
                "interval": percentile_interval(resampled),
                "n": n_clips,
                "majority": float(majority),
                "absent": absent,
            }
            for value, *resampled in scores
        ]

    def _checked_targets(self, targets, n_clips, split):
        """Targets of shape (n_clips, n_outputs)."""
        columns, name = column_names(targets), f"{split} targets"
        given, targets = targets, (dense if self._n_axes == 1 else numeric)(targets, name)
        if targets.ndim != self._n_axes or len(targets) != n_clips:
            raise ValueError(
                f"{split} targets must have {self._n_axes} axes, the first of them the {n_clips} "
                f"clips of the features, got shape {targets.shape}"
            )
        if split == "training":
            names = (columns or self._default_names(targets)) if self.names is None else self.names
            self.names_, self._outputs = np.asarray(names), columns
        if self._n_axes == 2 and targets.shape[1] != len(self.names_):
            raise ValueError(
                f"{split} targets must have a column for each of {len(self.names_)} outputs, got "
                f"shape {targets.shape}"
            )
        check_columns(given, name, self._outputs)
        return self._encoded(targets, split)

    def _default_names(self, targets):
        return np.arange(targets.shape[1])

    def _scale(self, y):
        return 0.0, 1.0


class ClassProbe(LinearProbe):
    """Tell the class of a clip from each layer: multinomial logistic regression, macro F1.

    Penalties are scikit-learn's 1 / C. Two classes have a column of coefficients each, b and -b,
    where scikit-learn has a single one, 2 b: there, lambda is its 2 / C.

    Parameters and attributes are those of `LinearProbe`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> words = np.array(["no", "up", "yes"] * 50)
    >>> layers = rng.standard_normal((2, 150, 4))
    >>> layers[1, :, :3] += 5 * (words[:, None] == ["no", "up", "yes"])  # the second layer hears
    >>> train, validation, test = slice(60), slice(60, 90), slice(90, 150)
    >>> probe = ClassProbe()
    >>> probe.fit(layers[:, train], words[train], layers[:, validation], words[validation])
    ClassProbe()
    >>> deaf, hearing = probe.score(layers[:, test], words[test])
    >>> deaf["value"] < 0.6 < 0.9 < hearing["value"]
    True
    """

    _n_axes = 1
    _link = staticmethod(torch.log)

    @property
    def classes_(self) -> np.ndarray:
        """Classes, as scikit-learn calls `names_`."""
        return self.names_

    @staticmethod
    def _cumulant(outputs):
        return outputs.logsumexp(-1)

    def _default_names(self, targets):
        return np.unique(targets)

    def _encoded(self, targets, split):
        y = targets[:, None] == self.names_
        unknown = ~y.any(axis=1)
        if unknown.any():
            raise ValueError(
                f"{split} targets hold '{targets[unknown][0]}', which is none of the classes "
                f"{self.names_.tolist()}: every class needs training clips"
            )
        present = y.any(axis=0)
        if present.sum() < 2:
            raise ValueError(
                f"{split} targets are all '{targets[0]}': clips of two or more classes are needed"
            )
        if split == "training" and not present.all():
            raise ValueError(
                f"no training clip has the classes {self.names_[~present].tolist()}: "
                "leave them out of the names, or divide the clips otherwise"
            )
        return y

    def _decided(self, outputs):
        return self.names_[outputs.argmax(axis=-1)]

    def _scores(self, y, outputs, counts):
        chosen = outputs.argmax(axis=1)[:, None] == np.arange(outputs.shape[1])
        return _macro_f1(y, chosen, counts)


class LabelProbe(LinearProbe):
    """Tell which labels a clip has: a logistic regression for each, macro F1 over labels.

    Targets are 0 or 1. Penalties are scikit-learn's 1 / C, the same for all labels of a layer.

    Parameters and attributes are those of `LinearProbe`.
    """

    _n_axes = 2
    _link = staticmethod(torch.logit)

    @staticmethod
    def _cumulant(outputs):
        return softplus(outputs).sum(-1)

    def _encoded(self, targets, split):
        other = targets[~np.isin(targets, (0, 1))]
        if other.size:
            raise ValueError(f"{split} targets must be 0 or 1, got {other[0]}")
        y = targets.astype(bool)
        if not y.any():
            raise ValueError(f"{split} targets are all 0: no clip has a label")
        constant = y.all(axis=0) | ~y.any(axis=0)
        if split == "training" and constant.any():
            raise ValueError(
                f"the labels {self.names_[constant].tolist()} are in none or in all of the "
                "training clips: leave them out, or divide the clips otherwise"
            )
        return y

    def _decided(self, outputs):
        return outputs > 0

    def _scores(self, y, outputs, counts):
        return _macro_f1(y, outputs > 0, counts)


class RidgeProbe(LinearProbe):
    """Tell real numbers of a clip, its mean spectrum for instance: ridge regression, mean R^2.

    Losses are half the squared errors, so that penalties are scikit-learn's alpha; all targets of
    a layer have the same.

    Parameters and attributes are those of `LinearProbe`.
    """

    _n_axes = 2
    _link = staticmethod(torch.clone)

    @staticmethod
    def _cumulant(outputs):
        return outputs.square().sum(-1) / 2

    def _encoded(self, targets, split):
        if not np.isfinite(targets).all():
            raise ValueError(f"{split} targets hold NaN or infinite values: leave such clips out")
        constant = np.ptp(targets, axis=0) == 0
        if constant.any():
            raise ValueError(
                f"{split} targets {self.names_[constant].tolist()} are constant: leave them out"
            )
        return targets.astype(np.float64)

    def _scale(self, y):
        return y.mean(axis=0), y.std(axis=0)  # all count alike where layers are weighted

    def _decided(self, outputs):
        return outputs

    def _scores(self, y, outputs, counts):
        y, error = y - y.mean(axis=0), y - outputs
        total = counts @ y**2 - (counts @ y) ** 2 / len(y)
        varies = total > ROUNDING * (y**2).sum(axis=0)
        return 1 - _mean_ratio(counts @ error**2, total, varies)


def _macro_f1(y, chosen, counts):
    n_true, n_chosen, n_hits = (counts @ clips for clips in (y, chosen, y & chosen))
    return _mean_ratio(2 * n_hits, n_true + n_chosen, n_true > 0)


def _mean_ratio(numerator, denominator, defined):
    """Ratio averaged over the columns where it is defined; NaN where it is in none."""
    ratio = np.divide(numerator, denominator, out=np.zeros_like(denominator), where=defined)
    n_defined = defined.sum(axis=1)
    return np.divide(
        ratio.sum(axis=1), n_defined, out=np.full(len(ratio), np.nan), where=n_defined > 0
    )


def _outputs(layers, coef, intercept):
    """Outputs of shape (n_probes, n_clips, n_outputs)."""
    outputs = np.stack([layer @ b for layer, b in zip(layers, coef, strict=True)])
    if len(intercept) == 1:  # of a weighted sum, or of the only layer
        outputs = outputs.sum(axis=0, keepdims=True)
    return outputs + intercept[:, None]


def _checked_layers(features, name, like=None, columns=()):
    listed = isinstance(features, (list, tuple))
    given = features if listed else np.atleast_1d(numeric(features, name))
    layers = [numeric(layer, f"{name}[{index}]") for index, layer in enumerate(given)]
    if not layers or any(layer.ndim != 2 or layer.shape != layers[0].shape for layer in layers):
        raise ValueError(
            f"{name} must be (n_layers, n_clips, n_features), got layers of shapes "
            f"{sorted({layer.shape for layer in layers})}"
        )
    if 0 in layers[0].shape:
        raise ValueError(
            f"{name} must hold a clip and a feature at least, got layers of shape {layers[0].shape}"
        )
    if like is not None:
        shape, fitted = ((len(a), a[0].shape[1]) for a in (layers, like))
        if shape != fitted:
            raise ValueError(
                f"{name} have {shape[0]} layers of {shape[1]} columns, but the training features "
                f"have {fitted[0]} of {fitted[1]}: give representations of the same model"
            )
        for index, known in enumerate(columns):
            check_columns(given[index], f"{name}[{index}]", known)
    for index, layer in enumerate(layers):
        bad = ~np.isfinite(layer)
        if bad.any():
            clip, column = np.argwhere(bad)[0]
            raise ValueError(
                f"{name}[{index}] holds {bad.sum()} NaN or infinite values, the first for clip "
                f"{clip}, column {column}: leave such clips out of all layers"
            )
    return layers
