"""What is said in clips, as phones and as words."""

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from datasets_scripts.speech_tasks import INTERVALS, TranscribedClips, transcripts


def test_phones_are_told_without_silences():
    labels = ["sil", "sh", "iy", "SP", "", "hh"]
    row = [{"start": 0.0, "end": 1.0, "label": label} for label in labels if label]
    clips = Dataset.from_dict({"phones": [row]})
    assert clips.cast_column("phones", INTERVALS) and transcripts(clips, "phones") == ["sh iy hh"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("She had your suit in wash-water.", "she had your suit in wash water"),
        ('"Don’t  ask me," he said -- 2 times!', "don't ask me he said 2 times"),
        ("Étude_no. 3/4", "étudeno 3 4"),
        ("...", ""),
    ],
)
def test_characters_are_those_of_words(text, words):
    assert transcripts(Dataset.from_dict({"text": [text]}), "characters") == [words]


@given(st.text())
def test_characters_do_not_change_when_taken_again(text):
    (once,) = transcripts({"text": [text]}, "characters")
    assert transcripts({"text": [once]}, "characters") == [once]
    assert once == " ".join(once.split())


def test_clips_are_taken_with_their_labels(wav):
    clips = Dataset.from_dict({"file": ["a.wav", "b.wav"], "audio": [wav(800), wav(1600)]})
    transcribed = TranscribedClips(clips, ["aa b", "b"], [[0, 1], [1]])
    assert len(transcribed) == 2 and transcribed.files == ["a.wav", "b.wav"]
    item = transcribed[1]
    assert item["audio"].shape == (1600,) and item["audio"].dtype == np.float32
    assert item["labels"] == [1] and transcribed.texts == ["aa b", "b"]
    assert TranscribedClips(clips, [], []).fingerprint == transcribed.fingerprint
