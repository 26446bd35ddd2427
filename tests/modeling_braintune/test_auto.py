import json

import pytest
import torch
from transformers import (
    AutoModel,
    BertConfig,
    UniSpeechConfig,
    UniSpeechModel,
    UniSpeechPreTrainedModel,
)

from modeling_braintune import AutoModelForBrainTuning, BrainTuningMixin


class UniSpeechForBrainTuning(BrainTuningMixin, UniSpeechPreTrainedModel):
    backbone_class = UniSpeechModel


@pytest.fixture
def registered_unispeech():
    AutoModelForBrainTuning.register(UniSpeechConfig, UniSpeechForBrainTuning)
    yield
    del AutoModelForBrainTuning._class_of["unispeech"]


def test_every_family_is_registered(family, model_class):
    assert AutoModelForBrainTuning._class_of[family] is model_class


def test_the_family_picks_the_class(family, model_class, make_config, tmp_path):
    AutoModel.from_config(make_config(family)).save_pretrained(tmp_path)
    assert type(AutoModelForBrainTuning.from_pretrained(tmp_path, 3)) is model_class
    assert type(AutoModelForBrainTuning.from_pretrained(str(tmp_path), num_voxels=3)) is model_class
    config = make_config(family, num_voxels=3)
    assert type(AutoModelForBrainTuning.from_config(config)) is model_class


def test_a_brain_tuned_checkpoint_knows_its_voxels(family, make_model, tmp_path):
    model = make_model(family)
    model.save_pretrained(tmp_path)
    reloaded = AutoModelForBrainTuning.from_pretrained(tmp_path)
    assert torch.equal(reloaded.head.weight, model.head.weight)
    with pytest.raises(ValueError, match="num_voxels=6, but .* predicts 5 voxels"):
        AutoModelForBrainTuning.from_pretrained(tmp_path, num_voxels=6)


def test_num_voxels_is_required_without_a_head(family, make_config, tmp_path):
    AutoModel.from_config(make_config(family)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="num_voxels is required"):
        AutoModelForBrainTuning.from_pretrained(tmp_path)


KNOWN = (
    "data2vec-audio, hubert, unispeech-sat, wav2vec2, wav2vec2-bert, wav2vec2-conformer, wavlm, "
    "whisper"
)


@pytest.mark.parametrize("model_type", ["bert", "no-such-family"])
def test_an_unknown_family_is_named_beside_the_known_ones(model_type, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(ValueError, match=f"'{model_type}', only for {KNOWN}:"):
        AutoModelForBrainTuning.from_pretrained(tmp_path, num_voxels=3)


def test_no_code_is_run_to_see_what_family_a_checkpoint_is_of(tmp_path, make_config):
    fields = make_config("wav2vec2").to_dict()
    code = {"auto_map": {"AutoConfig": "strange.StrangeConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(fields | code))
    assert type(AutoModelForBrainTuning.config_of(tmp_path)) is type(make_config("wav2vec2"))
    (tmp_path / "config.json").write_text(json.dumps(fields | code | {"model_type": "strange"}))
    with pytest.raises(ValueError, match=f"'strange', only for {KNOWN}:"):
        AutoModelForBrainTuning.config_of(tmp_path)


def test_from_config_names_an_unknown_family_too():
    with pytest.raises(ValueError, match=f"'bert', only for {KNOWN}:"):
        AutoModelForBrainTuning.from_config(BertConfig(num_voxels=3))


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at '.*nowhere'"):
        AutoModelForBrainTuning.from_pretrained(tmp_path / "nowhere", num_voxels=3)


def test_a_folder_without_a_checkpoint_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="it has no config.json"):
        AutoModelForBrainTuning.from_pretrained(tmp_path, num_voxels=3)


def test_a_registered_family_works_like_the_others(registered_unispeech, make_config, tmp_path):
    stock = AutoModel.from_config(make_config("unispeech"))
    stock.save_pretrained(tmp_path / "stock")
    model = AutoModelForBrainTuning.from_pretrained(tmp_path / "stock", num_voxels=3)
    assert type(model) is UniSpeechForBrainTuning
    model.freeze_feature_encoder()
    model(torch.randn(1, 4000), labels=torch.zeros(1, 3)).loss.backward()
    model.save_pretrained(tmp_path / "tuned")
    backbone, info = AutoModel.from_pretrained(tmp_path / "tuned", output_loading_info=True)
    assert type(backbone) is UniSpeechModel and not info["missing_keys"]


def test_a_class_of_another_family_is_not_registered():
    with pytest.raises(
        ValueError, match="UniSpeechForBrainTuning takes a UniSpeechConfig, got BertConfig"
    ):
        AutoModelForBrainTuning.register(BertConfig, UniSpeechForBrainTuning)
