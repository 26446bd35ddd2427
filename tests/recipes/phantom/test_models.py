"""The phantom's models on first use and afterwards."""

import pytest
from huggingface_hub import constants
from transformers import AutoFeatureExtractor, AutoModel, set_seed

from modeling_braintune import AutoModelForBrainTuning
from recipes.phantom import MODELS, phantom_model
from recipes.phantom.models import VERSION, teach_phones


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_made_once_and_is_an_ordinary_checkpoint(name, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    folder, made = phantom_model(name, steps=2, progress=False)
    assert made
    assert phantom_model(name, steps=2, progress=False) == (folder, False)
    beside = {path for path in (tmp_path / "braintune").iterdir() if path.suffix != ".lock"}
    assert beside == {folder}  # nothing half-made
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1  # weights are as others
    _, info = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    model = AutoModelForBrainTuning.from_pretrained(folder, num_voxels=3)
    assert model.base_model.config.num_hidden_layers >= 4


def test_what_an_interrupted_making_left_is_not_taken_for_a_model(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    left = tmp_path / "braintune" / f"phantom-wav2vec2-{VERSION}.partial"
    left.mkdir(parents=True)
    (left / "config.json").write_text("{")
    folder, made = phantom_model("phantom-wav2vec2", steps=1, progress=False)
    assert made and not left.exists()
    assert AutoFeatureExtractor.from_pretrained(folder).return_attention_mask is False


def test_phones_of_a_story_not_taught_on_are_recognised():
    set_seed(0)
    config, feature_extractor = MODELS["phantom-wav2vec2"]()
    model = AutoModel.from_config(config)
    untaught = teach_phones(model, feature_extractor, steps=1, n_stories=2, progress=False)
    taught = teach_phones(model, feature_extractor, steps=80, n_stories=2, progress=False)
    assert untaught < 0.2  # the commonest of the 40 labels is in about a tenth of the frames
    assert taught > 0.5
