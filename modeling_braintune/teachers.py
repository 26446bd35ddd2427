"""What larger models make of a story's words: other targets for tuning than the brain's.

The controls of Moussa et al. 2025, section 3.3.1: representations by all layers of a Whisper's
decoder, or of a causal language model.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from filelock import FileLock
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin
from transformers.utils import logging

from .collator import model_inputs
from .kept_arrays import checksum
from .layer_representations import checked_audio, checked_layers, measuring
from .representation_cache import (
    BLOCK,
    UNREAD_FIELDS,
    UNREAD_SETTINGS,
    entry_of,
    store,
    stored,
    weights_fingerprint,
)

FORMAT = 1  # of entries, and of how representations are made: a new one leaves old entries behind


class Passage(NamedTuple):
    """What a teacher takes in at once."""

    tokens: list[int]
    ends: list[int]  # positions of the last tokens of the words that are represented
    clip: tuple[int, int] | None = None  # bounds in samples of the sound that goes with it


def text_representations(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    words: Sequence[str],
    layers: Sequence[int] | None = None,
    *,
    context: int = 512,
    out: np.ndarray | None = None,
    cache_dir: str | os.PathLike | None = None,
    fingerprint: str | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Represent each word of a story by the layers of a causal language model.

    The words, joined by blanks, become tokens once. A word is represented at the last of the
    tokens that hold a character of it, so that a token which straddles two words can stand for
    both, and a word out of vocabulary is whatever the tokenizer makes of it.

    The model reads passages of at most `context` tokens that begin with a whole word, after the
    tokens that the tokenizer puts in front of a text. The first passage begins with the story;
    each further one with the first word that lies, in tokens, no more than half a context before
    the words that are still to be represented. A word thus follows from all words before it, or
    from about half a context of them to a whole one.

    Parameters
    ----------
    model : a causal language model, with its head or without
        In the precision that it computes in: large ones are loaded in half precision. Of what
        it makes of a passage, no more than the words by the layers asked for is ever held.
    tokenizer : the checkpoint's own, one that gives offsets
    words : list of str
    layers : list of int, or None for all; 0 is the embedding
    context : int
        Tokens that the model reads at once.
    out : array of shape (n_words, n_targets), optional
        Is filled and returned, such as one that `numpy.lib.format.open_memmap` maps to a file.
    cache_dir : path-like, optional
        Keeps what is computed, a file for each passage. Names follow from the model's weights and
        configuration, the layers and the passages. An interrupted run goes on with those that are
        missing or damaged, and processes that ask for the same wait for one another.
    fingerprint : str, optional
        `weights_fingerprint(model)`; saves the time if it is known.
    progress : bool, whether to show a progress bar

    Returns
    -------
    representations : float32 array of shape (n_words, n_targets)
        Layers side by side; `n_targets` is `target_size(model, layers)`.

    Raises
    ------
    ValueError
        If there are no words, a word has no token or more than fit, the tokenizer gives no
        offsets, the model sees later words, its precision is too low for its numbers, a layer is
        not as wide as the others, or layers, context or `out` do not fit it.
    """
    check_text_teacher(model)
    layers = _teacher_layers(model, layers)
    prompt, tokens, first, last = _tokenized(tokenizer, words)
    longest = getattr(model.config, "max_position_embeddings", context)
    if not len(prompt) < context <= longest:
        raise ValueError(
            f"context must be more than the {len(prompt)} tokens in front of a text and at most "
            f"the {longest} that {_name(model)} takes, got {context}"
        )
    room = context - len(prompt)
    too_long = last - first >= room
    if too_long.any():
        word = int(too_long.argmax())
        raise ValueError(
            f"word {word}, {words[word]!r}, takes {last[word] - first[word] + 1} tokens, of which "
            f"context={context} holds {room}"
        )

    passages, word = [], 0
    while word < len(words):
        start = first[np.searchsorted(first, max(first[word] - room // 2, last[word] + 1 - room))]
        stop = np.searchsorted(last, start + room)
        ends = last[word:stop] - start + len(prompt)
        text = tokens[start : last[stop - 1] + 1]
        passages.append(Passage(prompt + text, ends.tolist()))
        word = int(stop)
    return _collected(
        model,
        partial(_read, model, layers),
        layers,
        [[passage] for passage in passages],
        out,
        cache_dir,
        {"fingerprint": fingerprint},
        progress,
    )


def speech_representations(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    audio: np.ndarray,
    words: Sequence[Any],
    layers: Sequence[int] | None = None,
    *,
    length: float | None = None,
    batch_size: int = 8,
    out: np.ndarray | None = None,
    cache_dir: str | os.PathLike | None = None,
    fingerprint: str | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Represent each word of a story by the layers of a Whisper's decoder.

    The encoder hears the sound up to the word's end, at most `length` of it. The decoder is forced
    to the transcript of that sound: what the tokenizer puts in front of a transcript (its language
    and task are set there), and the words that begin within the sound, the word itself last. A
    word is represented at its last token, as in `text_representations`. After a silence longer
    than `length` a word stands alone, and so does one that is longer itself, of which the encoder
    hears the end.

    Parameters
    ----------
    model : a Whisper with its decoder, in the precision that it computes in
    processor : the checkpoint's own
    audio : float array of shape (n_samples,), mono at 16 kHz
    words : list of (start, end, label) with these attributes
        In seconds, in order of time. A word may end after the audio, but not begin there.
    layers : list of int, or None for all of the decoder; 0 is the embedding
    length : float, optional
        Seconds of sound; by default the whole chunk of 30 s.
    batch_size : int, words per batch
    out, fingerprint, progress : as in `text_representations`
    cache_dir : path-like, optional
        As in `text_representations`, with a file for 128 words. Names follow from the audio and
        the feature extractor too.

    Returns
    -------
    representations : float32 array of shape (n_words, n_targets)
        Layers side by side; `n_targets` is `target_size(model, layers)`.

    Raises
    ------
    ValueError
        If the model is no Whisper with a decoder, there are no words or these are not in order,
        a word begins after the audio or has no token, the words of a window are more than the
        decoder takes, its precision is too low for its numbers, or audio, layers, `length`,
        `batch_size` or `out` do not fit.
    """
    check_speech_teacher(model)
    layers = _teacher_layers(model, layers)
    audio = checked_audio(audio)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    passages = _heard(model, processor, audio, words, length)
    settings = json.loads(processor.feature_extractor.to_json_string())
    return _collected(
        model,
        partial(_listen, model, processor.feature_extractor, audio, layers, batch_size),
        layers,
        [passages[i : i + BLOCK] for i in range(0, len(passages), BLOCK)],
        out,
        cache_dir,
        {
            "fingerprint": fingerprint,
            "audio": checksum(audio),
            "feature_extractor": {key: settings[key] for key in settings.keys() - UNREAD_SETTINGS},
        },
        progress,
    )


def target_size(model: PreTrainedModel, layers: Sequence[int] | None = None) -> int:
    """Return how many numbers a teacher makes of a word, before it does so.

    Parameters
    ----------
    model : as in `text_representations` or `speech_representations`
    layers : list of int, or None for all; 0 is the embedding

    Returns
    -------
    n_targets : int
        Layers times hidden units.

    Raises
    ------
    ValueError
        If a layer is unknown.
    """
    return len(_teacher_layers(model, layers)) * model.config.hidden_size


def _teacher_layers(model, layers):
    return checked_layers(layers, _n_layers(model.config))


def _n_layers(config):
    # A Whisper's num_hidden_layers are the encoder's.
    return config.decoder_layers if config.is_encoder_decoder else config.num_hidden_layers


def _name(model):
    return f"{type(model).__name__} {model.config._name_or_path}".strip()


def check_text_teacher(model: PreTrainedModel) -> None:
    """Refuse a model that is no causal language model, as `text_representations` does."""
    blind = all(getattr(module, "is_causal", True) for module in model.modules())
    if model.config.is_encoder_decoder or not blind:
        raise ValueError(
            "a text teacher must be a causal language model, blind to what comes after a word, "
            f"got {_name(model)}"
        )


def check_speech_teacher(model: PreTrainedModel) -> None:
    """Refuse a model that is no Whisper with a decoder, as `speech_representations` does."""
    if model.config.model_type != "whisper" or not hasattr(model.base_model, "decoder"):
        raise ValueError(f"a speech teacher must be a Whisper with its decoder, got {_name(model)}")


def _tokenized(tokenizer, words, lead=""):
    """Turn words, joined by blanks, into tokens.

    Returns
    -------
    prompt, tokens : list of int
        What the tokenizer puts in front of a text, and the text.
    first, last : int array of shape (n_words,)
        Each word's first and last token in the text.
    """
    if not words:
        raise ValueError("words must hold at least one, got none: has the story a tier of words?")
    if not tokenizer.is_fast:
        raise ValueError(
            f"{type(tokenizer).__name__} {tokenizer.name_or_path} gives no offsets of tokens in a "
            "text; use a tokenizer of the tokenizers library"
        )
    lengths = np.array([len(word) for word in words])
    stops = len(lead) + np.cumsum(lengths + 1) - 1
    encoding = tokenizer(
        lead + " ".join(words),
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        verbose=False,  # of texts longer than the model: they are read in passages
    )
    added = np.array(encoding["special_tokens_mask"], bool)
    tokens = np.array(encoding["input_ids"])
    begins, ends = np.array(encoding["offset_mapping"])[~added].reshape(-1, 2).T
    first = np.searchsorted(ends, stops - lengths, side="right")
    last = np.searchsorted(begins, stops) - 1
    if (first > last).any():
        word = int((first > last).argmax())
        raise ValueError(
            f"word {word}, {words[word]!r}, has no token by {type(tokenizer).__name__} "
            f"{tokenizer.name_or_path}: leave it out"
        )
    return tokens[: added.argmin()].tolist(), tokens[~added].tolist(), first, last


def _heard(model, processor, audio, words, length):
    """The sound and the transcript up to the end of each word."""
    # Transcripts that Whisper was trained on begin with a blank.
    prompt, tokens, first, last = _tokenized(
        processor.tokenizer, [word.label for word in words], lead=" "
    )
    extractor = processor.feature_extractor
    rate = extractor.sampling_rate
    n_samples = extractor.n_samples if length is None else round(length * rate)
    if not 1 <= n_samples <= extractor.n_samples:
        raise ValueError(
            f"length must be above 0 and at most {extractor.n_samples / rate:g} seconds, "
            f"got {length}"
        )
    begins = np.array([round(word.start * rate) for word in words])
    if (np.diff(begins) < 0).any():
        raise ValueError("words must be in order of time")
    if begins[-1] >= audio.size:
        raise ValueError(
            f"{words[-1]} begins after the end of the audio, of {audio.size / rate:g} s"
        )
    passages = []
    for index, word in enumerate(words):
        end = min(round(word.end * rate), audio.size)
        start = max(end - n_samples, 0)
        transcript = first[min(np.searchsorted(begins, start), index)]
        heard = prompt + tokens[transcript : last[index] + 1]
        if len(heard) > model.config.max_target_positions:
            raise ValueError(
                f"the words up to {word} take {len(heard)} tokens, of which {_name(model)} reads "
                f"{model.config.max_target_positions}: use a shorter length"
            )
        passages.append(Passage(heard, [len(heard) - 1], (start, end)))
    return passages


def _collected(model, represent, layers, blocks, out, cache_dir, facts, progress):
    """Fill an array with what `represent` makes of blocks of passages, each kept in a file."""
    n_words = [sum(len(passage.ends) for passage in block) for block in blocks]
    shape = sum(n_words), len(layers) * model.config.hidden_size
    if out is None:
        out = np.empty(shape, np.float32)
    if out.shape != shape:
        raise ValueError(f"out must be of shape {shape}, got {out.shape}")
    if cache_dir is not None:
        entry = entry_of(cache_dir, _facts(model, layers, blocks, facts))
    done = 0
    with (
        measuring(model),
        logging.tqdm(total=len(out), unit="word", disable=not progress) as bar,
    ):
        for index, (block, n) in enumerate(zip(blocks, n_words, strict=True)):
            compute = partial(represent, block)
            out[done : done + n] = (
                compute()
                if cache_dir is None
                else _kept(entry / f"{index:05d}.safetensors", (n, shape[1]), compute)
            )
            done += n
            bar.update(n)
    return out


def _facts(model, layers, blocks, facts):
    """All that representations follow from."""
    fields = json.loads(model.config.to_json_string(use_diff=False))
    return facts | {
        "format": FORMAT,
        "teacher": type(model.base_model).__name__,
        "fingerprint": facts["fingerprint"] or weights_fingerprint(model),
        "config": {key: fields[key] for key in fields.keys() - UNREAD_FIELDS},
        "passages": hashlib.sha256(repr(blocks).encode()).hexdigest(),
        "layers": layers,
    }


def _kept(path: Path, shape, compute):
    """Read a block, or compute and store it while other processes wait for it."""
    with FileLock(path.with_suffix(".lock")):
        values = stored(path, shape)
        if values is None:
            values = compute()
            store(path, values)
    return values


@torch.inference_mode()
def _read(model, layers, block):
    (passage,) = block
    tokens = torch.tensor([passage.tokens], device=model.device)
    return _at_words(model.base_model, tokens, layers, block)


@torch.inference_mode()
def _listen(model, feature_extractor, audio, layers, batch_size, block):
    whisper, values = model.base_model, []
    for first in range(0, len(block), batch_size):
        batch = block[first : first + batch_size]
        clips = [audio[slice(*passage.clip)] for passage in batch]
        features = model_inputs(feature_extractor, clips)["input_features"]
        # No token sees those after it: what fills a row up is of no account.
        tokens = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(passage.tokens) for passage in batch], batch_first=True
        ).to(model.device)
        heard = whisper.encoder(features.to(model.device, model.dtype)).last_hidden_state
        values.append(
            _at_words(whisper.decoder, tokens, layers, batch, encoder_hidden_states=heard)
        )
    return np.concatenate(values)


def _at_words(decoder, tokens, layers, passages, **inputs):
    """Layers side by side, (n_words, n_layers * hidden), at the last tokens of words.

    A layer's output is what the next one is given. It is picked from there: a list of all hidden
    states would hold whole passages by layers that nobody asked for.
    """
    rows = [row for row, passage in enumerate(passages) for _ in passage.ends]
    ends = [end for passage in passages for end in passage.ends]
    last, picked = _n_layers(decoder.config), {}

    def pick(layer, hidden):
        picked[layer] = hidden[rows, ends].float().cpu()

    stack = next(
        part
        for part in decoder.modules()
        if isinstance(part, torch.nn.ModuleList) and len(part) == last
    )
    hooks = [
        stack[k].register_forward_pre_hook(lambda _, arguments, k=k: pick(k, arguments[0]))
        for k in {*layers} - {last}
    ]
    try:
        pick(last, decoder(tokens, use_cache=False, **inputs).last_hidden_state)
    finally:
        for hook in hooks:
            hook.remove()
    for layer in layers:
        if picked[layer].shape[1] != decoder.config.hidden_size:
            raise ValueError(
                f"layer {layer} of {_name(decoder)} has {picked[layer].shape[1]} units, not "
                f"{decoder.config.hidden_size} as the others: leave it out of the layers"
            )
    values = torch.cat([picked[k] for k in layers], 1)
    if not values.isfinite().all():
        raise ValueError(
            f"layers of {_name(decoder)} are not finite in {decoder.dtype}: let it compute in "
            "torch.bfloat16 or torch.float32"
        )
    return values.numpy()
