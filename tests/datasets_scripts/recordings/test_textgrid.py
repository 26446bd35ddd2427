import codecs
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio.utilities.textgrid_io import parseTextgridStr

from datasets_scripts import Interval, read_textgrid, write_textgrid

LISTENING_MINI = Path(__file__).resolve().parents[3].parent / "shared/data/listening-mini"

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

CHRONOLOGICAL = """"Praat chronological TextGrid text file"
0 1   ! Time domain.
3   ! Number of tiers: "phone" is the first.
"IntervalTier" "phone" 0 1
"TextTier" "clicks" 0 1
"IntervalTier" "word" 0 1
1 0 0.1
""
3 0 0.1
""
1 0.1 0.25
"HH"
3 0.1 0.5
"say ""hi\"""
1 0.25 0.5
"AY1"
1 0.5 0.8
" "
2 0.5 "click"
3 0.5 1
""
1 0.8 1
"sp"
"""

FORMATS = {"long": LONG, "short": SHORT, "chronological": CHRONOLOGICAL}
each_format = pytest.mark.parametrize("format", FORMATS)


def written(folder, text, encoding="utf-8"):
    path = folder / "story.TextGrid"
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    path.write_bytes(mark + text.encode(encoding))
    return path


@each_format
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"], ids=["unix", "windows", "mac"])
def test_all_text_formats_are_read(tmp_path, format, encoding, line_break):
    path = written(tmp_path, FORMATS[format].replace("\n", line_break), encoding)
    tiers = read_textgrid(path)
    assert tiers == {"phone": PHONES, "word": WORDS}
    assert list(tiers) == ["phone", "word"]


@each_format
def test_a_last_line_without_a_line_break_is_read(tmp_path, format):
    assert read_textgrid(written(tmp_path, FORMATS[format].rstrip()))["word"] == WORDS


@each_format
def test_whatever_is_no_text_and_no_number_is_passed_over(tmp_path, format):
    text = FORMATS[format].replace("\n0.1", '\n   0.1 ! a "comment" of 3 words')
    text = text.replace('text = "HH"', 'text="HH"').replace("xmax = 0.25", "xmax=2.5E-1")
    assert read_textgrid(written(tmp_path, text)) == {"phone": PHONES, "word": WORDS}


def test_intervals_of_a_chronological_file_may_come_tier_after_tier(tmp_path):
    header = CHRONOLOGICAL[: CHRONOLOGICAL.index("1 0 0.1")]
    text = header + '3 0 1 "so"\n1 0 0.5 "S" 1 0.5 1 "OW1"'
    assert read_textgrid(written(tmp_path, text)) == {
        "phone": [Interval(0, 0.5, "S"), Interval(0.5, 1, "OW1")],
        "word": [Interval(0, 1, "so")],
    }


@each_format
def test_a_tier_without_intervals_is_empty(tmp_path, format):
    write_textgrid(tmp_path / "a.TextGrid", {"phone": [], "word": WORDS}, 1.0, format)
    assert read_textgrid(tmp_path / "a.TextGrid") == {"phone": [], "word": WORDS}


@each_format
def test_a_label_may_look_like_the_format_itself(tmp_path, format):
    labels = [
        "item [2]:",
        'name = "word"',
        '"IntervalTier"',
        "! 0.5",
        "xmin = 3",
        "1 0 1",
        '"',
        "a\nb",
    ]
    tier = [Interval(i, i + 1, label) for i, label in enumerate(labels)]
    write_textgrid(tmp_path / "a.TextGrid", {'say "phone"': tier, "word": []}, 20, format)
    assert read_textgrid(tmp_path / "a.TextGrid") == {'say "phone"': tier, "word": []}


LABELS = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]) | st.sampled_from('"!\n'),
    min_size=1,
    max_size=8,
).filter(lambda label: label == label.strip())


