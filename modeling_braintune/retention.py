"""Losses that keep a model to what it knew before brain-tuning, beside the loss over responses.

A training step then lowers brain loss + weight x retention. Both kinds act in training alone: which
step is chosen is decided by the responses to the validation stories, as without them.
"""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from .modeling_braintune import (
    BrainTuningMixin,
    BrainTuningOutput,
    evaluation_mode,
    giving,
)
from .stimulus import load_for_pretraining, self_supervised_loss

STATES = "pretrained_states"  # name of kept hidden states among the inputs of a batch
RETENTIONS = ("distil", "self_supervised")
PRETRAINING_PARTS = ("quantizer", "project_hid", "project_q")  # names of the stock classes


def relative_change(
    states: Iterable[torch.Tensor],
    pretrained: Iterable[torch.Tensor],
    real: torch.Tensor | None = None,
) -> torch.Tensor:
    """How far hidden states are from those of the pretrained model, in shares of their variance.

    For each layer, the squared distance divided by the variance of the pretrained states over the
    frames of the batch (1 - R^2 of the one as an estimate of the other), then the mean over
    layers: a layer of large values counts as much as one of small ones, in every family.

    Parameters
    ----------
    states, pretrained : sequences of tensors of shape (batch, frames, hidden), one for each layer
        Half precision is computed in float32.
    real : bool tensor of shape (batch, frames), True for frames that count, or None for all

    Returns
    -------
    tensor of shape ()
    """
    changes = []
    for state, known in zip(states, pretrained, strict=True):
        dtype = torch.promote_types(state.dtype, torch.float32)
        state, known = state.to(dtype), known.to(dtype)
        rows = (slice(None), slice(None)) if real is None else real
        state, known = (values[rows].reshape(-1, values.shape[-1]) for values in (state, known))
        variance = (known - known.mean(0)).square().sum().clamp(min=torch.finfo(dtype).tiny)
        changes.append((state - known).square().sum() / variance)
    return torch.stack(changes).mean()


