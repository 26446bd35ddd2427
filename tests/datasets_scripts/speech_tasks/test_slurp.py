"""SLURP as its repository and its archive of recordings publish it, in miniature."""

import json

import numpy as np
import pytest
import soundfile

from datasets_scripts.speech_tasks.slurp import ACTIONS, Slurp

# (list, slurp_id, sentence, scenario, action, {recording: speaker})
ENTRIES = [
    (
        "train",
        4489,
        "wake me up at eight o'clock",
        "alarm",
        "set",
        {"audio--1504194195-headset.flac": "FO-488", "audio--1504194195.flac": "FO-488"},
    ),
    (
        "train",
        962,
        "increase the brightness of the lights",
        "iot",
        "hue_lightup",
        {"audio-1490356953-headset.flac": "UNK-323"},
    ),
    (
        "devel",
        6469,
        "anything on your mind",
        "general",
        "quirky",
        {"audio-1497887494.flac": "FO-488"},
    ),
    ("test", 9054, "event reminder mona", "calendar", "set", {"audio-1497872916.flac": "FE-146"}),
]


def line(slurp_id, sentence, scenario, action, files):
    tokens = [
        {"surface": word, "id": i, "lemma": word, "pos": "NN"}
        for i, word in enumerate(sentence.split())
    ]
    return {
        "slurp_id": slurp_id,
        "sentence": sentence,
        "sentence_annotation": sentence,
        "intent": f"{scenario}_{action}",
        "action": action,
        "tokens": tokens,
        "scenario": scenario,
        "recordings": [
            {"file": file, "wer": 0.0, "ent_wer": None, "status": "correct"} for file in files
        ],
        "entities": [],
    }


def append(root, name, *entry):
    with open(root / "dataset" / "slurp" / f"{name}.jsonl", "a") as lines:
        lines.write(json.dumps(line(*entry)) + "\n")


@pytest.fixture
def slurp(tmp_path):
    root = tmp_path / "slurp"
    (root / "dataset" / "slurp").mkdir(parents=True)
    (root / "audio" / "slurp_real").mkdir(parents=True)
    metadata = {}
    for i, (name, slurp_id, sentence, scenario, action, speakers) in enumerate(ENTRIES):
        append(root, name, slurp_id, sentence, scenario, action, speakers)
        recordings = {
            file: {"ansid": 17555, "recid": 50412, "status": "correct", "usrid": speaker}
            for file, speaker in speakers.items()
        }
        metadata[str(slurp_id)] = {
            "nlub_id": 5027,
            "recordings": recordings,
            "sentence_normalised": sentence,
            "sentence_original": sentence,
            "status": "correct",
            "userid_amt": "682",
        }
        for file in speakers:
            audio = np.random.default_rng(i).uniform(-0.5, 0.5, 800)
            soundfile.write(root / "audio" / "slurp_real" / file, audio, 16000)
    (root / "dataset" / "slurp" / "metadata.json").write_text(json.dumps(metadata))
    return root


def prepared(root):
    builder = Slurp(root, cache_dir=str(root.parent / "cache"))
    builder.download_and_prepare()
    return builder.as_dataset()


def test_there_are_46_actions_in_a_fixed_order(slurp):
    assert len(set(ACTIONS)) == 46
    assert list(ACTIONS) == sorted(ACTIONS)
    assert prepared(slurp)["train"].features["action"].names == list(ACTIONS)


def test_splits_are_the_official_ones_with_a_row_per_recording(slurp):
    splits = prepared(slurp)
    assert list(splits) == ["train", "validation", "test"]
    assert splits["train"]["file"][:] == [
        "audio/slurp_real/audio--1504194195-headset.flac",
        "audio/slurp_real/audio--1504194195.flac",
        "audio/slurp_real/audio-1490356953-headset.flac",
    ]
    assert splits["validation"]["file"][:] == ["audio/slurp_real/audio-1497887494.flac"]
    assert splits["test"]["file"][:] == ["audio/slurp_real/audio-1497872916.flac"]


def test_a_row_has_the_sound_the_speaker_the_sentence_and_the_action(slurp):
    row = prepared(slurp)["train"][2]
    assert row["audio"]["bytes"] == (slurp / row["file"]).read_bytes()
    assert row["speaker"] == "UNK-323"
    assert row["text"] == "increase the brightness of the lights"
    assert ACTIONS[row["action"]] == "hue_lightup"


def test_a_recording_listed_again_stays_in_what_is_tested_on(slurp):
    _, *entry, files = ENTRIES[3]
    append(slurp, "train", *entry, files)
    append(slurp, "test", *entry, files)
    with pytest.warns(UserWarning, match="2 recordings are listed again and are kept once"):
        splits = prepared(slurp)
    assert {split: len(rows) for split, rows in splits.items()} == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }


@pytest.mark.parametrize(
    "gone",
    [
        "dataset/slurp/train.jsonl",
        "dataset/slurp/devel.jsonl",
        "dataset/slurp/test.jsonl",
        "dataset/slurp/metadata.json",
    ],
)
def test_an_incomplete_folder_is_told_what_is_missing(slurp, gone):
    (slurp / gone).unlink()
    with pytest.raises(FileNotFoundError, match=f"not a complete folder of SLURP: it lacks {gone}"):
        Slurp(slurp)


def test_recordings_that_were_not_unpacked_are_missed(slurp):
    (slurp / "audio" / "slurp_real").rename(slurp / "audio" / "elsewhere")
    with pytest.raises(FileNotFoundError, match="it lacks audio/slurp_real"):
        Slurp(slurp)


def test_a_missing_recording_is_named(slurp):
    (slurp / "audio" / "slurp_real" / "audio-1497872916.flac").unlink()
    with pytest.raises(FileNotFoundError, match="lacks 1 of 5 recordings, .*1497872916.flac"):
        Slurp(slurp)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "hue_lightsup"}, "unknown action in .*devel.jsonl, line 2.*'hue_lightup'"),
        ({"action": None}, "unknown action in .*devel.jsonl, line 2: got None"),
        ({"recordings": [{"wer": 0.0}]}, "devel.jsonl, line 2: the key 'file' is missing"),
        ({"recordings": [{"file": "x.flac"}]}, "names no speaker .* of x.flac"),
    ],
)
def test_a_line_that_is_wrong_is_named(slurp, change, message):
    _, *entry, files = ENTRIES[2]
    with open(slurp / "dataset" / "slurp" / "devel.jsonl", "a") as lines:
        lines.write(json.dumps(line(*entry, files) | change) + "\n")
    with pytest.raises(ValueError, match=message):
        Slurp(slurp)