@settings(deadline=None, max_examples=40)
@given(
    boundaries=st.lists(st.integers(0, 900_000), min_size=2, max_size=12, unique=True).map(sorted),
    labels=st.lists(LABELS, min_size=11, max_size=11),
    with_gaps=st.booleans(),
)
def test_what_is_written_in_any_format_is_read(tmp_path_factory, boundaries, labels, with_gaps):
    times = [milliseconds / 1000 for milliseconds in boundaries]
    intervals = [
        Interval(start, end, label)
        for start, end, label in zip(times, times[1:], labels, strict=False)
    ][:: 2 if with_gaps else 1]
    tiers = {"phone": intervals, "word": [], "!": intervals[:1]}
    path = tmp_path_factory.mktemp("grids") / "a.TextGrid"
    for format in FORMATS:
        write_textgrid(path, tiers, 900.0, format)
        assert read_textgrid(path) == tiers


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=12),
    shifts=st.lists(st.sampled_from([-1e-3, -1e-7, 0.0, 1e-7]), min_size=12, max_size=12),
)
def test_boundaries_that_overlap_by_rounding_are_joined(tmp_path_factory, lengths, shifts):
    bounds = [0.1 + sum(lengths[:i]) / 100 for i in range(len(lengths) + 1)]
    shifted = [
        (start + shift, end, f"p{i}")
        for i, ((start, end), shift) in enumerate(zip(pairwise(bounds), shifts, strict=False))
    ]
    entries = "".join(f'1 {start!r} {end!r} "{label}"\n' for start, end, label in shifted)
    text = f'"Praat chronological TextGrid text file"\n0 1 1\n"IntervalTier" "p" 0 1\n{entries}'
    path = tmp_path_factory.mktemp("grids") / "a.TextGrid"
    path.write_text(text + '1 9 10 "last"')
    *read, _ = read_textgrid(path)["p"]
    assert [interval.label for interval in read] == [label for _, _, label in shifted]
    assert all(interval.start <= interval.end for interval in read)
    assert all(earlier.end <= later.start for earlier, later in pairwise(read))
    for interval, (start, end, _) in zip(read, shifted, strict=True):
        assert (interval.start, interval.end) == pytest.approx((start, end), abs=1.1e-3)


def test_blank_intervals_of_no_length_are_passed_over_and_labelled_ones_read(tmp_path):
    text = SHORT.replace("\n5\n", "\n7\n").replace(
        '0.25\n0.5\n"AY1"', '0.25\n0.25\n""\n0.25\n0.25\n"T"\n0.25\n0.5\n"AY1"'
    )
    assert read_textgrid(written(tmp_path, text))["phone"] == [
        PHONES[0],
        Interval(0.25, 0.25, "T"),
        *PHONES[1:],
    ]


@pytest.mark.parametrize("overlap", [0.0015, 0.1])
def test_an_overlap_of_more_than_a_millisecond_is_refused(tmp_path, overlap):
    text = SHORT.replace("0.25\n0.5", f"{0.25 - overlap}\n0.5")
    with pytest.raises(ValueError, match="without overlap"):
        read_textgrid(written(tmp_path, text))


@pytest.mark.skipif(
    not LISTENING_MINI.is_dir(), reason="the listening-mini recordings are not here"
)
def test_an_independent_parser_reads_the_same(tmp_path):
    for path in (LISTENING_MINI / "derivative/TextGrids").iterdir():
        tiers = read_textgrid(path)
        for tier in parseTextgridStr(path.read_text() + "\n")["tiers"]:
            known = [
                Interval(float(start), float(end), text) for start, end, text in tier["entries"]
            ]
            assert tiers[tier["name"]] == known
        end = max(intervals[-1].end for intervals in tiers.values())
        write_textgrid(tmp_path / "again.TextGrid", tiers, end, "chronological")
        assert read_textgrid(tmp_path / "again.TextGrid") == tiers


