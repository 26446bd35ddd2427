"""Tiny models of the true classes."""

import numpy as np
import pytest
import torch
from transformers import (
    Data2VecAudioConfig,
    HubertConfig,
    SeamlessM4TFeatureExtractor,
    UniSpeechConfig,
    UniSpeechSatConfig,
    Wav2Vec2BertConfig,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    set_seed,
)

from modeling_braintune import (
    AutoModelForBrainTuning,
    Data2VecAudioForBrainTuning,
    HubertForBrainTuning,
    UniSpeechSatForBrainTuning,
    Wav2Vec2BertForBrainTuning,
    Wav2Vec2ConformerForBrainTuning,
    Wav2Vec2ForBrainTuning,
    WavLMForBrainTuning,
    WhisperForBrainTuning,
)

RATE = 16000
CONV_FAMILY = dict(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    conv_dim=(8,) * 7,
    num_conv_pos_embeddings=8,
    # Of 8 channels a group, bfloat16 convolutions are wrong on CPUs with AMX (torch 2.13).
    num_conv_pos_embedding_groups=1,
    num_codevectors_per_group=8,
    codevector_dim=8,
    proj_codevector_dim=8,
    mask_time_length=3,
    vocab_size=12,
)
DATA2VEC = dict(conv_pos_kernel_size=5, num_conv_pos_embedding_groups=2)
WHISPER = dict(
    d_model=16,
    encoder_layers=2,
    decoder_layers=1,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=32,
    decoder_ffn_dim=32,
    vocab_size=20,
    max_source_positions=100,
    max_target_positions=8,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    decoder_start_token_id=3,
    begin_suppress_tokens=[4],
)
CONFIGS = {
    "wav2vec2": (Wav2Vec2Config, CONV_FAMILY),
    "hubert": (HubertConfig, CONV_FAMILY),
    "wavlm": (WavLMConfig, CONV_FAMILY),
    "data2vec-audio": (Data2VecAudioConfig, CONV_FAMILY | DATA2VEC),
    "unispeech-sat": (UniSpeechSatConfig, CONV_FAMILY),
    "wav2vec2-conformer": (Wav2Vec2ConformerConfig, CONV_FAMILY),
    "wav2vec2-bert": (Wav2Vec2BertConfig, CONV_FAMILY | {"conv_depthwise_kernel_size": 5}),
    "unispeech": (UniSpeechConfig, CONV_FAMILY),
    "whisper": (WhisperConfig, WHISPER),
}
CLASSES = {
    "wav2vec2": Wav2Vec2ForBrainTuning,
    "hubert": HubertForBrainTuning,
    "wavlm": WavLMForBrainTuning,
    "data2vec-audio": Data2VecAudioForBrainTuning,
    "unispeech-sat": UniSpeechSatForBrainTuning,
    "wav2vec2-conformer": Wav2Vec2ConformerForBrainTuning,
    "wav2vec2-bert": Wav2Vec2BertForBrainTuning,
    "whisper": WhisperForBrainTuning,
}


@pytest.fixture
def make_config():
    """Function from a family and changed fields to a tiny stock configuration."""

    def make(family, **fields):
        config_class, defaults = CONFIGS[family]
        return config_class(**{**defaults, **fields})

    return make


@pytest.fixture
def make_model(make_config):
    """Function from a family to a tiny seeded model for brain-tuning, in evaluation mode."""

    def make(family, num_voxels=5, **fields):
        set_seed(0)
        config = make_config(family, num_voxels=num_voxels, **fields)
        return AutoModelForBrainTuning.from_config(config).eval()

    return make


@pytest.fixture
def make_extractor():
    """Function from a family to its feature extractor; Whisper's has chunks of 2 s."""

    def make(family, **fields):
        if family == "whisper":
            return WhisperFeatureExtractor(**{"chunk_length": 2, **fields})
        if family == "wav2vec2-bert":
            return SeamlessM4TFeatureExtractor(**fields)
        return Wav2Vec2FeatureExtractor(**fields)

    return make


@pytest.fixture
def make_clips():
    """Function from durations in seconds to seeded clips, each louder than the one before."""

    def make(*seconds):
        rng = np.random.default_rng(0)
        return [
            (10.0**index * (0.01 * rng.standard_normal(round(RATE * s)) + 0.02)).astype(np.float32)
            for index, s in enumerate(seconds)
        ]

    return make


@pytest.fixture(params=CLASSES)
def family(request):
    return request.param


@pytest.fixture
def model_class(family):
    return CLASSES[family]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
