"""A checkpoint as a pipeline: whose code runs, and what is refused."""

import json

import numpy as np
import pytest
import torch

from recipes.stages.predicting import PATIENCE, TRIED, brain_pipeline, patient_enough
from tests.small_brains import brain, bursts, write_checkpoint

CODE = """
from pathlib import Path

from transformers import Wav2Vec2Config

from .modeling_braintune import Wav2Vec2ForBrainTuning

Path({ran!r}).touch()


class StrangeConfig(Wav2Vec2Config):
    model_type = "strange"


class StrangeModel(Wav2Vec2ForBrainTuning):
    config_class = StrangeConfig
"""


def test_code_of_a_checkpoint_runs_only_when_it_is_trusted(tmp_path):
    ran = tmp_path / "ran"
    folder = write_checkpoint(tmp_path / "strange", brain())
    sound = {"array": bursts(5.0), "sampling_rate": 16000}
    expected = brain_pipeline(str(folder))(sound)["responses"]
    (folder / "strange.py").write_text(CODE.format(ran=str(ran)))
    fields = json.loads((folder / "config.json").read_text())
    fields["model_type"] = "strange"
    fields["auto_map"] = {
        "AutoConfig": "strange.StrangeConfig",
        "AutoModel": "strange.StrangeModel",
    }
    (folder / "config.json").write_text(json.dumps(fields))
    with pytest.raises(ValueError, match="model type 'strange', .* --trust_remote_code true"):
        brain_pipeline(str(folder))
    assert not ran.exists()
    found = brain_pipeline(str(folder), trust_remote_code=True)(sound)
    assert ran.exists() and found["participant"] == "P01"
    np.testing.assert_allclose(found["responses"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("exact", "rounded", "chosen"),
    [(0.9, 0.1, "float32"), (1.1, 1.0, "bfloat16"), (1.1, 1.2, "float32")],
)
def test_bfloat16_is_for_those_who_would_wait_long(exact, rounded, chosen, tmp_path):
    """Seconds for a minute of sound, in shares of what is patient enough."""
    encode = brain_pipeline(str(write_checkpoint(tmp_path / "model", brain())))
    of_a_minute = TRIED * encode.model.brain_of(None).tr / 60
    seconds = iter([exact * PATIENCE * of_a_minute, rounded * PATIENCE * of_a_minute])

    def timed(work):
        assert np.isfinite(work()["responses"]).all()
        return next(seconds)

    chosen_one = patient_enough(encode, timed)
    assert chosen_one.model.dtype == getattr(torch, chosen)
    assert encode.model.dtype == torch.float32
    assert (chosen_one is encode) == (chosen == "float32")
