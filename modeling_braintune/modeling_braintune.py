"""Speech models with a head that predicts the responses of voxels.

Each class puts a linear head on the mean over time of a family's stock backbone
(Moussa et al. 2025, section 3.3), which keeps its stock name and `model_type`: plain, CTC and
pretraining checkpoints load here, and what is tuned here loads in the stock classes.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from transformers import (
    Data2VecAudioModel,
    Data2VecAudioPreTrainedModel,
    FeatureExtractionMixin,
    GenerationConfig,
    HubertModel,
    HubertPreTrainedModel,
    PreTrainedConfig,
    PreTrainedModel,
    UniSpeechSatModel,
    UniSpeechSatPreTrainedModel,
    Wav2Vec2BertModel,
    Wav2Vec2BertPreTrainedModel,
    Wav2Vec2ConformerModel,
    Wav2Vec2ConformerPreTrainedModel,
    Wav2Vec2Model,
    Wav2Vec2PreTrainedModel,
    WavLMModel,
    WavLMPreTrainedModel,
    WhisperModel,
    WhisperPreTrainedModel,
)
from transformers.utils import ModelOutput, can_return_tuple, logging

from .brain import Brain, brain_fields, read_brains, readable_weights, write_brains
from .collator import (
    batches_of_equal_length,
    check_floating,
    check_long_enough,
    cut,
    model_inputs,
)
from .configuration_braintune import (
    check_num_voxels,
    check_same_head,
    checkpoint_model_type,
    hub_arguments,
    load_config,
    total_voxels,
    with_num_voxels,
    without_fields,
)
from .head import make_head
from .kept_arrays import follow_umask
from .objectives import OBJECTIVES, WEIGHTED, squared_error
from .pooling import masked_mean

logger = logging.get_logger(__name__)


@dataclass
class BrainTuningOutput(ModelOutput):
    """What a model for brain-tuning returns.

    Attributes
    ----------
    loss : tensor of shape (), or None without labels; of `set_objective`, in float32 or better
    logits : tensor of shape (batch, num_voxels), predicted responses
    hidden_states : tuple of tensors of shape (batch, frames, hidden), layer 0 (the transformer's
        input) first; only with `output_hidden_states=True`
    attentions : tuple of tensors of shape (batch, heads, frames, frames); only with
        `output_attentions=True`
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None


