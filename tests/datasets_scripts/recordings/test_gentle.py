"""Alignments by Gentle, as Narratives has them in stimuli/gentle/<story>/."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_scripts import Interval
from datasets_scripts.recordings.gentle import read_gentle

WORDS = [
    {
        "word": "It",
        "case": "success",
        "alignedWord": "it",
        "start": 15.0,
        "end": 15.25,
        "phones": [{"phone": "ih_B", "duration": 0.125}, {"phone": "t_E", "duration": 0.125}],
    },
    {"word": "was", "case": "not-found-in-audio", "startOffset": 3, "endOffset": 6},
    {
        "word": "Fordham's",
        "case": "success",
        "alignedWord": "<unk>",
        "start": 16.0,
        "end": 16.5,
        "phones": [{"phone": "oov_S", "duration": 0.5}],
    },
]
EXPECTED = [Interval(15.0, 15.25, "It"), Interval(16.0, 16.5, "Fordham's")]


def test_words_with_times_are_read_from_a_table_without_a_header(tmp_path):
    path = tmp_path / "align.csv"
    path.write_text("It,it,15.0,15.25\nwas,,,\nFordham's,<unk>,16.0,16.5\n")
    assert read_gentle(path) == ([], EXPECTED)
    path.write_text('"Well, so",well,1.0,2.0\r\n')
    assert read_gentle(path) == ([], [Interval(1.0, 2.0, "Well, so")])


def test_phones_follow_one_another_from_the_start_of_their_word(tmp_path):
    path = tmp_path / "align.json"
    path.write_text(json.dumps({"transcript": "It was Fordham's", "words": WORDS}))
    phones, words = read_gentle(path)
    assert words == EXPECTED
    assert phones == [
        Interval(15.0, 15.125, "IH"),
        Interval(15.125, 15.25, "T"),
        Interval(16.0, 16.5, "spn"),
    ]


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 9)), max_size=20))
def test_intervals_are_in_order_of_time(tmp_path_factory, times):
    path = tmp_path_factory.mktemp("gentle") / "align.csv"
    path.write_text("".join(f"a,a,{start!r},{start + length!r}\n" for start, length in times))
    _, words = read_gentle(path)
    assert [word.start for word in words] == sorted(start for start, _ in times)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("align.csv", "it,it,1.0\n", "line 1 has 3 columns"),
        ("align.csv", "word,aligned,start,end\n", "could not convert"),
        ("align.csv", "it,it,2.0,1.0\n", "'it' from 2.0 to 1.0 s"),
        ("align.csv", "it,it,1.0,\n", "could not convert"),
        ("align.csv", "it,it,-1.0,1.0\n", "'it' from -1.0 to 1.0 s"),
        ("align.csv", "it,it,1.0,nan\n", "'it' from 1.0 to nan s"),
        ("align.json", '{"words": [', "JSONDecodeError"),
        ("align.json", "[]", "TypeError"),
        pytest.param("align.json", 20_000 * "[", "RecursionError", id="deep"),
        ("align.json", '{"words": [{"word": "it"}]}', "'case'"),
        ("align.json", '{"words": ["it"]}', "TypeError"),
    ],
)
def test_other_content_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=f"{path}: not an alignment by Gentle .*{message}"):
        read_gentle(path)
