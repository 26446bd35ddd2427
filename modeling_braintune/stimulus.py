"""Continued self-supervised pretraining on sound, without any brain.

The control of Moussa et al. 2025, section 3.3.1, that has heard the stories as often as a
brain-tuned model has: the contrastive and diversity losses of wav2vec 2.0 (Baevski et al. 2020,
section 3.2).
"""

import os
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForPreTraining, PreTrainedModel
from transformers.models.wav2vec2.modeling_wav2vec2 import (
    _compute_mask_indices,
    _sample_negative_indices,
)

from .brain import readable_weights
from .configuration_braintune import checkpoint_model_type, without_fields
from .trainer import BrainTuningTrainer

FAMILIES = ("wav2vec2", "wav2vec2-conformer")  # whose pretraining classes compute both losses


def load_for_pretraining(
    name_or_path: str | os.PathLike,
    n_samples: int,
    *,
    mask_time_prob: float = 0.65,
    mask_time_length: int = 10,
    **kwargs: Any,
) -> tuple[PreTrainedModel, list[str]]:
    """Load a checkpoint into its family's pretraining class, its feature encoder frozen.

    Masks are those of wav2vec 2.0's own pretraining by default (Baevski et al. 2020, section 4.2),
    since published configurations hold the thinner ones of fine-tuning. The Gumbel temperature
    stays that of the stock class, 2.

    Parameters
    ----------
    name_or_path : a folder, or a name on the Hub
        Plain, CTC or pretraining.
    n_samples : int
        Of every clip, at 16 kHz.
    mask_time_prob : float
        Share of the frames that masked spans would take if none overlapped; about half of all
        frames at 0.65.
    mask_time_length : int
        Frames in a masked span.
    **kwargs : as in the stock classes

    Returns
    -------
    model : Wav2Vec2ForPreTraining or Wav2Vec2ConformerForPreTraining
        Its configuration holds the masks.
    new : list of str
        Parts that the checkpoint lacks: the quantizer and the projections of a plain one.

    Raises
    ------
    ValueError
        The family has no such losses, the checkpoint is brain-tuned or damaged, or no such masks
        fit a clip.
    FileNotFoundError
        There is no such folder.
    """
    family = checkpoint_model_type(name_or_path)
    if family not in FAMILIES:
        raise ValueError(
            f"self-supervised pretraining takes models of {' and '.join(FAMILIES)}, whose "
            f"pretraining classes have a contrastive loss; '{name_or_path}' is of {family}"
        )
    config = AutoConfig.from_pretrained(name_or_path, trust_remote_code=False)
    config = without_fields(config)
    config.apply_spec_augment = True  # or masks would not be applied
    config.mask_time_prob, config.mask_time_length = mask_time_prob, mask_time_length
    with readable_weights(name_or_path):
        model, info = AutoModelForPreTraining.from_pretrained(
            name_or_path, config=config, output_loading_info=True, trust_remote_code=False, **kwargs
        )
    if any(key.startswith("head.") for key in info["unexpected_keys"]):
        raise ValueError(
            f"'{name_or_path}' is brain-tuned already: give the model that it was tuned from"
        )
    n_frames = _n_frames(model, n_samples)
    if not (0 < mask_time_prob <= 1 and 2 <= mask_time_length <= n_frames):
        raise ValueError(
            "mask_time_prob must lie in (0, 1], and mask_time_length in 2 to the "
            f"{n_frames} frames of a window; got {mask_time_prob} and {mask_time_length}"
        )
    model.freeze_feature_encoder()
    # The loss is a mean over frames, which Trainer is to divide by the accumulation steps.
    model.accepts_loss_kwargs = False
    prefix = f"{model.base_model_prefix}."
    return model, sorted({key.removeprefix(prefix).split(".")[0] for key in info["missing_keys"]})


def self_supervised_loss(
    model: nn.Module, sound: dict[str, torch.Tensor], unwrapped: PreTrainedModel | None = None
) -> tuple[torch.Tensor, Any]:
    """Mask spans of clips of one length and have them told from other masked frames.

    Masks and negatives are drawn by NumPy's global generator.

    Parameters
    ----------
    model : of `load_for_pretraining`, or such a one wrapped for training
    sound : dict of tensors
        `input_values` of shape (batch, samples), or (batch, channels, frames) where the feature
        encoder is given what it gave; `attention_mask` if there is one.
    unwrapped : the model itself, where `model` is wrapped

    Returns
    -------
    loss : tensor of shape (), the stock loss, a sum, divided by the number of masked frames
    outputs : of the stock class
    """
    unwrapped = model if unwrapped is None else unwrapped
    values, config = sound["input_values"], unwrapped.config
    n_frames = _n_frames(unwrapped, values.shape[1]) if values.ndim == 2 else values.shape[2]
    shape = (len(values), n_frames)
    masked = _compute_mask_indices(
        shape, config.mask_time_prob, config.mask_time_length, min_masks=1
    )
    negatives = _sample_negative_indices(shape, config.num_negatives, masked)
    outputs = model(
        **sound,
        mask_time_indices=torch.from_numpy(masked).to(values.device),
        sampled_negative_indices=torch.from_numpy(negatives).to(values.device),
    )
    return outputs.loss / int(masked.sum()), outputs


class SelfSupervisedTrainer(BrainTuningTrainer):
    """Trainer that masks spans of each clip anew and has them told from other masked frames.

    The loss is that of `self_supervised_loss`. Batches are of clips of one length; labels in them
    are not looked at. Masks are drawn at the step that uses them, not ahead of it, so that a run
    that goes on from a checkpoint draws those of one that was never interrupted.
    """

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        **_: Any,
    ) -> Any:
        """Mask a batch and compute its loss per masked frame."""
        sound = {name: values for name, values in inputs.items() if name != "labels"}
        loss, outputs = self_supervised_loss(model, sound, self.model)
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate as Trainer does, with the same masks each time."""
        state = np.random.get_state()
        np.random.seed(self.args.seed)
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            np.random.set_state(state)


def _n_frames(model, n_samples):
    return int(model._get_feat_extract_output_lengths(n_samples, add_adapter=False))
