"""CREMA-D as its repository publishes it, in miniature."""

import numpy as np
import pytest
import soundfile

from datasets_scripts.speech_tasks.crema_d import CremaD

EMOTIONS = ["anger", "disgust", "fear", "happy", "neutral", "sad"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    soundfile.write(path, np.zeros(160), 16000, "PCM_16")
    return path.read_bytes()


@pytest.fixture
def crema(tmp_path, sound):
    folder = tmp_path / "CREMA-D" / "AudioWAV"
    folder.mkdir(parents=True)
    for actor in range(1001, 1092):
        (folder / f"{actor}_IEO_ANG_HI.wav").write_bytes(sound)
        (folder / f"{actor}_TSI_NEU_XX.wav").write_bytes(sound)
    (folder.parent / "VideoDemographics.csv").write_text('"ActorID","Age"\n1001,51\n')
    return folder.parent


def prepared(root, **options):
    builder = CremaD(root, cache_dir=str(root.parent / "cache"), **options)
    builder.download_and_prepare()
    return builder.as_dataset()


def test_there_are_six_emotions_in_a_fixed_order(crema):
    assert prepared(crema)["train"].features["emotion"].names == EMOTIONS


def test_a_row_has_the_sound_the_actor_the_sentence_and_the_emotion(crema, sound):
    splits = prepared(crema)
    rows = {row["file"]: row for split in splits.values() for row in split}
    assert len(rows) == 182
    row = rows["AudioWAV/1001_IEO_ANG_HI.wav"]
    assert row["audio"] == {"bytes": sound, "path": "1001_IEO_ANG_HI.wav"}
    assert row["speaker"] == "1001"
    assert row["text"] == "It's eleven o'clock"
    assert EMOTIONS[row["emotion"]] == "anger"
    assert EMOTIONS[rows["AudioWAV/1091_TSI_NEU_XX.wav"]["emotion"]] == "neutral"


def test_actors_are_split_by_the_seed(crema):
    first, again, other = (
        {split: sorted(set(rows["speaker"])) for split, rows in prepared(crema, seed=s).items()}
        for s in (0, 0, 1)
    )
    assert {split: len(actors) for split, actors in first.items()} == {
        "train": 64,
        "validation": 9,
        "test": 18,
    }
    assert sorted(sum(first.values(), [])) == [str(actor) for actor in range(1001, 1092)]
    assert first == again
    assert first["test"] != other["test"]


def test_the_one_file_with_a_shorter_name_is_read(crema, sound):
    (crema / "AudioWAV" / "1040_ITH_SAD_X.wav").write_bytes(sound)
    rows = [row for split in prepared(crema).values() for row in split]
    (row,) = (row for row in rows if row["text"] == "I think I have a doctor's appointment")
    assert EMOTIONS[row["emotion"]] == "sad"


def test_a_folder_without_sounds_is_told_what_it_lacks(crema):
    (crema / "AudioWAV").rename(crema / "AudioMP3")
    with pytest.raises(
        FileNotFoundError, match="not a complete folder of CREMA-D: it lacks AudioWAV"
    ):
        CremaD(crema)


def test_missing_actors_are_named(crema):
    for actor in (1002, 1090):
        for path in (crema / "AudioWAV").glob(f"{actor}_*.wav"):
            path.unlink()
    with pytest.raises(FileNotFoundError, match="lacks .* 2 of 91 actors: 1002, 1090"):
        CremaD(crema)


@pytest.mark.parametrize(
    "name", ["1001_IEO_JOY_HI.wav", "1001_ABC_ANG_HI.wav", "1101_IEO_ANG_HI.wav", "noise.wav"]
)
def test_a_name_that_tells_no_emotion_is_refused(crema, sound, name):
    (crema / "AudioWAV" / name).write_bytes(sound)
    with pytest.raises(ValueError, match=f"{name}: a recording is named as 1001_DFA_ANG_XX.wav"):
        CremaD(crema)


def test_sounds_that_were_left_in_large_file_storage_are_named(crema):
    for path in (crema / "AudioWAV").glob("*.wav"):
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 72000\n")
    with pytest.raises(ValueError, match="more than max_unreadable=0.01 .*not a readable sound"):
        prepared(crema)
