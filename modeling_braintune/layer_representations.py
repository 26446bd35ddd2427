"""What each layer of a speech model makes of the audio up to a moment."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from transformers import FeatureExtractionMixin, PreTrainedModel
from transformers.utils import logging

from .collator import batches_of_equal_length, check_floating, model_inputs
from .modeling_braintune import evaluation_mode, whisper_frame_mask

# What SeamlessM4TFeatureExtractor does: mel frames of 25 ms every 10 ms, taken two by two.
MEL_PAIR_KERNELS = (400, 2)
MEL_PAIR_STRIDES = (160, 2)

# Batches of indices of clips to the same with their values, as `represented` makes them
Represent = Callable[[Iterable[np.ndarray]], Iterator[tuple[np.ndarray, np.ndarray]]]
Pool = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]


def layer_representations(
    model: PreTrainedModel,
    feature_extractor: FeatureExtractionMixin,
    audio: np.ndarray,
    windows: np.ndarray,
    layers: Sequence[int] | None = None,
    batch_size: int = 8,
    progress: bool = False,
    dtype: torch.dtype | None = None,
    frames_back: Sequence[int] | None = None,
) -> np.ndarray:
    """Represent windows of audio by every layer's last real frame (Moussa et al. 2025, 3.2).

    Each window is normalised by itself, and only windows of equal length share a batch.

    Parameters
    ----------
    model : a model for brain-tuning, a stock backbone or a stock task model around one
    feature_extractor : the checkpoint's own
    audio : float array of shape (n_samples,), mono at 16 kHz
    windows : int array of shape (n_windows, 2), start and end in samples, within the audio
    layers : list of int, or None for all; 0 is the transformer's input
    batch_size : int, windows per batch
    progress : bool, whether to show a progress bar
    dtype : torch.bfloat16 to compute in it, with a copy of the weights, or None for their own
        On hardware that has bfloat16, half the time and a relative error of 1 to 2 %.
    frames_back : list of int, or None for the last frame
        Take several frames of each window, so many before its last real one, 0 being that one; the
        first frame stands in for those before it. `frame_step` says how far they are apart.

    Returns
    -------
    representations : float32 array of shape (n_layers, n_windows, hidden)
        With `frames_back`, (n_layers, n_windows, n_frames, hidden).

    Raises
    ------
    ValueError
        If the audio is not finite mono audio, a layer or dtype is unknown, a window does not lie
        within the audio, is shorter than the model's receptive field, or longer than the feature
        extractor's chunk.
    """
    clips, windows, layers = checked_request(model, audio, windows, layers, batch_size, dtype)
    pool = last_frame if frames_back is None else partial(frames_before, frames_back)
    represent = partial(represented, model, feature_extractor, clips, layers, dtype, pool)
    return gathered(
        represent, model, windows, layers, batch_size, progress, frames_back=frames_back
    )


def gathered(
    represent: Represent,
    model: PreTrainedModel,
    windows: np.ndarray,
    layers: Sequence[int],
    batch_size: int,
    progress: bool,
    unit: str = "window",
    frames_back: Sequence[int] | None = None,
) -> np.ndarray:
    """Collect what `represent` makes of batches of windows of equal length.

    Parameters
    ----------
    represent : `represented` of all but batches
    windows : int array of shape (n_windows, 2)
    unit : str, what the progress bar counts
    frames_back : as in `layer_representations`

    Returns
    -------
    representations : float32 array of the shape that `shape_of` gives
    """
    representations = np.empty(shape_of(model, layers, windows, frames_back), np.float32)
    with (
        measuring(model),
        logging.tqdm(total=len(windows), unit=unit, disable=not progress) as bar,
    ):
        for batch, values in represent(batches_of_equal_length(windows, batch_size)):
            representations[:, batch] = values
            bar.update(len(batch))
    return representations


def shape_of(
    model: PreTrainedModel,
    layers: Sequence[int],
    windows: np.ndarray,
    frames_back: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Return the shape of the representations of windows."""
    n_frames = () if frames_back is None else (len(frames_back),)
    return len(layers), len(windows), *n_frames, encoder_of(model).config.hidden_size


def encoder_of(model: PreTrainedModel) -> PreTrainedModel:
    """Return the part of a model that turns audio into layers of frames."""
    backbone = model.base_model
    return backbone.get_encoder() if backbone.config.is_encoder_decoder else backbone


