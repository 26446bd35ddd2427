"""Files whose content git-annex has yet to fetch, and how they are asked for."""

import os
import shlex

import pytest

from datasets_scripts.recordings.annex import all_unfetched, check_there, get_command, unfetched

KEY = "MD5E-s328714688--dc846edb728db9217535af7d8aa83e79.hf5"


@pytest.mark.parametrize(
    ("key", "n_bytes"),
    [
        (KEY, 328714688),
        ("SHA256E-s12-m1500000000--e3b0c442.wav", 12),
        ("URL--http&c%%example.org%a-s9--b", None),
    ],
)
@pytest.mark.parametrize("kind", ["link", "pointer", "link as text", "link to a link"])
def test_what_is_not_fetched_says_how_large_it_is(tmp_path, key, n_bytes, kind):
    path = tmp_path / "souls.hf5"
    target = f"../.git/annex/objects/Xq/Pm/{key}/{key}"
    if kind == "pointer":
        path.write_text(f"/annex/objects/{key}\n")
    elif kind == "link as text":
        path.write_text(target)
    elif kind == "link":
        path.symlink_to(target)
    else:
        (tmp_path / "first").symlink_to(target)
        path.symlink_to("first")
    assert unfetched(path) == (path, n_bytes)


def test_what_is_there_or_nowhere_waits_for_nothing(tmp_path):
    content = tmp_path / ".git/annex/objects/Xq/Pm" / KEY / KEY
    content.parent.mkdir(parents=True)
    content.write_bytes(b"\x89HDF")
    fetched, broken, empty, text = (tmp_path / name for name in ("a", "b", "c", "d"))
    fetched.symlink_to(content)
    broken.symlink_to("nowhere")
    empty.touch()
    text.write_text("as in /annex/objects/\nof old")
    paths = [fetched, broken, empty, text, tmp_path, tmp_path / "absent"]
    assert all_unfetched(paths) == []


def test_a_large_file_is_not_looked_into(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(f"/annex/objects/{KEY}\n" + 40_000 * " ")
    assert unfetched(path) is None


def test_all_that_is_missing_is_said_at_once(tmp_path, unfetch):
    waiting = [tmp_path / "stimuli" / f"{name}.wav" for name in ("a story", "b", "c", "d")]
    for i, path in enumerate(waiting):
        unfetch(path, n_bytes=100_000_000 + i, unlocked=i % 2 == 0)
    present, absent = tmp_path / "there", tmp_path / "absent.wav"
    present.touch()
    with pytest.raises(FileNotFoundError) as refused:
        check_there([absent, present, *waiting, waiting[0]], "UTS01, UTS02", tmp_path)
    message = str(refused.value)
    assert "4 files of UTS01, UTS02 are not fetched yet by git-annex, 0.40 GB (400000006 bytes" in (
        message
    )
    assert message.endswith(f"files of UTS01, UTS02 are missing: {absent}")
    command = message[message.index("datalad get") :].partition("\nfiles of")[0]
    assert f"in {tmp_path}: {command}" in message
    named = [f"stimuli/{path.name}" for path in waiting]
    assert shlex.split(command.replace("\\\n", " ")) == ["datalad", "get", *named]
    check_there([present], "UTS01", tmp_path)


def test_a_size_that_no_key_tells_is_not_made_up(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("/annex/objects/URL--http&c%%example.org%a.wav")
    with pytest.raises(FileNotFoundError, match=r"1 file of UTS01 is .*bytes\) and 1 of unknown"):
        check_there([path], "UTS01", tmp_path)


def test_files_outside_the_folder_are_named_from_there(tmp_path, unfetch):
    path = tmp_path / "stimuli" / "a.wav"
    unfetch(path)
    assert get_command(all_unfetched([path]), tmp_path / "derivatives") == (
        "datalad get ../stimuli/a.wav"
    )


def test_a_pipe_in_a_files_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.hf5")
    (tmp_path / "b.hf5").symlink_to("a.hf5")
    for name in ("a.hf5", "b.hf5"):
        with pytest.raises(ValueError, match=f"{name}: a pipe or a device, where a file must be"):
            check_there([tmp_path / name], "UTS01", tmp_path)
