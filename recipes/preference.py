"""Measure whether layers of speech models bring words together by meaning or by sound.

    python recipes/preference.py --baseline phantom-wav2vec2 --data phantom --participants P01 \\
        --checkpoints outputs/phantom/brain-tuned outputs/phantom/permuted
    python recipes/preference.py --checkpoints outputs/ds003020/brain-tuned --baseline \\
        facebook/wav2vec2-base --data <folder of ds003020> --participants UTS03

Words are cut from the stories, and d is the mean distance of words from their synonyms minus that
from their near-homophones: it falls as a layer turns semantic (Moussa et al. 2025, appendix C). A
run that was interrupted goes on when the same command is given again.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from recipes.command.process import one_line_errors, prepare_process

import numpy as np
from accelerate import PartialState
from tqdm import tqdm

from datasets_scripts import Story
from datasets_scripts.phantom import CONTENT_WORDS
from datasets_scripts.words import (
    WordToken,
    cut_tokens,
    draw_tokens,
    draw_words,
    read_neighbours,
    spoken_neighbours,
    word_meanings,
    word_neighbours,
    word_phones,
    word_tokens,
    write_neighbours,
)
from evaluate_metrics.preference import word_distances, word_means
from evaluate_metrics.reports.files import write_csv
from evaluate_metrics.reports.preference import preference_rows, preference_table
from evaluate_metrics.reports.task_rows import COLUMNS
from recipes.command.arguments import parse_arguments
from recipes.command.checkpoints import (
    BASELINE,
    PHANTOM,
    checkpoint,
    labelled,
    one_participant,
    recordings_folder,
)
from recipes.command.output_folder import write_json
from recipes.command.vocabulary import (
    Baseline,
    BatchSize,
    Checkpoints,
    Layers,
    Output,
    Recordings,
    RemoteCode,
    Representations,
    Seed,
    Stories,
)
from recipes.stages.hearing import heard, hearer
from recipes.stages.recordings import open_recordings

REPORT, WORDS = "preference.json", "words.json"
# Two of the phantom's words have one phone of three in common, or none: of the words of its
# category a word shares none, and those of other categories with which it shares one are at 2/3.
PHANTOM_THRESHOLD = 0.7

Neighbours = dict[str, dict[str, list[str]]]


@dataclass(kw_only=True)
class PreferenceOptions(
    Recordings,
    Stories,
    Checkpoints,
    Baseline,
    Layers,
    Representations,
    RemoteCode,
    BatchSize,
    Seed,
    Output,
):
    """Which models hear which words."""

    command: ClassVar[str] = "preference"

    lists: str | None = field(
        default=None,
        metadata={
            "help": f"JSON file of words with their semantic and phonetic neighbours, or {PHANTOM} "
            "for those of its language; by default they come from WordNet and CMUdict, but for "
            "the phantom's recordings from its language."
        },
    )
    n_words: int = field(
        default=2000,
        metadata={"help": "Number of words that are drawn from the lists; 2000 by default."},
    )
    max_tokens: int = field(
        default=10,
        metadata={
            "help": "Number of tokens that a word's representation is averaged over at most; 10 by "
            "default."
        },
    )
    min_seconds: float = field(
        default=0.1,
        metadata={"help": "Seconds below which a token is left out; 0.1 by default."},
    )

    def __post_init__(self) -> None:
        if self.n_words < 1:
            raise ValueError(f"n_words must be at least 1, got {self.n_words}")
        self.participant = one_participant(self.participants)
        self.names = labelled(self.checkpoints, self.baseline)
        if self.lists is None and self.data == PHANTOM:
            self.lists = PHANTOM
        super().__post_init__()


class Words(NamedTuple):
    """Words that are spoken along with neighbours of both kinds, and how they sound."""

    neighbours: Neighbours
    tokens: list[WordToken]  # of the words and of their neighbours
    clips: list[np.ndarray]  # of the tokens, (n_samples,) each
    notes: list[str]  # what was left out


def measure_preference(arguments: PreferenceOptions) -> dict[str, Any]:
    """Measure every layer's semantic against phonetic preference, and write the report.

    Parameters
    ----------
    arguments : PreferenceOptions

    Returns
    -------
    dict
        - "rows": as `evaluate_metrics.reports.preference_rows` gives them;
        - "notes": what a reader of them must know;
        - "settings".

    Raises
    ------
    ImportError
        nltk or rapidfuzz is not installed.
    ValueError, FileNotFoundError
        There are no such recordings, models or lists; no word of the lists is spoken along with
        neighbours of either kind; a word is too short for a model.
    """
    names = arguments.names
    print("Models: " + ", ".join(f"{label} ({name})" for label, name in names.items()))
    checkpoints = {label: checkpoint(name) for label, name in names.items()}
    words = spoken_words(arguments)
    spoken = [token.word for token in words.tokens]
    seconds = sum(map(len, words.clips)) / Story.sampling_rate
    print(
        f"Words: {len(words.neighbours)}, with neighbours {len(set(spoken))}; each model hears "
        f"{len(spoken)} tokens of these, {seconds:.0f} s"
    )

    distances = {}
    for label, name in tqdm(checkpoints.items(), desc="Listening", unit="model"):
        one = hearer(name, arguments.trust_remote_code)
        representations = heard(one, words.clips, words.tokens, arguments)
        means, vocabulary = word_means(representations, spoken)
        distances[label] = word_distances(means, vocabulary, words.neighbours, seed=arguments.seed)
    rows = preference_rows(
        distances,
        words.neighbours,
        arguments.participant,
        f"{Path(arguments.data).name}/preference",
        arguments.layers,
        BASELINE,
        arguments.seed,
    )

    report = {"rows": rows, "notes": words.notes, "settings": dataclasses.asdict(arguments)}
    path = Path(arguments.output_dir, REPORT)
    write_json(path, report)
    write_csv(path.with_suffix(".csv"), COLUMNS, rows)
    write_neighbours(path.with_name(WORDS), words.neighbours)
    print(preference_table(report, BASELINE))
    print(f"{path.name}, {path.stem}.csv and {WORDS} are in {path.parent}/")
    return report


def spoken_words(arguments: PreferenceOptions) -> Words:
    """Draw words from the stories, and cut out their tokens."""
    folder = recordings_folder(arguments.data)
    (participant,) = open_recordings(folder, arguments)
    names = arguments.stories or participant.story_names

    def stories(task):  # read anew each time: together they may not fit into memory
        return tqdm(participant.stories(names), desc=task, total=len(names), unit="story")

    tokens, n_left_out = word_tokens(stories("Finding words"), arguments.min_seconds)
    vocabulary = {token.word for token in tokens}
    print(f"Stories: {len(names)}, with {len(tokens)} tokens of {len(vocabulary)} words")
    listed = listed_words(arguments.lists, vocabulary)
    spoken = spoken_neighbours(listed, vocabulary)
    if not spoken:
        raise ValueError(
            f"none of the {len(listed)} words of the lists is spoken along with neighbours of "
            "either kind: take more stories, or other lists"
        )
    notes = []
    if n_left_out:
        notes.append(
            f"{n_left_out} tokens are left out: they are shorter than {arguments.min_seconds:g} "
            "s, or reach beyond the sound."
        )
    if len(spoken) < len(listed):
        notes.append(
            f"{len(listed) - len(spoken)} of the {len(listed)} words of the lists are left out: "
            "they are not spoken, or no neighbour of one kind is."
        )
    if len(spoken) < arguments.n_words:
        notes.append(f"{arguments.n_words} words are asked for, and {len(spoken)} are there.")
    neighbours = draw_words(spoken, arguments.n_words, arguments.seed)
    needed = {w for word, kinds in neighbours.items() for w in chain([word], *kinds.values())}
    tokens = draw_tokens(tokens, needed, arguments.max_tokens, arguments.seed)
    return Words(neighbours, tokens, cut_tokens(stories("Cutting words"), tokens), notes)


def listed_words(lists: str | None, vocabulary: Iterable[str]) -> Neighbours:
    """Return words with their neighbours: the phantom's, those of a file, or of English."""
    if lists == PHANTOM:
        phones = {word.label: word.phones for word in CONTENT_WORDS}
        categories = {word.label: {word.category} for word in CONTENT_WORDS}
        return word_neighbours(phones, categories, PHANTOM_THRESHOLD)
    if lists is None:
        return word_neighbours(word_phones(vocabulary), word_meanings(vocabulary))
    return read_neighbours(lists)


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments((PreferenceOptions,))
        prepare_process(PartialState().device, 1)
        measure_preference(arguments)


if __name__ == "__main__":
    main()
