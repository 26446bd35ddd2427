"""Words of a story by the layers of text and speech teachers, against passes made by hand."""

import weakref
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import ByteLevel, Metaspace, Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertLMHeadModel,
    BloomConfig,
    BloomForCausalLM,
    ByT5Tokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
    GPTNeoXConfig,
    GPTNeoXModel,
    LlamaConfig,
    LlamaModel,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5Model,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
    set_seed,
)

from modeling_braintune import AutoModelForBrainTuning, weights_fingerprint
from modeling_braintune.teachers import speech_representations, target_size, text_representations

RATE = 16000
TEXT = "the bin was there and the sea sang to us of it".split()
WHITESPACE = Whitespace()
SMALL = dict(vocab_size=40, bos_token_id=1, eos_token_id=2, pad_token_id=0)


class Word(NamedTuple):
    start: float
    end: float
    label: str


def fast(model, prompt=(), split=WHITESPACE):
    """Tokenizer of a model; a prompt is special tokens, by name and number, before every text."""
    tokenizer = Tokenizer(model)
    if split:
        tokenizer.pre_tokenizer = split
    if prompt:
        single = " ".join([*(name for name, _ in prompt), "$A", "</s>"])
        tokenizer.post_processor = TemplateProcessing(
            single=single, special_tokens=[*prompt, ("</s>", 2)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.fixture
def by_word():
    """Tokenizer of one token a word, from 4 on in the order of `TEXT`; <unk> is 3."""
    vocabulary = {"<s>": 1, "</s>": 2, "<unk>": 3}
    vocabulary |= {word: 4 + i for i, word in enumerate(dict.fromkeys(TEXT))}
    return fast(WordLevel(vocabulary, unk_token="<unk>"))


@pytest.fixture
def by_letter():
    """Tokenizer of one token a letter, 4 for "a", 5 for "b" and so on, after <s>, which is 1."""
    letters = {letter: 4 + i for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    return fast(BPE({"<s>": 1, "</s>": 2} | letters, []), prompt=[("<s>", 1)])


def language_model(config_class=GPT2Config, model_class=GPT2LMHeadModel, **fields):
    set_seed(0)
    sizes = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2)
    config = config_class(**SMALL | sizes | fields)
    # Larger weights than those that training starts from, or layers would differ by little.
    config.initializer_range = 0.5
    return model_class(config).eval()


@pytest.fixture
def gpt2():
    return language_model()


@torch.inference_mode()
def states(model, tokens):
    """Hidden states of one text, layers side by side: (n_tokens, n_layers * hidden)."""
    output = model.base_model(torch.tensor([tokens]), output_hidden_states=True)
    return torch.cat(output.hidden_states, -1)[0].numpy()


@pytest.fixture
def read():
    """Function from a model to the lists of tokens that it is given from then on."""
    handles = []

    def watch(model):
        given_tokens = []
        handles.append(
            model.base_model.register_forward_pre_hook(
                lambda module, arguments: given_tokens.append(arguments[0][0].tolist())
            )
        )
        return given_tokens

    yield watch
    for handle in handles:
        handle.remove()


# Text teachers


@pytest.mark.parametrize(
    "model",
    [
        language_model(),
        language_model(model_class=GPT2Model),
        language_model(LlamaConfig, LlamaModel, intermediate_size=16),
        language_model(GPTNeoXConfig, GPTNeoXModel, intermediate_size=16),
        language_model(OPTConfig, OPTForCausalLM, ffn_dim=16, word_embed_proj_dim=8),
        language_model(BloomConfig, BloomForCausalLM),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_word_is_every_layer_at_its_token(model, by_word):
    found = text_representations(model, by_word, TEXT)
    tokens = [4, 5, 6, 7, 8, 4, 9, 10, 11, 12, 13, 14]  # "the" is there twice
    assert found.dtype == np.float32 and found.shape == (12, target_size(model)) == (12, 24)
    np.testing.assert_allclose(found, states(model, tokens), rtol=1e-4, atol=1e-5)


def test_layers_are_chosen_and_stand_in_the_order_asked_for(gpt2, by_word):
    everything = text_representations(gpt2, by_word, TEXT)
    found = text_representations(gpt2, by_word, TEXT, [2, 0])
    np.testing.assert_array_equal(found, np.hstack([everything[:, 16:], everything[:, :8]]))
    assert target_size(gpt2, [2, 0]) == 16


def test_layers_are_let_go_of_while_later_ones_compute(by_word):
    model = language_model(num_hidden_layers=6)
    outputs, alive = [], []
    for block in model.transformer.h:
        block.register_forward_hook(lambda _, inputs, output: outputs.append(weakref.ref(output)))
    model.transformer.register_forward_hook(
        lambda *_: alive.append(sum(output() is not None for output in outputs))
    )
    text_representations(model, by_word, TEXT, [0, 3])
    assert len(outputs) == 6 and alive[0] <= 1  # the last one, which may be normalised in place
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_the_models_own(dtype, gpt2, by_word):
    expected = text_representations(gpt2, by_word, TEXT)
    found = text_representations(gpt2.to(dtype), by_word, TEXT)
    assert found.dtype == np.float32
    assert 1e-4 < np.abs(found - expected).max() / np.abs(expected).max() < 0.1


@torch.no_grad()
def test_numbers_that_a_precision_cannot_hold_are_an_error(gpt2, by_word):
    gpt2.transformer.wte.weight[14] = 7e4  # the last word; 65504 is the largest of float16
    text_representations(gpt2, by_word, TEXT, [0])
    with pytest.raises(ValueError, match="GPT2Model are not finite in torch.float16: let it"):
        text_representations(gpt2.half(), by_word, TEXT, [0])
    assert not any(module._forward_pre_hooks for module in gpt2.modules())


def test_a_layer_of_another_width_is_named(by_word):
    config = OPTConfig(
        **SMALL,
        hidden_size=32,
        ffn_dim=32,
        num_attention_heads=2,
        num_hidden_layers=2,
        word_embed_proj_dim=16,
        max_position_embeddings=64,
    )
    narrow = OPTForCausalLM(config)
    with pytest.raises(ValueError, match=r"layer 2 of OPT\w+ has 16 units, not 32"):
        text_representations(narrow, by_word, TEXT, context=32)
    values = text_representations(narrow, by_word, TEXT, [0, 1], context=32)
    assert values.shape == (len(TEXT), 64)


def test_a_word_of_several_tokens_is_its_last_one(gpt2, by_letter):
    found = text_representations(gpt2, by_letter, ["cab", "be"])
    expected = states(gpt2, [1, 6, 4, 5, 5, 8])[[3, 5]]  # <s> c a b, b e, and no </s>
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("split", "vocabulary"),
    [
        (ByteLevel(add_prefix_space=False), "n Ã © Ġ a"),  # GPT2's: é is two tokens
        (Metaspace(prepend_scheme="never"), "n é ▁ a"),  # Llama's
    ],
    ids=["bytes", "characters"],
)
def test_blanks_and_bytes_may_be_tokens(split, vocabulary, gpt2):
    tokens = vocabulary.split()
    tokenizer = fast(BPE({token: i for i, token in enumerate(tokens)}, []), split=split)
    found = text_representations(gpt2, tokenizer, ["né", "a"])
    expected = states(gpt2, list(range(len(tokens))))[[-3, -1]]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_token_that_straddles_words_stands_for_each_that_it_ends(gpt2):
    merges = [("a", " "), ("a ", "b")]
    vocabulary = {"a": 4, "b": 5, " ": 6, "a ": 7, "a b": 8}
    tokenizer = fast(BPE(vocabulary, merges), split=None)
    found = text_representations(gpt2, tokenizer, ["a", "bb", "a", "b"])
    expected = states(gpt2, [8, 5, 6, 8])  # "a b", "b", " ", "a b"
    np.testing.assert_allclose(found, expected[[0, 1, 3, 3]], rtol=1e-4, atol=1e-5)


def test_a_word_out_of_vocabulary_is_the_unknown_token(gpt2, by_word):
    found = text_representations(gpt2, by_word, ["the", "zebra", "sang"])
    np.testing.assert_allclose(found, states(gpt2, [4, 3, 10]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("word", ["Ω", ""])
def test_a_word_that_the_tokenizer_drops_is_an_error(word, gpt2, by_letter):
    with pytest.raises(ValueError, match=f"word 1, '{word}', has no token"):
        text_representations(gpt2, by_letter, ["cab", word, "be"])


def test_passages_slide_by_half_a_context_in_whole_words(gpt2, by_letter, read):
    passages = read(gpt2)
    words = ["ab", "cde", "f", "gh", "i", "jkl", "m"]
    found = text_representations(gpt2, by_letter, words, context=7)  # of which <s> takes one
    numbers = {letter: 4 + i for i, letter in enumerate("abcdefghijklm")}
    expected = ["abcdef", "fghi", "ghijkl", "jklm"]
    assert passages == [[1, *(numbers[x] for x in text)] for text in expected]
    by_hand = [
        states(gpt2, passage)[ends]
        for passage, ends in zip(passages.copy(), [[2, 5, 6], [3, 4], [6], [4]], strict=True)
    ]
    np.testing.assert_allclose(found, np.concatenate(by_hand), rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(
    words=st.lists(st.text("abcd", min_size=1, max_size=6), min_size=1, max_size=30),
    context=st.integers(7, 24),
)
def test_every_word_is_read_with_half_a_context_before_it(words, context):
    tokenizer = fast(BPE({letter: i for i, letter in enumerate("abcd")}, []))
    model = language_model(num_hidden_layers=1)
    # An embedding that the layers pass on: what is found tells which token was where.
    found = text_representations(model, tokenizer, words, [0], context=context)
    embedding = model.transformer.wte.weight.detach().numpy()
    position = model.transformer.wpe.weight.detach().numpy()
    n_before = np.cumsum([len(word) for word in words]) - 1
    for vector, word, n in zip(found, words, n_before, strict=True):
        token = embedding["abcd".index(word[-1])]
        place = np.abs(vector - token - position).max(axis=1).argmin()
        np.testing.assert_allclose(vector, token + position[place], atol=1e-6)
        # All there was before the word, or half a context of it less the words at both ends.
        assert place < context
        assert place == n or place >= context // 2 - 6


def test_results_are_written_where_they_are_wanted(gpt2, by_word, tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "words.npy", "w+", np.float16, (12, 24))
    assert text_representations(gpt2, by_word, TEXT, out=mapped) is mapped
    expected = text_representations(gpt2, by_word, TEXT)
    np.testing.assert_array_equal(np.load(tmp_path / "words.npy"), expected.astype(np.float16))
    with pytest.raises(ValueError, match=r"out must be of shape \(12, 8\), got \(12, 24\)"):
        text_representations(gpt2, by_word, TEXT, [1], out=mapped)


def test_a_model_in_training_is_measured_and_left_in_training(by_word):
    model = language_model(embd_pdrop=0.5).train()
    expected = text_representations(language_model().eval(), by_word, TEXT)
    np.testing.assert_array_equal(text_representations(model, by_word, TEXT), expected)
    assert model.training


def test_a_tokenizer_without_offsets_is_named(gpt2):
    with pytest.raises(ValueError, match="ByT5Tokenizer .*gives no offsets"):
        text_representations(gpt2, ByT5Tokenizer(), TEXT)


def test_no_words_is_an_error(gpt2, by_word):
    with pytest.raises(ValueError, match="has the story a tier of words"):
        text_representations(gpt2, by_word, [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": [3]}, "0 .* to 2, got"),
        ({"context": 1}, "more than the 1 tokens .*got 1"),
        ({"context": 33}, "at most the 32 that GPT2LMHeadModel takes, got 33"),
        ({"context": 3}, "word 0, 'cab', takes 3 tokens, of which context=3 holds 2"),
    ],
)
def test_a_request_that_does_not_fit_says_so(changes, message, by_letter):
    model = language_model(max_position_embeddings=32)
    with pytest.raises(ValueError, match=message):
        text_representations(model, by_letter, ["cab", "be"], **{"context": 16} | changes)


@pytest.mark.parametrize(
    "model",
    [
        language_model(BertConfig, BertLMHeadModel, intermediate_size=8),
        T5Model(T5Config(vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)),
    ],
    ids=["sees later words", "encoder and decoder"],
)
def test_a_model_that_is_not_causal_is_named(model, by_word):
    with pytest.raises(ValueError, match=f"causal language model.*{type(model).__name__}"):
        text_representations(model, by_word, TEXT)


# Speech teachers

WORDS = [Word(0.2, 0.5, "the"), Word(0.6, 0.9, "bin"), Word(1.5, 2.0, "was"), Word(4.0, 4.2, "sea")]
LENGTH = 1.5


@pytest.fixture
def whisper(make_config):
    set_seed(0)
    config = make_config("whisper", vocab_size=40, decoder_layers=2, init_std=0.3)
    return WhisperForConditionalGeneration(config).eval()


@pytest.fixture
def processor(by_word):
    tokenizer = fast(by_word._tokenizer.model, prompt=[("<|start|>", 30), ("<|en|>", 31)])
    return WhisperProcessor(WhisperFeatureExtractor(chunk_length=2), tokenizer)


@pytest.fixture
def audio():
    return np.random.default_rng(0).standard_normal(round(4.5 * RATE)).astype(np.float32)


@torch.inference_mode()
def heard(whisper, processor, clip, tokens):
    """The decoder's layers at the last token, from one plain call of the whole model."""
    features = processor.feature_extractor(clip, sampling_rate=RATE, return_tensors="pt")
    output = whisper(
        features.input_features,
        decoder_input_ids=torch.tensor([tokens]),
        output_hidden_states=True,
    )
    return np.concatenate([layer[0, -1].numpy() for layer in output.decoder_hidden_states])


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_word_is_every_decoder_layer_after_the_words_heard(batch_size, whisper, processor, audio):
    found = speech_representations(
        whisper, processor, audio, WORDS, length=LENGTH, batch_size=batch_size
    )
    expected = [
        heard(whisper, processor, audio[:8000], [30, 31, 4]),
        heard(whisper, processor, audio[:14400], [30, 31, 4, 5]),
        # The sound begins at 0.5 s, after the first word.
        heard(whisper, processor, audio[8000:32000], [30, 31, 5, 6]),
        # A silence longer than the window: the word stands alone.
        heard(whisper, processor, audio[43200:67200], [30, 31, 9]),
    ]
    assert found.dtype == np.float32 and found.shape == (4, target_size(whisper)) == (4, 48)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_by_default_the_sound_is_a_whole_chunk(whisper, processor, audio):
    found = speech_representations(whisper, processor, audio, WORDS)
    expected = heard(whisper, processor, audio[:32000], [30, 31, 4, 5, 6])  # 2 s
    np.testing.assert_allclose(found[2], expected, rtol=1e-3, atol=1e-4)


def test_a_word_longer_than_the_sound_is_told_in_full(whisper, processor, audio):
    words = [Word(0.0, 0.5, "the"), Word(0.5, 3.0, "sang")]
    found = speech_representations(whisper, processor, audio, words, [2], length=LENGTH)
    expected = heard(whisper, processor, audio[24000:48000], [30, 31, 10])[-16:]
    np.testing.assert_allclose(found[1], expected, rtol=1e-3, atol=1e-4)


def test_a_word_may_end_after_the_audio_but_not_begin_there(whisper, processor, audio):
    words = [Word(4.0, 4.6, "the")]
    found = speech_representations(whisper, processor, audio, words, length=1.0)
    expected = heard(whisper, processor, audio[56000:], [30, 31, 4])
    np.testing.assert_allclose(found[0], expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match=r"label='the'\) begins after the end .* 4.5 s"):
        speech_representations(whisper, processor, audio, [Word(4.5, 4.6, "the")])


def test_a_transcript_begins_as_whispers_do(whisper, audio):
    """What the tokenizer puts in front, language and task included, and a blank."""
    prompt = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    vocabulary = {"a": 4, "Ġ": 6, "Ġa": 5, "<|endoftext|>": 2}
    vocabulary |= {token: 30 + i for i, token in enumerate(prompt)}
    tokenizer = WhisperTokenizer(
        vocab=vocabulary, merges=[("Ġ", "a")], language="english", task="transcribe"
    )
    processor = WhisperProcessor(WhisperFeatureExtractor(chunk_length=2), tokenizer)
    words = [Word(0.0, 0.4, "a"), Word(0.4, 0.8, "a")]
    found = speech_representations(whisper, processor, audio, words)
    expected = heard(whisper, processor, audio[:12800], [30, 31, 32, 33, 5, 5])
    np.testing.assert_allclose(found[1], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", ["wav2vec2", "hubert"])
def test_a_teacher_without_a_decoder_is_named(make_model, family, processor, audio):
    model = make_model(family)
    with pytest.raises(ValueError, match=f"with its decoder, got {type(model).__name__}"):
        speech_representations(model, processor, audio, WORDS)


def test_an_encoder_of_whisper_is_no_speech_teacher(make_config, processor, audio):
    encoder = WhisperForAudioClassification(make_config("whisper"))
    with pytest.raises(ValueError, match="decoder, got WhisperForAudioClassification"):
        speech_representations(encoder, processor, audio, WORDS)


def test_a_model_for_brain_tuning_still_has_its_decoder(whisper, processor, audio, tmp_path):
    whisper.save_pretrained(tmp_path)
    tuned = AutoModelForBrainTuning.from_pretrained(tmp_path, num_voxels=3)
    np.testing.assert_array_equal(
        speech_representations(tuned, processor, audio, WORDS),
        speech_representations(whisper, processor, audio, WORDS),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": []}, "has the story a tier of words"),
        ({"words": WORDS[::-1]}, "words must be in order of time"),
        ({"length": 0}, "above 0 and at most 2 seconds, got 0"),
        ({"length": 2.5}, "above 0 and at most 2 seconds, got 2.5"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"layers": [3]}, "0 .* to 2, got"),
        ({"audio": np.full(8000, np.nan)}, "audio must be finite"),
        (
            {"words": [Word(0.1 * i, 0.1 * i + 0.1, "the") for i in range(9)]},
            "take 9 tokens, of which WhisperForConditionalGeneration reads 8: use a shorter length",
        ),
    ],
)
def test_speech_that_does_not_fit_says_so(changes, message, whisper, processor, audio):
    request = {"audio": audio, "words": WORDS} | changes
    with pytest.raises(ValueError, match=message):
        speech_representations(whisper, processor, **request)


# What is kept


@pytest.fixture
def kept(tmp_path, gpt2, by_word, read):
    """Function from changes to a request to representations and the number of passages read."""

    def call(model=gpt2, words=TEXT, **options):
        passages = read(model)
        found = text_representations(
            model, by_word, words, cache_dir=tmp_path, **{"context": 4} | options
        )
        return found, len(passages)

    return call


def test_what_is_kept_is_not_computed_again(kept, gpt2, by_word):
    expected = text_representations(gpt2, by_word, TEXT, context=4)
    found, n_read = kept()
    np.testing.assert_array_equal(found, expected)
    assert n_read == 5
    again, n_read = kept()
    np.testing.assert_array_equal(again, expected)
    assert n_read == 0


def test_only_what_is_missing_or_damaged_is_computed_again(kept, tmp_path):
    expected, _ = kept()
    (entry,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (entry / "00001.safetensors").unlink()
    content = (entry / "00003.safetensors").read_bytes()
    damaged = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    (entry / "00003.safetensors").write_bytes(damaged)
    found, n_read = kept()
    np.testing.assert_array_equal(found, expected)
    assert n_read == 2


@pytest.mark.parametrize(
    "changes", [{"words": TEXT[1:]}, {"context": 5}, {"layers": [0]}, {"fingerprint": "other"}]
)
def test_another_request_is_another_entry(changes, kept):
    kept()
    assert kept(**changes)[1] > 0


def test_other_weights_are_another_entry_and_known_ones_need_not_be_read(kept, gpt2):
    kept()
    assert kept(fingerprint=weights_fingerprint(gpt2))[1] == 0
    with torch.no_grad():
        gpt2.transformer.wte.weight[0] += 1
    assert kept()[1] > 0


def test_speech_is_kept_under_its_sound(whisper, processor, audio, tmp_path):
    heard_clips = []
    whisper.model.encoder.register_forward_pre_hook(lambda *_: heard_clips.append(1))

    def call(audio=audio, processor=processor, **options):
        heard_clips.clear()
        found = speech_representations(
            whisper, processor, audio, WORDS, batch_size=4, cache_dir=tmp_path, **options
        )
        return found, len(heard_clips)

    expected, n_heard = call()
    assert n_heard == 1
    found, n_heard = call()
    np.testing.assert_array_equal(found, expected)
    assert n_heard == 0
    assert call(audio + 1)[1] == 1
    assert call(length=1.0)[1] == 1
    dithered = WhisperFeatureExtractor(chunk_length=2, dither=0.1)
    assert call(processor=WhisperProcessor(dithered, processor.tokenizer))[1] == 1
