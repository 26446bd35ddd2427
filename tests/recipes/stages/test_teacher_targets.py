"""A story of three words, worked out by hand from a teacher's weights to its targets per TR."""

import gc
import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    AutoConfig,
    BertConfig,
    BertLMHeadModel,
    ByT5Tokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5Model,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from datasets_scripts import Interval, Story
from recipes.stages.teacher_targets import spoken_words, teacher_targets

KINDS = ["text", "speech"]
PI2 = np.pi**2
# Layers add nothing to a token but a constant; of each, the other half of the units is a repeat.
EMBEDDING = {"the": (1, 3), "bin": (2, -2), "sea": (0, 5), "<unk>": (-40, 0)}
STEP = (0, 10)  # what a position adds to the one before
CONSTANTS = [(100, 0), (0, 95)]
NORM_WEIGHT, NORM_BIAS = 2, 5  # at the end of the last layer


def tile(pair):
    return torch.tensor(pair * 2, dtype=torch.float32)


def set_by_hand(embedding, positions, outputs, constants, norm):
    for row, pair in enumerate(EMBEDDING.values()):
        embedding.weight[row] = tile(pair)
    positions.weight[:] = torch.arange(len(positions.weight))[:, None] * tile(STEP)
    for module in outputs:
        module.weight.zero_()
        module.bias.zero_()
    for module, pair in zip(constants, CONSTANTS, strict=True):
        module.bias[:] = tile(pair)
    norm.weight.fill_(NORM_WEIGHT)
    norm.bias.fill_(NORM_BIAS)


@pytest.fixture
def tokenizer():
    vocabulary = {word: row for row, word in enumerate(EMBEDDING)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.fixture
@torch.no_grad()
def text_model(tokenizer, tmp_path):
    config = GPT2Config(
        vocab_size=4, n_embd=4, n_head=1, n_layer=2, n_positions=512, bos_token_id=0, eos_token_id=0
    )
    model = GPT2LMHeadModel(config)
    blocks = model.transformer.h
    set_by_hand(
        model.transformer.wte,
        model.transformer.wpe,
        [output for block in blocks for output in (block.attn.c_proj, block.mlp.c_proj)],
        [block.mlp.c_proj for block in blocks],
        model.transformer.ln_f,
    )
    model.save_pretrained(tmp_path / "text")
    tokenizer.save_pretrained(tmp_path / "text")
    return tmp_path / "text"


@pytest.fixture
@torch.no_grad()
def speech_model(tokenizer, tmp_path):
    feature_extractor = WhisperFeatureExtractor(chunk_length=8, feature_size=8)
    config = WhisperConfig(
        vocab_size=4,
        num_mel_bins=8,
        d_model=4,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=1,
        decoder_attention_heads=1,
        encoder_ffn_dim=4,
        decoder_ffn_dim=4,
        max_source_positions=400,
        max_target_positions=16,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
        begin_suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config)
    decoder = model.model.decoder
    set_by_hand(
        decoder.embed_tokens,
        decoder.embed_positions,
        [
            output
            for layer in decoder.layers
            for output in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2)
        ],
        [layer.fc2 for layer in decoder.layers],
        decoder.layer_norm,
    )
    model.save_pretrained(tmp_path / "speech")
    WhisperProcessor(feature_extractor, tokenizer).save_pretrained(tmp_path / "speech")
    return tmp_path / "speech"


@pytest.fixture
def make_story():
    """Function from words to a story of eight TRs of two seconds, the first from 0 to 2 s."""

    def make(*words, name="short"):
        return Story(
            name=name,
            participant="P01",
            audio=np.random.default_rng(0).standard_normal(16 * 16000).astype(np.float32),
            audio_file=None,
            tr=2.0,
            tr_times=np.arange(1.0, 16, 2),
            responses=np.zeros((8, 1), np.float32),
            words=[Interval(*word) for word in words],
        )

    return make


@pytest.fixture
def story(make_story):
    return make_story(
        (0.5, 1.0, "THE"),
        (1.0, 2.5, "sp"),
        (2.5, 3.0, "bin"),
        (4.0, 5.0, "{ns}"),
        (5.5, 6.0, "Sea"),
    )


@pytest.fixture
def by_kind(text_model, speech_model):
    return {"text": text_model, "speech": speech_model}


