"""A checkpoint that is loaded once, and what it makes of clips."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModel

from modeling_braintune import clip_representations
from recipes.stages.hearing import facts_of, heard, hearer


def options(folder, **changes):
    return SimpleNamespace(
        **{"layers": [1, 2], "torch_precision": None, "cache_dir": str(folder), "batch_size": 2}
        | changes
    )


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return [rng.standard_normal(n).astype(np.float32) for n in (1600, 1600, 2400)]


def test_clips_are_represented_by_the_layers_asked_for(pretrained, clips, tmp_path):
    found = heard(hearer(str(pretrained)), clips, "abc", options(tmp_path))
    model = AutoModel.from_pretrained(pretrained)
    extractor = AutoFeatureExtractor.from_pretrained(pretrained)
    expected = clip_representations(model, extractor, clips, [1, 2], batch_size=2)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert list(tmp_path.rglob("*.safetensors"))


def test_a_clip_that_cannot_be_heard_is_called_by_its_name(pretrained, clips, tmp_path):
    with pytest.raises(ValueError, match="clip b .*shorter"):
        heard(hearer(str(pretrained)), [clips[0], clips[1][:100]], "ab", options(tmp_path))


def test_facts_change_with_layers_and_precision(pretrained, tmp_path):
    one = hearer(str(pretrained))
    first = facts_of(one, options(tmp_path))
    assert facts_of(one, options(tmp_path, batch_size=8)) == first
    assert facts_of(one, options(tmp_path, layers=None)) != first
    assert facts_of(one, options(tmp_path, torch_precision=torch.bfloat16)) != first


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at .*none"):
        hearer(str(tmp_path / "none"))
