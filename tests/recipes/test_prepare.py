"""Preparing recordings ahead of time, and having them from the Hub."""

import json
import os
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

from datasets_scripts import (
    TrainingWindows,
    noise_ceiling,
    open_participant,
    read_ds003020,
    select_voxels,
)
from recipes.command.arguments import CONFIGS, parse_arguments, read_config
from recipes.prepare import PrepareOptions, main, prepare
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from tests.command_process import run_command

WITHOUT = """
import json, sys
for room in ("datasets_scripts", "modeling_braintune", "evaluate_metrics", "recipes"):
    sys.modules[room] = None  # importing it fails
from datasets import load_dataset
rows = load_dataset("ada/phantom-listening", "P01")
sound = load_dataset("ada/phantom-listening", "stories", split="stories", streaming=True)
first = next(iter(sound))
row = rows["responses"].with_format("numpy")[3]
streamed = load_dataset("ada/phantom-listening", "P01", streaming=True)
third = next(iter(streamed["responses"].skip(3)))
print(json.dumps({
    "splits": {split: len(part) for split, part in rows.items()},
    "story": row["story"],
    "responses": [float(x) for x in row["responses"]],
    "streamed": [sorted(streamed), third["story"], third["responses"]],
    "sound": [first["story"], len(first["audio"]["bytes"]), len(first["words"])],
}))
"""


@pytest.fixture(scope="module")
def uploaded(recordings):
    """What the recipe printed while it uploaded P01 as ada/phantom-listening."""
    words = ["--data", recordings, "--participants", "P01"]
    done = run_command("prepare", *words, "--push_to_hub", "ada/phantom-listening")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_says_what_was_prepared(recordings, tmp_path, capsys):
    prepared = prepare(
        PrepareOptions(
            data=str(recordings), participants=["P01"], dtype="float16", prepared_dir=str(tmp_path)
        )
    )
    assert set(prepared) == {"P01", "stories"}
    n_trs = sum(len(story.tr_times) for story in read_ds003020(recordings, "P01"))
    printed = capsys.readouterr().out
    assert f"P01: {n_trs} responses, " in printed
    assert f"MB in {tmp_path}" in printed


