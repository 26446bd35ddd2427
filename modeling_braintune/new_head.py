"""A head for participants whom a model was not tuned on."""

from collections.abc import Mapping

from .configuration_braintune import check_num_voxels, total_voxels
from .head import make_head
from .modeling_braintune import BrainTuningMixin


def replace_head(
    model: BrainTuningMixin, num_voxels: int | Mapping[str, int], head_rank: int = 0
) -> None:
    """Give a model a fresh head for other participants, in place.

    The backbone stays as it is; the old head and what was said of its voxels are gone, and the
    objective is again the mean squared error.

    Parameters
    ----------
    model : a model for brain-tuning, adapters merged
    num_voxels : int, or {participant: int} for several
    head_rank : int
        Of its bottleneck, 0 for none.

    Raises
    ------
    TypeError, ValueError
        If the model is none for brain-tuning, `num_voxels` no such numbers, or `head_rank` no
        rank of such a head.
    """
    if not isinstance(model, BrainTuningMixin):
        raise TypeError(
            f"model must be one for brain-tuning, got {type(model).__name__}: adapters must be "
            "merged first"
        )
    num_voxels = check_num_voxels(num_voxels)
    old, like = model.head, next(model.head.parameters())
    head = make_head(old.in_features, total_voxels(num_voxels), head_rank)
    model.head = head.to(like.device, like.dtype)
    for part in head.modules():
        model._init_weights(part)
    model.config.num_voxels = num_voxels
    for field in ("brain", "head_rank"):
        vars(model.config).pop(field, None)
    if head_rank:
        model.config.head_rank = head_rank
    model.brains = {}
    model.set_objective("mse")
