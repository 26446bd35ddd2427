"""Words that mean the same, and words that sound alike.

Synonyms come from WordNet and near-homophones from CMUdict, as Choi et al. 2024 have them, through
nltk and rapidfuzz, which are imported when they are needed.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import import_module
from itertools import chain
from os import PathLike
from pathlib import Path

import numpy as np

from ..whole_files import written_whole

# Of each word its neighbours of each kind.
Neighbours = dict[str, dict[str, list[str]]]
KINDS = ("semantic", "phonetic")
THRESHOLD = 0.4  # of the phone error rate, which parts what sounds alike from what does not
CHUNK = 512  # words whose distances to all others are held at once


def word_phones(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """How words are spoken.

    Parameters
    ----------
    words : iterable of str, in lower case

    Returns
    -------
    dict of {str: tuple of str}
        The first pronunciation in CMUdict, without stress, of each word that is in it.

    Raises
    ------
    ImportError
        nltk is not installed.
    FileNotFoundError
        CMUdict has not been downloaded.
    """
    spoken = _corpus("cmudict").dict()
    return {
        word: tuple(phone.rstrip("012") for phone in spoken[word][0])
        for word in words
        if word in spoken
    }


def word_meanings(words: Iterable[str]) -> dict[str, set[str]]:
    """What words can mean.

    Parameters
    ----------
    words : iterable of str, in lower case

    Returns
    -------
    dict of {str: set of str}
        Names of the WordNet synsets that hold the word, or what it is an inflected form of; words
        that are in none are left out.

    Raises
    ------
    ImportError
        nltk is not installed.
    FileNotFoundError
        WordNet has not been downloaded.
    """
    wordnet = _corpus("wordnet")
    meanings = {word: {synset.name() for synset in wordnet.synsets(word)} for word in words}
    return {word: synsets for word, synsets in meanings.items() if synsets}


def word_neighbours(
    phones: Mapping[str, Sequence[str]],
    meanings: Mapping[str, set[str]],
    threshold: float = THRESHOLD,
) -> Neighbours:
    """Neighbours of words in meaning and in sound (Choi et al. 2024; Moussa et al. 2025, app. C).

    The phone error rate of a neighbour is the number of phones to insert, delete or replace to get
    from one word to the other, by the number of phones of the word itself. What is near in both
    ways, such as "dog" and "dogs", tells them not apart and is neither kind of neighbour.

    Parameters
    ----------
    phones : dict of {str: sequence of str}
        As `word_phones` has them.
    meanings : dict of {str: set}
        As `word_meanings` has them.
    threshold : float

    Returns
    -------
    dict of {str: {"semantic": list of str, "phonetic": list of str}}
        Words that share a meaning at a rate above the threshold; words that share none, at a rate
        above 0 and up to the threshold. Words that lack either kind are left out.

    Raises
    ------
    ImportError
        rapidfuzz is not installed.
    """
    process = _import("rapidfuzz.process")
    levenshtein = _import("rapidfuzz.distance.Levenshtein")
    # Longer words tolerate more edits: words of like length share the bound of a chunk.
    words = sorted(phones, key=lambda word: (len(phones[word]), word))
    related = _related({word: meanings[word] for word in words if word in meanings})
    heads = [word for word in words if related.get(word)]
    letters = {phone: chr(i) for i, phone in enumerate(sorted(set(chain(*phones.values()))))}
    spelt = {word: "".join(letters[phone] for phone in phones[word]) for word in words}

    neighbours = {}
    for start in range(0, len(heads), CHUNK):
        chunk = heads[start : start + CHUNK]
        lengths = np.array([len(phones[word]) for word in chunk])
        distances = process.cdist(
            [spelt[word] for word in chunk],
            [spelt[word] for word in words],
            scorer=levenshtein.distance,
            score_cutoff=math.ceil(threshold * lengths.max()),
        )
        for word, rates in zip(chunk, distances / lengths[:, None], strict=True):
            alike = {words[i] for i in np.flatnonzero(rates <= threshold)}
            same = {words[i] for i in np.flatnonzero(rates == 0)}
            kinds = {"semantic": related[word] - alike, "phonetic": alike - same - related[word]}
            if all(kinds.values()):
                neighbours[word] = {kind: sorted(found) for kind, found in kinds.items()}
    return neighbours


def _related(meanings):
    """{word: other words that share a meaning}."""
    holders = {}
    for word, held in meanings.items():
        for meaning in held:
            holders.setdefault(meaning, set()).add(word)
    return {
        word: set().union(*(holders[meaning] for meaning in held)) - {word}
        for word, held in meanings.items()
    }


def spoken_neighbours(neighbours: Neighbours, vocabulary: Collection[str]) -> Neighbours:
    """Keep of words and their neighbours those that are spoken.

    Parameters
    ----------
    neighbours : dict
        As `word_neighbours` returns it.
    vocabulary : set of str

    Returns
    -------
    dict
        Of the same shape, without words that are left with no neighbour of either kind.
    """
    spoken = {
        word: {kind: [w for w in kinds[kind] if w in vocabulary] for kind in KINDS}
        for word, kinds in neighbours.items()
        if word in vocabulary
    }
    return {word: kinds for word, kinds in spoken.items() if all(kinds.values())}


def draw_words(neighbours: Neighbours, n_words: int = 2000, seed: int = 0) -> Neighbours:
    """Draw words at random, with all their neighbours.

    Parameters
    ----------
    neighbours : dict
        As `word_neighbours` returns it.
    n_words : int
        All words are taken where there are fewer.
    seed : int

    Returns
    -------
    dict
        Of the same shape, the words in alphabetical order.
    """
    shuffled = np.random.default_rng(seed).permutation(sorted(neighbours)).tolist()
    return {word: neighbours[word] for word in sorted(shuffled[:n_words])}


def write_neighbours(path: str | PathLike[str], neighbours: Neighbours) -> None:
    """Write words and their neighbours as JSON.

    Parameters
    ----------
    path : path-like
    neighbours : dict
        As `word_neighbours` returns it.
    """
    with written_whole(Path(path)) as whole:
        whole.write_text(json.dumps(neighbours, indent=1, ensure_ascii=False), encoding="utf-8")


def read_neighbours(path: str | PathLike[str]) -> Neighbours:
    """Read words and their neighbours.

    Parameters
    ----------
    path : path-like
        JSON of {word: {"semantic": [words], "phonetic": [words]}}, in lower case.

    Returns
    -------
    dict
        As `word_neighbours` returns it, but lists may be empty.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no such JSON, holds a word in upper case, or a word that is its own neighbour or
        another's twice. The message names the file and the word.
    """
    path = Path(path)
    try:
        neighbours = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(neighbours, dict) or not neighbours:
        raise ValueError(f"{path}: must map words to their neighbours, got {neighbours!r:.60}")
    for word, kinds in neighbours.items():
        if not isinstance(kinds, dict) or set(kinds) != set(KINDS):
            raise ValueError(f"{path}: {word!r} must have {' and '.join(KINDS)}, got {kinds!r:.60}")
        for kind, found in kinds.items():
            if not isinstance(found, list) or not all(isinstance(w, str) for w in found):
                raise ValueError(
                    f"{path}: {kind} neighbours of {word!r} must be a list of words, "
                    f"got {found!r:.60}"
                )
        named = Counter(chain([word], *kinds.values()))
        (often, n), *_ = named.most_common(1)
        if n > 1:
            raise ValueError(
                f"{path}: a word is not its own neighbour and another's only once, got {often!r} "
                f"{n} times with {word!r}"
            )
        for name in named:
            if name != name.lower():
                raise ValueError(f"{path}: words must be in lower case, got {name!r}")
    return neighbours


def _corpus(name):
    corpus = getattr(_import("nltk.corpus"), name)
    try:
        corpus.ensure_loaded()
    except LookupError as error:
        raise FileNotFoundError(
            f"nltk's {name} is not on this machine: python -m nltk.downloader wordnet cmudict"
        ) from error
    return corpus


def _import(module):
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"neighbours of words need {package}: pip install nltk rapidfuzz"
        ) from error
