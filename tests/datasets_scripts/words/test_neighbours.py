"""Neighbours in meaning and in sound, on a WordNet and a CMUdict of a few words and at size."""

import json
import sys

import nltk
import nltk.corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.corpus.reader import CMUDictCorpusReader, WordNetCorpusReader
from nltk.corpus.util import LazyCorpusLoader

from datasets_scripts.phantom.lexicon import CONTENT_WORDS
from datasets_scripts.words.neighbours import (
    draw_words,
    read_neighbours,
    spoken_neighbours,
    word_meanings,
    word_neighbours,
    word_phones,
    write_neighbours,
)

CMUDICT = """\
CAT 1 K AE1 T
CATS 1 K AE1 T S
COT 1 K AA1 T
DOG 1 D AO1 G
DOGS 1 D AO1 G Z
FOG 1 F AA1 G
FOG 2 F AO1 G
HOUND 1 HH AW1 N D
HOUNDED 1 HH AW1 N D IH0 D
KAT 1 K AE1 T
WENT 1 W EH1 N T
"""
# By part of speech, the lemmas of synsets; an adjective's satellite after the one it is of.
SYNSETS = {
    "noun": [("n", ["dog", "hound"]), ("n", ["fog"]), ("n", ["cat", "true_cat"])],
    "verb": [("v", ["go", "travel"]), ("v", ["chase", "dog", "hound"])],
    "adj": [("a", ["quick"]), ("s", ["fast", "fleet"])],
    "adv": [("r", ["fast"])],
}
LEXNAMES = {"noun": 5, "verb": 38, "adj": 0, "adv": 2}
NUMBERS = {"n": 1, "v": 2, "a": 3, "r": 4, "s": 5}
HEADER = "  1 This database is provided as WordNet 3.0 Copyright 2006  \n"


def write_wordnet(folder):
    """Write SYNSETS as the Princeton database has them: data, index, senses and exceptions."""
    folder.mkdir(parents=True)
    senses = []
    for name, synsets in SYNSETS.items():
        data, offsets = HEADER, {}
        for kind, lemmas in synsets:
            offset = len(data)
            words = " ".join(f"{lemma} 0" for lemma in lemmas)
            pointer = f"001 & {len(HEADER):08d} a 0000 " if kind == "s" else "000 "
            frames = "01 + 02 00 " if kind == "v" else ""
            data += (
                f"{offset:08d} {LEXNAMES[name]:02d} {kind} {len(lemmas):02x} {words} "
                f'{pointer}{frames}| what is meant; "as it is said"  \n'
            )
            for lemma in lemmas:
                offsets.setdefault(lemma, []).append(offset)
                head = "quick:00" if kind == "s" else ":"
                key = f"{lemma}%{NUMBERS[kind]}:{LEXNAMES[name]:02d}:00:{head}"
                senses.append(f"{key} {offset:08d} {len(offsets[lemma])} 0\n")
        (folder / f"data.{name}").write_text(data)
        lines = [
            f"{lemma} {name[0] if name != 'adv' else 'r'} {len(found)} 0 {len(found)} 0 "
            + " ".join(f"{offset:08d}" for offset in found)
            + "  \n"
            for lemma, found in sorted(offsets.items())
        ]
        (folder / f"index.{name}").write_text(HEADER + "".join(lines))
        (folder / f"{name}.exc").write_text("went go\n" if name == "verb" else "")
    (folder / "index.sense").write_text("".join(sorted(senses)))
    (folder / "lexnames").write_text("".join(f"{i:02d}\tname.{i}\t1\n" for i in range(45)))
    (folder / "cntlist.rev").write_text("")


@pytest.fixture(scope="module")
def nltk_data(tmp_path_factory):
    """Folder as `python -m nltk.downloader` fills it, the only one that nltk looks into."""
    folder = tmp_path_factory.mktemp("nltk_data")
    write_wordnet(folder / "corpora" / "wordnet")
    (folder / "corpora" / "cmudict").mkdir()
    (folder / "corpora" / "cmudict" / "cmudict").write_text(CMUDICT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nltk.data, "path", [str(folder)])
        yield folder


def test_phones_are_those_of_the_first_pronunciation_without_stress(nltk_data):
    assert word_phones(["fog", "hounded", "sp"]) == {
        "fog": ("F", "AA", "G"),
        "hounded": ("HH", "AW", "N", "D", "IH", "D"),
    }


