"""Self-supervised training as a command."""

import pytest
from transformers import AutoModel

from tests.command_process import run_command


@pytest.fixture
def run(configuration, tmp_path):
    def run(**changes):
        short = dict(max_steps=2, eval_steps=1, save_steps=1, mask_time_length=2)
        words = ["--config", configuration(**short | changes), "--output_dir", tmp_path / "output"]
        return run_command("stimulus_tune", *words)

    return run


def test_a_configuration_of_brain_tuning_trains_an_ordinary_checkpoint(run, tmp_path):
    done = run()
    assert done.returncode == 0, done.stderr
    assert "Chosen at step" in done.stdout and "stimulus-tuned/" in done.stdout
    _, info = AutoModel.from_pretrained(
        tmp_path / "output" / "stimulus-tuned", output_loading_info=True
    )
    assert not info["missing_keys"]


def test_one_participant_says_where_windows_lie(run, tmp_path):
    refused = run(participants=["P01", "P02"])
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "participants must name one at a time here, got P01, P02" in line
    assert not (tmp_path / "output").exists()
