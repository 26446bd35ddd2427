"""Preparing recordings ahead of time, and having them from the Hub."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from datasets_scripts import read_ds003020
from recipes.prepare import PrepareOptions, prepare

RECIPE = str(Path(__file__).resolve().parents[2] / "recipes" / "prepare.py")


@pytest.fixture(scope="module")
def uploaded(recordings, loopback_hub, tmp_path_factory):
    """What the recipe printed while it uploaded P01 as ada/phantom-listening."""
    words = [
        "--data",
        recordings,
        "--participants",
        "P01",
        "--push_to_hub",
        "ada/phantom-listening",
    ]
    done = subprocess.run(
        [sys.executable, RECIPE, *map(str, words)],
        env=loopback_hub.environment(tmp_path_factory.mktemp("home")),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def client(loopback_hub, tmp_path):
    """Run a program as a client of the Hub; return the JSON that it prints last."""

    def run(program):
        done = subprocess.run(
            [sys.executable, "-c", dedent(program)],
            env=loopback_hub.environment(tmp_path / "home"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


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


def test_uploaded_recordings_load_without_this_package(uploaded, client, recordings):
    assert "Uploaded to ada/phantom-listening" in uploaded
    answer = client("""
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
    """)
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


def test_uploaded_recordings_give_windows_with_this_package(uploaded, client, recordings):
    answer = client("""
        import json
        from datasets_scripts import TrainingWindows, noise_ceiling, open_participant, select_voxels
        participant = open_participant("ada/phantom-listening", "P01")
        (story,) = participant.stories(["repeated"])
        voxels = select_voxels(noise_ceiling(story.repeats), regions=participant.regions)
        pair = TrainingWindows([story], voxels)[5]
        print(json.dumps({
            "voxels": voxels.tolist(),
            "labels": pair["labels"].tolist(),
            "audio": [len(pair["audio"]), float(abs(pair["audio"]).max())],
            "participant": participant.provenance["participant"],
        }))
    """)
    (story,) = read_ds003020(recordings, "P01", ["repeated"])
    np.testing.assert_array_equal(answer["labels"], story.responses[5, answer["voxels"]])
    assert answer["audio"][0] == 160000 and answer["audio"][1] > 0
    assert answer["participant"] == "P01"


def test_a_wrong_folder_stops_with_one_line(tmp_path):
    words = [sys.executable, RECIPE, "--data", str(tmp_path), "--participants", "P01"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("FileNotFoundError: ")
    assert "is not a ds003020 folder" in done.stderr