def test_meanings_are_the_synsets_of_a_word_or_its_base_form(nltk_data):
    words = ["dog", "dogs", "went", "fast", "unheard"]
    assert word_meanings(words) == {
        "dog": {"dog.n.01", "chase.v.01"},
        "dogs": {"dog.n.01", "chase.v.01"},
        "went": {"go.v.01"},
        "fast": {"fast.s.01", "fast.r.01"},
    }


def test_neighbours_from_wordnet_and_cmudict(nltk_data):
    words = [line.split()[0].lower() for line in CMUDICT.splitlines()]
    neighbours = word_neighbours(word_phones(words), word_meanings(words))
    # "fog" is F AA G: two of three phones from "dog", so that 2/3 > 0.4; "dogs" is near in both
    # ways; nothing sounds like "hound" but "hounded", which means the same.
    assert neighbours == {}
    phones = word_phones(words) | {"fog": ("F", "AO", "G")}
    assert word_neighbours(phones, word_meanings(words)) == {
        "dog": {"semantic": ["hound", "hounded"], "phonetic": ["fog"]}
    }


def test_the_rate_is_by_the_words_own_phones_and_the_threshold_counts_as_near():
    phones = {"five": "ABCDE", "seven": "ABCDEFG", "homophone": "ABCDE", "other": "XYZ"}
    meanings = {"five": {1}, "seven": {2}, "other": {1, 2}}
    neighbours = word_neighbours(phones, meanings)
    assert neighbours == {
        "five": {"semantic": ["other"], "phonetic": ["seven"]},  # 2 / 5
        "seven": {"semantic": ["other"], "phonetic": ["five", "homophone"]},  # 2 / 7
    }
    assert list(word_neighbours(phones, meanings, threshold=0.39)) == ["seven"]


