"""Speech tasks in the phantom's language, from acoustic to semantic, with a known order.

Clips are spoken by the synthesiser of the phantom's stories. What tells the classes of a task apart
lies deeper from one task to the next:

- mood: pitch and tempo, whatever is said (acoustic)
- phones_present, word: which phones are spoken; of a word, counting them is enough (phonetic)
- sentence_type: where function words stand; clips of all types hold the same phones on average, so
  that their order must be known
- topic: which phones stand together, in any word of a category (semantic); counts of phones say
  nothing of it, see `lexicon`. Three of four content words are of the topic, one is not

Labels of different tasks are drawn independently, and speakers of different splits are different.
"""

import json
from collections.abc import Iterator
from itertools import chain, pairwise
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from datasets import ClassLabel, List, Value

from ..labels import PHONES as SPOKEN
from ..names import check_name
from ..recordings import resample
from ..speech_tasks import INTERVALS, Clip, SpeechTask, read_json_lines, require
from ..story import Interval
from ..whole_files import made_whole
from .lexicon import CATEGORIES, CONTENT_WORDS, FUNCTION_WORDS, Word
from .speech import PHONES, SAMPLING_RATE, SILENCE, VOICES, synthesise

PHANTOM_TASKS = ("mood", "phones_present", "word", "sentence_type", "topic")
SENTENCE_TYPES = ("statement", "command", "question")
N_TOPICAL, N_FUNCTION = 3, 3  # words of a sentence, beside one content word of another topic
RATE = 1.25  # duration of a phone relative to the synthesiser's, as in the phantom's stories


# The words of a clip, its mood, and its classes by task.
Invented = tuple[list[Word], str, dict[str, Any]]


class Mood(NamedTuple):
    """How a clip is spoken: by which of the synthesiser's voices, and how long its phones are."""

    voice: int
    tempo: float


# Two voices that are almost six semitones apart when brought to the same tract, as `_speak` does.
# Their hiss is then a tenth apart: what else tells these two registers from one another.
LOW, HIGH = 1, 2
MOODS = {
    "angry": Mood(LOW, 0.7),
    "happy": Mood(HIGH, 0.7),
    "sad": Mood(LOW, 1.4),
    "tender": Mood(HIGH, 1.4),
}

# A speaker is the length of a vocal tract, in hundredths of the one that formants are stated for.
TRACTS = tuple(range(97, 115))
N_SPEAKERS = {"train": 12, "validation": 3, "test": 3}

COLUMNS = {
    "sentences": {
        "text": Value("string"),
        "words": INTERVALS,
        "phones": INTERVALS,
        "phones_present": List(ClassLabel(names=list(SPOKEN))),
        "sentence_type": ClassLabel(names=list(SENTENCE_TYPES)),
        "topic": ClassLabel(names=list(CATEGORIES)),
        "mood": ClassLabel(names=list(MOODS)),
    },
    "words": {
        "text": Value("string"),
        "words": INTERVALS,
        "phones": INTERVALS,
        "word": ClassLabel(names=[word.label for word in CONTENT_WORDS]),
    },
}


class PhantomTasks(SpeechTask):
    """Build the phantom's tasks from what `make_phantom_tasks` has written.

    Columns are `text`, `words` and `phones` (intervals in seconds); for "sentences" also
    `phones_present` (a list of classes, without order or repetition), `sentence_type` (3 classes),
    `topic` (5) and `mood` (4), for "words" `word` (25).

    Parameters
    ----------
    data_dir : path-like
    kind : str
        "sentences" or "words".
    **kwargs
        `max_unreadable` of `SpeechTask`; arguments of `datasets.DatasetBuilder`.

    Raises
    ------
    FileNotFoundError
        The folder holds no such clips.
    ValueError
        An unknown kind; as `SpeechTask`.
    """

    def __init__(
        self, data_dir: str | PathLike[str], kind: str = "sentences", **kwargs: Any
    ) -> None:
        check_name("kind of clips", kind, COLUMNS)
        require("phantom tasks", data_dir, [f"{kind}.jsonl"])
        splits = {split: [] for split in N_SPEAKERS}
        for _, record in read_json_lines(Path(data_dir) / f"{kind}.jsonl"):
            clips = splits[record.pop("split")]
            clips.append(Clip(record.pop("file"), record.pop("speaker"), record))
        super().__init__(data_dir, COLUMNS[kind], splits, config_name=kind, **kwargs)


def make_phantom_tasks(
    root: str | PathLike[str],
    *,
    seed: int = 0,
    n_train: int = 1000,
    n_validation: int = 250,
    n_test: int = 250,
) -> bool:
    """Write clips for the phantom's tasks, or find them already written.

    Parameters
    ----------
    root : path-like
        Folder to write: sentences/ and words/ with sound files, and what they are in
        sentences.jsonl and words.jsonl. It appears only when it is complete.
    seed : int
        Everything follows from it.
    n_train, n_validation, n_test : int
        Sentences, and words, of each split. The classes of a task are equally frequent.

    Returns
    -------
    bool
        Whether they were made now; False where `root` already holds these very clips.

    Raises
    ------
    FileExistsError
        `root` holds something else, or clips with other settings.
    ValueError
        Fewer clips in a split than there are words to tell apart.
    """
    numbers = {"train": n_train, "validation": n_validation, "test": n_test}
    for split, n in numbers.items():
        if n < len(CONTENT_WORDS):
            raise ValueError(f"n_{split} must be at least {len(CONTENT_WORDS)}, got {n}")
    root = Path(root)
    expected = json.dumps({"seed": seed, **numbers})
    if root.exists():
        settings = root / "settings.json"
        if settings.exists() and settings.read_text() == expected:
            return False
        raise FileExistsError(
            f"{root} exists but holds no phantom tasks with these settings; give another "
            "folder, or remove it"
        )

    with made_whole(root) as partial:
        _write_tasks(partial, seed, numbers)
        (partial / "settings.json").write_text(expected)
    return True


