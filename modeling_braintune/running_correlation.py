"""Pearson correlation per voxel without keeping the predictions."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import EvalPrediction


class RunningCorrelation:
    """Correlate predictions with references over time, voxel by voxel and batch by batch.

    Sums are kept in float64, of values relative to a voxel's first sample: a large common offset
    then costs no precision, and the sums of a constant voxel are exactly 0. A sample counts for the
    voxels that have a reference: NaN says that a clip was not heard by the voxel's participant.

    As `compute_metrics` of a Trainer with `batch_eval_metrics=True` it gives {"pearson": mean
    over voxels} and starts anew after each evaluation.

    Parameters
    ----------
    squared_error : bool
        Also give "loss", the mean over clips of the mean squared error over a clip's voxels. It
        takes the place of Trainer's own, which weighs clips unequally where processes share them.

    Examples
    --------
    >>> correlation = RunningCorrelation()
    >>> correlation.update([[1.0, 5.0], [2.0, 3.0]], [[2.0, 1.0], [4.0, 2.0]])
    >>> correlation.update([[3.0, 1.0]], [[6.0, 3.0]])
    >>> correlation.pearson().round(3).tolist()
    [1.0, -1.0]
    """

    def __init__(self, squared_error: bool = False) -> None:
        self._squared_error = squared_error
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self._sums: np.ndarray | None = None
        self._errors: list[np.ndarray] = []

    def update(
        self,
        predictions: np.ndarray | torch.Tensor | Sequence,
        references: np.ndarray | torch.Tensor | Sequence,
    ) -> None:
        """Add samples.

        Parameters
        ----------
        predictions, references : arrays or tensors of shape (n_samples, n_voxels)

        Raises
        ------
        ValueError
            If shapes disagree, with each other or with earlier batches, or if a prediction is
            NaN or infinite.
        """
        x, y = _float64(predictions), _float64(references)
        if x.ndim != 2 or x.shape != y.shape or len(x) == 0:
            raise ValueError(
                "predictions and references must have one shape (n_samples, n_voxels), "
                f"got {x.shape} and {y.shape}"
            )
        if not np.isfinite(x).all():
            raise ValueError("predictions hold NaN or infinity: the model has diverged")
        if self._sums is None:
            self._first = np.zeros((2, x.shape[1]))
            self._sums = np.zeros((6, x.shape[1]))
        elif x.shape[1] != self._sums.shape[1]:
            raise ValueError(
                f"got {x.shape[1]} voxels after batches of {self._sums.shape[1]}: call reset() "
                "between data sets"
            )
        measured = ~np.isnan(y)
        self._errors.append(np.square(x - y).mean(axis=1, where=measured))
        new = np.flatnonzero((self._sums[0] == 0) & measured.any(axis=0))
        rows = measured[:, new].argmax(axis=0)
        self._first[:, new] = x[rows, new], y[rows, new]
        x = np.where(measured, x - self._first[0], 0)
        y = np.where(measured, y - self._first[1], 0)
        products = (_dot(a, b) for a, b in ((x, x), (y, y), (x, y)))
        self._sums += [measured.sum(0), x.sum(0), y.sum(0), *products]

    def pearson(self) -> np.ndarray:
        """Return correlations of shape (n_voxels,), float64.

        NaN where the references are constant or all NaN; 0 where only the predictions are
        constant.

        Raises
        ------
        ValueError
            If there are no samples.
        """
        if self._sums is None:
            raise ValueError("no samples to correlate: call update(predictions, references) first")
        n, x, y, xx, yy, xy = self._sums
        n = np.maximum(n, 1)
        x_square, y_square = xx - x * x / n, yy - y * y / n
        product = xy - x * y / n
        r = np.full(x.shape, np.nan)
        r[y_square > 0] = 0.0
        live = (x_square > 0) & (y_square > 0)
        r[live] = product[live] / np.sqrt(x_square[live]) / np.sqrt(y_square[live])
        return r.clip(-1.0, 1.0)

    def __call__(self, eval_prediction: EvalPrediction, compute_result: bool) -> dict[str, float]:
        """Add a batch of an evaluation; at its last one, return the mean over voxels.

        Voxels whose references are constant or all NaN are left out of the mean.
        """
        self.update(eval_prediction.predictions, eval_prediction.label_ids)
        if not compute_result:
            return {}
        r = self.pearson()
        loss = {"loss": float(np.concatenate(self._errors).mean())} if self._squared_error else {}
        self.reset()
        defined = r[~np.isnan(r)]
        return {"pearson": float(defined.mean()) if defined.size else float("nan")} | loss


def _float64(values):
    return torch.as_tensor(values).detach().to("cpu", torch.float64).numpy()


def _dot(a, b):
    return np.einsum("nv,nv->v", a, b)
