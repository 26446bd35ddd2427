"""Teachers for the phantom: small models whose vocabulary is its language.

They are made on first use and kept in the Hugging Face cache folder. A text teacher begins with the
spelling of words: the embedding of a word is the sum of its phones', of which the phantom's
language sees to it that they say nothing of meaning. One that has learned to predict the next word
knows what words mean, since topics last for some ten seconds.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from tqdm import trange
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    set_seed,
)

from datasets_scripts import made_by_one, made_whole
from datasets_scripts.phantom import CONTENT_WORDS, FUNCTION_WORDS, tell
from modeling_braintune.kept_arrays import follow_umask
from recipes.command.cache import cache_folder

VERSION = 3  # of the teachers: a change of them, or of the language, takes new folders

SPECIAL_TOKENS = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
WORDS = (*CONTENT_WORDS, *FUNCTION_WORDS)
VOCABULARY = (*SPECIAL_TOKENS.values(), "<unk>", *(word.label for word in WORDS))
_SIZE = dict(
    vocab_size=len(VOCABULARY),
    hidden_size=32,
    num_attention_heads=2,
    max_position_embeddings=512,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)


def phantom_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of one token a word, with <s> in front of a text."""
    vocabulary = {token: number for number, token in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", **SPECIAL_TOKENS)


def _spelt(model):
    """Embed each word of a model as the sum of its phones, at the scale that it began with."""
    embedding = model.get_input_embeddings().weight.data
    scale = embedding.std()
    phones = {}
    for word in WORDS:
        for phone in word.phones:
            phones.setdefault(phone, scale * torch.randn(embedding.shape[1]))
        spelling = torch.stack([phones[phone] for phone in word.phones])
        embedding[VOCABULARY.index(word.label)] = spelling.sum(dim=0) / len(spelling) ** 0.5
    return model


def _gpt2():
    config = GPT2Config(
        **_SIZE, num_hidden_layers=2, embd_pdrop=0.0, resid_pdrop=0.0, attn_pdrop=0.0
    )
    return _spelt(AutoModelForCausalLM.from_config(config)), phantom_tokenizer()


def _llama():
    config = LlamaConfig(
        **_SIZE, num_hidden_layers=3, intermediate_size=64, tie_word_embeddings=True
    )
    return _spelt(AutoModelForCausalLM.from_config(config)), phantom_tokenizer()


def _whisper():
    feature_extractor = WhisperFeatureExtractor(
        feature_size=40, chunk_length=8, hop_length=320, n_fft=640
    )
    config = WhisperConfig(
        vocab_size=len(VOCABULARY),
        num_mel_bins=40,
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=64,
        max_source_positions=feature_extractor.nb_max_frames // 2,
        max_target_positions=64,  # more than the words in 8 s, of which there are three a second
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        begin_suppress_tokens=None,
    )
    processor = WhisperProcessor(feature_extractor, phantom_tokenizer())
    return WhisperForConditionalGeneration(config), processor


TEACHERS: dict[str, Callable] = {
    "phantom-gpt2": _gpt2,
    "phantom-llama": _llama,
    "phantom-gpt2-untaught": _gpt2,
    "phantom-whisper-untaught": _whisper,
}


def phantom_teacher(
    name: str, steps: int = 200, n_stories: int = 60, progress: bool = True
) -> tuple[Path, bool]:
    """A small teacher; text teachers were taught by other phantom stories.

    Parameters
    ----------
    name : str
        A key of `TEACHERS`.
    steps, n_stories : int
        Of `teach_words`.
    progress : bool

    Returns
    -------
    folder : Path
        An ordinary checkpoint, with its tokenizer or processor.
    made : bool
    """
    folder = cache_folder(f"{name}-{VERSION}")
    if folder.exists():
        return folder, False
    with made_by_one(folder):
        if folder.exists():
            return folder, False
        set_seed(0)
        model, processor = TEACHERS[name]()
        if not name.endswith("-untaught"):
            teach_words(model, processor, steps, n_stories, progress=progress)
        with made_whole(folder) as partial:
            model.save_pretrained(partial)
            processor.save_pretrained(partial)
            follow_umask(partial)
        return folder, True


def teach_words(
    model,
    tokenizer,
    steps: int = 200,
    n_stories: int = 60,
    n_words: int = 32,
    batch_size: int = 16,
    seed: int = 0,
    progress: bool = True,
) -> None:
    """Teach a causal language model which word comes next.

    Parameters
    ----------
    model : trained in place
    tokenizer : its own
    steps : int
        With more it learns the stories by heart, and meaning fades.
    n_stories : int
        Stories of a minute that are in no phantom data set.
    n_words : int
        Passages that it learns from.
    batch_size, seed : int
    progress : bool
    """
    rng = np.random.default_rng([seed, 10])
    stories = [[word.label for word in tell(60.0, rng).words] for _ in range(n_stories)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps, pct_start=0.3)
    model.train()
    for _ in trange(steps, desc="Teaching words", unit="step", disable=not progress):
        passages = []
        for story in rng.integers(n_stories, size=batch_size):
            start = rng.integers(len(stories[story]) - n_words)
            passages.append(" ".join(stories[story][start : start + n_words]))
        tokens = tokenizer(passages, return_tensors="pt").input_ids
        loss = model(tokens, labels=tokens).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
