"""Measure whether layers of speech models bring words together by meaning or by sound.

    python recipes/preference.py --model outputs/phantom/brain-tuned outputs/phantom/random \\
        --baseline phantom-wav2vec2 --data phantom --participant P01
    python recipes/preference.py --model outputs/ds003020/brain-tuned --baseline \\
        facebook/wav2vec2-base --data <folder of ds003020> --participant UTS03

Words are cut from the stories, and d is the mean distance of words from their synonyms minus that
from their near-homophones: it falls as a layer turns semantic (Moussa et al. 2025, appendix C). A
run that was interrupted goes on when the same command is given again.
"""

import csv
import dataclasses
import json
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

import torch
from accelerate import PartialState
from tqdm import tqdm
from transformers import AutoFeatureExtractor, AutoModel, HfArgumentParser

from datasets_scripts import Story, open_participant
from datasets_scripts.phantom.lexicon import CONTENT_WORDS
from datasets_scripts.whole_files import written_whole
from datasets_scripts.words.neighbours import (
    draw_words,
    read_neighbours,
    spoken_neighbours,
    word_meanings,
    word_neighbours,
    word_phones,
    write_neighbours,
)
from datasets_scripts.words.tokens import cut_tokens, draw_tokens, word_tokens
from evaluate_metrics.preference import preference, word_distances, word_means
from evaluate_metrics.reports.alignment import BASELINE
from modeling_braintune.clip_representations import clip_representations
from recipes.phantom import CACHE, DATA, MODELS, phantom_data, phantom_model
from recipes.process import one_line_errors, prepare_process, progress_bars
from recipes.report import labelled_models

COLUMNS = (
    *("model", "participant", "task", "layer", "feature", "measure", "value"),
    *("n", "unit", "interval_low", "interval_high"),
)
# Two of the phantom's words have one phone of three in common, or none: of the words of its
# category a word shares none, and those of other categories with which it shares one are at 2/3.
PHANTOM_THRESHOLD = 0.7
DISTANCES = ("semantic", "phonetic", "random")
LINE = "{:<20}{:<7}{:<26}{:<26}{}"


@dataclass(kw_only=True)
class PreferenceArguments:
    """Which models hear which words, and where the report goes."""

    model: list[str] = field(
        metadata={"help": f"Checkpoint folders, names on the Hub, or {', '.join(MODELS)}."}
    )
    data: str = field(
        metadata={
            "help": "Folder in the layout of ds003020 or of BIDS derivatives, name of a prepared "
            f"data set on the Hub, or '{DATA}'."
        }
    )
    participant: str = field(metadata={"help": "Whose stories; P01 and P02 are the phantom's."})
    baseline: str | None = field(
        default=None, metadata={"help": "Model that the others are compared with."}
    )
    stories: list[str] | None = field(
        default=None, metadata={"help": "Stories to cut words from; all if none."}
    )
    space: str | None = field(
        default=None, metadata={"help": "Space of the BIDS images, where there are several."}
    )
    lists: str | None = field(
        default=None,
        metadata={
            "help": "JSON file of words with their semantic and phonetic neighbours, or "
            f"'{DATA}'; from WordNet and CMUdict if none, but the phantom's on '{DATA}'."
        },
    )
    n_words: int = field(default=2000, metadata={"help": "Words to draw from the lists."})
    max_tokens: int = field(default=10, metadata={"help": "Of each word, to average over."})
    min_seconds: float = field(default=0.1, metadata={"help": "Shorter words are left out."})
    seed: int = field(default=0, metadata={"help": "Of all that is drawn."})
    layers: list[int] | None = field(
        default=None, metadata={"help": "Layers to measure; all if none. 0 is the input."}
    )
    precision: str = field(
        default="float32", metadata={"help": "Of the representations: float32 or bfloat16."}
    )
    batch_size: int = field(default=32, metadata={"help": "Words that a model hears at once."})
    cache_dir: str = field(
        default=str(CACHE / "representations"), metadata={"help": "Keeps representations."}
    )
    report_dir: str = field(default="outputs/preference", metadata={"help": "Where to report."})

    def __post_init__(self):
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be float32 or bfloat16, got {self.precision!r}")
        if self.n_words < 1:
            raise ValueError(f"n_words must be at least 1, got {self.n_words}")
        self.names = labelled_models(self.model, self.baseline)
        if self.lists is None and self.data == DATA:
            self.lists = DATA


def _label(name):
    return Path(name).name


