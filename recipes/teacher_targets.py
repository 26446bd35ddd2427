"""What a teacher makes of stories, on the TR axis: targets for tuning in place of responses.

The controls of Moussa et al. 2025, section 3.3.1: all layers of the decoder of a larger speech
model, or of a text model, concatenated.
"""

import numpy as np
from transformers import AutoModel, AutoModelForCausalLM, AutoProcessor, AutoTokenizer

from datasets_scripts import lanczos
from datasets_scripts.names import check_name
from datasets_scripts.phones import SILENCES
from modeling_braintune import weights_fingerprint
from modeling_braintune.teachers import (
    check_speech_teacher,
    check_text_teacher,
    speech_representations,
    target_size,
    text_representations,
)
from recipes.phantom_teachers import TEACHERS, phantom_teacher

KINDS = ("speech_model", "text_model")


def teacher_targets(
    kind,
    name,
    stories,
    layers=None,
    *,
    context=512,
    length=None,
    language="english",
    dtype="auto",
    cache_dir=None,
    device="cpu",
    progress=False,
    say=print,
):
    """Represent stories by a teacher, one after the other.

    A word's representation is placed at its end, like that of the sound up to a moment, since it
    follows from all that was heard until then; Lanczos brings it to the TRs, and a TR without a
    word near it gets zeros. Labels are lower-cased, and those of silence and noise left out.

    Parameters
    ----------
    kind : str
        "speech_model", a Whisper, or "text_model", a causal language model.
    name : str
        Checkpoint folder, name on the Hub, or one of `recipes.phantom_teachers.TEACHERS`.
    stories : list of Story
    layers : list of int, optional
        All by default; 0 is the embedding. Every third one is ``range(0, 33, 3)`` for Llama2-7B.
    context : int
        Tokens that a text model reads at once.
    length : float, optional
        Seconds that a speech model hears; its whole chunk by default.
    language : str or None
        Of the stories, for a speech model; None for one that knows but one language.
    dtype : str or torch.dtype
        The teacher computes in it; as the checkpoint is stored by default.
    cache_dir : path-like, optional
        Keeps the words' representations.
    device : str or torch.device
    progress : bool
    say : callable
        Is told the sizes of everything before the work begins.

    Yields
    ------
    targets : float32 array of shape (n_trs, n_targets)
        Of each story; as the teacher gives them, not z-scored.

    Raises
    ------
    ValueError
        An unknown kind, a story without words, or as `text_representations` and
        `speech_representations`.
    """
    check_name("kind of teacher", kind, KINDS)
    words = [spoken_words(story) for story in stories]
    if name in TEACHERS:
        name, _ = phantom_teacher(name, progress=progress)
    kept = {"cache_dir": cache_dir, "progress": progress}
    if kind == "text_model":
        model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype).to(device)
        check_text_teacher(model)
        tokenizer = AutoTokenizer.from_pretrained(name)

        def represented(story, said):
            labels = [word.label for word in said]
            return text_representations(model, tokenizer, labels, layers, context=context, **kept)

    else:
        model = AutoModel.from_pretrained(name, dtype=dtype).to(device)
        check_speech_teacher(model)
        prompt = {} if language is None else {"language": language, "task": "transcribe"}
        processor = AutoProcessor.from_pretrained(name, **prompt)

        def represented(story, said):
            return speech_representations(
                model, processor, story.audio, said, layers, length=length, **kept
            )

    say(_sizes(name, model, layers, stories, words))
    if cache_dir is not None:
        kept["fingerprint"] = weights_fingerprint(model)
    for story, said in zip(stories, words, strict=True):
        ends = np.array([word.end for word in said])
        yield lanczos(represented(story, said), ends, story.tr_times)


def spoken_words(story):
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
    words = [word for word in words if word.label and not _is_silence(word.label)]
    if not words:
        raise ValueError(f"story {story.name} has no words: a teacher needs its TextGrid's words")
    return words


def _is_silence(label):
    return label.upper() in SILENCES or (label[0] == "{" and label[-1] == "}")


def _sizes(name, model, layers, stories, words):
    n_targets = target_size(model, layers)
    n_words = max(map(len, words))
    n_trs = sum(len(story.tr_times) for story in stories)
    megabytes = 4 * n_targets / 1e6
    return (
        f"{name}: {model.get_memory_footprint() / 1e6:.1f} MB of weights, {n_targets} targets; "
        f"{megabytes * n_words:.1f} MB while a story of {n_words} words is read, "
        f"{megabytes * n_trs:.1f} MB for the {n_trs} TRs of {len(stories)} stories"
    )