def edits(a, b):
    """The Levenshtein distance by its recursion."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a):
        diagonal, row[0] = row[0], i + 1
        for j, right in enumerate(b):
            diagonal, row[j + 1] = (
                row[j + 1],
                min(diagonal + (left != right), row[j] + 1, row[j + 1] + 1),
            )
    return row[-1]


WORDS = st.dictionaries(
    st.text("pqr", min_size=1, max_size=3),
    st.tuples(
        st.lists(st.sampled_from(["AA", "B", "CH"]), min_size=1, max_size=6),
        st.sets(st.integers(0, 4), max_size=2),
    ),
    min_size=1,
    max_size=20,
)


@settings(deadline=None)
@given(WORDS, st.sampled_from([0.25, 0.4, 0.7]))
def test_neighbours_are_as_defined(words, threshold):
    expected = {}
    for word, (phones, meaning) in words.items():
        kinds = {"semantic": [], "phonetic": []}
        for other in sorted(words.keys() - {word}):
            rate = edits(phones, words[other][0]) / len(phones)
            if meaning & words[other][1]:
                kinds["semantic"] += [other] if rate > threshold else []
            else:
                kinds["phonetic"] += [other] if 0 < rate <= threshold else []
        if all(kinds.values()):
            expected[word] = kinds
    phones, meanings = ({word: pair[i] for word, pair in words.items()} for i in range(2))
    assert word_neighbours(phones, meanings, threshold) == expected


def test_neighbours_of_thousands_of_words_are_those_of_each_alone():
    rng = np.random.default_rng(0)
    phones = {f"w{i}": tuple(rng.integers(20, size=rng.integers(2, 12))) for i in range(3000)}
    meanings = {word: {int(rng.integers(900))} for word in phones}
    neighbours = word_neighbours(phones, meanings)
    assert 300 < len(neighbours) < 2000
    for word in rng.choice(list(neighbours), 10):
        rates = {other: edits(phones[word], p) / len(phones[word]) for other, p in phones.items()}
        related = {other for other in phones if meanings[other] == meanings[word]} - {word}
        assert neighbours[word] == {
            "semantic": sorted(other for other in related if rates[other] > 0.4),
            "phonetic": sorted(w for w in rates.keys() - related if 0 < rates[w] <= 0.4),
        }


def test_the_phantoms_words_share_a_category_or_a_phone_or_nothing():
    phones = {word.label: word.phones for word in CONTENT_WORDS}
    categories = {word.label: {word.category} for word in CONTENT_WORDS}
    neighbours = word_neighbours(phones, categories, threshold=0.7)
    assert list(sorted(neighbours)) == sorted(phones)
    for word, kinds in neighbours.items():
        assert [len(kinds["semantic"]), len(kinds["phonetic"])] == [4, 12]
        assert all(categories[w] == categories[word] for w in kinds["semantic"])
        for other in phones.keys() - {word}:
            shared = sum(a == b for a, b in zip(phones[word], phones[other], strict=True))
            assert shared == (other in kinds["phonetic"])


LISTS = {
    "dog": {"semantic": ["hound"], "phonetic": ["fog", "log"]},
    "cat": {"semantic": ["puss"], "phonetic": ["cot"]},
    "sea": {"semantic": ["ocean"], "phonetic": []},
}


def test_what_is_not_spoken_is_left_out():
    assert spoken_neighbours(LISTS, {"dog", "hound", "log", "cat", "cot", "sea", "ocean"}) == {
        "dog": {"semantic": ["hound"], "phonetic": ["log"]}
    }
    assert spoken_neighbours(LISTS, {"hound", "fog"}) == {}


def test_words_are_drawn_by_seed():
    lists = {f"w{i:02d}": LISTS["dog"] for i in range(50)}
    drawn = draw_words(lists, 10, seed=1)
    assert list(drawn) == sorted(drawn) and len(drawn) == 10 and drawn.items() <= lists.items()
    assert draw_words(dict(reversed(lists.items())), 10, seed=1) == drawn
    assert draw_words(lists, 10, seed=2) != drawn
    assert draw_words(lists) == lists


def test_lists_come_back_from_a_file(tmp_path):
    lists = LISTS | {"naïve": {"semantic": ["uncritical"], "phonetic": ["knave"]}}
    write_neighbours(tmp_path / "words.json", lists)
    assert read_neighbours(tmp_path / "words.json") == lists


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{'dog': 1}", "not a JSON file"),
        ("[]", r"must map words to their neighbours, got \[\]"),
        ({}, "must map words to their neighbours, got {}"),
        ({"dog": ["hound"]}, r"'dog' must have semantic and phonetic, got \['hound'\]"),
        ({"dog": {"semantic": []}}, "'dog' must have semantic and phonetic"),
        ({"dog": {"semantic": "hound", "phonetic": []}}, "semantic neighbours of 'dog' must be a"),
        ({"dog": {"semantic": [], "phonetic": [3]}}, r"phonetic neighbours of 'dog'.* got \[3\]"),
        ({"dog": {"semantic": ["dog"], "phonetic": []}}, "got 'dog' 2 times with 'dog'"),
        ({"dog": {"semantic": ["a"], "phonetic": ["b", "a"]}}, "got 'a' 2 times with 'dog'"),
        ({"dog": {"semantic": ["Hound"], "phonetic": []}}, "in lower case, got 'Hound'"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_it(content, message, tmp_path):
    path = tmp_path / "words.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=f"words.json: .*{message}"):
        read_neighbours(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="words.json"):
        read_neighbours(tmp_path / "words.json")


@pytest.mark.parametrize(
    ("name", "reader", "read"),
    [
        ("cmudict", CMUDictCorpusReader, word_phones),
        ("wordnet", WordNetCorpusReader, word_meanings),
    ],
)
def test_what_is_not_downloaded_is_said(name, reader, read, monkeypatch, tmp_path):
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    monkeypatch.setattr(nltk.corpus, name, LazyCorpusLoader(name, reader))  # not read as yet
    message = f"nltk's {name} is not .*: python -m nltk.downloader wordnet cmudict"
    with pytest.raises(FileNotFoundError, match=message):
        read(["dog"])


def test_what_is_not_installed_is_said(monkeypatch):
    for module in ("nltk.corpus", "rapidfuzz.process"):
        monkeypatch.setitem(sys.modules, module, None)  # what Python takes for not installed
    with pytest.raises(ImportError, match="need nltk: pip install nltk rapidfuzz"):
        word_phones(["dog"])
    with pytest.raises(ImportError, match="need rapidfuzz: pip install nltk rapidfuzz"):
        word_neighbours({"dog": "D"}, {})
