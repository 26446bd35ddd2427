"""Runs that are killed at a file operation and started again, and runs beside one another."""

import json
import os
import shutil
import time
from functools import partial

import numpy as np
import pytest
from safetensors.numpy import load_file

from datasets_scripts import make_phantom_tasks
from tests.command_process import run_command, start_command
from tests.recipes.file_operations import prepare

SEED = 0
N_KILLS = 2  # of each recipe; BRAINTUNE_ALL_KILLS=1 has one at every operation, for half an hour
BRIEF = {
    "train_stories": ["story01", "story02"],
    "n_trs_per_window": 2,
    "evaluation_stride": 10.0,
    "layers": [2],
    "max_steps": 4,
    "eval_steps": 2,
    "save_steps": 2,
    "per_device_train_batch_size": 4,
}


@pytest.fixture(scope="module")
def words(settings, tmp_path_factory):
    """What each recipe is started with, but for the output folder."""
    folder = tmp_path_factory.mktemp("words")
    brief = settings | BRIEF
    clips = folder / "clips"
    make_phantom_tasks(clips, n_train=25, n_validation=25, n_test=25)
    options = ("max_steps", "eval_steps", "save_steps", "per_device_train_batch_size")
    configurations = {
        "tune": brief,
        "stimulus_tune": brief | {"mask_time_length": 2},
        "asr": {name: brief[name] for name in (*options, "use_cpu", "disable_tqdm")}
        | {
            "checkpoints": [settings["pretrained"]],
            "collections": [f"phantom={clips}"],
            "max_unusable": 0.9,
        },
    }
    for recipe, configuration in configurations.items():
        (folder / f"{recipe}.yaml").write_text(json.dumps(configuration))  # JSON is YAML
    return {recipe: ["--config", folder / f"{recipe}.yaml"] for recipe in configurations}


def left_in(*folders):
    """What runs have left: {file: content that must always be the same}."""
    left = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            left[str(path.relative_to(folder))] = _content(path) if path.is_file() else None
    return left


def _content(path):
    if path.suffix == ".safetensors":
        return {name: values.tobytes() for name, values in load_file(path).items()}
    return _timeless(json.loads(path.read_text())) if path.suffix == ".json" else ""


def _timeless(content):
    if isinstance(content, dict):
        return {
            key: _timeless(value)
            for key, value in content.items()
            if "seconds" not in key and key != "checksum"  # which covers them
        }
    return [_timeless(value) for value in content] if isinstance(content, list) else content


@pytest.mark.parametrize("recipe", ["tune", "stimulus_tune", "asr"])
def test_killed_at_any_file_operation_a_run_ends_as_if_it_had_not_been(recipe, words, tmp_path):
    output, home = folders = tmp_path / "output", tmp_path / "home"
    given = (recipe, *words[recipe], "--output_dir", output)
    listing = tmp_path / "operations.txt"
    whole = run_command(*given, prepare=partial(prepare, home, folders, listing=listing))
    assert whole.returncode == 0, whole.stderr
    expected = left_in(*folders)
    operations = [json.loads(line) for line in listing.read_text().splitlines()]
    chosen = np.random.default_rng(SEED).permutation(len(operations))
    for number in chosen[: None if "BRAINTUNE_ALL_KILLS" in os.environ else N_KILLS].tolist():
        where = f"{number}: {operations[number]}"
        for folder in folders:
            shutil.rmtree(folder)
        killed = run_command(*given, prepare=partial(prepare, home, folders, number))
        assert killed.returncode == -9, f"{where}\n{killed.stderr}"
        # Of these a finished run is refused, once its leftovers are gone.
        results = {"tune": "results.json", "stimulus_tune": "stimulus-tuned/results.json"}
        finished = recipe in results and (output / results[recipe]).exists()
        again = run_command(*given, prepare=partial(prepare, home))
        assert again.returncode == finished, f"{where}\n{again.stderr}"
        found = left_in(*folders)
        assert found.keys() == expected.keys(), where
        for name, content in found.items():
            assert content == expected[name], f"{where}: {name}"


def test_two_first_runs_at_once_both_succeed_and_a_third_is_told_who_is_there(words, tmp_path):
    home, outputs = tmp_path / "home", (tmp_path / "one", tmp_path / "other")
    given = ("stimulus_tune", *words["stimulus_tune"], "--output_dir")
    ready, said = partial(prepare, home), [path.with_suffix(".log") for path in outputs]
    started = [
        start_command(*given, path, stderr=log, prepare=ready)
        for path, log in zip(outputs, said, strict=True)
    ]
    while not (outputs[0] / ".braintune-run.json").exists() and started[0].is_alive():
        time.sleep(0.01)
    third = run_command(*given, outputs[0], prepare=ready)
    assert third.returncode == 1
    assert f"another run is at work there, process {started[0].pid} on " in third.stderr
    for process, log in zip(started, said, strict=True):
        process.join()
        assert process.exitcode == 0, log.read_text()
    assert left_in(outputs[0]) == left_in(outputs[1])
    assert not [path for path in home.rglob("*") if ".partial" in path.name]
    assert not [path for path in home.rglob("*.incomplete")]
