"""The phantom's tasks: what can tell their classes apart, and what cannot."""

import io
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler

from datasets_scripts import PHONES, fbank, read_recording
from datasets_scripts.phantom.lexicon import CONTENT_WORDS, FUNCTION_WORDS
from datasets_scripts.phantom.tasks import (
    MOODS,
    N_SPEAKERS,
    PHANTOM_TASKS,
    PhantomTasks,
    invent_sentences,
    invent_words,
    make_phantom_tasks,
)

SMALL = {"n_train": 80, "n_validation": 25, "n_test": 40}
MEANING = {word.label: word.category for word in (*CONTENT_WORDS, *FUNCTION_WORDS)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks") / "phantom"
    assert make_phantom_tasks(folder, **SMALL)
    return folder


@pytest.fixture(scope="module")
def sentences(root):
    return prepared(root, "sentences")


@pytest.fixture(scope="module")
def words(root):
    return prepared(root, "words")


def prepared(root, kind):
    builder = PhantomTasks(root, kind, cache_dir=str(root.parent / "cache"))
    builder.download_and_prepare()
    return builder.as_dataset()


def accuracy(train, test):
    """Of a linear readout on the test part, given (features, classes) of both."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    return probe.fit(*train).score(*test)


def phone_counts(words):
    said = Counter(phone for word in words for phone in word.phones)
    return [said[phone] for phone in PHONES]


def pair_counts(words):
    """Counts of phones next to one another, with the silences around the clip."""
    said = Counter(pairwise(["sp", *(phone for word in words for phone in word.phones), "sp"]))
    return [said[pair] for pair in ALL_PAIRS]


ALL_PAIRS = [(a, b) for a in ("sp", *PHONES) for b in ("sp", *PHONES)]


def acoustics(row):
    """Spectrum and change of it from frame to frame, averaged over the clip."""
    energies = fbank(read_recording(io.BytesIO(row["audio"]["bytes"]))[0])
    change = np.abs(np.diff(energies, axis=0))
    return np.concatenate([energies.mean(0), energies.std(0), change.mean(0)])


def test_every_task_is_a_column_of_classes(sentences, words):
    features = sentences["train"].features | words["train"].features
    classes = {task: features[task] for task in PHANTOM_TASKS}
    classes["phones_present"] = classes["phones_present"].feature
    assert {task: len(feature.names) for task, feature in classes.items()} == {
        "mood": 4,
        "phones_present": 39,
        "word": 25,
        "sentence_type": 3,
        "topic": 5,
    }


def test_labels_are_those_of_what_is_said(sentences):
    rows = sentences["train"]
    for row in rows:
        labels = [word["label"] for word in row["words"]]
        assert row["text"] == " ".join(labels)
        meanings = [MEANING[label] for label in labels]
        numbers = Counter(meanings)
        assert numbers.pop(None) == numbers.pop(row["topic"]) == 3
        assert [*numbers.values()] == [1]
        sentence_type = rows.features["sentence_type"].int2str(row["sentence_type"])
        begins, ends = meanings[0] is None, meanings[-1] is None
        expected = {(True, False): "statement", (False, True): "question"}
        assert sentence_type == expected.get((begins, ends), "command")
        spoken = {phone["label"] for phone in row["phones"]} - {"sp"}
        assert rows.features["phones_present"].feature.int2str(row["phones_present"]) == sorted(
            spoken
        )


def test_words_are_single_content_words(words):
    rows = words["test"]
    for row in rows:
        assert row["text"] == rows.features["word"].int2str(row["word"])
        assert "".join(p["label"] for p in row["phones"][1:-1]).lower() == row["text"]


def test_phones_and_words_follow_one_another_through_the_whole_clip(sentences):
    for row in sentences["validation"]:
        times = [(phone["start"], phone["end"]) for phone in row["phones"]]
        assert times[0][0] == 0
        assert all(before[1] == after[0] for before, after in pairwise(times))
        samples, rate = read_recording(io.BytesIO(row["audio"]["bytes"]))
        assert rate == 16000
        assert len(samples) / rate == pytest.approx(times[-1][1], abs=0.01)
        assert row["words"][0]["start"] == times[0][1]
        assert row["words"][-1]["end"] == times[-1][0]


def test_speech_is_where_the_phones_say(sentences):
    for row in sentences["validation"]:
        samples, rate = read_recording(io.BytesIO(row["audio"]["bytes"]))
        start, end = (round(row["words"][i][k] * rate) for i, k in ((0, "start"), (-1, "end")))
        silent = np.concatenate([samples[: start - 480], samples[end + 480 :]])
        assert np.abs(silent).max() < 0.01 * np.abs(samples[start:end]).max()


def test_classes_are_equally_frequent(sentences, words):
    for split in sentences:
        for task in ("mood", "sentence_type", "topic"):
            numbers = Counter(sentences[split][task]).values()
            assert max(numbers) - min(numbers) <= 1
        assert len(set(words[split]["word"])) == 25
    present = Counter(phone for row in sentences["train"]["phones_present"] for phone in row)
    assert len(present) == 39
    assert max(present.values()) < len(sentences["train"])


def test_speakers_of_different_splits_are_different(sentences, words):
    speakers = {
        split: set(sentences[split]["speaker"]) | set(words[split]["speaker"])
        for split in N_SPEAKERS
    }
    assert {split: len(names) for split, names in speakers.items()} == N_SPEAKERS
    assert len(set.union(*speakers.values())) == sum(N_SPEAKERS.values())


def test_mood_is_heard_in_the_sound(sentences):
    train, test = (
        ([acoustics(row) for row in sentences[split]], sentences[split]["mood"][:])
        for split in ("train", "test")
    )
    assert accuracy(train, test) > 0.7


@pytest.mark.parametrize("slow, fast", [("sad", "angry"), ("tender", "happy")])
def test_moods_differ_in_tempo_at_one_pitch(slow, fast):
    assert MOODS[slow].voice == MOODS[fast].voice
    assert MOODS[slow].tempo == 2 * MOODS[fast].tempo


def halves(invented, task, counts):
    """Features and classes, of the first half of the clips and of the rest."""
    clips = [(counts(words), (labels | {"mood": mood})[task]) for words, mood, labels in invented]
    half = len(clips) // 2
    return [tuple(zip(*part, strict=True)) for part in (clips[:half], clips[half:])]


def test_counting_phones_is_enough_for_words():
    invented = invent_words(300, np.random.default_rng(0))
    assert accuracy(*halves(invented, "word", phone_counts)) == 1


@pytest.mark.parametrize("task", ["topic", "sentence_type", "mood"])
def test_counting_phones_explains_neither_order_nor_meaning_nor_mood(task):
    invented = invent_sentences(2000, np.random.default_rng(0))
    train, test = halves(invented, task, phone_counts)
    binarizer = LabelBinarizer().fit(train[1])
    probe = LinearRegression().fit(train[0], binarizer.transform(train[1]))
    assert probe.score(test[0], binarizer.transform(test[1])) < 0


@pytest.mark.parametrize(("task", "least"), [("topic", 0.95), ("sentence_type", 0.8)])
def test_who_knows_which_phones_stand_together_knows_order_and_meaning(task, least):
    invented = invent_sentences(1000, np.random.default_rng(0))
    assert accuracy(*halves(invented, task, pair_counts)) > least


def test_the_same_seed_makes_the_same_clips(root, tmp_path):
    make_phantom_tasks(tmp_path / "again", **SMALL)
    files = [path.relative_to(root) for path in root.rglob("*.*")]
    assert len(files) == 2 * 145 + 3
    for file in files:
        assert (root / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_what_is_written_is_found_and_anything_else_is_left_alone(root, tmp_path):
    before = (root / "sentences.jsonl").stat().st_mtime_ns
    assert not make_phantom_tasks(root, **SMALL)
    assert (root / "sentences.jsonl").stat().st_mtime_ns == before
    with pytest.raises(FileExistsError, match="no phantom tasks with these settings"):
        make_phantom_tasks(root, **SMALL, seed=1)
    with pytest.raises(FileExistsError, match="give another folder"):
        make_phantom_tasks(tmp_path, **SMALL)


def test_what_was_left_half_way_is_made_anew_and_another_seed_makes_others(root, tmp_path):
    (tmp_path / "tasks.partial" / "words").mkdir(parents=True)
    assert make_phantom_tasks(tmp_path / "tasks", seed=1, **dict.fromkeys(SMALL, 25))
    assert [path.name for path in tmp_path.iterdir()] == ["tasks"]
    texts = (tmp_path / "tasks" / "words.jsonl").read_text().splitlines()
    assert texts[:25] != (root / "words.jsonl").read_text().splitlines()[:25]


def test_a_split_without_all_words_is_refused(tmp_path):
    with pytest.raises(ValueError, match="n_test must be at least 25, got 24"):
        make_phantom_tasks(tmp_path / "tasks", n_test=24)


def test_another_folder_and_another_kind_are_refused(root, tmp_path):
    with pytest.raises(
        FileNotFoundError, match="not a complete folder of phantom .*sentences.jsonl"
    ):
        PhantomTasks(tmp_path)
    with pytest.raises(ValueError, match="unknown kind of clips: got 'word'.*'words'"):
        PhantomTasks(root, "word")