def checked_request(
    model: PreTrainedModel,
    audio: np.ndarray,
    windows: np.ndarray,
    layers: Sequence[int] | None,
    batch_size: int,
    dtype: torch.dtype | None,
) -> tuple[list[np.ndarray], np.ndarray, list[int]]:
    """Return what is asked for in full, or raise as `layer_representations` says.

    Returns
    -------
    clips : list of float32 arrays of shape (n_samples,), the windows of the audio
    windows : int64 array of shape (n_windows, 2)
    layers : list of int
    """
    layers = checked_settings(model, layers, batch_size, dtype)
    audio = checked_audio(audio)
    windows = _checked_windows(windows, audio.size, receptive_field(model))
    return [audio[start:end] for start, end in windows], windows, layers


def checked_settings(
    model: PreTrainedModel, layers: Sequence[int] | None, batch_size: int, dtype: torch.dtype | None
) -> list[int]:
    """Return the layers as a list, or raise as `layer_representations` says."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if dtype not in (None, torch.bfloat16):
        raise ValueError(f"dtype must be torch.bfloat16, or None for the weights' own, got {dtype}")
    return checked_layers(layers, encoder_of(model).config.num_hidden_layers)


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and full float32, with all as it was before at the end."""
    # Not the older `allow_tf32`, which keeps a flag of its own beside this one.
    convolutions = torch.backends.cudnn.conv
    precision = convolutions.fp32_precision
    try:
        # Left alone, convolutions on a GPU round float32 input to 10 bits of mantissa.
        convolutions.fp32_precision = "ieee"
        with evaluation_mode(model):
            yield
    finally:
        convolutions.fp32_precision = precision


