"""The backbone of a checkpoint that is measured, and its feature extractor."""

import os
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedConfig, PreTrainedModel

from modeling_braintune import checkpoint_model_type, load_feature_extractor
from modeling_braintune.brain import readable_weights

# What a measured model does without: Whisper's decoder, and what stands in for masked spans
UNUSED = ("decoder.", "masked_spec_embed")


def load_backbone(
    checkpoint: str | os.PathLike, trust_remote_code: bool = False
) -> tuple[PreTrainedModel, Any]:
    """Load a checkpoint's backbone in float32, and its feature extractor.

    Parameters
    ----------
    checkpoint : folder or name on the Hub
    trust_remote_code : bool
        Whether the checkpoint's own code is run where transformers has no class of its family.

    Returns
    -------
    model, feature_extractor

    Raises
    ------
    FileNotFoundError, ValueError
        There is no checkpoint, its weights are damaged, or not all there, or it is of a family that
        transformers does not have, and its code is not trusted.
    """
    foreign = brings_code(checkpoint, trust_remote_code)
    with readable_weights(checkpoint):
        model, found = AutoModel.from_pretrained(
            checkpoint,
            dtype=torch.float32,
            trust_remote_code=foreign,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, in fewer words
        )
    # The library makes up what is missing.
    made_up = {*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])}
    lacking = sorted(key for key in made_up if not key.startswith(UNUSED))
    if lacking:
        raise ValueError(
            f"{checkpoint} does not hold {len(lacking)} of the weights that its configuration asks "
            f"for ({', '.join(lacking[:3])}): get the whole checkpoint"
        )
    return model, load_feature_extractor(checkpoint, trust_remote_code=foreign)


def brings_code(checkpoint: str | os.PathLike, trust_remote_code: bool) -> bool:
    """Whether a checkpoint is of a family that runs by code of its own, which is trusted then.

    Parameters
    ----------
    checkpoint : folder or name on the Hub
    trust_remote_code : bool

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        It is, and its code is not trusted.
    FileNotFoundError
        There is no checkpoint.
    """
    family = checkpoint_model_type(checkpoint)
    foreign = family not in CONFIG_MAPPING
    if foreign and not trust_remote_code:
        raise ValueError(
            f"{checkpoint} is of model type {family!r}, which transformers does not have: such a "
            "model runs by code that its checkpoint brings along, for which you must give "
            "--trust_remote_code true"
        )
    return foreign


def n_parameters(config: PreTrainedConfig) -> int:
    """Count the weights of a speech model; of an encoder and a decoder, those of the encoder.

    Parameters
    ----------
    config : PreTrainedConfig

    Returns
    -------
    int
    """
    with torch.device("meta"):  # shapes without memory
        model = AutoModel.from_config(config)
    encoder = model.get_encoder() if config.is_encoder_decoder else model
    return encoder.num_parameters()