class BrainTuningMixin:
    """Backbone, masked mean over time and linear head, in front of a family's `PreTrainedModel`.

    A family whose input is `input_values` needs two lines::

        class WavLMForBrainTuning(BrainTuningMixin, WavLMPreTrainedModel):
            backbone_class = WavLMModel
    """

    backbone_class: type[PreTrainedModel]

    # Of the family's class, which stands behind this one
    base_model_prefix: str
    main_input_name: str

    # Saved checkpoints take this code along: with trust, `AutoModel` then finds the class and its
    # head without this package.
    _auto_class = "AutoModel"

    # The loss is a mean over the batch. Left to guess from `forward(**kwargs)`, Trainer would
    # take it for a sum and not divide it by the number of accumulation steps.
    accepts_loss_kwargs = False

    def __init__(self, config: PreTrainedConfig) -> None:
        # Whose voxels are predicted is said once they are known to be this head's, and which code
        # is loaded with trust when this class saves its own: a base's must not pass for it.
        config = without_fields(config, "brain", "auto_map")
        super().__init__(config)
        num_voxels = total_voxels(check_num_voxels(getattr(config, "num_voxels", None)))
        adapted = getattr(config, "add_adapter", False)
        width = config.output_hidden_size if adapted else config.hidden_size
        setattr(self, self.base_model_prefix, self.backbone_class(config))
        for part in self.feature_encoder_parts():
            _make_givable(part)
        self.head = make_head(width, num_voxels, getattr(config, "head_rank", 0))
        self.brains = {}
        self.tuned_layers: tuple[int, int] | None = None
        self.set_objective("mse")
        self._checkpoint_fields = {}
        self.post_init()
        self.train()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike | None,
        num_voxels: int | Mapping[str, int] | None = None,
        *,
        head_rank: int | None = None,
        output_loading_info: bool = False,
        ignore_mismatched_sizes: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Load a plain, CTC, pretraining or brain-tuned checkpoint of this family.

        Whether it has a head is judged by its weights: stock models that were loaded from a
        brain-tuned checkpoint save its configuration, but not its head.

        Parameters
        ----------
        pretrained_model_name_or_path : a folder, a name on the Hub, or None with a `state_dict`
        num_voxels : int, {participant: int}, or None
            Number of voxels to predict; required unless the checkpoint has a head. Several
            participants' voxels are one head's outputs, in the order of the dict.
        head_rank : int, or None
            Rank of the bottleneck of the head (`LowRankHead`), 0 for a plain linear layer; by
            default as the checkpoint says, and plain where it says nothing.
        output_loading_info : bool
            Whether to return (model, loading information) as the stock classes do.
        ignore_mismatched_sizes : bool
            Whether weights of other shapes are made anew, a head for other voxels among them.
        **kwargs : as in the stock classes

        Raises
        ------
        ValueError
            If the checkpoint is of another family, if it has no head and `num_voxels` is not
            given, if it has one that predicts another number of voxels or is of another rank, or
            if a file is damaged.
        FileNotFoundError
            If `pretrained_model_name_or_path` is a path that does not exist.
        """
        name, family = pretrained_model_name_or_path, cls.config_class.model_type
        found = checkpoint_model_type(name, **kwargs)
        if found != family:
            raise ValueError(
                f"{cls.__name__} loads checkpoints of model_type '{family}', but that of "
                f"'{name}' is '{found}': use AutoModelForBrainTuning, which picks the class"
            )
        head_expected = num_voxels is None and kwargs.get("config") is None
        config, kwargs = load_config(cls.config_class, name, **kwargs)
        own = getattr(config, "num_voxels", None)
        own_rank = getattr(config, "head_rank", 0)
        config = with_num_voxels(config, num_voxels, head_rank)
        with readable_weights(name):
            model, info = super().from_pretrained(
                name,
                config=config,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # refused below, in fewer words
                **kwargs,
            )
        misfits = {key: shapes for key, *shapes in info["mismatched_keys"]}
        rank = getattr(config, "head_rank", 0)
        other_head = any(key.startswith("head.") for key in {*info["unexpected_keys"], *misfits})
        if rank != own_rank and other_head and not ignore_mismatched_sizes:
            raise ValueError(
                f"got head_rank={rank}, but the head of '{name}' has head_rank={own_rank}: leave "
                "head_rank out to keep that head, or load a checkpoint without one"
            )
        if misfits and not ignore_mismatched_sizes:
            key, (found, wanted) = sorted(misfits.items())[0]
            if key.startswith("head."):
                check_same_head(config.num_voxels, own)
            raise ValueError(
                f"the weights of '{name}' are not those of its configuration: {key} has "
                f"shape {tuple(found)}, not {tuple(wanted)} (num_voxels={config.num_voxels})"
            )
        if not any(key.startswith("head.") for key in {*info["missing_keys"], *misfits}):
            check_same_head(config.num_voxels, own)
            model._recall_brains(config, name, **hub_arguments(kwargs))
        elif head_expected and not ignore_mismatched_sizes:
            raise ValueError(
                f"the configuration of '{name}' names {config.num_voxels} voxels, but "
                f"its weights hold no head: pass num_voxels={config.num_voxels} for a new one"
            )
        model._renew({*info["missing_keys"], *misfits})
        # Weights are mapped from a file, where they begin at any byte, and some kernels round
        # by alignment: a copy gives the logits that were there before saving, to the last bit.
        for parameter in model.head.parameters():
            parameter.data = parameter.data.clone()
        return (model, info) if output_loading_info else model

    def _renew(self, names):
        """Make weights of the backbone that a checkpoint lacks as a new model's are made.

        The library has a rule for most of them, and leaves the others as the memory happens to be.
        """
        names = {name for name in names if name.startswith(f"{self.base_model_prefix}.")}
        if names:
            new, own = type(self)(self.config).state_dict(), self.state_dict()
            for name in names & own.keys():
                own[name].copy_(new[name])

    def _recall_brains(self, config, name, **hub):
        """Take over whose voxels a checkpoint says that its head predicts."""
        if name is not None and hasattr(config, "brain"):
            self.brains = read_brains(config, name, **hub)
            self.config.brain = config.brain

    def save_pretrained(
        self, save_directory: str | os.PathLike, is_main_process: bool = True, **kwargs: Any
    ) -> None:
        """Save as the stock classes do, with the checkpoint's own training switches.

        The participants' voxels go to `brain.safetensors`, and the code of this class beside it.
        """
        with self._checkpoint_config():
            super().save_pretrained(save_directory, is_main_process, **kwargs)
        if is_main_process:
            follow_umask(save_directory)
            self._save_own_files(save_directory)

    def _upload_modified_files(self, working_dir, *args, **kwargs):
        # Not before a repository was found to upload to: the folder may hold another checkpoint,
        # which stays whole where there is none.
        self._save_own_files(working_dir)
        return super()._upload_modified_files(working_dir, *args, **kwargs)

    def _save_own_files(self, folder):
        """Save what the stock classes do not."""
        if self.brains:
            write_brains(self.brains, folder)

    def set_brains(self, *brains: Brain) -> None:
        """Say whose voxels the head predicts; checkpoints carry it from then on.

        Parameters
        ----------
        *brains : Brain, one for each participant of the head

        Raises
        ------
        ValueError
            If they are of other participants or of another number of voxels than the head.
        """
        named = {brain.participant: brain for brain in brains}
        found = {name: len(brain.voxels) for name, brain in named.items()}
        expected = self.config.num_voxels
        wanted = expected if isinstance(expected, dict) else {next(iter(named), None): expected}
        if found != wanted:
            raise ValueError(f"the head predicts {expected} voxels, got brains of {found}")
        self.brains = {name: named[name] for name in wanted}
        self.config.brain = brain_fields(self.brains)

    def set_objective(self, name: str) -> None:
        """Choose the loss, for this model in memory only.

        Parameters
        ----------
        name : str
            "mse", mean squared error (Moussa et al. 2025, section 3.3); "correlation", minus the
            Pearson correlation of each voxel over the batch; "spatial_correlation", minus that of
            each clip over voxels (Vattikonda et al. 2025); "both_correlations", the mean of the
            two. With "weighted_" before it, each counts a voxel in proportion to its noise ceiling.

        Raises
        ------
        ValueError
            If there is no such objective, or a participant's noise ceilings are not known.
        """
        if name not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, got {name!r}")
        self._voxel_weights = None
        if name.startswith(WEIGHTED):
            if not self.brains:
                raise ValueError(f"{name} needs the voxels' noise ceilings: call set_brains")
            for participant, brain in self.brains.items():
                if brain.noise_ceiling is None or not brain.noise_ceiling.any():
                    raise ValueError(
                        f"{name} needs noise ceilings that are not all 0, and those of "
                        f"{participant} are {'unknown' if brain.noise_ceiling is None else '0'}"
                    )
            ceilings = [torch.from_numpy(brain.noise_ceiling) for brain in self.brains.values()]
            self._voxel_weights = torch.cat(ceilings)
        self._objective = OBJECTIVES[name]

    def columns_of(self, participant: str | None = None) -> slice:
        """Return which of the head's outputs are a participant's, of the only one by default.

        Raises
        ------
        ValueError
            The participant is unknown, or there are several.
        """
        counts = self.config.num_voxels
        if not isinstance(counts, dict):
            if self.brains:
                _chosen(participant, self.brains)
            return slice(0, counts)
        participant = _chosen(participant, counts)
        first = sum(list(counts.values())[: list(counts).index(participant)])
        return slice(first, first + counts[participant])

    def predict_responses(
        self,
        audio: np.ndarray,
        feature_extractor: FeatureExtractionMixin,
        windows: np.ndarray | None = None,
        *,
        participant: str | None = None,
        batch_size: int = 8,
    ) -> np.ndarray:
        """Predict the responses to a recording.

        Parameters
        ----------
        audio : float array of shape (n_samples,), mono at 16 kHz
        feature_extractor : the checkpoint's own
        windows : int array of shape (n_windows, 2), or None
            First sample of the sound behind each response and the one after its last; they may
            reach beyond the recording, where silence stands in. By default those of `Brain.windows`
            at the participant's TR.
        participant : str, or None if there is one only
        batch_size : int

        Returns
        -------
        float32 array of shape (n_windows, num_voxels), of the participant's voxels

        Raises
        ------
        ValueError
            If the audio is not finite, mono, of floats and 25 ms long, windows are no such bounds,
            the participant is unknown, or the windows are left out and the head's TR is not known.
        """
        audio = np.asarray(audio)
        check_floating(audio, "audio")
        audio = torch.as_tensor(audio, dtype=torch.float32)
        if audio.ndim != 1 or not len(audio) or not audio.isfinite().all():
            wrong = "" if audio.isfinite().all() else " with NaN or infinity"
            raise ValueError(
                "audio must be finite mono samples at 16 kHz of shape (n_samples,), got shape "
                f"{tuple(audio.shape)}{wrong}"
            )
        check_long_enough(audio, "audio")
        columns = self.columns_of(participant)
        if windows is None:
            windows = self.brain_of(participant).windows(len(audio))
        windows = torch.as_tensor(windows)
        if windows.ndim != 2 or windows.shape[1] != 2 or (windows[:, 0] >= windows[:, 1]).any():
            raise ValueError(
                "windows must be sample bounds of shape (n_windows, 2), each start before its "
                f"end, got shape {tuple(windows.shape)}"
            )
        predictions = torch.empty(len(windows), columns.stop - columns.start)
        with evaluation_mode(self), torch.inference_mode():
            for batch in batches_of_equal_length(windows.numpy(), batch_size):
                clips = [cut(audio.numpy(), *bounds) for bounds in windows[batch].tolist()]
                inputs = {
                    name: values.to(self.device, self.dtype if values.is_floating_point() else None)
                    for name, values in model_inputs(feature_extractor, clips).items()
                }
                predictions[batch] = self(**inputs).logits[:, columns].float().cpu()
        return predictions.numpy()

    def brain_of(self, participant: str | None = None) -> Brain:
        """Return the `Brain` of a participant; without a name, of the only one.

        Raises
        ------
        ValueError
            The participant is unknown, there are several, or the checkpoint tells of none.
        """
        if not self.brains:
            raise ValueError(
                "this checkpoint does not say whose voxels its head predicts, nor at which TR: "
                "pass windows"
            )
        return self.brains[_chosen(participant, self.brains)]

    def train(self, mode: bool = True) -> Self:
        """Switch the mode of all but batch norms, which keep the statistics they came with.

        What a clip predicts then depends neither on the clips beside it nor on their padding.
        What takes no part in training is frozen: processes that train together wait for the
        gradient of all that is to learn. Frozen layers stay in evaluation mode.
        """
        super().train(mode)
        if self.tuned_layers is not None:
            self.base_model.eval()
            for layer in self._layers()[self._tuned]:
                layer.train(mode)
        if hasattr(self.base_model, "masked_spec_embed") and not self._masks_spans():
            self.base_model.masked_spec_embed.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()
        return self

    def forward(
        self,
        input_values: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> BrainTuningOutput:
        """Predict the response of every voxel to each clip.

        Parameters
        ----------
        input_values : tensor of shape (batch, samples)
        attention_mask : tensor of shape (batch, samples), 1 where a sample is real, or None
        labels : tensor of shape (batch, num_voxels), measured responses, or None
        **kwargs : `output_hidden_states`, `output_attentions`, `return_dict`

        Returns
        -------
        BrainTuningOutput

        Raises
        ------
        ValueError
            If labels are of another shape or hold NaN, or a clip has no real frame.
        """
        return self._predict(input_values, attention_mask, labels, **kwargs)

    def freeze_feature_encoder(self) -> None:
        """Keep the CNN feature encoder as it is (Moussa et al. 2025, section 3.3)."""
        self.base_model.feature_extractor._freeze_parameters()

    def freeze_base_model(self) -> None:
        """Keep the whole backbone as it is, so that only the head is trained."""
        self.base_model.requires_grad_(False)

    def freeze_other_layers(self, first: int, last: int) -> None:
        """Tune some layers of the transformer and the head; all else stays as it is.

        Frozen layers are in evaluation mode, without dropout. So is what comes before them, and
        `set_training_switches` switches masked spans and LayerDrop off: what the tuned layers are
        given of a clip is the same in every pass, and can be computed once.

        Parameters
        ----------
        first, last : int
            Layers by number, both included; 1 is the first block, as its output is hidden state 1.

        Raises
        ------
        ValueError
            If there are no such layers.
        """
        layers = self._layers()
        if not 1 <= first <= last <= len(layers):
            raise ValueError(
                f"layers to tune must be from 1 to {len(layers)}, the first before the last, got "
                f"{first} to {last}"
            )
        self.tuned_layers = first, last
        self.base_model.requires_grad_(False)
        for layer in layers[self._tuned]:
            layer.requires_grad_(True)
        for parts in self._skipped():
            for part in parts:
                _make_givable(part)
        self.set_training_switches(apply_spec_augment=False, layerdrop=0.0)
        self.train(self.training)

    @property
    def n_frozen_layers(self) -> int:
        """How many of the transformer's layers come before the first one that is tuned."""
        return 0 if self.tuned_layers is None else self.tuned_layers[0] - 1

    @property
    def _tuned(self):
        first, last = self.tuned_layers
        return slice(first - 1, last)

    def _layers(self):
        return self.base_model.encoder.layers

    def _skipped(self):
        """What does not run where the last frozen layer's output is given.

        Frozen layers, and the positional convolution, which costs half a layer.
        """
        positions = getattr(self.base_model.encoder, "pos_conv_embed", None)
        frozen = self._layers()[: self.n_frozen_layers]
        return frozen, [] if positions is None else [positions]

    def feature_encoder_parts(self) -> list[nn.Module]:
        """Return the modules of the feature encoder; none where mel frames take its place."""
        part = getattr(self.base_model, "feature_extractor", None)
        return [] if part is None else [part]

    def frozen_parts(self) -> list[nn.Module]:
        """Return the modules that `frozen_features` follow from.

        They are those of the feature encoder, and with frozen layers all but the later layers.
        """
        if not self.n_frozen_layers:
            return self.feature_encoder_parts()
        encoder = self.base_model.encoder
        before = [part for part in self.base_model.children() if part is not encoder]
        before += [part for part in encoder.children() if part is not encoder.layers]
        return [*before, *encoder.layers[: self.n_frozen_layers]]

    def frozen_features(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Go as far as all is frozen, once for many passes.

        What comes back takes the place of the inputs and gives what they give, as long as the
        feature encoder, or the frozen layers, stay frozen.

        Parameters
        ----------
        inputs : dict of tensors, as `forward` takes them without labels

        Returns
        -------
        dict of tensors
            Masks, as they are, and under the name of the sound what is made of it: by the feature
            encoder (batch, channels, frames), of Whisper (batch, hidden, frames), or by the last
            frozen layer (batch, 1, frames, hidden).
        """
        if not self.n_frozen_layers:
            return self._encoded_features(inputs)
        kept = []
        layers = self._layers()
        hook = layers[self.n_frozen_layers - 1].register_forward_hook(
            lambda _, __, output: kept.append(output)
        )
        self.base_model.encoder.layers = layers[: self.n_frozen_layers]
        try:
            with evaluation_mode(self), torch.no_grad():
                sound = inputs[self.main_input_name]
                self._encode(sound, inputs.get("attention_mask"))
        finally:
            self.base_model.encoder.layers = layers
            hook.remove()
        states = kept[0][0] if isinstance(kept[0], tuple) else kept[0]
        return {**inputs, self.main_input_name: states[:, None]}

    def _encoded_features(self, inputs):
        values = self.base_model.feature_extractor(inputs["input_values"])
        return {**inputs, "input_values": values}

    def set_training_switches(
        self,
        apply_spec_augment: bool | None = None,
        layerdrop: float | None = None,
        dropout: float = None,
    ) -> None:
        """Choose what is random in training, for this model in memory only.

        None leaves a switch as it is. Checkpoints are saved with the values that the model came
        with, so that later fine-tuning starts from those.

        Parameters
        ----------
        apply_spec_augment : bool, whether spans of the input are masked
        layerdrop : float in [0, 1), probability of skipping a layer
        dropout : float in [0, 1), for every dropout of the backbone, attention's included

        Raises
        ------
        ValueError
            If a probability lies outside [0, 1).
        """
        for name, probability in {"layerdrop": layerdrop, "dropout": dropout}.items():
            if probability is not None and not 0 <= probability < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {probability}")
        if apply_spec_augment is not None:
            if not hasattr(self.config, "apply_spec_augment"):
                # Models whose configuration does not declare it take it for true.
                self.config.apply_spec_augment = True
            self._set_config_field("apply_spec_augment", bool(apply_spec_augment))
            if hasattr(self.base_model, "masked_spec_embed"):
                self.base_model.masked_spec_embed.requires_grad_(self._masks_spans())
        if layerdrop is not None:
            # Encoders read it from the configuration at each step or copied it when they were made.
            self._set_config_field("layerdrop", layerdrop)
            _set_numbers(self.base_model, ("layerdrop",), layerdrop)
        if dropout is not None:
            _set_numbers(self.base_model, ("dropout", "activation_dropout"), dropout)
            for module in self.base_model.modules():
                if isinstance(module, nn.Dropout):
                    module.p = dropout

    @can_return_tuple
    def _predict(self, inputs, attention_mask, labels, **kwargs):
        if labels is not None:
            self._check_labels(labels, len(inputs))
        with self._resuming(inputs) as inputs:
            outputs = self._encode(inputs, attention_mask, **kwargs)
        frames = outputs.last_hidden_state
        logits = self.head(masked_mean(frames, self._frame_mask(attention_mask, frames.shape[1])))
        dtype = torch.promote_types(logits.dtype, torch.float32)
        loss = None if labels is None else self._loss(logits.to(dtype), labels.to(dtype))
        return BrainTuningOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    @contextmanager
    def _resuming(self, inputs):
        """Let frozen layers give what the last of them gave once, if that is what comes in.

        What is before them runs on zeros, and nobody looks at what it makes of these.
        """
        if inputs.ndim < 4:
            yield inputs
            return
        states = inputs[:, 0]
        with ExitStack() as stack:
            layers, positions = self._skipped()
            output = self._layer_output(states)
            for layer in layers:
                stack.enter_context(giving(layer, output))
            for part in positions:
                stack.enter_context(giving(part, states.new_zeros(())))
            yield self._blank(*states.shape[:2], states)

    def _layer_output(self, states):
        """What a layer returns whose hidden states these are."""
        return states

    def _blank(self, batch, frames, like):
        """Zeros in place of what the feature encoder gives."""
        return like.new_zeros(()).expand(batch, self.config.conv_dim[-1], frames)

    def _encode(self, inputs, attention_mask, **kwargs):
        if inputs.ndim == 2:
            return self.base_model(inputs, attention_mask=attention_mask, **kwargs)
        with giving(self.base_model.feature_extractor, inputs):
            return self.base_model(inputs, attention_mask=attention_mask, **kwargs)

    def _frame_mask(self, attention_mask, num_frames):
        if attention_mask is None:
            return None
        lengths = self._get_feat_extract_output_lengths(attention_mask.sum(dim=1))
        # A traced graph cannot depend on what a batch holds.
        if not torch.compiler.is_compiling() and (lengths < 1).any():
            # The family's own mask would take such a clip for one without padding.
            short = (lengths < 1).nonzero()[:, 0].tolist()
            raise ValueError(
                f"items {short} of the batch have no real frame: their clips are shorter than "
                "what the feature encoder sees at once"
            )
        return self._get_feature_vector_attention_mask(num_frames, attention_mask)

    def _loss(self, logits, labels):
        counts = self.config.num_voxels
        several = isinstance(counts, dict) and len(counts) > 1
        partly = several or self._shares_space
        if not partly and self._objective is squared_error and self._voxel_weights is None:
            return nn.functional.mse_loss(logits, labels)
        measured = ~labels.isnan() if partly else torch.ones_like(labels, dtype=torch.bool)
        weights = self._voxel_weights
        if weights is not None:
            self._voxel_weights = weights = weights.to(logits.device)
        n_voxels = list(counts.values()) if isinstance(counts, dict) else [counts]
        return self._objective(logits, labels, measured, weights, n_voxels)

    def _check_labels(self, labels, batch_size):
        expected = (batch_size, self.head.out_features)
        if tuple(labels.shape) != expected:
            raise ValueError(
                f"labels must have shape (batch, num_voxels) = {expected}, "
                f"got {tuple(labels.shape)}: select the voxels that the head was made for"
            )
        # On an accelerator, looking would wait for all that is under way.
        if labels.device.type == "cpu" and not torch.compiler.is_compiling():
            dead = self._dead(labels).any(dim=0).nonzero()[:, 0].tolist()
            if dead:
                raise ValueError(
                    f"labels hold NaN in {len(dead)} voxels, columns {dead[:5]} first: leave dead "
                    "voxels out of the selection"
                )

    def _dead(self, labels):
        """Where labels are NaN, but for what whoever heard the clip has no voxels of."""
        dead = labels.isnan()
        if self._shares_space:
            return dead & dead.all(1, keepdim=True)
        if not isinstance(self.config.num_voxels, dict):
            return dead
        parts = dead.split(list(self.config.num_voxels.values()), dim=1)
        unexpected = torch.cat([part & ~part.all(1, keepdim=True) for part in parts], dim=1)
        return unexpected | dead.all(1, keepdim=True)

    @property
    def _shares_space(self):
        """Whether the head's voxels are those of a space, of which a participant has some."""
        return any(brain.participants for brain in self.brains.values())

    def _masks_spans(self):
        """Whether what stands in for masked spans is in use."""
        config = self.config
        masked = getattr(config, "apply_spec_augment", True) and config.mask_time_prob > 0
        return masked or hasattr(self, "quantizer")  # self-supervision masks spans of its own

    def _set_config_field(self, name, value):
        if hasattr(self.config, name):
            self._checkpoint_fields.setdefault(name, getattr(self.config, name))
            setattr(self.config, name, value)

    @contextmanager
    def _checkpoint_config(self):
        live = {name: getattr(self.config, name) for name in self._checkpoint_fields}
        _set_fields(self.config, self._checkpoint_fields)
        try:
            yield
        finally:
            _set_fields(self.config, live)


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, and each of its modules back into its own at the end."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _make_givable(part):
    """Prepare a part of the backbone for `giving`."""
    part.given = None
    part.forward = partial(_given_or_computed, part)


def _given_or_computed(part, *inputs, **kwargs):
    """What a part of the backbone gave once, if that is at hand, or what it gives now."""
    return type(part).forward(part, *inputs, **kwargs) if part.given is None else part.given


@contextmanager
def giving(part: nn.Module, output: Any) -> Iterator[None]:
    """Let a part of the backbone give what it gave once, instead of computing it.

    Parameters
    ----------
    part : of `feature_encoder_parts`, or a frozen layer
    output : what it returns
    """
    part.given = output
    try:
        yield
    finally:
        part.given = None


def _chosen(participant, known):
    """The participant asked for, or the only one."""
    if participant is None and len(known) == 1:
        return next(iter(known))
    if participant not in known:
        raise ValueError(f"participant must be one of {', '.join(known)}, got {participant!r}")
    return participant


def _set_fields(config, values):
    for name, value in values.items():
        setattr(config, name, value)


def _set_numbers(module, names, value):
    """Set attributes of a module and its parts where they hold a number."""
    for part in module.modules():
        for name in names:
            if isinstance(vars(part).get(name), int | float):
                setattr(part, name, value)


class Wav2Vec2ForBrainTuning(BrainTuningMixin, Wav2Vec2PreTrainedModel):
    """Wav2vec 2.0 for brain-tuning."""

    backbone_class = Wav2Vec2Model


class HubertForBrainTuning(BrainTuningMixin, HubertPreTrainedModel):
    """HuBERT for brain-tuning."""

    backbone_class = HubertModel


class WavLMForBrainTuning(BrainTuningMixin, WavLMPreTrainedModel):
    """WavLM for brain-tuning."""

    backbone_class = WavLMModel

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        for layer in self.wavlm.encoder.layers:
            layer.attention.torch_multi_head_self_attention = partial(_attend, layer.attention)

    def _layer_output(self, states):
        # The first layer also gives all others how far frames are apart.
        attention, n_frames = self._layers()[0].attention, states.shape[1]
        bias = attention.compute_bias(n_frames, n_frames)
        return states, bias.repeat(len(states), 1, 1)


def _attend(attention, hidden_states, attention_mask, position_bias):
    """WavLM's attention, for projections that are more than their weights.

    The stock one reads the weights without calling the modules: adapters would have no effect.
    """
    projections = attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj
    if all(type(project) is nn.Linear for project in projections):
        stock = type(attention).torch_multi_head_self_attention
        return stock(attention, hidden_states, attention_mask, position_bias)
    heads = attention.num_heads
    query, key, value = (
        project(hidden_states).unflatten(2, (heads, -1)).transpose(1, 2)
        for project in projections[:3]
    )
    scores = query @ key.transpose(2, 3) * attention.scaling
    scores = scores + position_bias.unflatten(0, (-1, heads))
    if attention_mask is not None:
        scores = scores.masked_fill(attention_mask.ne(1)[:, None, None], -torch.inf)
    weights = nn.functional.dropout(scores.softmax(-1), attention.dropout, attention.training)
    return attention.out_proj((weights @ value).transpose(1, 2).flatten(2)), weights


class Data2VecAudioForBrainTuning(BrainTuningMixin, Data2VecAudioPreTrainedModel):
    """Data2vec's speech model for brain-tuning.

    Its stacked positional convolutions let padding touch the frames beside it, as in the stock
    model: in a batch, clips of equal length give what each gives alone.
    """

    backbone_class = Data2VecAudioModel


class UniSpeechSatForBrainTuning(BrainTuningMixin, UniSpeechSatPreTrainedModel):
    """UniSpeech-SAT for brain-tuning."""

    backbone_class = UniSpeechSatModel


class Wav2Vec2ConformerForBrainTuning(BrainTuningMixin, Wav2Vec2ConformerPreTrainedModel):
    """Wav2vec 2.0 with Conformer layers for brain-tuning.

    Its layers' convolutions let padding touch the frames beside it, as in the stock model: in a
    batch, clips of equal length give what each gives alone.
    """

    backbone_class = Wav2Vec2ConformerModel

    def train(self, mode: bool = True) -> Self:
        """Switch the mode; the positional convolution, which the stock model never calls, rests."""
        super().train(mode)
        self.base_model.encoder.pos_conv_embed.requires_grad_(False)
        return self


class Wav2Vec2BertForBrainTuning(BrainTuningMixin, Wav2Vec2BertPreTrainedModel):
    """Wav2vec2-BERT for brain-tuning."""

    backbone_class = Wav2Vec2BertModel

    def forward(
        self,
        input_features: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> BrainTuningOutput:
        """Predict the response of every voxel to each clip.

        Parameters
        ----------
        input_features : tensor of shape (batch, frames, 2 x mel bands)
        attention_mask : tensor of shape (batch, frames), 1 where a frame is real, or None
        labels : tensor of shape (batch, num_voxels), measured responses, or None
        **kwargs : `output_hidden_states`, `output_attentions`, `return_dict`

        Returns
        -------
        BrainTuningOutput

        Raises
        ------
        ValueError
            If labels are of another shape or hold NaN, or a clip has no real frame.
        """
        return self._predict(input_features, attention_mask, labels, **kwargs)

    def freeze_feature_encoder(self) -> None:
        """Do nothing: in place of a CNN there are mel frames, which have no parameters."""

    def _encoded_features(self, inputs):
        return inputs  # mel frames are all that comes before the transformer

    def _blank(self, batch, frames, like):
        width = self.config.feature_projection_input_dim
        return like.new_zeros(()).expand(batch, frames, width)

    def _encode(self, inputs, attention_mask, **kwargs):
        return self.base_model(inputs, attention_mask=attention_mask, **kwargs)


class WhisperForBrainTuning(BrainTuningMixin, WhisperPreTrainedModel):
    """Whisper's encoder for brain-tuning.

    The decoder takes no part and stays as it was, so that a tuned checkpoint still transcribes.
    """

    backbone_class = WhisperModel

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        self.generation_config = None

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike | None,
        num_voxels: int | Mapping[str, int] | None = None,
        **kwargs: Any,
    ) -> Any:
        name = pretrained_model_name_or_path
        loaded = super().from_pretrained(name, num_voxels, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        if name is None:
            return loaded
        try:
            model.generation_config = GenerationConfig.from_pretrained(
                name, **hub_arguments(kwargs)
            )
        except OSError:
            logger.info(f"'{name}' has no generation_config.json to carry along")
        return loaded

    def _save_own_files(self, folder):
        super()._save_own_files(folder)
        if self.generation_config is not None:
            self.generation_config.save_pretrained(folder)

    def train(self, mode: bool = True) -> Self:
        """Switch the mode of all but the decoder, which stays frozen and in evaluation mode."""
        super().train(mode)
        # Loading makes parameters anew, all with gradients, and then comes by here.
        self.model.decoder.eval().requires_grad_(False)
        return self

    def forward(
        self,
        input_features: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> BrainTuningOutput:
        """Predict the response of every voxel to each clip.

        Parameters
        ----------
        input_features : tensor of shape (batch, mel bands, mel frames), padded to the chunk
        attention_mask : tensor of shape (batch, mel frames), 1 where a frame is real, or None
            Without it the silence that pads a clip to the chunk enters the mean.
        labels : tensor of shape (batch, num_voxels), measured responses, or None
        **kwargs : `output_hidden_states`, `output_attentions`, `return_dict`

        Returns
        -------
        BrainTuningOutput

        Raises
        ------
        ValueError
            If labels are of another shape or hold NaN, or a clip has no real frame.
        """
        if attention_mask is None and not torch.compiler.is_compiling():
            logger.warning_once(
                "Whisper got no attention_mask: padding is averaged with the clip. Call the "
                "feature extractor with return_attention_mask=True."
            )
        return self._predict(input_features, attention_mask, labels, **kwargs)

    def feature_encoder_parts(self) -> list[nn.Module]:
        """Return both convolutions."""
        return [self.model.encoder.conv1, self.model.encoder.conv2]

    def freeze_feature_encoder(self) -> None:
        """Keep both convolutions and the position embeddings as they are."""
        encoder = self.model.encoder
        for part in (encoder.conv1, encoder.conv2, encoder.embed_positions):
            part.requires_grad_(False)

    def frozen_features(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """As in the other families, both convolutions being the feature encoder.

        Raises
        ------
        ValueError
            If spans of the mel frames are masked in training, which changes them at each pass.
        """
        if self.config.apply_spec_augment:
            raise ValueError("apply_spec_augment masks Whisper's mel frames anew at each pass")
        return super().frozen_features(inputs)

    def _encoded_features(self, inputs):
        encoder = self.model.encoder
        values = encoder.conv2(nn.functional.gelu(encoder.conv1(inputs["input_features"])))
        return {**inputs, "input_features": values}

    def _blank(self, batch, frames, like):
        return like.new_zeros(()).expand(batch, self.config.d_model, frames)

    def _encode(self, inputs, attention_mask, **kwargs):
        encoder = self.model.encoder
        if inputs.shape[2] != encoder.max_source_positions:
            inputs = self.model._mask_input_features(inputs, attention_mask)
            return encoder(inputs, **kwargs)
        # Only its length is looked at.
        frames = inputs.new_empty(len(inputs), 1, 1).expand(-1, -1, 2 * inputs.shape[2])
        with giving(encoder.conv1, frames), giving(encoder.conv2, inputs):
            return encoder(frames, **kwargs)

    def _frame_mask(self, attention_mask, num_frames):
        return None if attention_mask is None else whisper_frame_mask(attention_mask)


def whisper_frame_mask(attention_mask: torch.Tensor) -> torch.Tensor:
    """Bring a mask of mel frames (batch, mel frames) to Whisper's encoder frames.

    The second convolution has stride 2. Of an odd number of mel frames the last one counts: it
    is the centre of the last encoder frame.
    """
    return attention_mask[:, ::2].bool()
