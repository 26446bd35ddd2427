"""What a teacher makes of stories, on the TR axis: targets for tuning in place of responses.

The controls of Moussa et al. 2025, section 3.3.1: all layers of the decoder of a larger speech
model, or of a text model, concatenated.
"""

from collections.abc import Callable, Iterator
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoProcessor,
    AutoTokenizer,
)

from datasets_scripts import Interval, Story, check_name, is_silence, lanczos
from modeling_braintune import (
    check_speech_teacher,
    check_text_teacher,
    speech_representations,
    target_size,
    text_representations,
    weights_fingerprint,
)

KINDS = ("speech", "text")
DTYPES = ("auto", "float32", "bfloat16", "float16")


def teacher_targets(
    kind: str,
    name: str,
    stories: list[Story],
    layers: list[int] | None = None,
    *,
    context: int = 512,
    length: float | None = None,
    language: str | None = "english",
    dtype: str = "auto",
    cache_dir: str | PathLike | None = None,
    device: str | torch.device = "cpu",
    progress: bool = False,
    say: Callable = print,
) -> Iterator[np.ndarray]:
    """Represent stories by a teacher, one after the other.

    A word's representation is placed at its end, like that of the sound up to a moment, since it
    follows from all that was heard until then; Lanczos brings it to the TRs, and a TR without a
    word near it gets zeros. Labels are lower-cased, and those of silence and noise left out.

    In memory are the weights, for as long as there are stories to come, and of the story at hand
    what words are represented by and, at last, what becomes of it on the TR axis.

    Parameters
    ----------
    kind : str
        "speech", a Whisper, or "text", a causal language model.
    name : str
        Checkpoint folder or name on the Hub.
    stories : list of Story
    layers : list of int, optional
        All by default; 0 is the embedding. Every third one is ``range(0, 33, 3)`` for Llama2-7B.
    context : int
        Tokens that a text model reads at once.
    length : float, optional
        Seconds that a speech model hears; its whole chunk by default.
    language : str or None
        Of the stories, for a speech model; None for one that knows but one language.
    dtype : str
        One of `DTYPES`, that the teacher is loaded and computes in; by default as the checkpoint
        is stored. A large one that is stored in float32 needs half the memory in "bfloat16".
    cache_dir : path-like, optional
        Keeps the words' representations.
    device : str or torch.device
        Weights are loaded to it one by one.
    progress : bool
    say : callable
        Is told the sizes of everything before the weights are loaded.

    Yields
    ------
    targets : float32 array of shape (n_trs, n_targets)
        Of each story; as the teacher gives them, not z-scored.

    Raises
    ------
    ValueError
        An unknown kind or dtype, a story without words, a checkpoint that is no such teacher or
        lacks weights of one, or as `text_representations` and `speech_representations`.
    """
    check_name("kind of teacher", kind, KINDS)
    check_name("dtype", dtype, DTYPES)
    words = [spoken_words(story) for story in stories]
    auto = AutoModelForCausalLM if kind == "text" else AutoModel
    load = partial(auto.from_pretrained, name, dtype=dtype, trust_remote_code=False)
    say(_sizes(name, _outline(kind, name, load), layers, stories, words))
    model = load(device_map=device)
    kept: dict[str, Any] = {"cache_dir": cache_dir, "progress": progress}
    if cache_dir is not None:
        kept["fingerprint"] = weights_fingerprint(model)
    if kind == "text":
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)

        def represented(story, said):
            labels = [word.label for word in said]
            return text_representations(model, tokenizer, labels, layers, context=context, **kept)

    else:
        prompt = {} if language is None else {"language": language, "task": "transcribe"}
        processor = AutoProcessor.from_pretrained(name, trust_remote_code=False, **prompt)

        def represented(story, said):
            return speech_representations(
                model, processor, story.audio, said, layers, length=length, **kept
            )

    for story, said in zip(stories, words, strict=True):
        yield _on_trs(represented, story, said)


def _outline(kind, name, load):
    """A teacher but for its weights, which its checkpoint must hold all of."""
    config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    if kind == "text" and type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(
            f"a text teacher must be a causal language model, got {type(config).__name__} {name}"
        )
    model, loading = load(device_map="meta", output_loading_info=True)
    check = check_text_teacher if kind == "text" else check_speech_teacher
    check(model)
    # What is missing would be made up at random; but a head is of no account.
    body = "" if model is model.base_model else model.base_model_prefix + "."
    missing = sorted(key for key in loading["missing_keys"] if key.startswith(body))
    if missing:
        raise ValueError(
            f"{name} lacks {len(missing)} weights of a {type(model).__name__}, such as "
            f"{missing[0]}: it cannot teach"
        )
    return model


def _on_trs(represented, story, said):
    try:
        return lanczos(
            represented(story, said), np.array([word.end for word in said]), story.tr_times
        )
    except ValueError as error:
        raise ValueError(f"story {story.name}: {error}") from error


def spoken_words(story: Story) -> list[Interval]:
    """Words of a story in lower case, without the labels of silence and noise.

    Parameters
    ----------
    story : Story

    Returns
    -------
    list of Interval

    Raises
    ------
    ValueError
        The story has no words.
    """
    words = [word._replace(label=word.label.strip().lower()) for word in story.words]
    words = [word for word in words if not is_silence(word.label)]
    if not words:
        raise ValueError(f"story {story.name} has no words: a teacher needs its TextGrid's words")
    return words


def _sizes(name, model, layers, stories, words):
    n_targets = target_size(model, layers)
    n_words = max(map(len, words))
    n_trs = sum(len(story.tr_times) for story in stories)
    megabytes = 4 * n_targets / 1e6
    return (
        f"{name}: {model.get_memory_footprint() / 1e6:.1f} MB of weights in {model.dtype}, "
        f"{n_targets} targets; "
        f"{megabytes * n_words:.1f} MB while a story of {n_words} words is read, "
        f"{megabytes * n_trs:.1f} MB for the {n_trs} TRs of {len(stories)} stories"
    )