def _write_tasks(root, seed, numbers):
    tracts = np.random.default_rng([seed, 4]).permutation(TRACTS)
    speakers = dict(
        zip(N_SPEAKERS, np.split(tracts, np.cumsum([*N_SPEAKERS.values()])[:-1]), strict=True)
    )
    for kind, invent in (("sentences", invent_sentences), ("words", invent_words)):
        (root / kind).mkdir(parents=True)
        with open(root / f"{kind}.jsonl", "w", encoding="utf-8") as records:
            for index, (split, n) in enumerate(numbers.items()):
                rng = np.random.default_rng([seed, 5, len(kind), index])
                for number, (words, mood, labels) in enumerate(invent(n, rng)):
                    tract = int(rng.choice(speakers[split]))
                    audio, spoken = _speak(words, MOODS[mood], tract, rng)
                    file = f"{kind}/{split}-{number:05d}.wav"
                    soundfile.write(root / file, audio, SAMPLING_RATE, "PCM_16")
                    record = {"file": file, "split": split, "speaker": f"S{tract:03d}"}
                    records.write(json.dumps(record | spoken | labels) + "\n")


def invent_sentences(n: int, rng: np.random.Generator) -> Iterator[Invented]:
    """Invent sentences of four content words, three of them of one topic, and three function words.

    A statement begins with its function words, a question ends with them, a command has them
    between its content words.

    Parameters
    ----------
    n : int
    rng : numpy.random.Generator

    Yields
    ------
    words : list of Word
    mood : str
    labels : dict of str to str or list of str
        Classes of the tasks.
    """
    function_words = _balanced(FUNCTION_WORDS, n * N_FUNCTION, rng)
    drawn = (_balanced(classes, n, rng) for classes in (CATEGORIES, SENTENCE_TYPES, tuple(MOODS)))
    for i, (topic, sentence_type, mood) in enumerate(zip(*drawn, strict=True)):
        shuffled = [CONTENT_WORDS[k] for k in rng.permutation(len(CONTENT_WORDS))]
        own = [word for word in shuffled if CATEGORIES[word.category] == topic]
        others = [word for word in shuffled if CATEGORIES[word.category] != topic]
        content = own[:N_TOPICAL]
        content.insert(rng.integers(N_TOPICAL + 1), others[0])
        within = int(rng.integers(1, len(content)))
        place = {"statement": 0, "command": within, "question": len(content)}[sentence_type]
        function = function_words[i * N_FUNCTION : (i + 1) * N_FUNCTION]
        words = [*content[:place], *function, *content[place:]]
        phones = sorted(set(chain.from_iterable(word.phones for word in words)))
        labels = {"phones_present": phones, "sentence_type": sentence_type, "topic": topic}
        yield words, mood, labels | {"mood": mood}


def invent_words(n: int, rng: np.random.Generator) -> Iterator[Invented]:
    """Draw single content words, as `invent_sentences` draws sentences."""
    moods = _balanced(tuple(MOODS), n, rng)
    for word, mood in zip(_balanced(CONTENT_WORDS, n, rng), moods, strict=True):
        yield [word], mood, {"word": word.label}


def _balanced(classes, n, rng):
    """Draw n classes in random order, all as often as another or once more."""
    return [classes[k] for k in rng.permutation(np.arange(n) % len(classes))]


def _speak(words, mood, tract, rng):
    """Say words between two silences: the sound, and what is spoken when.

    A sound that is played faster rises in pitch and formants, as if from a shorter tract: so one
    voice becomes that of any speaker, and two voices of different pitch two registers of theirs.
    """
    labels = [SILENCE, *chain.from_iterable(word.phones for word in words), SILENCE]
    durations = np.array([PHONES[label].duration for label in labels]) * RATE * mood.tempo
    durations *= rng.uniform(0.85, 1.15, len(labels))
    durations[[0, -1]] = rng.uniform(0.1, 0.3, 2)
    edges = [0.0, *np.cumsum(durations).tolist()]
    phones = [Interval(*edge, label) for edge, label in zip(pairwise(edges), labels, strict=True)]
    first = np.cumsum([1, *(len(word.phones) for word in words)])
    said = [
        Interval(phones[a].start, phones[b].start, word.label)
        for word, (a, b) in zip(words, pairwise(first), strict=True)
    ]

    voiced = round(100 * VOICES[mood.voice].tract)
    slowed = [Interval(p.start * tract / voiced, p.end * tract / voiced, p.label) for p in phones]
    voices = np.full(len(phones), mood.voice)
    brightness = np.full(len(phones), 2.5 * rng.standard_normal())
    audio = synthesise(slowed, voices, np.zeros(len(phones)), brightness, rng)
    audio = resample(audio, tract, voiced)
    audio *= rng.uniform(0.3, 0.9) / np.abs(audio).max()
    return audio, {
        "text": " ".join(word.label for word in words),
        "words": [interval._asdict() for interval in said],
        "phones": [interval._asdict() for interval in phones],
    }
