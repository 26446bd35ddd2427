"""Files that a data set lists but that git-annex, and so datalad, has not fetched.

`datalad install` leaves a link into `.git/annex/objects` in a file's place, which dangles until the
content is there; where git-annex keeps files unlocked, a short text that names the same key. A
checkout without links holds the link's target as such a text. The key says how large the content is
(https://git-annex.branchable.com/internals/key_format).
"""

import os
import re
import shlex
import stat
from collections.abc import Iterable
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import NamedTuple

KEY = re.compile(r"[A-Z0-9_]+(?:-[A-Za-z]\d+)*--.+")
SIZE = re.compile(r"-s(\d+)")
LONGEST_POINTER = 32 * 1024  # bytes; git-annex takes no longer file for one
PATHS_IN_A_LINE = 3


class Unfetched(NamedTuple):
    """A file whose content git-annex has yet to fetch.

    Parameters
    ----------
    path : Path
    n_bytes : int or None
        Of the content; None where the key does not say.
    """

    path: Path
    n_bytes: int | None


def unfetched(path: Path) -> Unfetched | None:
    """Say whether a file waits for its content.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Unfetched, or None
        None for a file that is there, and for one that does not exist at all.
    """
    target = _place_of_content(path)
    name = PurePosixPath(target).name
    if "annex/objects/" not in target or not KEY.fullmatch(name):
        return None
    size = SIZE.search(name.partition("--")[0])
    return Unfetched(path, int(size[1]) if size else None)


def _place_of_content(path):
    """Where the content of a file would lie that is not there; empty for other files."""
    if path.is_file():
        if path.stat().st_size > LONGEST_POINTER:
            return ""
        lines = path.read_bytes().decode("utf-8", errors="replace").splitlines()
        return lines[0].replace("\\", "/") if lines else ""
    # The last of the links, if one leads to another
    return os.path.realpath(path).replace("\\", "/") if path.is_symlink() else ""


def all_unfetched(paths: Iterable[Path]) -> list[Unfetched]:
    """Those of some files that wait for their content, each once.

    Parameters
    ----------
    paths : iterable of Path

    Returns
    -------
    list of Unfetched
    """
    return [found for path in dict.fromkeys(paths) if (found := unfetched(path))]


def check_there(paths: Iterable[Path], whose: str, root: str | PathLike[str]) -> None:
    """Refuse files that are not there, all of them in one message.

    Parameters
    ----------
    paths : iterable of Path
    whose : str
        Whose files they are, as the message says it ("UTS03").
    root : path-like
        The recordings' folder.

    Raises
    ------
    FileNotFoundError
        Files do not exist, or their contents were not fetched; the message names all of them, says
        how many bytes there are to fetch, and gives the command that does it.
    ValueError
        As `check_plain`.
    """
    paths = list(dict.fromkeys(paths))
    for path in paths:
        check_plain(path)
    waiting = all_unfetched(paths)
    listed = {file.path for file in waiting}
    absent = [str(path) for path in paths if path not in listed and not path.is_file()]
    said = []
    if waiting:
        said.append(fetching(waiting, whose, root))
    if absent:
        said.append(f"files of {whose} are missing: {', '.join(absent)}")
    if said:
        raise FileNotFoundError("\n".join(said))


def check_plain(path: str | PathLike[str]) -> None:
    """Refuse a pipe, a device or a socket in a file's place, whose end a reader may wait for.

    Raises
    ------
    ValueError
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # nothing is there to wait for
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError(f"{path}: a pipe or a device, where a file must be; put the file there")


def fetching(files: list[Unfetched], whose: str, root: str | PathLike[str]) -> str:
    """Say what is not fetched, how large it is, and the command that fetches it.

    Parameters
    ----------
    files : list of Unfetched
        At least one.
    whose : str
    root : path-like
        The recordings' folder, where the command is to be given.

    Returns
    -------
    str
        Several lines where there are many files.
    """
    number = "1 file" if len(files) == 1 else f"{len(files)} files"
    verb = "is" if len(files) == 1 else "are"
    return (
        f"{number} of {whose} {verb} not fetched yet by git-annex, {size(files)} in all; in "
        f"{root}: {get_command(files, root)}"
    )


def size(files: Iterable[Unfetched]) -> str:
    """Say how large the contents of files are together.

    Parameters
    ----------
    files : iterable of Unfetched

    Returns
    -------
    str
        In GB and bytes; how many say nothing of their size, if any.
    """
    sizes = [file.n_bytes for file in files]
    known = sum(n for n in sizes if n is not None)
    unknown = sizes.count(None)
    beside = f" and {unknown} of unknown size" if unknown else ""
    return f"{known / 1e9:.2f} GB ({known} bytes){beside}"


def get_command(files: Iterable[Unfetched], root: str | PathLike[str]) -> str:
    """Command that fetches files.

    Parameters
    ----------
    files : iterable of Unfetched
    root : path-like
        Where it is to be given.

    Returns
    -------
    str
        With a line for each of many files, to be pasted as it is.
    """
    names = [shlex.quote(os.path.relpath(file.path, root)) for file in files]
    between = " " if len(names) <= PATHS_IN_A_LINE else " \\\n  "
    return between.join(["datalad get", *names])
