"""What the builders of speech tasks have in common, on a collection of two classes."""

import json

import numpy as np
import pytest
import soundfile
from datasets import ClassLabel
from hypothesis import given
from hypothesis import strategies as st

from datasets_scripts.speech_tasks.speech_task import (
    Clip,
    SpeechTask,
    read_json_lines,
    require,
    set_aside,
)

COLUMNS = {"sex": ClassLabel(names=["male", "female"])}
SPLITS = {
    "train": [
        Clip("a0.wav", "ada", {"sex": "female"}),
        Clip("a1.wav", "ada", {"sex": "female"}),
        Clip("b0.wav", "bob", {"sex": "male"}),
    ],
    "test": [Clip("c0.wav", "cyd", {"sex": "female"})],
}


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "collection"
    folder.mkdir()
    for i, clip in enumerate(clip for clips in SPLITS.values() for clip in clips):
        soundfile.write(folder / clip.file, np.full(800, 0.1 * (i + 1)), 16000)
    return folder


def prepared(root, splits=SPLITS, **options):
    builder = SpeechTask(root, COLUMNS, splits, cache_dir=str(root.parent / "cache"), **options)
    builder.download_and_prepare()
    return builder


def test_a_row_is_a_recording_as_it_is_with_what_is_said_of_it(root):
    rows = prepared(root).as_dataset()
    assert rows.column_names["train"] == ["file", "speaker", "audio", "sex"]
    assert rows["train"]["file"][:] == ["a0.wav", "a1.wav", "b0.wav"]
    assert rows["train"]["speaker"][:] == ["ada", "ada", "bob"]
    for row in rows["train"]:
        assert row["audio"] == {"bytes": (root / row["file"]).read_bytes(), "path": row["file"]}
    assert rows["test"]["file"][:] == ["c0.wav"]


def test_the_order_of_classes_is_kept_in_the_features(root):
    rows = prepared(root).as_dataset("train")
    assert rows.features["sex"].names == ["male", "female"]
    assert rows["sex"][:] == [1, 1, 0]


def test_rows_stream(root):
    stream = SpeechTask(root, COLUMNS, SPLITS).as_streaming_dataset("test")
    (row,) = stream
    assert row["audio"]["bytes"] == (root / "c0.wav").read_bytes()


def test_more_rows_than_are_written_at_once(root):
    clips = [Clip(f"many{i}.wav", "dan", {"sex": "male"}) for i in range(205)]
    for i, clip in enumerate(clips):
        soundfile.write(root / clip.file, np.full(8, i / 300), 16000)
    rows = prepared(root, {"train": clips}).as_dataset("train")
    assert rows["file"][:] == [clip.file for clip in clips]
    assert rows[204]["audio"]["bytes"] == (root / "many204.wav").read_bytes()


def test_the_info_names_the_speakers_of_each_split(root):
    prepared(root)
    description = json.loads(prepared(root).as_dataset("train").info.description)
    assert description == {
        "speakers": {"train": ["ada", "bob"], "test": ["cyd"]},
        "unreadable": {"train": [], "test": []},
    }


def test_few_unreadable_recordings_are_left_out_named_and_counted(root):
    (root / "a1.wav").write_bytes(b"RIFF")
    message = r"1 of the 3 recordings of train are missing or unreadable \(a1.wav\), and left out"
    with pytest.warns(UserWarning, match=message):
        rows = prepared(root, max_unreadable=0.34).as_dataset("train")
    assert rows["file"][:] == ["a0.wav", "b0.wav"]
    assert json.loads(rows.info.description)["unreadable"] == {"train": ["a1.wav"], "test": []}


def test_few_missing_recordings_are_left_out_until_they_are_there(root):
    content = (root / "a1.wav").read_bytes()
    (root / "a1.wav").unlink()
    with pytest.warns(UserWarning, match=r"1 of the 3 .* missing or unreadable \(a1.wav\), and"):
        rows = prepared(root, max_unreadable=0.34).as_dataset("train")
    assert rows["file"][:] == ["a0.wav", "b0.wav"]
    (root / "a1.wav").write_bytes(content)
    rows = prepared(root, max_unreadable=0.34).as_dataset("train")
    assert rows["file"][:] == ["a0.wav", "a1.wav", "b0.wav"]


