"""Speech Commands as the archive of version 0.02 publishes it, in miniature."""

import numpy as np
import pytest
import soundfile

from datasets_scripts.speech_tasks.speech_commands import WORDS, SpeechCommands

TRAIN, VALIDATION, TEST = "00176480", "0a0b46ae", "004ae714"


@pytest.fixture
def commands(tmp_path):
    root = tmp_path / "speech_commands_v0.02"
    for word in (*WORDS, "_background_noise_"):
        (root / word).mkdir(parents=True)
    for i, word in enumerate(WORDS):
        for speaker in (TRAIN, VALIDATION, TEST):
            soundfile.write(
                root / word / f"{speaker}_nohash_0.wav", np.full(160, i / 100), 16000, "PCM_16"
            )
    soundfile.write(root / "yes" / f"{TRAIN}_nohash_1.wav", np.zeros(160), 16000, "PCM_16")
    soundfile.write(root / "_background_noise_" / "pink_noise.wav", np.zeros(160), 16000)
    (root / "_background_noise_" / "README.md").write_text("Background noise")
    for name, speaker in {"validation_list.txt": VALIDATION, "testing_list.txt": TEST}.items():
        lines = [f"{word}/{speaker}_nohash_0.wav\n" for word in WORDS]
        (root / name).write_text("".join(lines))
    (root / "README.md").write_text("Speech Commands Data Set v0.02")
    (root / "LICENSE").write_text("Creative Commons BY 4.0")
    return root


def prepared(root):
    builder = SpeechCommands(root, cache_dir=str(root.parent / "cache"))
    builder.download_and_prepare()
    return builder.as_dataset()


def test_there_are_35_words_in_a_fixed_order_and_noise_is_none(commands):
    assert len(set(WORDS)) == 35
    assert list(WORDS) == sorted(WORDS)
    assert prepared(commands)["train"].features["word"].names == list(WORDS)


def test_the_lists_make_the_splits_and_the_rest_is_for_training(commands):
    splits = prepared(commands)
    for split, speaker in {"validation": VALIDATION, "test": TEST}.items():
        assert splits[split]["file"][:] == [f"{word}/{speaker}_nohash_0.wav" for word in WORDS]
    assert len(splits["train"]) == 36
    assert set(splits["train"]["speaker"]) == {TRAIN}


def test_a_row_has_the_sound_the_speaker_and_the_word(commands):
    for row in prepared(commands)["test"]:
        assert row["audio"]["bytes"] == (commands / row["file"]).read_bytes()
        assert row["speaker"] == TEST
        assert row["file"].startswith(f"{WORDS[row['word']]}/")


def test_the_first_version_of_the_collection_is_told_what_it_lacks(commands):
    for word in ("backward", "visual"):
        (commands / word).rename(commands.parent / word)
    message = "not a complete folder of Speech Commands 0.02: it lacks backward, visual"
    with pytest.raises(FileNotFoundError, match=message):
        SpeechCommands(commands)


@pytest.mark.parametrize("name", ["validation_list.txt", "testing_list.txt"])
def test_a_missing_list_is_named(commands, name):
    (commands / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"it lacks {name}"):
        SpeechCommands(commands)


def test_a_listed_recording_that_is_missing_is_named(commands):
    (commands / "bird" / f"{TEST}_nohash_0.wav").unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks 1 of 106 .*bird/{TEST}_nohash_0.wav"):
        SpeechCommands(commands)


@pytest.mark.parametrize("entry", ["bird/one.wav", "birds/0a0b46ae_nohash_0.wav"])
def test_a_name_that_tells_no_word_and_speaker_is_refused(commands, entry):
    with open(commands / "testing_list.txt", "a") as lines:
        lines.write(entry)
    with pytest.raises(ValueError, match=f"named as yes/0a1b2c3d_nohash_0.wav.*got {entry}"):
        SpeechCommands(commands)


def test_a_speaker_who_is_listed_only_in_part_is_refused(commands):
    path = commands / "testing_list.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(ValueError, match=f"speaker {TEST} is in the splits train and test"):
        SpeechCommands(commands)


def test_a_recording_of_both_lists_is_refused(commands):
    with open(commands / "testing_list.txt", "a") as lines:
        lines.write(f"bird/{VALIDATION}_nohash_0.wav\n")
    with pytest.raises(ValueError, match=f"recording bird/{VALIDATION}_nohash_0.wav is in"):
        SpeechCommands(commands)
