"""One run at a time in an output folder."""

import os

import pytest

from recipes.command.sole_run import sole_run


def test_the_second_run_is_told_who_is_there(tmp_path):
    output = tmp_path / "new" / "output"
    with sole_run(output):
        who = rf"another run is at work there, process {os.getpid()} on \S+ since .*--output_dir"
        with pytest.raises(FileExistsError, match=who), sole_run(output):
            raise AssertionError("let in")
        with sole_run(output, is_main=False):  # another process of the same run
            pass
    assert not (tmp_path / "new").exists()


def test_what_a_run_wrote_stays_and_the_folder_is_free_again(tmp_path):
    for name in ("first", "second"):
        with pytest.raises(ValueError, match=name), sole_run(tmp_path / "output"):
            (tmp_path / "output" / name).write_text("")
            raise ValueError(name)
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["first", "second"]