def measure_preference(arguments):
    """Measure every layer's semantic against phonetic preference, and write the report.

    Parameters
    ----------
    arguments : PreferenceArguments

    Returns
    -------
    dict
        - "rows": list of {column: value}, with the columns of `COLUMNS`. Measures are "d", the
          distances "semantic", "phonetic" and "random" and, where there is a baseline, "d_change":
          d minus the baseline's;
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
    lists, tokens, clips, notes = _words(arguments)
    spoken = [token.word for token in tokens]
    print(
        f"Words: {len(lists)}, with neighbours {len(set(spoken))}; each model hears "
        f"{len(tokens)} tokens of these, {sum(map(len, clips)) / Story.sampling_rate:.0f} s"
    )

    distances = {}
    for label, name in tqdm(names.items(), desc="Listening", unit="model"):
        checkpoint = phantom_model(name)[0] if name in MODELS else name
        means, vocabulary = word_means(_heard(checkpoint, clips, tokens, arguments), spoken)
        distances[label] = word_distances(means, vocabulary, lists, seed=arguments.seed)
    rows = [
        row
        for label, found in distances.items()
        for row in _rows(label, found, lists, distances.get(BASELINE), arguments)
    ]
    report = {"rows": rows, "notes": notes, "settings": dataclasses.asdict(arguments)}
    folder = Path(arguments.report_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / "preference.json") as whole:
        whole.write_text(json.dumps(report, indent=1), encoding="utf-8")
    with open(folder / "preference.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    write_neighbours(folder / "words.json", lists)
    print(table(report))
    print(f"preference.json, preference.csv and words.json are in {folder}/")
    return report


def _words(arguments):
    """Words with their neighbours, tokens of them all, their sound, and what was left out."""
    data = phantom_data()[0] if arguments.data == DATA else arguments.data
    options = {"space": arguments.space} if arguments.space else None
    participant = open_participant(data, arguments.participant, options=options)
    names = arguments.stories or participant.story_names

    def stories(task):  # read anew each time: together they may not fit into memory
        return tqdm(participant.stories(names), desc=task, total=len(names), unit="story")

    tokens, n_left_out = word_tokens(stories("Finding words"), arguments.min_seconds)
    vocabulary = {token.word for token in tokens}
    print(f"Stories: {len(names)}, with {len(tokens)} tokens of {len(vocabulary)} words")
    listed = _lists(arguments.lists, vocabulary)
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
    lists = draw_words(spoken, arguments.n_words, arguments.seed)
    needed = {w for word, kinds in lists.items() for w in chain([word], *kinds.values())}
    tokens = draw_tokens(tokens, needed, arguments.max_tokens, arguments.seed)
    return lists, tokens, cut_tokens(stories("Cutting words"), tokens), notes


def _lists(lists, vocabulary):
    if lists == DATA:
        phones = {word.label: word.phones for word in CONTENT_WORDS}
        categories = {word.label: {word.category} for word in CONTENT_WORDS}
        return word_neighbours(phones, categories, PHANTOM_THRESHOLD)
    if lists is None:
        return word_neighbours(word_phones(vocabulary), word_meanings(vocabulary))
    return read_neighbours(lists)


def _heard(checkpoint, clips, tokens, arguments):
    model = AutoModel.from_pretrained(checkpoint, dtype=torch.float32)
    with progress_bars():
        return clip_representations(
            model.to(PartialState().device),
            AutoFeatureExtractor.from_pretrained(checkpoint),
            clips,
            arguments.layers,
            names=tokens,
            cache_dir=arguments.cache_dir,
            batch_size=arguments.batch_size,
            progress=True,
            dtype=torch.bfloat16 if arguments.precision == "bfloat16" else None,
        )


def _rows(label, distances, lists, of_baseline, arguments):
    task = f"{_label(arguments.data)}/preference"
    compared = None if label == BASELINE else of_baseline
    scores = preference(distances, lists, compared, seed=arguments.seed)
    for layer, measures in zip(arguments.layers or range(len(scores)), scores, strict=True):
        for name, score in measures.items():
            what = (label, arguments.participant, task, layer, None, name, score["value"])
            found = (*what, score["n"], "words", *score["interval"])
            yield dict(zip(COLUMNS, found, strict=True))


def table(report):
    """The report as text, a line for every layer of every model.

    Parameters
    ----------
    report : dict
        As `measure_preference` returns it.

    Returns
    -------
    str
    """
    first = report["rows"][0]
    lines = [
        "",
        f"{first['task']}: d and distances over {first['n']} words [95 % interval]",
        LINE.format("model", "layer", "d", f"minus {BASELINE}'s", " ".join(DISTANCES)),
    ]
    for (model, layer), rows in groupby(report["rows"], itemgetter("model", "layer")):
        scores = {row["measure"]: row for row in rows}
        distances = (f"{scores[kind]['value']:<9.3f}" for kind in DISTANCES)
        changes = (_cell(scores[name]) if name in scores else "" for name in ("d", "d_change"))
        lines.append(LINE.format(model, layer, *changes, "".join(distances)).rstrip())
    return "\n".join([*lines, "", *report["notes"], ""])


def _cell(row):
    return f"{row['value']:+.3f} [{row['interval_low']:+.3f}, {row['interval_high']:+.3f}]"


def main():
    with one_line_errors():
        (arguments,) = HfArgumentParser(PreferenceArguments).parse_args_into_dataclasses()
        prepare_process(PartialState().device, 1)
        measure_preference(arguments)


if __name__ == "__main__":
    main()