def test_uploaded_recordings_load_without_this_package(
    uploaded, loopback_hub, recordings, tmp_path
):
    assert "Uploaded to ada/phantom-listening" in uploaded
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        env=loopback_hub.environment(tmp_path / "home"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    stories = {story.name: story for story in read_ds003020(recordings, "P01")}
    first = stories[answer["story"]]
    np.testing.assert_array_equal(np.float32(answer["responses"]), first.responses[3])
    assert answer["streamed"][:2] == [["repeats", "responses"], answer["story"]]
    np.testing.assert_array_equal(np.float32(answer["streamed"][2]), first.responses[3])
    told = stories[answer["sound"][0]]
    assert answer["sound"][1:] == [told.audio_file.stat().st_size, len(told.words)]
    n_trs = sum(len(story.tr_times) for story in stories.values())
    n_repeated = stories["repeated"].repeats[..., 0].size
    assert answer["splits"] == {"responses": n_trs, "repeats": n_repeated}


def test_uploaded_recordings_give_windows_with_this_package(uploaded, recordings):
    participant = open_participant("ada/phantom-listening", "P01")
    (sent,) = participant.stories(["repeated"])
    voxels = select_voxels(noise_ceiling(sent.repeats), regions=participant.regions)
    pair = TrainingWindows([sent], voxels)[5]
    (story,) = read_ds003020(recordings, "P01", ["repeated"])
    np.testing.assert_array_equal(pair["labels"], story.responses[5, voxels])
    assert len(voxels) and len(pair["audio"]) == 160000 and abs(pair["audio"]).max() > 0
    assert participant.provenance["participant"] == "P01"


def command(monkeypatch, *words):
    """Run the command in this process."""
    monkeypatch.setattr(sys, "argv", ["prepare.py", *map(str, words)])
    main()


@pytest.fixture
def copy(recordings, tmp_path):
    return shutil.copytree(recordings, tmp_path / "copy")


def test_stories_that_are_named_are_prepared_and_others_not_looked_at(
    copy, tmp_path, monkeypatch, capsys, unfetch, configuration
):
    unfetch(copy / "derivative/preprocessed_data/P01/story01.hf5")
    words = ["--data", copy, "--participants", "P01", "--prepared_dir", tmp_path / "prepared"]
    command(monkeypatch, *words, "--stories", "story02", "story03")
    n_trs = sum(len(s.tr_times) for s in read_ds003020(copy, "P01", ["story02", "story03"]))
    assert f"P01: {n_trs} responses, " in capsys.readouterr().out
    config = configuration(train_stories=["story02"], push_to_hub="ada/model", private=True)
    before = set(tmp_path.glob("prepared/**/*.arrow"))
    command(monkeypatch, *words, "--config", config)
    printed = capsys.readouterr().out
    assert "stories: 3 stories" in printed and "Uploaded" not in printed
    new = set(tmp_path.glob("prepared/**/*.arrow")) - before
    assert len(new) == 5  # responses and sounds of story04 and repeated, and repeats
    with pytest.raises(SystemExit, match="1 file of P01 is not fetched yet by git-annex"):
        command(monkeypatch, *words, "--stories", "story01")


def test_a_check_ends_with_what_to_type(copy, monkeypatch, capsys, unfetch, configuration):
    lacking = ["stimuli/story03.wav", "derivative/preprocessed_data/P01/repeated.hf5"]
    for name in lacking:
        unfetch(copy / name, n_bytes=2_000_000_000)
    unfetch(copy / "derivative/preprocessed_data/P01/unnamed.hf5")
    (copy / "derivative/preprocessed_data/P01/story02.hf5").unlink()
    config = configuration()
    command(monkeypatch, "--data", copy, "--participants", "P01", "--check", "--config", config)
    printed = capsys.readouterr().out
    assert "P01: 2 of 5 stories fetched; of the 4 that matter 2" in printed
    assert "not recorded: story02" in printed and "not fetched: 2 files, 4.00 GB" in printed
    fetch, tune = printed.strip().split("Next, for P01:\n")[1].splitlines()
    assert fetch == f"(cd {copy} && datalad get {' '.join(sorted(lacking, reverse=True))})"
    assert shlex.split(tune) == [
        *("accelerate", "launch", "recipes/tune.py", "--config", os.path.relpath(config)),
        *("--data", str(copy), "--participants", "P01", "--train_stories", "story01", "story03"),
    ]
    parse_arguments((TuningOptions, TrainerOptions), None, shlex.split(tune)[3:])


def test_a_check_without_participants_is_of_all_and_goes_on_with_one(
    copy, monkeypatch, capsys, unfetch
):
    unfetch(copy / "derivative/preprocessed_data/P01/story01.hf5")
    command(monkeypatch, "--check", "--data", copy, "--tr", "2.0045", "--dtype", "float16")
    printed = capsys.readouterr().out
    assert "\nP01: 4 of 5" in printed and "\nP02: 5 of 5" in printed
    assert printed.strip().endswith(
        f"--config '<your configuration>' --data {copy} --tr 2.0045 --dtype float16 "
        "--participants P02"
    )
    assert "prepared as float16" in printed and "datalad" not in printed


def test_a_folder_of_ds003020_is_checked_for_the_stories_of_its_configuration(
    tmp_path, monkeypatch, capsys, unfetch
):
    config = read_config(CONFIGS / "ds003020.yaml")
    stories = [*config["train_stories"], *config["validation_stories"], config["test_story"]]
    for name in [*stories, "other"]:
        unfetch(tmp_path / f"stimuli/{name}.wav", 130_000_000)
        unfetch(tmp_path / f"derivative/TextGrids/{name}.TextGrid", 1_000_000)
        if name != "life":
            unfetch(tmp_path / f"derivative/preprocessed_data/UTS04/{name}.hf5", 280_000_000)
    (tmp_path / "derivative/respdict.json").write_text(json.dumps(dict.fromkeys(stories, 300)))
    command(monkeypatch, "--check", "true", "--data", tmp_path)
    printed = capsys.readouterr().out
    assert "UTS04: 0 of 27 stories fetched; of the 26 that matter 0" in printed
    assert "not recorded: life" in printed and "not fetched: 78 files, 10.69 GB" in printed
    assert f"of {23 * 280} windows" in printed
    assert printed.count(".hf5") == 26 and "other" not in printed
    tune = shlex.split(printed.strip().splitlines()[-1])
    (arguments, _) = parse_arguments((TuningOptions, TrainerOptions), None, tune[3:])
    assert arguments.participants == ["UTS04"]
    assert arguments.train_stories == [s for s in config["train_stories"] if s != "life"]


def test_prepared_recordings_are_neither_prepared_nor_checked(tmp_path, monkeypatch):
    (tmp_path / "provenance").mkdir()
    for more in ([], ["--check"]):
        with pytest.raises(SystemExit, match="holds recordings that are prepared already"):
            command(monkeypatch, "--data", tmp_path, "--participants", "P01", *more)


def test_a_wrong_folder_stops_with_one_line(tmp_path):
    done = run_command("prepare", "--data", tmp_path, "--participants", "P01")
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("FileNotFoundError: ")
    assert "is not a ds003020 folder" in done.stderr
