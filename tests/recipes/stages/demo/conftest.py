"""A checkpoint of two participants, and what it predicts of a sound."""

import pytest

from recipes.stages.demo.predicted import Sound, predict
from recipes.stages.predicting import brain_pipeline
from tests.small_brains import brain, bursts, write_checkpoint


@pytest.fixture(scope="module")
def encode(tmp_path_factory):
    folder = write_checkpoint(tmp_path_factory.mktemp("checkpoint"), brain("P01"), brain("P02"))
    return brain_pipeline(str(folder))


@pytest.fixture(scope="module")
def sound():
    """Thirteen seconds: seven TRs, the last of them cut short."""
    return Sound(name="bursts.wav", samples=bursts(13.0), rate=16000)


@pytest.fixture(scope="module")
def predicted(encode, sound):
    return predict(encode, sound, "P01")