def test_a_chronological_file_is_written_as_praat_writes_it(tmp_path):
    path = tmp_path / "a.TextGrid"
    write_textgrid(path, {"phone": PHONES[:2], "word": WORDS}, 1.0, "chronological")
    assert path.read_text().split("\n") == [
        '"Praat chronological TextGrid text file"',
        "0 1.0   ! Time domain.",
        "2   ! Number of tiers.",
        '"IntervalTier" "phone" 0 1.0',
        '"IntervalTier" "word" 0 1.0',
        *("1 0.0 0.1", '""', "2 0.0 0.1", '""'),
        *("1 0.1 0.25", '"HH"', "2 0.1 0.5", '"say ""hi"""'),
        *("1 0.25 0.5", '"AY1"', "1 0.5 1.0", '""', "2 0.5 1.0", '""'),
        "",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("0.1 0.2 HH\n0.2 0.3 AY\n", "not a TextGrid in text format"),
        ("\xff\x00\x80", "not text in UTF-8"),
        (
            SHORT[: SHORT.index('"IntervalTier"')],
            "expected a text in quotes at line 8, got the end",
        ),
        (SHORT[: SHORT.index('"sp"')], "expected a text in quotes .* got the end of the file"),
        (SHORT.replace("\n5\n", "\n6\n"), "a number at line 28, got 'TextTier'; .* it declares"),
        (SHORT.replace("\n5\n", "\n4\n"), "a text in quotes at line 25, got 0.8; .* it declares"),
        (SHORT + '1\n2\n"more"\n', "expected the end of the file at line 43, got 1.0"),
        (SHORT.replace("0.25\n0.5", "0.25\nhalf"), "expected a number at line 21, got 'AY1'"),
        (
            LONG[: LONG.index("        intervals [5]")],
            "expected a number .* got the end of the file",
        ),
        (LONG.replace('name = "word"', 'name = "phone"'), "two tiers are named 'phone'"),
        (LONG.replace('"IntervalTier"', '"PitchTier"'), "'phone' is neither .* got 'PitchTier'"),
        (SHORT.replace("0.25\n0.5", "0.2\n0.5"), "'phone' has .*'HH'.* and after it .*'AY1'"),
        (SHORT.replace("0.25\n0.5", "0.5\n0.25"), "'AY1'.* ends before it starts"),
        (
            SHORT.replace('0\n0.1\n""', '0.85\n0.9\n"late"'),
            "'late'.* and after it .*without overlap",
        ),
        (SHORT.replace("\n3\n", "\n1e999\n", 1), "expected a number at line 7, got inf"),
        (CHRONOLOGICAL[: CHRONOLOGICAL.index('"TextTier"')], "a text in quotes at line 5"),
        (CHRONOLOGICAL[: CHRONOLOGICAL.index('Y1"')], "in quotes at line 16, got the end"),
        (
            CHRONOLOGICAL[: CHRONOLOGICAL.index("1 0.25 0.5")],
            "up to 1.0 s, .* beyond 0.5 s; .* cut short",
        ),
        (CHRONOLOGICAL[: CHRONOLOGICAL.index("1 0 0.1")], "up to 1.0 s, .* 0.0 s; .* cut short"),
        (CHRONOLOGICAL.replace("2 0.5 ", "4 0.5 "), "has 3 tiers, but an entry of tier 4"),
        (CHRONOLOGICAL.replace('"word"', '"phone"'), "two tiers are named 'phone'"),
        (CHRONOLOGICAL.replace("1 0.25 0.5", "1 0.2 0.5"), "'phone' has .*'HH'.* after it .*'AY1'"),
        (CHRONOLOGICAL.replace("1 0.25 0.5", "1 0.25 0.2"), "'AY1'.* ends before it starts"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path, text, message):
    encoding = "latin-1" if "\xff" in text else "utf-8"
    with pytest.raises(ValueError, match=rf"story\.TextGrid: .*{message}"):
        read_textgrid(written(tmp_path, text, encoding))


@each_format
def test_a_file_cut_short_is_refused(tmp_path, format):
    # Without quotes in labels: half of a doubled quote is the end of a shorter label.
    text = FORMATS[format].replace('""hi""', "hi").rstrip()
    # A chronological file counts no entries: the last one alone is not missed.
    undetected = CHRONOLOGICAL[: CHRONOLOGICAL.index("\n1 0.8")].replace('""hi""', "hi")
    for length in range(0, len(text), 5):
        if text[:length].rstrip() != undetected:
            with pytest.raises(ValueError, match=r"story\.TextGrid"):
                read_textgrid(written(tmp_path, text[:length]))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.TextGrid")
    with pytest.raises(ValueError, match=r"a\.TextGrid: a pipe or a device, where a file must be"):
        read_textgrid(tmp_path / "a.TextGrid")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.TextGrid"):
        read_textgrid(tmp_path / "none.TextGrid")


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ([Interval(0.0, 0.6, "a"), Interval(0.5, 1.0, "b")], "without overlap"),
        ([Interval(0.5, 0.4, "a")], "ends before it starts"),
        ([Interval(0.5, 0.5, "a")], "of no length or outside"),
        ([Interval(0.5, 2.5, "a")], r"outside 0 to 2.0 s"),
    ],
)
def test_bad_intervals_are_not_written(tmp_path, intervals, message):
    path = tmp_path / "a.TextGrid"
    with pytest.raises(ValueError, match=rf"a\.TextGrid: tier 'word' .*{message}"):
        write_textgrid(path, {"word": intervals}, 2.0)
    assert not path.exists()


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(ValueError, match="got 'shor'. Did you mean 'short'"):
        write_textgrid(tmp_path / "a.TextGrid", {"word": WORDS}, 2.0, "shor")
