import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config

from modeling_braintune.configuration_braintune import (
    check_num_voxels,
    check_same_head,
    checkpoint_model_type,
    load_config,
    with_num_voxels,
    without_fields,
)


@pytest.mark.parametrize("given", [3, np.int64(3)])
def test_a_number_of_voxels_becomes_a_plain_int(given):
    assert type(check_num_voxels(given)) is int
    assert check_num_voxels(given) == 3


@pytest.mark.parametrize("given", [True, "3", 3.0, None, [3]])
def test_a_number_of_voxels_is_an_integer(given):
    with pytest.raises(TypeError, match="num_voxels must be a positive int.*got"):
        check_num_voxels(given)


@pytest.mark.parametrize("given", [0, -2])
def test_a_number_of_voxels_is_positive(given):
    with pytest.raises(ValueError, match=f"num_voxels must be a positive int, got {given}"):
        check_num_voxels(given)


def test_num_voxels_is_set_on_a_copy():
    plain = Wav2Vec2Config()
    assert with_num_voxels(plain, 7).num_voxels == 7
    assert not hasattr(plain, "num_voxels")


def test_num_voxels_may_be_left_to_the_checkpoint():
    assert with_num_voxels(Wav2Vec2Config(num_voxels=7)).num_voxels == 7
    assert with_num_voxels(Wav2Vec2Config(num_voxels=7), 7).num_voxels == 7


def test_a_checkpoints_own_num_voxels_is_checked_too():
    with pytest.raises(TypeError, match="'many'"):
        with_num_voxels(Wav2Vec2Config(num_voxels="many"))


def test_missing_num_voxels_is_an_error():
    with pytest.raises(ValueError, match="num_voxels is required.*has no head"):
        with_num_voxels(Wav2Vec2Config())


def test_num_voxels_that_disagree_are_both_named():
    check_same_head(7, None)
    check_same_head(7, 7)
    with pytest.raises(ValueError, match="got num_voxels=8, but .* predicts 7 voxels"):
        check_same_head(8, 7)


def test_fields_are_taken_from_a_copy():
    config = Wav2Vec2Config(num_voxels=7, brain={}, auto_map={})
    plain = without_fields(config)
    assert not {"num_voxels", "brain", "auto_map"} & {*plain.to_dict()}
    assert config.num_voxels == 7 and without_fields(plain) is plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_type": "wav2vec2", "num_hidden_layers": 1000000}', "asks for 1000000 layers"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
    ],
    ids=["layers", "depth"],
)
def test_a_configuration_that_no_model_has_is_refused(text, message, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=f"config.json of '.*' .*{message}"):
        checkpoint_model_type(tmp_path)


def test_num_voxels_survives_a_file(tmp_path):
    Wav2Vec2Config(num_voxels=7).save_pretrained(tmp_path)
    config, left = load_config(Wav2Vec2Config, tmp_path)
    assert config.num_voxels == 7 and left == {}


def test_keywords_go_to_configuration_or_model(tmp_path):
    Wav2Vec2Config().save_pretrained(tmp_path)
    config, left = load_config(
        Wav2Vec2Config, tmp_path, layerdrop=0.3, dtype=torch.float16, revision="main", device_map=0
    )
    assert config.layerdrop == 0.3 and config.dtype is None
    assert left == {"dtype": torch.float16, "revision": "main", "device_map": 0}


def test_a_given_configuration_is_taken_as_it_is():
    given = Wav2Vec2Config()
    config, left = load_config(Wav2Vec2Config, "never/read", config=given, dtype="auto")
    assert config is given and left == {"dtype": "auto"}


def test_the_family_is_read_from_the_checkpoint(tmp_path):
    Wav2Vec2Config().save_pretrained(tmp_path)
    assert checkpoint_model_type(tmp_path) == "wav2vec2"
    assert checkpoint_model_type("never/read", config=tmp_path) == "wav2vec2"
    assert checkpoint_model_type("never/read", config=Wav2Vec2Config()) == "wav2vec2"


@pytest.mark.parametrize("name", ["missing", "./missing", "two/levels/missing", "~/missing"])
def test_a_path_that_does_not_exist_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name if name == "missing" else name
    with pytest.raises(FileNotFoundError, match=f"no checkpoint at '{path}'"):
        checkpoint_model_type(path)


def test_a_model_that_cannot_be_looked_up_is_named():
    with pytest.raises(ConnectionError, match="'never/read' is no folder here, .* Hub cannot be"):
        checkpoint_model_type("never/read", local_files_only=True)
