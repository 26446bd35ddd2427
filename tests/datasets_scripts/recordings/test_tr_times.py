import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_scripts.recordings.tr_times import read_tr_times

REPORT = """1000.0 init-trigger
1001.0 word 3 of 5: "trigger"
1002.0 trigger
1003.0 sound-start
1004.5 trigger
1005.0
1005.5 sound-stop

1006.5\ttrigger
1008.5 trigger
1010.5 trigger
"""


def written(folder, text, encoding="utf-8"):
    path = folder / "story.report"
    path.write_bytes(text.encode(encoding))
    return path


def test_trs_are_known_by_their_midpoints_from_the_start_of_the_sound(tmp_path):
    tr_times, tr = read_tr_times(written(tmp_path, REPORT))
    assert tr == 2.0
    np.testing.assert_allclose(tr_times, [-2.0, 0.0, 2.5, 4.5, 6.5, 8.5])
    assert tr_times.dtype == np.float64


def test_labels_may_be_in_any_encoding(tmp_path):
    path = written(tmp_path, REPORT.replace("word", "wört"), "latin-1")
    np.testing.assert_allclose(read_tr_times(path)[0], [-2.0, 0.0, 2.5, 4.5, 6.5, 8.5])


@settings(deadline=None, max_examples=25)
@given(
    tr=st.floats(0.5, 4.0),
    sound=st.floats(-20.0, 20.0),
    jitter=st.lists(st.floats(-0.1, 0.1), min_size=3, max_size=30),
)
def test_jittered_triggers_keep_their_own_times(tmp_path_factory, tr, sound, jitter):
    starts = [(k + part) * tr for k, part in enumerate(jitter)]
    lines = [f"{sound!r} sound-start", *(f"{start!r} trigger" for start in starts)]
    path = written(tmp_path_factory.mktemp("reports"), "\n".join(lines))
    tr_times, found = read_tr_times(path)
    assert found == np.median(np.diff(starts))
    np.testing.assert_allclose(tr_times, np.array(starts) - sound + found / 2, atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (REPORT, "", "expected a trigger for each TR, got 0 triggers"),
        ("trigger", "tick", "got 0 triggers"),
        ("sound-start", "sound", "expected one sound-start, got 0"),
        ("sound-stop", "sound-start", "expected one sound-start, got 2"),
        ("1004.5 trigger\n", "", r"line 8 comes 4\.5 s after .* a TR is 2 s: one is missing"),
        ("1005.0\n", "1005.0 trigger\n", r"line 6 comes 0\.5 s after .* one too many"),
        ("1004.5", "1001.5", r"line 5 comes -0\.5 s after .* out of order"),
        ("1004.5", "1002.0", r"line 5 comes 0 s after"),
        ("1004.5 t", "t", "line 5 must begin with a time in seconds, got 'trigger'"),
        ("1004.5", "nan", "line 5 must begin with a time in seconds, got 'nan trigger'"),
        ("1004.5", "1.0.0", "line 5 must begin with a time"),
    ],
)
def test_a_bad_report_is_named_with_its_fault(tmp_path, old, new, message):
    assert old in REPORT
    with pytest.raises(ValueError, match=rf"story\.report: .*{message}"):
        read_tr_times(written(tmp_path, REPORT.replace(old, new)))


def test_a_missing_report_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.report"):
        read_tr_times(tmp_path / "none.report")
