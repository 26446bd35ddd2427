"""Files and folders that are written to their end, or not at all."""

import threading
import time

import pytest

from datasets_scripts import made_by_one, made_whole, written_whole


def test_a_file_is_there_when_it_is_whole(tmp_path):
    path = tmp_path / "scores.txt"
    with written_whole(path) as partial:
        partial.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path):
    path = tmp_path / "scores.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError), written_whole(path) as partial:
        partial.write_text("half of")
        raise RuntimeError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_of_a_file_is_gone_when_it_is_written(tmp_path):
    path = tmp_path / "scores.json"
    with written_whole(path) as partial:
        partial.write_text("zero")
    partial.write_text("half of")  # as if the process had been killed
    with written_whole(path) as partial:
        partial.write_text("one")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_there_when_it_is_whole(tmp_path):
    folder = tmp_path / "deep" / "data"
    with made_whole(folder) as partial:
        (partial / "one.txt").write_text("one")
        assert not folder.exists()
    assert [path.name for path in folder.iterdir()] == ["one.txt"]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_that_cannot_be_made_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), made_whole(tmp_path / "data") as partial:
        (partial / "one.txt").write_text("half of")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_does_not_end_in_the_folder(tmp_path):
    left = tmp_path / "data.partial"
    left.mkdir()
    (left / "old.txt").write_text("half of")
    with made_whole(tmp_path / "data") as partial:
        (partial / "new.txt").write_text("whole")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["new.txt"]
    assert not left.exists()


def test_a_folder_that_is_there_is_not_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").write_text("mine")
    with pytest.raises(OSError), made_whole(tmp_path / "data") as partial:
        (partial / "new.txt").write_text("whole")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mine.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_who_waits_for_what_another_makes_is_told(tmp_path, capsys):
    place, order = tmp_path / "new" / "phantom-1", []

    def second():
        with made_by_one(place):
            order.append("second")

    thread = threading.Thread(target=second)
    with made_by_one(place):
        thread.start()
        while "Waiting" not in capsys.readouterr().err:
            time.sleep(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
