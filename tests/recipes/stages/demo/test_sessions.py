"""Nothing of a visitor stays."""

import pytest

from recipes.stages.demo.sessions import Gone, Sessions


def test_a_session_ends_with_its_files_and_does_not_begin_again(tmp_path):
    sessions = Sessions(tmp_path)
    mine, others = sessions.of("me"), sessions.of("you")
    assert sessions.of("me") is mine and mine.folder != others.folder
    for session in (mine, others):
        (session.new_folder("played") / "sound.wav").write_bytes(b"said")
    sessions.end("me")
    (left,) = tmp_path.rglob("*.wav")
    assert left.is_relative_to(others.folder)
    with pytest.raises(Gone):
        sessions.of("me")
    sessions.end("nobody")


def test_what_is_shown_anew_replaces_what_was_shown_at_another_address(tmp_path):
    session = Sessions(tmp_path).of("me")
    first = session.new_folder("played")
    (first / "sound.wav").touch()
    taken = session.new_folder("taken")
    second = session.new_folder("played")
    assert second != first and not first.exists()
    assert taken.is_dir() and not list(second.iterdir())


def test_a_file_that_two_gave_goes_with_the_second(tmp_path):
    """What is the same has one place; who has read it, or has left, leaves it to the other."""
    sessions, path = Sessions(tmp_path), tmp_path / "story.wav"
    for way, go in (("left", sessions.end), ("read", lambda who: sessions.let_go(path, who))):
        path.touch()
        first, second = f"{way} first", f"{way} second"
        for visitor in (first, second):
            sessions.of(visitor).given.add(path)
        go(first)
        assert path.exists()
        sessions.end(second)
        assert not path.exists()
