"""Low-level impact as an `evaluate` metric."""

from typing import Any

import datasets
import evaluate
import numpy as np
from evaluate.utils.file_utils import add_start_docstrings
from numpy.typing import ArrayLike

from evaluate_metrics.brain_alignment.alignment import alignment_scores
from evaluate_metrics.brain_alignment.arrays import numeric

from .impact import impact_scores

_DESCRIPTION = """
How much of the alignment of predicted with measured fMRI rests on low-level features of the sound:
the per cent by which it falls once these are removed from the representation that predicts.
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
    predictions: responses predicted from the representation, (n_trs, n_voxels): an array, tensor
        or nested list.
    residual_predictions: responses predicted from what is left of the representation without the
        low-level features, of the same shape.
    references: measured responses of the same shape.
    noise_ceiling: the highest correlation that a perfect model could reach in each voxel,
        (n_voxels,). Without it the impact is that on the correlation itself.
    regions: {name: voxel indices or boolean mask}.
    threshold: only voxels with a noise ceiling above it count (default 0.4).

Returns:
    low_level_impact: R = 100 (B_o - B_r) / B_o; None where B_o is not positive or without voxels.
    brain_alignment: B_o, mean of correlation / noise ceiling; None without a ceiling or voxels.
    residual_brain_alignment: B_r, the same for residual_predictions.
    pearson, residual_pearson: mean correlations of the same voxels; None without voxels.
    n_voxels: how many voxels these are.
    n_excluded: voxels left out because their reference is constant or not finite.
    regions: {name: the same, but for n_excluded}.

Examples:
    >>> import evaluate
    >>> metric = evaluate.load("evaluate_metrics/low_level_impact")
    >>> scores = metric.compute(
    ...     predictions=[[1.0, 1.0], [2.0, 3.0], [3.0, 2.0]],
    ...     residual_predictions=[[1.0, 2.0], [3.0, 2.0], [2.0, 2.0]],
    ...     references=[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]],
    ...     noise_ceiling=[0.8, 0.5],
    ...     regions={"language": [0], "auditory": [1]},
    ... )
    >>> round(scores["brain_alignment"], 6), round(scores["residual_brain_alignment"], 6)
    (1.125, 0.3125)
    >>> round(scores["low_level_impact"], 2)
    72.22
    >>> round(scores["regions"]["language"]["low_level_impact"], 6)
    50.0
"""

INPUTS = ("predictions", "residual_predictions", "references")


@add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class LowLevelImpact(evaluate.Metric):
    """Loss of brain alignment when low-level features are removed.

    Responses are kept as arrays: the Arrow tables that metrics otherwise write take seconds for
    tens of thousands of voxels. TRs added one by one or in batches are scored together.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.num_process != 1:
            raise ValueError(
                f"low_level_impact scores in one process, got num_process={self.num_process}: "
                "gather the TRs of all processes first"
            )
        self._batches = []

    def __len__(self) -> int:
        return sum(len(references) for *_, references in self._batches)

    def _info(self) -> evaluate.MetricInfo:
        responses = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(dict.fromkeys(INPUTS, responses)),
            reference_urls=["https://arxiv.org/abs/2410.09230"],
        )

    def add_batch(
        self, *, predictions: ArrayLike, residual_predictions: ArrayLike, references: ArrayLike
    ) -> None:
        """Add the responses of several TRs, (n_trs, n_voxels) each."""
        self._batches.append(self._checked(predictions, residual_predictions, references))

    def add(
        self,
        *,
        prediction: ArrayLike | None = None,
        residual_prediction: ArrayLike | None = None,
        reference: ArrayLike | None = None,
        **combined: ArrayLike,
    ) -> None:
        """Add the responses of one TR, (n_voxels,) each.

        `evaluate.combine` gives them by the names of a batch, which are taken too.
        """
        of_tr = dict(zip(INPUTS, (prediction, residual_prediction, reference), strict=True))
        of_tr |= combined
        self.add_batch(**{name: numeric(values, name)[None] for name, values in of_tr.items()})

    def compute(
        self,
        *,
        predictions: ArrayLike | None = None,
        residual_predictions: ArrayLike | None = None,
        references: ArrayLike | None = None,
        **settings: Any,
    ) -> dict[str, Any]:
        """Score what was added, and these responses if given; then start afresh.

        What was added stays where this fails.
        """
        given = (predictions, residual_predictions, references)
        batches = list(self._batches)
        if any(responses is not None for responses in given):
            batches.append(self._checked(*given))
        if not batches:
            raise ValueError(
                "nothing to score: give predictions, residual_predictions and references, or add "
                "them first"
            )
        responses = map(np.concatenate, zip(*batches, strict=True))
        scores = self._compute(**dict(zip(INPUTS, responses, strict=True)), **settings)
        self._batches = []
        return scores

    def _checked(self, *responses):
        # copies, since callers may refill their buffers between batches
        batch = tuple(
            np.array(numeric(values, name)) for name, values in zip(INPUTS, responses, strict=True)
        )
        shapes = [values.shape for values in batch]
        if len(set(shapes)) > 1 or len(shapes[0]) != 2:
            raise ValueError(
                "predictions, residual_predictions and references must all be (n_trs, n_voxels), "
                f"got shapes {shapes[0]}, {shapes[1]} and {shapes[2]}"
            )
        if self._batches and shapes[0][1] != self._batches[0][0].shape[1]:
            raise ValueError(
                f"a batch has {shapes[0][1]} voxels, but those before it have "
                f"{self._batches[0][0].shape[1]}"
            )
        return batch

    def _compute(
        self,
        *,
        predictions,
        residual_predictions,
        references,
        noise_ceiling=None,
        regions=None,
        threshold=0.4,
    ):
        settings = {
            "noise_ceiling": noise_ceiling,
            "regions": regions,
            "threshold": threshold,
        }
        original = alignment_scores(predictions, references, **settings)
        try:
            residual = alignment_scores(residual_predictions, references, **settings)
        except ValueError as error:  # all else is known to be sound by now
            raise ValueError(f"residual_predictions: {error}") from error
        return impact_scores(original, residual)
