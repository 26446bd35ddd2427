import pytest

from datasets_scripts import Interval, write_textgrid
from datasets_scripts.recordings.tiers import read_phones_and_words


def tier(labels):
    return [Interval(i, i + 1, label) for i, label in enumerate(labels.split())]


PHONES = tier("sp DH AH0 K AE1 T s ae t {BR} XX")
IPA = tier("ð ə k æ t s æ t")
WORDS = tier("the cat sat uh {LG}")
SAID = tier("Thecatsat")
TWO = {"A - phones": PHONES, "B - phones": PHONES, "A - words": WORDS, "B - words": WORDS}


def read(folder, tiers):
    path = folder / "souls.TextGrid"
    write_textgrid(path, tiers, 20.0)
    return read_phones_and_words(path)


@pytest.mark.parametrize(
    "tiers",
    [
        {"phone": PHONES, "word": WORDS},
        {"Words": WORDS, "Phones": PHONES},
        {"first": PHONES, "second": WORDS},
        {"first": WORDS, "second": PHONES},
        {"phones": WORDS, "words": PHONES},
        {"Speaker A - words": WORDS, "Speaker A - phones": PHONES},
        {"A - phones": PHONES, "A - words": WORDS, "B - phones": [], "B - words": []},
        {"first": PHONES, "second": WORDS, "third": SAID},
        {"said": SAID, "phones": PHONES, "word": WORDS},
        {"phones": PHONES, "word": WORDS, "word sounds": []},
        {"said": SAID, "stressed": PHONES, "phones": PHONES, "words": WORDS},
    ],
    ids=lambda tiers: ",".join(tiers),
)
def test_tiers_are_known_by_what_they_hold_and_by_their_names(tmp_path, tiers):
    assert read(tmp_path, tiers) == (PHONES, WORDS)


@pytest.mark.parametrize("names", [("phone", "word"), ("words", "phones"), ("1", "2")])
def test_phones_of_another_alphabet_are_known_by_name_or_place(tmp_path, names):
    tiers = dict(zip(names, (WORDS, IPA) if names[0] == "words" else (IPA, WORDS), strict=True))
    assert read(tmp_path, tiers) == (IPA, WORDS)


@pytest.mark.parametrize(
    ("tiers", "expected"),
    [
        ({"word": WORDS}, ([], WORDS)),
        ({"phone": PHONES}, (PHONES, [])),
        ({"any": PHONES}, (PHONES, [])),
        ({"phone": [], "word": WORDS}, ([], WORDS)),
        ({"phone": PHONES, "word": [], "notes": SAID}, (PHONES, [])),
    ],
)
def test_a_kind_that_is_not_there_is_empty(tmp_path, tiers, expected):
    assert read(tmp_path, tiers) == expected


def test_a_file_that_is_not_there_holds_nothing(tmp_path):
    assert read_phones_and_words(tmp_path / "souls.TextGrid") == ([], [])


def test_a_link_to_nothing_is_no_file_that_is_not_there(tmp_path):
    path = tmp_path / "souls.TextGrid"
    path.symlink_to("annexed")
    with pytest.raises(FileNotFoundError, match=r"souls\.TextGrid"):
        read_phones_and_words(path)


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        (TWO, r"phones; got 'A - phones' \(11 labels, 89% of them ARPAbet phones\), 'B - phones'"),
        ({"phones": PHONES, "A - words": WORDS, "B - words": WORDS}, "words; got 'phones'"),
        ({"said": SAID, "phones": PHONES, "notes": WORDS}, "the words; got 'said'"),
        ({"1": WORDS, "2": IPA}, "the phones; got '1'"),
        ({"1": WORDS, "2": WORDS}, "the phones; got '1'"),
        ({"notes": WORDS}, "the phones; got 'notes'"),
    ],
)
def test_what_cannot_be_told_is_refused_with_what_was_found(tmp_path, tiers, message):
    with pytest.raises(ValueError, match=rf"souls\.TextGrid: cannot tell .*{message}.*'words'$"):
        read(tmp_path, tiers)


def test_a_file_of_points_holds_no_tier_of_intervals(tmp_path):
    path = tmp_path / "souls.TextGrid"
    head = 'File type = "ooTextFile"\n"TextGrid"\n0\n1\n<exists>\n1\n'
    path.write_text(head + '"TextTier"\n"phones"\n0\n1\n1\n0.5\n"AH"\n')
    with pytest.raises(ValueError, match="tier of intervals holds the phones; got none"):
        read_phones_and_words(path)
