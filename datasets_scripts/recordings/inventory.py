"""What a folder of recordings holds and lacks, by names, sizes and headers: nothing large is read.

Only TextGrids are read, which are small.
"""

from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from ..names import check_name
from ..story import Interval, StoryShape
from .annex import Unfetched, all_unfetched, unfetched
from .layouts import BIDS, DS003020, find_layout
from .sound import recording_format
from .tiers import read_phones_and_words

STORED_BYTES = 8  # of a number in the files of ds003020


@dataclass(kw_only=True)
class StoryFiles:
    """How a story sounds and what is said in it, as far as that is fetched.

    Parameters
    ----------
    n_bytes : int
        Of the sound, fetched or not; 0 where that is not known.
    sampling_rate, n_channels : int or None
    phones, words : list of Interval, or None
    problems : list of str
        What cannot be read, and why.
    """

    n_bytes: int = 0
    sampling_rate: int | None = None
    n_channels: int | None = None
    phones: list[Interval] | None = field(default=None, repr=False)
    words: list[Interval] | None = field(default=None, repr=False)
    problems: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class ParticipantFiles:
    """What there is of a participant.

    Parameters
    ----------
    name : str
    listed, fetched : list of str
        All stories, and those of which nothing is left to be fetched.
    stories : list of str
        Those that were asked for and are listed; the rest of the facts is about these.
    unrecorded : list of str
        Those that were asked for and are not listed.
    unfetched : list of Unfetched
    absent : list of Path
        Files that should be there, and are not even links.
    shapes : dict of {story: StoryShape}
        Of the responses that are fetched.
    n_trs : dict of {story: int}
        TRs with a response; where responses are not fetched, what is counted elsewhere.
    n_values : dict of {story: int}
        How many numbers each story's responses are, repeats included; where they are not fetched,
        what their size says, if it says anything.
    anatomy : dict of {name of a file: path}
        Files that say where voxels lie, whether they are there or not.
    problems : list of str
        What does not fit, and why.
    """

    name: str
    listed: list[str]
    fetched: list[str]
    stories: list[str]
    unrecorded: list[str]
    unfetched: list[Unfetched] = field(default_factory=list)
    absent: list[Path] = field(default_factory=list)
    shapes: dict[str, StoryShape] = field(default_factory=dict)
    n_trs: dict[str, int] = field(default_factory=dict)
    n_values: dict[str, int] = field(default_factory=dict)
    anatomy: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Inventory:
    """What a folder of recordings holds and lacks.

    Parameters
    ----------
    root : Path
    layout : str
        Its name.
    participants : list of ParticipantFiles
    sounds : dict of {story: StoryFiles}
        Of the stories that were asked for.
    """

    root: Path
    layout: str
    participants: list[ParticipantFiles]
    sounds: dict[str, StoryFiles]


def take_inventory(
    root: str | PathLike[str],
    participants: Iterable[str] | None = None,
    stories: Iterable[str] | None = None,
    options: dict[str, Any] | None = None,
) -> Inventory:
    """See what a folder of recordings holds and lacks.

    Parameters
    ----------
    root : path-like
    participants : list of str, optional
        All by default.
    stories : list of str, optional
        Those that matter; all that are listed by default.
    options : dict, optional
        Of the layout.

    Returns
    -------
    Inventory

    Raises
    ------
    FileNotFoundError
        There is no such folder, or it is in no known layout.
    ValueError
        An unknown participant or option.
    """
    layout = find_layout(root, options)
    known = layout.participants()
    names = known if participants is None else list(participants)
    for name in names:
        check_name(f"participant in {root}", name, known)
    asked = None if stories is None else list(stories)
    found = [_participant(layout, name, asked) for name in names]
    heard = {story: None for one in found for story in one.stories}
    sounds = layout.sound_files()
    return Inventory(
        root=layout.root,
        layout=layout.name,
        participants=found,
        sounds={story: _sound(*sounds[story]) for story in heard if story in sounds},
    )


def _participant(layout: DS003020 | BIDS, name: str, asked: list[str] | None) -> ParticipantFiles:
    try:
        listed = layout.stories(name)
    except (OSError, ValueError) as error:
        return ParticipantFiles(
            name=name,
            listed=[],
            fetched=[],
            stories=[],
            unrecorded=asked or [],
            problems=[str(error)],
        )
    stories = listed if asked is None else [story for story in asked if story in listed]
    files = layout.files(name, stories) if stories else []
    found = ParticipantFiles(
        name=name,
        listed=listed,
        fetched=[s for s in listed if not all_unfetched(layout.files(name, [s]))],
        stories=stories,
        unrecorded=[story for story in asked or [] if story not in listed],
        unfetched=all_unfetched(files),
        absent=[file for file in dict.fromkeys(files) if not (file.is_file() or file.is_symlink())],
    )
    for story in stories:
        with _noted(found):
            _measure(found, layout, story)
    with _noted(found):
        found.anatomy = layout.anatomy_files(name)
    if found.shapes:
        with _noted(found):
            layout.n_voxels(name, list(found.shapes))  # refuses those that differ
    return found


def _measure(found, layout, story):
    waiting = all_unfetched(layout.response_files(found.name, story))
    if not waiting:
        found.shapes[story] = shape = layout.shape(found.name, story)
        found.n_trs[story] = shape.n_trs
        found.n_values[story] = shape.n_trs * shape.n_voxels * (1 + shape.n_repeats)
        return
    timing = layout.timing(found.name, story)
    if "n_trs" in timing:  # and the file is one plain array, or two
        found.n_trs[story] = timing["n_trs"]
        found.n_values[story] = sum(file.n_bytes or 0 for file in waiting) // STORED_BYTES


@contextmanager
def _noted(found):
    """What a reader would refuse is a fact here."""
    try:
        yield
    except (OSError, ValueError) as error:
        if str(error) not in found.problems:
            found.problems.append(str(error))


def _sound(recording, textgrid):
    found = StoryFiles()
    waiting = unfetched(recording)
    if waiting is not None:
        found.n_bytes = waiting.n_bytes or 0
    elif recording.is_file():
        found.n_bytes = recording.stat().st_size
        with _noted(found):
            found.sampling_rate, found.n_channels = recording_format(recording)
    if textgrid.is_file() and unfetched(textgrid) is None:
        with _noted(found):
            found.phones, found.words = read_phones_and_words(textgrid)
    return found
