"""A head for participants whom a model was not tuned on."""

from collections.abc import Mapping

from torch import nn

from .configuration_braintune import check_num_voxels, total_voxels
from .modeling_braintune import BrainTuningMixin


def replace_head(model: BrainTuningMixin, num_voxels: int | Mapping[str, int]) -> None:
    """Give a model a fresh head for other participants, in place.

    The backbone stays as it is; the old head and what was said of its voxels are gone, and the
    objective is again the mean squared error.

    Parameters
    ----------
    model : a model for brain-tuning, adapters merged
    num_voxels : int, or {participant: int} for several

    Raises
    ------
    TypeError, ValueError
        If the model is none for brain-tuning, or `num_voxels` no such numbers.
    """
    if not isinstance(model, BrainTuningMixin):
        raise TypeError(
            f"model must be one for brain-tuning, got {type(model).__name__}: adapters must be "
            "merged first"
        )
    num_voxels = check_num_voxels(num_voxels)
    old = model.head.weight
    model.head = nn.Linear(old.shape[1], total_voxels(num_voxels)).to(old.device, old.dtype)
    model._init_weights(model.head)
    model.config.num_voxels = num_voxels
    vars(model.config).pop("brain", None)
    model.brains = {}
    model.set_objective("mse")
