"""Which checkpoint a training goes on from."""

import json
import shutil
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling_braintune import damaged_file, file_checksums, last_checkpoint
from modeling_braintune.training_checkpoints import SEAL, best_beside, seal


def write(folder, step, best):
    """A checkpoint as a training writes it, in miniature."""
    checkpoint = folder / f"checkpoint-{step}"
    (checkpoint / "optimizer_0").mkdir(parents=True)
    for name in ("model.safetensors", "scheduler.pt", "rng_state.pth", "optimizer_0/shard"):
        (checkpoint / name).write_bytes(f"{name} at {step}".encode())
    best = best and f"elsewhere/checkpoint-{best}"
    state = {"best_model_checkpoint": best, "global_step": step}
    (checkpoint / "trainer_state.json").write_text(json.dumps(state))
    seal(checkpoint)
    return checkpoint


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """Checkpoints 2, 4 and 10, of which 4 is the best."""
    folder = tmp_path_factory.mktemp("training")
    for step, best in ((2, None), (4, 4), (10, 4)):
        write(folder, step, best)
    return folder


def test_the_newest_is_taken_and_its_best_lies_beside_it(training):
    assert last_checkpoint(training) == str(training / "checkpoint-10")
    assert best_beside(training / "checkpoint-10") == training / "checkpoint-4"
    assert best_beside(training / "checkpoint-2") is None


@given(st.data())
def test_no_flipped_bit_is_gone_on_from(training, data):
    step = data.draw(st.sampled_from([4, 10]))
    files = [path for path in (training / f"checkpoint-{step}").rglob("*") if path.is_file()]
    path = data.draw(st.sampled_from(sorted(files)))
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(flipped)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = last_checkpoint(training)
    path.write_bytes(content)
    if said:
        # Without the best one, what came after it is of no use.
        assert found == str(training / ("checkpoint-4" if step == 10 else "checkpoint-2"))
    else:  # a blank of the seal
        assert path.name == SEAL and found == str(training / "checkpoint-10")


def test_the_damaged_file_is_named(training, tmp_path):
    copy = shutil.copytree(training, tmp_path / "copy")
    path = copy / "checkpoint-10" / "optimizer_0" / "shard"
    path.write_bytes(b"")
    with pytest.warns(UserWarning, match=f"^{path} is damaged"):
        assert last_checkpoint(copy) == str(copy / "checkpoint-4")


def test_what_was_cut_off_or_removed_in_part_is_passed_over(training, tmp_path, recwarn):
    copy = shutil.copytree(training, tmp_path / "copy")
    (copy / "checkpoint-10" / SEAL).unlink()
    (copy / "checkpoint-12").mkdir()
    assert last_checkpoint(copy) == str(copy / "checkpoint-4") and not recwarn


def test_a_folder_without_checkpoints_has_no_last_one(tmp_path):
    assert last_checkpoint(tmp_path) is None and last_checkpoint(tmp_path / "nowhere") is None


def test_checksums_are_of_the_files_in_a_folder(tmp_path):
    for name in ("model", "config", "model.partial", ".partial-losses.json", "checkpoints/model"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    checksums = file_checksums(tmp_path)
    assert checksums.keys() == {"model", "config"}
    assert damaged_file(tmp_path, checksums) is None
    (tmp_path / "model").write_text("mode1")
    assert damaged_file(tmp_path, checksums) == tmp_path / "model"
    (tmp_path / "model").unlink()
    assert damaged_file(tmp_path, checksums) == tmp_path / "model"
