"""A feature encoder that computes otherwise gives what the stock one gives."""

import pytest
import torch
from torch import nn
from transformers import Data2VecAudioConfig, Wav2Vec2Config, WavLMConfig, set_seed

from modeling_braintune import AutoModelForBrainTuning
from recipes.stages.quick_convolutions import quicken

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": (16, 24, 24),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 2, 2),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
CONFIGS = {
    "group": Wav2Vec2Config(**SMALL),
    "layer": WavLMConfig(**SMALL, feat_extract_norm="layer", conv_bias=True),
    "data2vec": Data2VecAudioConfig(**SMALL | {"num_conv_pos_embeddings": 2}),
}


def of(config):
    """A model of random weights, of whose norms none is the identity."""
    set_seed(0)
    config.num_voxels = 3
    model = AutoModelForBrainTuning.from_config(config).eval()
    for part in model.modules():
        if isinstance(part, nn.GroupNorm | nn.LayerNorm) and part.weight is not None:
            nn.init.uniform_(part.weight, 0.5, 2.0)
            nn.init.uniform_(part.bias, -1.0, 1.0)
    return model


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("n_samples", [400, 1000, 3207])
@torch.inference_mode()
def test_results_are_those_of_the_stock_encoder(config, n_samples):
    model = of(config)
    (part,) = model.feature_encoder_parts()
    sounds = torch.randn(3, n_samples)
    expected, predicted = part(sounds), model(sounds).logits
    quicken(part)
    assert not any(isinstance(one, nn.Conv1d | nn.GroupNorm) for one in part.modules())
    torch.testing.assert_close(part(sounds), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model(sounds).logits, predicted, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_bfloat16_rounds_no_more_than_in_the_stock_encoder():
    """A fiftieth of the spread of exact results, at 8 bits; the stock encoder's is as large."""
    (exact,) = of(CONFIGS["layer"]).feature_encoder_parts()
    (part,) = of(CONFIGS["layer"]).to(torch.bfloat16).feature_encoder_parts()
    sounds = torch.randn(3, 3200).to(torch.bfloat16)
    expected = exact(sounds.float())
    quicken(part)
    assert part(sounds).dtype == torch.bfloat16
    error = (part(sounds).float() - expected).square().mean().sqrt()
    assert 0 < error < expected.std() / 50


@torch.inference_mode()
def test_what_is_no_plain_product_stays():
    kept = [
        nn.Conv1d(4, 8, 3, padding=1),
        nn.Conv1d(8, 8, 3, groups=2),
        nn.Conv1d(8, 8, 3, dilation=2),
        nn.GroupNorm(4, 8),
    ]
    part = nn.Sequential(*kept)
    quicken(part)
    assert [one for one in part] == kept