def pretrained_states(
    model: BrainTuningMixin, inputs: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """What the layers of a model make of clips before it is tuned, as a batch may hold it.

    Parameters
    ----------
    model : a model for brain-tuning
        Its frozen layers are left out.
    inputs : dict of tensors, as `forward` takes them without labels

    Returns
    -------
    dict of {"pretrained_states": tensor of shape (batch, layers, frames, hidden)}
    """
    with evaluation_mode(model), torch.no_grad():
        outputs = model(**inputs, output_hidden_states=True)
    return {STATES: torch.stack(outputs.hidden_states[model.n_frozen_layers + 1 :], dim=1)}


class Distillation:
    """Retention by distillation: every layer stays near what it was on the same windows.

    The loss is `relative_change`, over all layers of the transformer that tuning can change. It is
    exactly 0 at the pretrained weights where nothing is random in training: without masked
    spans, LayerDrop and dropout, as `set_training_switches` switches them off.

    Parameters
    ----------
    model : a model for brain-tuning, as it was pretrained
        Of which a copy is kept. It may get adapters afterwards.
    weight : float, above 0
    copied : bool
        False where every batch holds what `pretrained_states` gives for it.

    Raises
    ------
    ValueError
        If the weight is not positive, or the family's adapter shortens what layers give.
    """

    def __init__(self, model: BrainTuningMixin, weight: float, *, copied: bool = True) -> None:
        _check_weight(weight)
        if getattr(model.config, "add_adapter", False):
            raise ValueError(
                "distillation compares layers frame by frame, and a model with add_adapter has "
                "other frames after them: use one without"
            )
        self.weight = weight
        self._model = model
        self._teacher = copy.deepcopy(model).requires_grad_(False).eval() if copied else None

    def __call__(
        self, model: nn.Module, inputs: dict[str, torch.Tensor], autocast: Any = nullcontext
    ) -> tuple[BrainTuningOutput, torch.Tensor]:
        """Run the model on a batch.

        Parameters
        ----------
        model : the model that learns, as wrapped for training
        inputs : dict of tensors
        autocast : callable that gives a context for what does not pass by the wrapper

        Returns
        -------
        outputs : BrainTuningOutput, whose loss is that over responses
        loss : tensor of shape (), the retention
        """
        inputs = dict(inputs)
        known = inputs.pop(STATES, None)
        if known is None:
            sound = {name: values for name, values in inputs.items() if name != "labels"}
            with autocast():
                known = pretrained_states(self._teacher, sound)[STATES]
        outputs = model(**inputs, output_hidden_states=True)
        states = outputs.hidden_states[self._model.n_frozen_layers + 1 :]
        real = self._model._frame_mask(inputs.get("attention_mask"), known.shape[2])
        return outputs, relative_change(states, known.unbind(1), real)


class SelfSupervision:
    """Retention by the model's own pretraining: wav2vec 2.0's losses on the same windows.

    The backbone runs a second time on a batch, with spans masked, and learns to tell the masked
    frames from others as in `stimulus.SelfSupervisedTrainer`, whose loss and masks these are
    (Baevski et al. 2020, section 3.2). The quantizer and the projections of the pretraining class
    become parts of the model, under the names that they have there: they learn along, go on
    from checkpoints, and a tuned checkpoint loads whole in the pretraining class. A Conformer's
    batch norms keep their statistics, as they do wherever responses are tuned on.

    Parameters
    ----------
    model : a model for brain-tuning, without adapters
        Changed in place.
    name_or_path : a folder, or a name on the Hub, of the checkpoint that it was loaded from
    n_samples : int, of every clip, at 16 kHz
    weight : float, above 0
    **kwargs : as `load_for_pretraining`

    Attributes
    ----------
    new : list of str
        Parts that the checkpoint lacks, which begin untaught.

    Raises
    ------
    ValueError
        As `load_for_pretraining`; if the weight is not positive; or if frozen layers or missing
        weights leave nothing to mask spans with.
    """

    def __init__(
        self,
        model: BrainTuningMixin,
        name_or_path: Any,
        n_samples: int,
        weight: float,
        **kwargs: Any,
    ) -> None:
        _check_weight(weight)
        twin, self.new = load_for_pretraining(name_or_path, n_samples, **kwargs)
        if model.tuned_layers is not None:
            raise ValueError(
                "self-supervision masks the transformer's input, and frozen layers leave it as it "
                "was: tune all layers, or distil"
            )
        if not hasattr(model.base_model, "masked_spec_embed"):
            raise ValueError(
                f"'{name_or_path}' has no masked_spec_embed to mask spans with, since its "
                "mask_time_prob is 0: distil instead"
            )
        self.weight = weight
        for part in PRETRAINING_PARTS:
            setattr(model, part, getattr(twin, part))
        setattr(twin, twin.base_model_prefix, model.base_model)
        self._twin = twin.train()
        model.base_model.masked_spec_embed.requires_grad_(True)
        model.train(model.training)

    def __call__(
        self, model: nn.Module, inputs: dict[str, torch.Tensor], autocast: Any = nullcontext
    ) -> tuple[BrainTuningOutput, torch.Tensor]:
        """Run the model on a batch twice; parameters and what is returned as of `Distillation`."""
        outputs = model(**inputs)
        sound = {name: values for name, values in inputs.items() if name != "labels"}
        backbone = self._twin.base_model
        kept = sound["input_values"].ndim > 2  # what the feature encoder gave
        given = giving(backbone.feature_extractor, sound["input_values"]) if kept else nullcontext()
        with given, autocast(), _masking(backbone.config):
            loss, _ = self_supervised_loss(self._twin, sound)
        return outputs, loss


@contextmanager
def _masking(config) -> Iterator[None]:
    """Let given spans be masked, also where none are in the pass over responses."""
    said = config.apply_spec_augment
    config.apply_spec_augment = True
    try:
        yield
    finally:
        config.apply_spec_augment = said


def _check_weight(weight):
    if not 0 < weight < float("inf"):
        raise ValueError(f"the weight of retention must be above 0, got {weight}")
