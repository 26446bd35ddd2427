"""What an earlier run left in an output folder, and what may be done with it."""

import json
from dataclasses import dataclass

import pytest

from recipes.command.output_folder import (
    RESULTS,
    SETTINGS,
    check_output,
    finished_results,
    remove,
    run_settings,
    write_json,
)
from recipes.stages.tuning_options import TrainerOptions

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
    write_json(folder / RESULTS, {"seconds": 3.0})
    assert finished_results(folder, SETTINGS_OF_A_RUN) == {"seconds": 3.0}
    assert finished_results(folder, SETTINGS_OF_A_RUN | {"learning_rate": 1.0}) is None


def test_a_folder_is_taken_if_it_is_new_or_of_an_interrupted_run_with_the_same_settings(tmp_path):
    check_output(tmp_path / "new", SETTINGS_OF_A_RUN)
    write_json(tmp_path / SETTINGS, SETTINGS_OF_A_RUN)
    check_output(tmp_path, SETTINGS_OF_A_RUN)
    with pytest.raises(FileExistsError, match=r"other settings \(learning_rate\)"):
        check_output(tmp_path, SETTINGS_OF_A_RUN | {"learning_rate": 1.0})
    write_json(tmp_path / RESULTS, {})
    with pytest.raises(FileExistsError, match="holds a finished run .* --overwrite_output_dir"):
        check_output(tmp_path, SETTINGS_OF_A_RUN)


def test_what_cannot_be_written_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / RESULTS
    write_json(path, {"seconds": 1})
    with pytest.raises(TypeError):
        write_json(path, {"seconds": object()})
    assert json.loads(path.read_text()) == {"seconds": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_files_and_folders_are_removed_as_far_as_they_exist(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("")
    (tmp_path / "kept").write_text("")
    remove(tmp_path / name for name in ("folder", "file", "nothing"))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
