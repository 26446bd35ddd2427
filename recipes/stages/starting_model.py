"""The model that tuning starts from."""

from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from modeling_braintune import AutoModelForBrainTuning, replace_head


def check_starting_model(arguments: Any, pretrained: str) -> None:
    """Refuse a checkpoint that cannot be tuned, or not as it is asked for.

    Parameters
    ----------
    arguments : TuningOptions
    pretrained : folder or name on the Hub

    Raises
    ------
    ValueError
        Its family is unknown, or adapters would be wider than it is.
    """
    width = AutoModelForBrainTuning.config_of(pretrained).hidden_size
    if arguments.lora_rank > width:
        raise ValueError(
            f"lora_rank must be at most {width}, the width of {pretrained}, got "
            f"{arguments.lora_rank}"
        )


def starting_model(
    arguments: Any, pretrained: str, voxels: np.ndarray | dict[str, np.ndarray]
) -> PreTrainedModel:
    """Load the model that training starts from, with what is frozen and random in it chosen.

    Parameters
    ----------
    arguments : TuningOptions
    pretrained : folder or name on the Hub
    voxels : array of shape (n_selected,), or dict of {participant: array}
        That the head predicts. Of a checkpoint that was tuned on others the head is replaced.

    Returns
    -------
    a model for brain-tuning
    """
    several = isinstance(voxels, dict)
    n_voxels = {name: len(v) for name, v in voxels.items()} if several else len(voxels)
    config = AutoModelForBrainTuning.config_of(pretrained)
    tuned_on = getattr(config, "brain", None) or {}
    others = tuned_on and not set(tuned_on) & set(arguments.participants)
    # In float32 whatever the checkpoint is stored in: half precision is Trainer's to choose.
    model = AutoModelForBrainTuning.from_pretrained(
        pretrained,
        num_voxels=config.num_voxels if others else n_voxels,
        dtype=torch.float32,
        attn_implementation=arguments.attn_implementation,
    )
    if others:
        replace_head(model, n_voxels)
    model.freeze_feature_encoder()
    model.set_training_switches(
        arguments.apply_spec_augment, arguments.layerdrop, arguments.dropout
    )
    if arguments.heads_only:
        model.freeze_base_model()
        model.set_training_switches(apply_spec_augment=False, layerdrop=0.0, dropout=0.0)
    return model


def is_cached(arguments: Any, model: PreTrainedModel) -> bool:
    """Whether the feature encoder's work is kept: Whisper may mask what goes into its own."""
    masked = model.config.is_encoder_decoder and model.config.apply_spec_augment
    return arguments.feature_cache_gb > 0 and not masked
