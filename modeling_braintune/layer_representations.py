"""What each layer of a speech model makes of the audio up to a moment."""

from contextlib import contextmanager

import numpy as np
import torch
from transformers.utils import logging

from .collator import model_inputs
from .modeling_braintune import whisper_frame_mask


def layer_representations(
    model, feature_extractor, audio, windows, layers=None, batch_size=8, progress=False
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

    Returns
    -------
    representations : float32 array of shape (n_layers, n_windows, hidden)

    Raises
    ------
    ValueError
        If the audio is not finite mono audio, a layer is unknown, a window does not lie within
        the audio, is shorter than the model's receptive field, or longer than the feature
        extractor's chunk.
    """
    backbone = model.base_model
    config = backbone.config
    if config.is_encoder_decoder:
        backbone = backbone.get_encoder()
    layers = _checked_layers(layers, config.num_hidden_layers)
    audio = _checked_audio(audio)
    windows = _checked_windows(windows, audio.size, _receptive_field(config))
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")

    representations = np.empty((len(layers), len(windows), config.hidden_size), np.float32)
    with (
        _evaluating(model),
        torch.inference_mode(),
        logging.tqdm(total=len(windows), unit="window", disable=not progress) as bar,
    ):
        for batch in _batches_of_equal_length(windows, batch_size):
            clips = [audio[start:end] for start, end in windows[batch]]
            inputs = model_inputs(feature_extractor, clips)
            hidden_states = _hidden_states(backbone, inputs)
            last = _last_real_frame(inputs, hidden_states[0].shape[1])
            frames = torch.stack([hidden_states[layer][:, last] for layer in layers])
            representations[:, batch] = frames.float().cpu().numpy()
            bar.update(len(batch))
    return representations


def _hidden_states(backbone, inputs):
    """Run the backbone; its windows have one length, so that no mask is needed."""
    name = backbone.main_input_name
    if name not in inputs:
        raise ValueError(
            f"{type(backbone).__name__} takes {name}, but the feature extractor gives "
            f"{', '.join(inputs)}: use the one of the model's own checkpoint"
        )
    values = inputs[name].to(backbone.device, backbone.dtype)
    return backbone(values, output_hidden_states=True).hidden_states


def _last_real_frame(inputs, num_frames):
    if "input_features" in inputs:
        return int(whisper_frame_mask(inputs["attention_mask"][:1]).sum()) - 1
    return num_frames - 1


def _batches_of_equal_length(windows, batch_size):
    """Yield window indices, at most `batch_size` at a time and all of one length."""
    lengths = windows[:, 1] - windows[:, 0]
    order = np.argsort(lengths, kind="stable")
    changes = np.flatnonzero(np.diff(lengths[order])) + 1
    for group in np.split(order, changes):
        for first in range(0, len(group), batch_size):
            yield group[first : first + batch_size]


@contextmanager
def _evaluating(model):
    """Evaluation mode, with every module's own mode restored at the end."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _receptive_field(config):
    """Number of samples behind one frame of a CNN feature encoder; 1 where clips are padded."""
    samples = 1
    layers = zip(
        getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ()), strict=True
    )
    for kernel, stride in reversed(list(layers)):
        samples = (samples - 1) * stride + kernel
    return samples


def _checked_layers(layers, last):
    known = range(last + 1)
    layers = list(known if layers is None else layers)
    unknown = [layer for layer in layers if layer not in known]
    if unknown or not layers:
        raise ValueError(
            f"layers must be among 0 (the transformer's input) to {last}, got {layers}"
        )
    return layers


def _checked_audio(audio):
    audio = np.asarray(audio, dtype=np.float32)
    if audio.ndim != 1 or not np.isfinite(audio).all():
        raise ValueError(
            f"audio must be finite mono samples of shape (n_samples,), got shape {audio.shape}"
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
    return windows
