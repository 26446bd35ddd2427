"""What an earlier run left of a model, and whether it is taken."""

import json
from types import SimpleNamespace

import pytest

from modeling_braintune import file_checksums, write_alignment
from recipes.command.output_folder import CURVE, FILES, finished_curve, write_checked
from recipes.stages.training import _check_unchanged

LOSSES = {"train": [[1, 0.5]], "validation": [[1, 0.25]], "chosen_step": 1}


@pytest.fixture
def folder(tmp_path):
    """That of a model that was tuned to the end, but for the clean-up."""
    (tmp_path / "checkpoints").mkdir()
    for name in ("model.safetensors", "config.json", "checkpoints/optimizer.pt"):
        (tmp_path / name).write_text(name)
    write_checked(tmp_path / CURVE, LOSSES | {FILES: file_checksums(tmp_path)})
    return tmp_path


def test_a_finished_model_is_taken_as_it_is(folder, tmp_path):
    (folder / "checkpoints" / "optimizer.pt").unlink()
    (folder / "README.md").write_text("A card, of a later step.")
    assert finished_curve(folder / CURVE) == LOSSES
    assert finished_curve(tmp_path / "nowhere") is None


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", CURVE])
def test_a_damaged_model_is_named(name, folder):
    path = folder / name
    path.write_text(path.read_text().replace("o", "0", 1))
    with pytest.raises(ValueError, match=f"{path} is damaged: bring it back, or"):
        finished_curve(folder / CURVE)


def test_a_checkpoint_of_other_recordings_is_not_gone_on_with(tmp_path):
    brain = {"n_recorded_voxels": 30, "alignment": {}, "measured_on": {}}
    config = {"num_voxels": 3, "brain": {"P01": brain}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    _check_unchanged(None, None)
    _check_unchanged(tmp_path, SimpleNamespace(**config))
    alignment = {"language": {"value": 0.5, "low": 0.4, "high": 0.6}}
    write_alignment(tmp_path, "P01", alignment, {"story": "repeated"})
    _check_unchanged(tmp_path, SimpleNamespace(**config))
    for changes in ({"num_voxels": 4}, {"brain": {"P01": brain | {"n_recorded_voxels": 31}}}):
        with pytest.raises(FileExistsError, match="the recordings, .*, or the teacher changed"):
            _check_unchanged(tmp_path, SimpleNamespace(**config | changes))