@pytest.mark.parametrize("kind", KINDS)
def test_three_words_worked_out_by_hand(kind, by_kind, story):
    (targets,) = teacher_targets(kind, str(by_kind[kind]), [story], say=lambda _: None)
    # Layer 0, the embedding and the position; layer 1, that and (100, 0); layer 2, that and
    # (0, 95), of which the larger is normalised to 1 and the smaller to -1, times 2, plus 5.
    the = [(1, 3), (101, 3), (7, 3)]
    bin_ = [(2, 8), (102, 8), (3, 7)]
    sea = [(0, 25), (100, 25), (3, 7)]
    # The first two words end in the middle of a TR, the last one halfway between two.
    at_a_half, at_three, at_five = 6 / PI2, -4 / (3 * PI2), 6 / (25 * PI2)
    weights = np.zeros((8, 3))
    weights[0, 0] = weights[1, 1] = 1
    weights[:6, 2] = [at_five, at_three, at_a_half, at_a_half, at_three, at_five]
    words = np.array([[x for pair in word for x in pair * 2] for word in (the, bin_, sea)])
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets, weights @ words, rtol=1e-4, atol=1e-4)
    assert not targets[6:].any()  # no word is within three TRs of these


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_after_a_long_silence(kind, by_kind, make_story):
    """A text model knows of no silence; a speech model that hears 4 s has but the one word."""
    story = make_story((0.5, 1.0, "the"), (12.0, 13.0, "bin"))
    (targets,) = teacher_targets(
        kind, str(by_kind[kind]), [story], [0], length=4.0, say=lambda _: None
    )
    position = 1 if kind == "text" else 0
    np.testing.assert_allclose(targets[6], [2, 10 * position - 2] * 2, rtol=1e-5)
    np.testing.assert_allclose(targets[3], 0, atol=1e-4)  # three TRs from either word


def test_a_word_out_of_vocabulary_has_targets_too(text_model, make_story):
    story = make_story((0.5, 1.0, "zebra"))
    (targets,) = teacher_targets("text", str(text_model), [story], [0], say=lambda _: None)
    np.testing.assert_allclose(targets[0], [-40, 0, -40, 0])


def living(checkpoint):
    """Where the weights are of every GPT2 from a checkpoint that there is."""
    models = [model for model in gc.get_objects() if type(model) is GPT2LMHeadModel]
    return [m.device.type for m in models if m.config._name_or_path == str(checkpoint)]


def test_sizes_are_said_before_weights_are_loaded(text_model, story):
    said = []
    targets = teacher_targets(
        "text",
        str(text_model),
        [story, story],
        dtype="bfloat16",
        say=lambda line: said.append((line, living(text_model))),
    )
    next(targets)
    ((line, teachers),) = said
    assert teachers == [] and living(text_model) == ["cpu"]
    megabytes = GPT2LMHeadModel.from_pretrained(text_model).num_parameters() * 2 / 1e6
    assert f"{megabytes:.1f} MB of weights in torch.bfloat16" in line
    assert "12 targets" in line and "3 words" in line and "16 TRs of 2 stories" in line


def test_a_teacher_is_let_go_of_after_the_last_story(text_model, story):
    targets = teacher_targets("text", str(text_model), [story], say=lambda _: None)
    next(targets)
    assert living(text_model) == ["cpu"]
    assert list(targets) == []
    assert living(text_model) == []


