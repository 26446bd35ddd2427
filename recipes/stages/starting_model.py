"""The model that tuning starts from."""

from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from modeling_braintune import (
    STIMULUS_FAMILIES,
    AutoModelForBrainTuning,
    SelfSupervision,
    replace_head,
)
from recipes.stages.shared_space import SPACE


def check_starting_model(arguments: Any, pretrained: str, n_processes: int = 1) -> None:
    """Refuse a checkpoint that cannot be tuned, or not as it is asked for.

    Parameters
    ----------
    arguments : TuningOptions
    pretrained : folder or name on the Hub
    n_processes : int
        That train together.

    Raises
    ------
    ValueError
        Its family is unknown, cannot retain as it is asked to, or not in several processes,
        adapters or the head's bottleneck would be wider than it is, or it has no such layers.
    """
    config = AutoModelForBrainTuning.config_of(pretrained)
    width = config.hidden_size
    if arguments.lora_rank > width:
        raise ValueError(
            f"lora_rank must be at most {width}, the width of {pretrained}, got "
            f"{arguments.lora_rank}"
        )
    if arguments.head_rank > width:
        raise ValueError(
            f"head_rank must be at most {width}, the width of {pretrained}, got "
            f"{arguments.head_rank}"
        )
    if arguments.first_and_last_tuned:
        first, last = arguments.first_and_last_tuned
        if not 1 <= first <= last <= config.num_hidden_layers:
            raise ValueError(
                f"tune_layers must be from 1 to {config.num_hidden_layers}, the layers of "
                f"{pretrained}, the first before the last, got {arguments.tune_layers}"
            )
    if arguments.retention == "self_supervised" and config.model_type not in STIMULUS_FAMILIES:
        raise ValueError(
            f"retention self_supervised takes models of {' and '.join(STIMULUS_FAMILIES)}, whose "
            f"pretraining classes have such a loss; {pretrained} is of {config.model_type}: distil"
        )
    if arguments.supervises_itself and n_processes > 1:
        # The quantizer and projections take no part in the pass that processes wait for.
        raise ValueError(
            "retention self_supervised runs the backbone a second time, whose gradients several "
            f"processes do not share, got {n_processes}: train in one process, or distil"
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
    own = {SPACE} if arguments.shared_space else set(arguments.participants)
    others = tuned_on and not set(tuned_on) & own
    # In float32 whatever the checkpoint is stored in: half precision is Trainer's to choose.
    model = AutoModelForBrainTuning.from_pretrained(
        pretrained,
        num_voxels=config.num_voxels if others else n_voxels,
        head_rank=None if others else arguments.head_rank,
        dtype=torch.float32,
        attn_implementation=arguments.attn_implementation,
    )
    if others:
        replace_head(model, n_voxels, arguments.head_rank)
    model.freeze_feature_encoder()
    model.set_training_switches(
        arguments.apply_spec_augment, arguments.layerdrop, arguments.dropout
    )
    if arguments.first_and_last_tuned:
        model.freeze_other_layers(*arguments.first_and_last_tuned)
    if arguments.distils:
        model.set_training_switches(apply_spec_augment=False, layerdrop=0.0, dropout=0.0)
    if arguments.heads_only:
        model.freeze_base_model()
        model.set_training_switches(apply_spec_augment=False, layerdrop=0.0, dropout=0.0)
    return model


def self_supervision(
    arguments: Any, model: PreTrainedModel, pretrained: str, n_samples: int
) -> SelfSupervision:
    """Make the retention by self-supervision, whose parts the model gets.

    Parameters
    ----------
    arguments : TuningOptions
    model : of `starting_model`
    pretrained : folder or name on the Hub
    n_samples : int, of every window

    Returns
    -------
    SelfSupervision

    Raises
    ------
    ValueError
        As `SelfSupervision`.
    """
    return SelfSupervision(
        model,
        pretrained,
        n_samples,
        arguments.retention_weight,
        dtype=torch.float32,
        attn_implementation=arguments.attn_implementation,
    )


def is_cached(arguments: Any, model: PreTrainedModel) -> bool:
    """Whether the feature encoder's work is kept: Whisper may mask what goes into its own."""
    masked = model.config.is_encoder_decoder and model.config.apply_spec_augment
    return arguments.feature_cache_gb > 0 and not masked
