import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_scripts import Interval, read_textgrid, write_textgrid

PHONES = [Interval(0.1, 0.25, "HH"), Interval(0.25, 0.5, "AY1"), Interval(0.8, 1.0, "sp")]
WORDS = [Interval(0.1, 0.5, 'say "hi"')]

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "phone"
        xmin = 0
        xmax = 1
        intervals: size = 5
        intervals [1]:
            xmin = 0
            xmax = 0.1
            text = ""
        intervals [2]:
            xmin = 0.1
            xmax = 0.25
            text = "HH"
        intervals [3]:
            xmin = 0.25
            xmax = 0.5
            text = "AY1"
        intervals [4]:
            xmin = 0.5
            xmax = 0.8
            text = " "
        intervals [5]:
            xmin = 0.8
            xmax = 1
            text = "sp"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 1
        points: size = 1
        points [1]:
            number = 0.5
            mark = "click"
    item [3]:
        class = "IntervalTier"
        name = "word"
        xmin = 0
        xmax = 1
        intervals: size = 1
        intervals [1]:
            xmin = 0.1
            xmax = 0.5
            text = "say ""hi\"""
"""

SHORT = """File type = "ooTextFile short"
"TextGrid"

0
1
<exists>
3
"IntervalTier"
"phone"
0
1
5
0
0.1
""
0.1
0.25
"HH"
0.25
0.5
"AY1"
0.5
0.8
" "
0.8
1
"sp"
"TextTier"
"clicks"
0
1
1
0.5
"click"
"IntervalTier"
"word"
0
1
1
0.1
0.5
"say ""hi\"""
"""


def written(folder, text, encoding="utf-8"):
    path = folder / "story.TextGrid"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n"], ids=["unix", "windows"])
def test_both_text_formats_are_read(tmp_path, text, encoding, line_break):
    path = written(tmp_path, text.replace("\n", line_break), encoding)
    tiers = read_textgrid(path)
    assert tiers == {"phone": PHONES, "word": WORDS}
    assert list(tiers) == ["phone", "word"]


@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
def test_a_last_line_without_a_line_break_is_read(tmp_path, text):
    assert read_textgrid(written(tmp_path, text.rstrip()))["word"] == WORDS


def test_a_tier_without_intervals_is_empty(tmp_path):
    write_textgrid(tmp_path / "a.TextGrid", {"phone": [], "word": WORDS}, 1.0)
    assert read_textgrid(tmp_path / "a.TextGrid") == {"phone": [], "word": WORDS}


@settings(deadline=None, max_examples=30)
@given(
    boundaries=st.lists(st.integers(0, 900_000), min_size=2, max_size=30, unique=True).map(sorted),
    labels=st.lists(
        st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1),
        min_size=29,
        max_size=29,
    ),
    with_gaps=st.booleans(),
)
def test_what_is_written_is_read(tmp_path_factory, boundaries, labels, with_gaps):
    times = [milliseconds / 1000 for milliseconds in boundaries]
    intervals = [
        Interval(start, end, label)
        for start, end, label in zip(times, times[1:], labels, strict=False)
    ][:: 2 if with_gaps else 1]
    path = tmp_path_factory.mktemp("grids") / "a.TextGrid"
    write_textgrid(path, {"phone": intervals, "word": []}, 900.0)
    assert read_textgrid(path) == {"phone": intervals, "word": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("0.1 0.2 HH\n0.2 0.3 AY\n", "not a TextGrid in text format"),
        ("\xff\x00\x80", "not text in UTF-8"),
        ('"Praat chronological TextGrid text file"\n0 1\n', "chronological .* save it from Praat"),
        (SHORT[: SHORT.index('"IntervalTier"')], "damaged or has no tier"),
        (SHORT[: SHORT.index('"sp"')], r"declare \[5\] entries, but \[4\] were found"),
        (LONG[: LONG.index("        intervals [5]")], r"declare \[5\] entries, but \[4\]"),
        (LONG.replace('name = "word"', 'name = "phone"'), "two tiers are named 'phone'"),
        (SHORT.replace("0.25\n0.5", "0.2\n0.5"), "'phone' has .*'HH'.* and after it .*'AY1'"),
        (SHORT.replace("0.25\n0.5", "0.5\n0.25"), "'AY1'.* ends before it starts"),
        (
            SHORT.replace('0\n0.1\n""', '0.85\n0.9\n"late"'),
            "'late'.* and after it .*without overlap",
        ),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path, text, message):
    encoding = "latin-1" if "\xff" in text else "utf-8"
    with pytest.raises(ValueError, match=rf"story\.TextGrid: .*{message}"):
        read_textgrid(written(tmp_path, text, encoding))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.TextGrid"):
        read_textgrid(tmp_path / "none.TextGrid")


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ([Interval(0.0, 0.6, "a"), Interval(0.5, 1.0, "b")], "without overlap"),
        ([Interval(0.5, 0.5, "a")], "ends before it starts"),
        ([Interval(0.5, 2.5, "a")], r"outside 0 to 2.0 s"),
    ],
)
def test_bad_intervals_are_not_written(tmp_path, intervals, message):
    path = tmp_path / "a.TextGrid"
    with pytest.raises(ValueError, match=rf"a\.TextGrid: tier 'word' .*{message}"):
        write_textgrid(path, {"word": intervals}, 2.0)
    assert not path.exists()