def test_of_words_and_targets_there_is_one_copy_each(tokenizer, make_story, tmp_path):
    config = GPT2Config(
        vocab_size=4, n_embd=256, n_head=1, n_layer=3, n_positions=64, bos_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    story = make_story(*((i / 100, (i + 1) / 100, "the") for i in range(1500)))
    said = []

    def say(line):
        said.append(line)
        tracemalloc.start()

    targets = teacher_targets("text", str(tmp_path), [story], context=64, say=say)
    found = next(targets)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    word = 4 * 256 * 4  # bytes; a passage has 64 of them
    assert peak < word * (1500 + len(found) + 2 * 64) + 2e6
    assert held < word * (len(found) + 64) + 2e6
    assert f"{word * 1500 / 1e6:.1f} MB while a story of 1500 words is read" in said[0]
    assert f"{found.nbytes / 1e6:.1f} MB for the 8 TRs of 1 stories" in said[0]


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_asked_for_by_name(kind, by_kind, story):
    exact, rounded = (
        next(teacher_targets(kind, str(by_kind[kind]), [story], dtype=dtype, say=lambda _: None))
        for dtype in ("auto", "bfloat16")
    )
    assert rounded.dtype == np.float32
    assert 0 < np.abs(rounded - exact).max() < 0.01 * np.abs(exact).max()
    with pytest.raises(ValueError, match="'bfloat61'. Did you mean 'bfloat16'"):
        next(teacher_targets(kind, str(by_kind[kind]), [story], dtype="bfloat61"))


def test_words_are_read_once(text_model, story, tmp_path):
    def call():
        return list(
            teacher_targets(
                "text",
                str(text_model),
                [story, story],
                cache_dir=tmp_path / "cache",
                say=lambda _: None,
            )
        )

    first = call()
    (path,) = (tmp_path / "cache").glob("*/*.safetensors")  # the stories have the same words
    written = path.stat().st_mtime_ns
    np.testing.assert_array_equal(call(), first)
    assert path.stat().st_mtime_ns == written


def test_labels_are_in_lower_case_and_without_silences(story):
    assert [word.label for word in spoken_words(story)] == ["the", "bin", "sea"]


def test_a_story_without_words_is_named(text_model, make_story):
    silent = make_story((0.0, 9.0, "sp"), name="silent")
    with pytest.raises(ValueError, match="story silent has no words"):
        next(teacher_targets("text", str(text_model), [silent]))


def test_an_unknown_kind_is_told_the_nearest(story):
    with pytest.raises(ValueError, match="'txt'. Did you mean 'text'"):
        next(teacher_targets("txt", "gpt2", [story]))


SMALL = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
WAV2VEC2 = Wav2Vec2Config(
    **SMALL, conv_dim=(8,), conv_kernel=(4,), conv_stride=(4,), num_conv_pos_embedding_groups=2
)


@pytest.mark.parametrize(
    ("kind", "model", "message"),
    [
        ("speech", Wav2Vec2Model(WAV2VEC2), "with its decoder, got Wav2Vec2Model"),
        ("text", Wav2Vec2Model(WAV2VEC2), "causal language model, got Wav2Vec2Config"),
        (
            "text",
            T5Model(T5Config(vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)),
            "causal language model, got T5Config",
        ),
        (
            "text",
            BertLMHeadModel(BertConfig(**SMALL, vocab_size=8)),
            "causal language model, blind .* got BertLMHeadModel",
        ),
    ],
    ids=["speech encoder", "no text model", "encoder and decoder", "sees later words"],
)
def test_a_checkpoint_that_is_no_such_teacher_is_named(kind, model, message, story, tmp_path):
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"{message} {tmp_path}"):
        next(teacher_targets(kind, str(tmp_path), [story]))


def test_a_whisper_whose_decoder_is_lost_is_no_teacher(speech_model, story, tmp_path):
    encoder = WhisperForAudioClassification(AutoConfig.from_pretrained(speech_model))
    shutil.copytree(speech_model, tmp_path / "encoder")
    encoder.save_pretrained(tmp_path / "encoder")
    with pytest.raises(ValueError, match="encoder lacks .* weights of a WhisperModel, such as dec"):
        next(teacher_targets("speech", str(tmp_path / "encoder"), [story]))


@pytest.mark.parametrize(
    "model",
    [
        GPT2Model(GPT2Config(vocab_size=4, n_embd=8, n_head=1, n_layer=1)),
        LlamaModel(LlamaConfig(**SMALL, vocab_size=4)),
    ],
    ids=lambda model: type(model).__name__,
)
@torch.no_grad()
def test_a_language_model_needs_no_head_to_teach(model, tokenizer, make_story, tmp_path):
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    story = make_story((0.5, 1.0, "the"))
    (targets,) = teacher_targets("text", str(tmp_path), [story], [0], say=lambda _: None)
    embedded = model.eval()(torch.tensor([[0]]), output_hidden_states=True).hidden_states[0]
    np.testing.assert_allclose(targets[0], embedded[0, 0], rtol=1e-5)


def test_a_tokenizer_without_offsets_is_named(text_model, story):
    ByT5Tokenizer().save_pretrained(text_model)
    (text_model / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="story short: ByT5Tokenizer .* gives no offsets"):
        next(teacher_targets("text", str(text_model), [story], say=lambda _: None))


def test_a_story_that_does_not_fit_is_named(speech_model, make_story):
    story = make_story((0.5, 1.0, "the"), (16.5, 17.0, "sea"))
    with pytest.raises(ValueError, match="story short: .*'sea'.* begins after the end .* 16 s"):
        next(teacher_targets("speech", str(speech_model), [story], say=lambda _: None))
