"""Backbones are of transformers' own classes, unless a checkpoint's code is trusted."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, WhisperConfig

from modeling_braintune import layer_representations
from recipes.stages.backbones import load_backbone, n_parameters

CODE = """
from pathlib import Path

from transformers import Wav2Vec2Config, Wav2Vec2Model

Path({ran!r}).touch()


class StrangeConfig(Wav2Vec2Config):
    model_type = "strange"


class StrangeModel(Wav2Vec2Model):
    config_class = StrangeConfig
"""


@pytest.fixture
def strange(pretrained, tmp_path):
    """A checkpoint of a family of its own, and the file that its code leaves behind."""
    folder, ran = tmp_path / "strange", tmp_path / "ran"
    model, feature_extractor = load_backbone(pretrained)
    model.save_pretrained(folder)
    feature_extractor.save_pretrained(folder)
    (folder / "strange.py").write_text(CODE.format(ran=str(ran)))
    fields = json.loads((folder / "config.json").read_text())
    fields["model_type"] = "strange"
    fields["auto_map"] = {
        "AutoConfig": "strange.StrangeConfig",
        "AutoModel": "strange.StrangeModel",
    }
    (folder / "config.json").write_text(json.dumps(fields))
    return folder, ran


def test_a_familys_own_class_is_taken_in_float32(pretrained):
    model, feature_extractor = load_backbone(pretrained, trust_remote_code=True)
    assert type(model) is type(AutoModel.from_pretrained(pretrained))
    assert {weights.dtype for weights in model.parameters()} == {torch.float32}
    assert feature_extractor.sampling_rate == 16000


def test_a_checkpoints_code_runs_only_when_it_is_trusted(strange, pretrained):
    folder, ran = strange
    with pytest.raises(ValueError, match="model type 'strange', .* --trust_remote_code true"):
        load_backbone(folder)
    assert not ran.exists()
    model, feature_extractor = load_backbone(folder, trust_remote_code=True)
    assert ran.exists() and type(model).__name__ == "StrangeModel"
    sound, windows = np.random.default_rng(0).standard_normal(8000), np.array([[0, 8000]])
    np.testing.assert_array_equal(
        layer_representations(model, feature_extractor, sound, windows),
        layer_representations(*load_backbone(pretrained), sound, windows),
    )


def test_weights_that_are_not_there_are_not_made_up(pretrained, tmp_path):
    folder = shutil.copytree(pretrained, tmp_path / "copy")
    weights = load_file(folder / "model.safetensors")
    needed, unused = "encoder.layer_norm.weight", "masked_spec_embed"
    del weights[unused]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    load_backbone(folder)
    other = {"other shapes": weights[needed][:-1], "no weights": None}
    for weight in other.values():
        weights[needed] = weight
        kept = {name: values for name, values in weights.items() if values is not None}
        save_file(kept, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(ValueError, match=f"does not hold 1 of the weights .*{needed}"):
            load_backbone(folder)


@pytest.mark.parametrize("damage", ["cut", "pickle"])
def test_weights_that_cannot_be_read_are_named(pretrained, tmp_path, damage):
    folder = shutil.copytree(pretrained, tmp_path / "copy")
    weights = folder / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        weights.unlink()
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"x": load_backbone}, 2))
    with pytest.raises(ValueError, match=f"the weights of '{folder}' "):
        load_backbone(folder)


def test_weights_are_those_of_what_is_tuned(pretrained):
    model = AutoModel.from_pretrained(pretrained)
    assert n_parameters(model.config) == sum(p.numel() for p in model.parameters())
    config = WhisperConfig(d_model=16, encoder_layers=1, decoder_layers=2, vocab_size=64)
    config.encoder_attention_heads = config.decoder_attention_heads = 2
    config.pad_token_id = 0
    whisper = AutoModel.from_config(config)
    assert n_parameters(config) == sum(p.numel() for p in whisper.encoder.parameters())