def represented(
    model: PreTrainedModel,
    feature_extractor: FeatureExtractionMixin,
    clips: Sequence[np.ndarray],
    layers: Sequence[int],
    dtype: torch.dtype | None,
    pool: Pool,
    batches: Iterable[np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each batch of indices of clips with its float32 (n_layers, batch, hidden) values.

    `pool` takes a layer's (batch, frames, hidden) and the mask of real frames, or None, to one
    (batch, hidden). Batches are drawn when there is work to do, a few ahead of the model.
    """
    encoder = encoder_of(model)
    weights = _converted_weights(encoder, dtype)

    def prepare(batch):
        return batch, model_inputs(feature_extractor, [clips[int(index)] for index in batch])

    # An accelerator is done with a batch before one thread has prepared the next.
    n_ahead = 1 if encoder.device.type == "cpu" else 4
    for batch, inputs in _map_ahead(prepare, batches, n_ahead):
        yield batch, _pooled(encoder, weights, inputs, layers, pool)


def _converted_weights(encoder, dtype):
    """What stands in for the encoder's parameters and buffers, by name."""
    if dtype is None:
        return {}
    state = {**dict(encoder.named_parameters()), **dict(encoder.named_buffers())}
    return {name: t.detach().to(dtype) for name, t in state.items() if t.is_floating_point()}


def _map_ahead(function, items, n_ahead):
    """Map in threads, with at most `n_ahead` items under way or waiting to be taken."""
    with ThreadPoolExecutor(n_ahead) as pool:
        under_way = deque()
        for item in items:
            under_way.append(pool.submit(function, item))
            if len(under_way) > n_ahead:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


@torch.inference_mode()
def _pooled(encoder, weights, inputs, layers, pool):
    hidden_states = _hidden_states(encoder, weights, inputs)
    mask = _frame_mask(inputs, hidden_states[0].shape[1])
    return torch.stack([pool(hidden_states[k], mask) for k in layers]).float().cpu().numpy()


def _hidden_states(encoder, weights, inputs):
    """Run the encoder; its windows have one length, so that raw audio needs no mask."""
    name = encoder.main_input_name
    if name not in inputs:
        raise ValueError(
            f"{type(encoder).__name__} takes {name}, but the feature extractor gives "
            f"{', '.join(inputs)}: use the one of the model's own checkpoint"
        )
    dtype = torch.bfloat16 if weights else encoder.dtype
    values = inputs[name].to(encoder.device, dtype)
    arguments = {"output_hidden_states": True}
    if name == "input_features":
        # Of an odd number of mel frames, wav2vec2-bert's extractor pads the last pair.
        arguments["attention_mask"] = inputs["attention_mask"].to(encoder.device)
    with torch.autocast(encoder.device.type, enabled=False):
        return functional_call(encoder, weights, values, arguments).hidden_states


def _frame_mask(inputs, num_frames):
    """Which frames are real, (batch, frames), or None where all of them are."""
    if "input_features" not in inputs:
        return None
    mask = inputs["attention_mask"]
    return mask if mask.shape[1] == num_frames else whisper_frame_mask(mask)


def last_frame(hidden_states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Take the last real frame of clips of one length."""
    return hidden_states[:, -1 if mask is None else int(mask[0].sum()) - 1]


def frames_before(
    frames_back: Sequence[int], hidden_states: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Take frames by how many lie between them and the last real one: (batch, n_frames, hidden)."""
    last = (hidden_states.shape[1] if mask is None else int(mask[0].sum())) - 1
    return hidden_states[:, [max(last - back, 0) for back in frames_back]]


def frame_step(model: PreTrainedModel, feature_extractor: FeatureExtractionMixin) -> int:
    """Return the samples from one frame of a model's layers to the next.

    Raises
    ------
    ValueError
        If that is not known of the model's family.
    """
    config = encoder_of(model).config
    if config.model_type == "wav2vec2-bert":
        return math.prod(MEL_PAIR_STRIDES)
    if config.model_type == "whisper":
        return 2 * feature_extractor.hop_length  # its second convolution takes two by two
    if not hasattr(config, "conv_stride"):
        raise ValueError(f"how far frames of a {config.model_type} are apart is not known")
    return math.prod(config.conv_stride)


def receptive_field(model: PreTrainedModel) -> int:
    """Return how many samples a window must have at least: those behind one frame.

    A CNN feature encoder takes its kernels and strides together, and so do the mel frames and
    pairs of them that wav2vec2-bert starts from; where a family pads its clips, one sample is
    enough.
    """
    config = encoder_of(model).config
    if config.model_type == "wav2vec2-bert":
        kernels: tuple[int, ...] = MEL_PAIR_KERNELS
        strides: tuple[int, ...] = MEL_PAIR_STRIDES
    else:
        kernels = getattr(config, "conv_kernel", ())
        strides = getattr(config, "conv_stride", ())
    samples = 1
    for kernel, stride in reversed(list(zip(kernels, strides, strict=True))):
        samples = (samples - 1) * stride + kernel
    return samples


def checked_layers(layers: Sequence[int] | None, last: int) -> list[int]:
    """Return layers as a list, all up to the last if None, or raise a ValueError."""
    known = range(last + 1)
    layers = list(known if layers is None else layers)
    unknown = [layer for layer in layers if layer not in known]
    if unknown or not layers:
        raise ValueError(
            f"layers must be among 0 (the transformer's input) to {last}, got {layers}"
        )
    return [int(layer) for layer in layers]


def checked_audio(audio: np.ndarray, name: str = "audio") -> np.ndarray:
    """Return finite mono samples as float32, or raise a ValueError that tells their name."""
    audio = np.asarray(audio)
    check_floating(audio, name)
    audio = audio.astype(np.float32, copy=False)
    if audio.ndim != 1 or not np.isfinite(audio).all():
        raise ValueError(
            f"{name} must be finite mono samples of shape (n_samples,), got shape {audio.shape}"
            + (" with NaN or infinity" if audio.ndim == 1 else "")
        )
    return audio


def _checked_windows(windows, n_samples, shortest):
    windows = np.asarray(windows)
    if windows.ndim != 2 or windows.shape[1] != 2 or windows.dtype.kind not in "iu":
        raise ValueError(
            "windows must be sample bounds, an int array of shape (n_windows, 2), "
            f"got {windows.dtype} of shape {windows.shape}"
        )
    start, end = windows.astype(np.int64).T
    for wrong, reason in (
        ((start < 0) | (end > n_samples), f"outside the audio of {n_samples} samples"),
        (end - start < shortest, f"shorter than the model's receptive field of {shortest} samples"),
    ):
        if wrong.any():
            index = int(wrong.argmax())
            raise ValueError(
                f"window {index}, [{start[index]}, {end[index]}) in samples, is {reason}"
            )
    return windows.astype(np.int64)
