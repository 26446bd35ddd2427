"""What an earlier run left in an output folder, and what may be done with it."""

import json
import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling_braintune import file_checksums
from recipes.command.output_folder import (
    FILES,
    LOGS,
    RESULTS,
    SETTINGS,
    changed_settings,
    check_output,
    claim_output,
    end_training,
    finished_curve,
    finished_results,
    read_checked,
    remove,
    run_settings,
    write_checked,
    write_json,
    written_anew,
)
from recipes.stages.tuning_options import TrainerOptions

MADE = ["brain-tuned", "results.json"]
SETTINGS_OF_A_RUN = {"learning_rate": 1e-3, "layers": (1, 2)}  # a tuple is a list in JSON


@dataclass
class Options:
    layers: list


def test_settings_say_what_a_result_follows_from_and_not_where_it_goes(tmp_path):
    def settings(**changes):
        return run_settings(Options([1]), TrainerOptions(use_cpu=True, **changes))

    first = settings(output_dir=str(tmp_path / "a"))
    shown = dict(push_to_hub="ada/x", private=True, disable_tqdm=True, overwrite_output_dir=True)
    assert settings(output_dir=str(tmp_path / "b"), **shown) == first
    assert settings(learning_rate=1e-2) != first
    assert first["layers"] == [1] and first["seed"] == 0


def test_only_results_of_the_same_settings_count(tmp_path):
    folder = tmp_path / "output"
    assert finished_results(folder, SETTINGS_OF_A_RUN) is None
    write_json(folder / SETTINGS, SETTINGS_OF_A_RUN)
    assert finished_results(folder, SETTINGS_OF_A_RUN) is None  # not finished
    write_checked(folder / RESULTS, {"seconds": 3.0})
    assert finished_results(folder, SETTINGS_OF_A_RUN) == {"seconds": 3.0}
    assert finished_results(folder, SETTINGS_OF_A_RUN | {"learning_rate": 1.0}) is None