def test_more_unreadable_recordings_are_an_error(root):
    (root / "a1.wav").write_bytes(b"RIFF")
    message = "1 of the 3 recordings .*a1.wav.* more than max_unreadable=0.01 .*not a readable"
    with pytest.raises(ValueError, match=message):
        prepared(root)
    assert not list(root.parent.glob("cache/**/dataset_info.json"))


def test_a_replaced_recording_is_noticed(root):
    prepared(root)
    soundfile.write(root / "c0.wav", np.zeros(400), 16000)
    (row,) = prepared(root).as_dataset("test")
    assert row["audio"]["bytes"] == (root / "c0.wav").read_bytes()


def test_what_is_prepared_is_used_again_and_other_labels_are_not_mistaken_for_it(root):
    files = [prepared(root).as_dataset("test").cache_files for _ in range(2)]
    assert files[0] == files[1]
    changed = SPLITS | {"test": [Clip("c0.wav", "cyd", {"sex": "male"})]}
    assert prepared(root, changed).as_dataset("test")["sex"][:] == [0]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (SPLITS | {"test": []}, "no recording for the split test"),
        (SPLITS | {"test": [Clip("a0.wav", "cyd", {})]}, "recording a0.wav .* train and test"),
        (SPLITS | {"test": [Clip("c0.wav", "bob", {})]}, "speaker bob .* train and test"),
    ],
)
def test_splits_that_overlap_or_are_empty_are_refused(root, splits, message):
    with pytest.raises(ValueError, match=message):
        prepared(root, splits)


def test_missing_recordings_are_counted_and_named(root):
    (root / "a1.wav").unlink()
    (root / "c0.wav").unlink()
    with pytest.raises(FileNotFoundError, match="lacks 2 of 4 recordings, such as a1.wav, c0.wav"):
        prepared(root)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_the_share_of_unreadable_recordings_is_a_share(root, share):
    with pytest.raises(ValueError, match="max_unreadable must be a share"):
        prepared(root, max_unreadable=share)


def test_a_folder_that_is_another_is_told_what_it_lacks(tmp_path):
    (tmp_path / "there").touch()
    require("Things", tmp_path, ["there"])
    with pytest.raises(
        FileNotFoundError, match="not a complete folder of Things: it lacks a/b, c$"
    ):
        require("Things", tmp_path, ["a/b", "there", "c"])


@given(st.sets(st.text("abc", min_size=1), min_size=3), st.randoms(), st.integers(0, 100))
def test_speakers_are_set_aside_by_seed_whatever_their_order(speakers, random, seed):
    shuffled = random.sample(sorted(speakers), len(speakers))
    held = set_aside(shuffled, 2, seed)
    assert held == set_aside(speakers, 2, seed)
    assert len(held) == 2
    assert held < speakers


def test_another_seed_sets_others_aside():
    speakers = [f"S{i}" for i in range(50)]
    assert set_aside(speakers, 10, 0) != set_aside(speakers, 10, 1)


def test_a_line_that_is_no_json_is_named(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text('{"a": 1}\n{"a": }\n')
    lines = read_json_lines(path)
    assert next(lines) == (f"{path}, line 1", {"a": 1})
    with pytest.raises(ValueError, match="lines.jsonl, line 2: not a JSON object"):
        next(lines)


def test_a_damaged_file_of_what_was_prepared_is_named(root):
    prepared(root)
    (file,) = (root.parent / "cache").rglob("*train.arrow")
    with open(file, "r+b") as damaged:
        damaged.seek(-3, 2)
        damaged.write(b"\x55")
    with pytest.raises(ValueError, match=rf"{file.name} is damaged"):
        prepared(root)
