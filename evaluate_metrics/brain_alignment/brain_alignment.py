"""Normalised brain alignment as an `evaluate` metric."""

from typing import Any

import datasets
import evaluate
import numpy as np
from evaluate.utils.file_utils import add_start_docstrings
from numpy.typing import ArrayLike

from .alignment import alignment_scores
from .arrays import numeric

_DESCRIPTION = """
How well predicted fMRI follows measured fMRI: the correlation over time in each voxel, divided by
the voxel's noise ceiling and averaged over the voxels of a region.
"""

_CITATION = """\
@inproceedings{moussa2025braintuning,
  title = {Improving Semantic Understanding in Speech Language Models via Brain-tuning},
  author = {Moussa, Omer and Klakow, Dietrich and Toneva, Mariya},
  booktitle = {International Conference on Learning Representations},
  year = {2025},
  url = {https://arxiv.org/abs/2410.09230},
}
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: predicted responses, (n_trs, n_voxels): an array, tensor or nested list.
    references: measured responses of the same shape.
    noise_ceiling: the highest correlation that a perfect model could reach in each voxel,
        (n_voxels,). Without it only the correlation itself is given.
    regions: {name: voxel indices or boolean mask}.
    threshold: only voxels with a noise ceiling above it count (default 0.4).
    per_voxel: whether to return the arrays too (default False).

Returns:
    brain_alignment: mean of correlation / noise ceiling; None without a noise ceiling or voxels.
    pearson: mean correlation of the same voxels; None without voxels.
    n_voxels: how many voxels these are.
    n_excluded: voxels left out because their reference is constant or not finite.
    regions: {name: {"brain_alignment", "pearson", "n_voxels"}}.
    pearson_per_voxel, brain_alignment_per_voxel: (n_voxels,), NaN where a voxel does not count.

Examples:
    >>> import evaluate
    >>> metric = evaluate.load("evaluate_metrics/brain_alignment")
    >>> scores = metric.compute(
    ...     predictions=[[1.0, 1.0], [2.0, 3.0], [3.0, 2.0]],
    ...     references=[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]],
    ...     noise_ceiling=[0.8, 0.5],
    ...     regions={"language": [0], "auditory": [1]},
    ... )
    >>> round(scores["brain_alignment"], 6), round(scores["pearson"], 6), scores["n_voxels"]
    (1.125, 0.75, 2)
    >>> round(scores["regions"]["auditory"]["brain_alignment"], 6)
    1.0
"""


@add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class BrainAlignment(evaluate.Metric):
    """Correlation of predicted and measured responses relative to the noise ceiling.

    Responses are kept as arrays: the Arrow tables that metrics otherwise write take seconds for
    tens of thousands of voxels. TRs added one by one or in batches are scored together.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.num_process != 1:
            raise ValueError(
                f"brain_alignment scores in one process, got num_process={self.num_process}: "
                "gather the TRs of all processes first"
            )
        self._batches = []

    def __len__(self) -> int:
        return sum(len(predictions) for predictions, _ in self._batches)

    def _info(self) -> evaluate.MetricInfo:
        responses = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": responses, "references": responses}),
            reference_urls=["https://arxiv.org/abs/2410.09230"],
        )

    def add_batch(self, *, predictions: ArrayLike, references: ArrayLike) -> None:
        """Add the responses of several TRs, (n_trs, n_voxels) each."""
        self._batches.append(self._checked(predictions, references))

    def add(
        self,
        *,
        prediction: ArrayLike | None = None,
        reference: ArrayLike | None = None,
        **combined: ArrayLike,
    ) -> None:
        """Add the responses of one TR, (n_voxels,) each.

        `evaluate.combine` gives them by the names of a batch, which are taken too.
        """
        of_tr = {"predictions": prediction, "references": reference} | combined
        self.add_batch(**{name: numeric(values, name)[None] for name, values in of_tr.items()})

    def compute(
        self,
        *,
        predictions: ArrayLike | None = None,
        references: ArrayLike | None = None,
        **settings: Any,
    ) -> dict[str, Any]:
        """Score what was added, and these responses if given; then start afresh.

        What was added stays where this fails.
        """
        batches = list(self._batches)
        if predictions is not None or references is not None:
            batches.append(self._checked(predictions, references))
        if not batches:
            raise ValueError("nothing to score: give predictions and references, or add them first")
        predictions, references = map(np.concatenate, zip(*batches, strict=True))
        scores = self._compute(predictions=predictions, references=references, **settings)
        self._batches = []
        return scores

    def _checked(self, predictions, references):
        # copies, since callers may refill their buffers between batches
        predictions = np.array(numeric(predictions, "predictions"))
        references = np.array(numeric(references, "references"))
        if predictions.shape != references.shape or predictions.ndim != 2:
            raise ValueError(
                "predictions and references must both be (n_trs, n_voxels), got shapes "
                f"{predictions.shape} and {references.shape}"
            )
        if self._batches and predictions.shape[1] != self._batches[0][0].shape[1]:
            raise ValueError(
                f"a batch has {predictions.shape[1]} voxels, but those before it have "
                f"{self._batches[0][0].shape[1]}"
            )
        return predictions, references

    def _compute(
        self,
        *,
        predictions,
        references,
        noise_ceiling=None,
        regions=None,
        threshold=0.4,
        per_voxel=False,
    ):
        return alignment_scores(
            predictions,
            references,
            noise_ceiling=noise_ceiling,
            regions=regions,
            threshold=threshold,
            per_voxel=per_voxel,
        )
