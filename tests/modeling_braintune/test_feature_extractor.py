"""A checkpoint's feature extractor names no code."""

import json

import pytest
from transformers import Wav2Vec2FeatureExtractor

from modeling_braintune import load_feature_extractor


@pytest.fixture
def said(tmp_path):
    """The configuration of one that names code."""
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    path = tmp_path / "preprocessor_config.json"
    code = {"auto_map": {"AutoFeatureExtractor": "trap.Ear"}}
    path.write_text(json.dumps(json.loads(path.read_text()) | code))
    return path


def test_what_is_saved_of_it_names_no_code(said, tmp_path):
    extractor = load_feature_extractor(tmp_path)
    assert type(extractor) is Wav2Vec2FeatureExtractor
    extractor.save_pretrained(tmp_path)
    assert "auto_map" not in json.loads(said.read_text())


def test_nobody_is_asked_whether_code_may_run(said, tmp_path):
    fields = json.loads(said.read_text()) | {"feature_extractor_type": "Ear"}
    said.write_text(json.dumps(fields))
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        load_feature_extractor(tmp_path)