def test_a_folder_is_taken_if_it_is_new_or_of_an_interrupted_run_with_the_same_settings(tmp_path):
    folder, other = tmp_path / "output", SETTINGS_OF_A_RUN | {"learning_rate": 1.0}
    check_output(folder, SETTINGS_OF_A_RUN, MADE)
    claim_output(folder, SETTINGS_OF_A_RUN, MADE)
    check_output(folder, other, MADE)  # nothing was made: a mistake may be corrected
    (folder / "brain-tuned").mkdir()
    (folder / "brain-tuned" / "model").write_text("")
    check_output(folder, SETTINGS_OF_A_RUN, MADE)
    with pytest.raises(FileExistsError, match=r"other settings \(learning_rate\)"):
        check_output(folder, other, MADE)
    check_output(folder, other, MADE, overwrite=True)
    write_json(folder / RESULTS, {})
    with pytest.raises(FileExistsError, match="holds a finished run .* --overwrite_output_dir"):
        check_output(folder, SETTINGS_OF_A_RUN, MADE)


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_overwriting_removes_what_runs_made_and_nothing_else(tmp_path):
    mine = {"random/losses.json", "features/a.npy", "representations/b.npy", "notes/losses.json"}
    for name in (*mine, "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    mine = files(tmp_path)
    claim_output(tmp_path, SETTINGS_OF_A_RUN, ["brain-tuned", "results.json"])
    claim_output(tmp_path, SETTINGS_OF_A_RUN, ["permuted", "results.json"])  # by another command
    for name in ("brain-tuned/model", "permuted/model", "results.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("made")
    before = files(tmp_path)
    check_output(tmp_path, {}, ["brain-tuned"], overwrite=True)
    assert files(tmp_path) == before  # looking changes nothing
    claim_output(tmp_path, {}, ["brain-tuned"], overwrite=True)
    assert files(tmp_path) == mine | {SETTINGS}


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_no_run_has_made_is_neither_written_over_nor_removed(tmp_path, overwrite):
    (tmp_path / "brain-tuned").mkdir()
    (tmp_path / "brain-tuned" / "notes").write_text("mine")
    with pytest.raises(FileExistsError, match="holds brain-tuned, which .* move it away"):
        check_output(tmp_path, {}, MADE, overwrite=overwrite)
    with pytest.raises(FileExistsError, match="holds notes, which"):
        check_output(tmp_path / "brain-tuned", {}, overwrite=overwrite)


@pytest.mark.parametrize("content", ['{"font": 12}', "[]", "// mine"])
def test_a_settings_file_of_something_else_is_not_written_over(tmp_path, content):
    (tmp_path / SETTINGS).write_text(content)
    with pytest.raises(FileExistsError, match="settings"):
        check_output(tmp_path, SETTINGS_OF_A_RUN, MADE)
    with pytest.raises(FileExistsError, match=r"holds settings\.json, which"):
        check_output(tmp_path, SETTINGS_OF_A_RUN, MADE, overwrite=True)


def test_a_settings_file_of_no_bytes_does_not_block_a_start(tmp_path):
    for _ in range(2):
        (tmp_path / SETTINGS).write_text("")
        (tmp_path / ".partial-settings.json").write_text("{")  # of a process that was killed
        check_output(tmp_path, SETTINGS_OF_A_RUN, MADE)
        claim_output(tmp_path, SETTINGS_OF_A_RUN, MADE)
        assert files(tmp_path) == {SETTINGS}


def test_settings_are_those_of_before_if_the_result_is(tmp_path):
    def settings(**changes):
        return run_settings(Options([1]), TrainerOptions(use_cpu=True, **changes))

    batch = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2}
    (tmp_path / RESULTS).write_text("{}")
    write_json(tmp_path / SETTINGS, settings(**batch))
    for same in (
        {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4},
        batch | {"dataloader_num_workers": 2, "logging_steps": 7, "activation_checkpointing": True},
        batch | {"output_dir": str(tmp_path / "b"), "save_total_limit": 1},
    ):
        assert changed_settings(tmp_path, settings(**same)) == []
    halved = settings(per_device_train_batch_size=4, gradient_accumulation_steps=2)
    assert changed_settings(tmp_path, halved) == ["batch"]


def test_a_folder_may_be_spelt_otherwise_or_have_moved(tmp_path, monkeypatch):
    (tmp_path / RESULTS).write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    places = {"data": "data", "atlas": [str(tmp_path / "data")], "pretrained": "a/name-on-the-hub"}
    write_json(tmp_path / SETTINGS, places)
    spelt = {"data": f"{tmp_path}/../{tmp_path.name}/data", "atlas": ["./data/"]}
    assert changed_settings(tmp_path, places | spelt) == []
    assert changed_settings(tmp_path, places | {"data": "other"}) == ["data"]
    assert changed_settings(tmp_path, places | {"pretrained": "other"}) == ["pretrained"]
    (tmp_path / "moved").mkdir()
    moved = (tmp_path / "data").rename(tmp_path / "moved" / "data")
    assert changed_settings(tmp_path, places | {"data": str(moved), "atlas": [str(moved)]}) == []


def test_logs_of_trackers_outlive_a_training(tmp_path):
    training = tmp_path / "checkpoints"
    for name in ("checkpoint-3/optimizer.pt", "runs/now/events.out", "emissions.csv"):
        (training / name).parent.mkdir(parents=True, exist_ok=True)
        (training / name).write_text(name)
    end_training(training, tmp_path / LOGS / "brain-tuned")
    assert files(tmp_path) == {
        f"{LOGS}/brain-tuned/{name}" for name in ("runs/now/events.out", "emissions.csv")
    }
    training.mkdir()
    end_training(training, tmp_path / "none")
    assert not training.exists() and not (tmp_path / "none").exists()


def test_what_cannot_be_written_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / RESULTS
    write_json(path, {"seconds": 1})
    with pytest.raises(TypeError):
        write_json(path, {"seconds": object()})
    assert json.loads(path.read_text()) == {"seconds": 1}
    assert list(tmp_path.iterdir()) == [path]


@given(st.data())
def test_results_with_a_flipped_bit_are_not_taken(tmp_path_factory, data):
    path, results = tmp_path_factory.getbasetemp() / RESULTS, {"train": [[1, 0.25]], "seconds": 3.0}
    write_checked(path, results)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        assert read_checked(path) == results  # a bit of a blank
    except ValueError as error:
        assert re.search(r"results\.json is damaged: .*--overwrite_output_dir", str(error))


def test_files_and_folders_are_removed_as_far_as_they_exist(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("")
    (tmp_path / "kept").write_text("")
    remove(tmp_path / name for name in ("folder", "file", "nothing"))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_file_of_a_finished_model_may_be_written_anew_and_nothing_else(tmp_path):
    curve = tmp_path / "losses.json"
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("as it was tuned")
    write_checked(curve, {"chosen_step": 3, FILES: file_checksums(tmp_path)})
    with written_anew(curve, "config.json"):
        (tmp_path / "config.json").write_text("half of")
        assert finished_curve(curve) == {"chosen_step": 3}  # a kill here costs no model
        (tmp_path / "config.json").write_text("as it was measured")
    assert finished_curve(curve) == {"chosen_step": 3}
    (tmp_path / "config.json").write_text("changed")
    with pytest.raises(ValueError, match="config.json is damaged"):
        finished_curve(curve)
    (tmp_path / "config.json").write_text("as it was measured")
    (tmp_path / "model.safetensors").write_text("changed")
    with written_anew(curve, "config.json"), pytest.raises(ValueError, match="model.*is damaged"):
        finished_curve(curve)
