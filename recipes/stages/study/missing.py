"""What of a study's inputs is missing, figure by figure."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from datasets_scripts.recordings import (
    Inventory,
    ParticipantFiles,
    is_folder,
    take_inventory,
)
from recipes.stages.recordings import layout_options
from recipes.stages.study.planning import (
    OF_MAPS,
    OF_RECOGNITION,
    OF_RECORDINGS,
    OF_SCALING,
    OF_TASKS,
    OF_WORDS,
)

# Collections that figures of tasks are drawn from
PUBLISHED = ("timit", "slurp", "speech_commands", "crema_d")
OF_SOUND = frozenset({"9"})  # MFCC and FBANK, of TIMIT alone


def look_around(
    data: str, arguments: Any, splits: dict[str, list[str]], say: Callable[[str], object] = print
) -> Inventory | None:
    """See who has heard what; those who lack too much are left out unless they are named.

    Parameters
    ----------
    data : str
        Folder or name on the Hub, of which nothing is seen: None.
    arguments : recipes.command.vocabulary.Recordings
    splits : dict
        Of `splits_of`.
    say : callable
        Is told who is left out, and why.

    Returns
    -------
    Inventory or None
    """
    if not is_folder(data):
        return None
    named = [story for stories in splits.values() for story in stories]
    found = take_inventory(data, arguments.participants or None, named, layout_options(arguments))
    if arguments.participants:
        return found
    there = able(found, splits)
    for one in found.participants:
        if one not in there:
            say(f"{one.name} is left out, who heard {len(one.stories)} of {len(named)} stories")
    return replace(found, participants=there)


def able(found: Inventory, splits: dict[str, list[str]]) -> list[ParticipantFiles]:
    """Return those who have heard the stories that decide, and most of those to learn from.

    Parameters
    ----------
    found : Inventory
    splits : dict of {option: stories}
        "train_stories", "validation_stories" and "test_story".

    Returns
    -------
    list of ParticipantFiles
    """
    needed = {*splits["validation_stories"], *splits["test_story"]}
    train = splits["train_stories"]
    return [
        one
        for one in found.participants
        if needed <= {*one.listed} and 2 * len({*train} & {*one.listed}) > len(train)
    ]


def missing_inputs(
    found: Inventory, collections: Iterable[str], figures: Collection[str], has_atlas: bool
) -> dict[str, list[str]]:
    """Say what each figure lacks.

    Parameters
    ----------
    found : Inventory
        Of the participants of the study.
    collections : iterable of str
        Names of those that are given.
    figures : collection of str
    has_atlas : bool
        Whether regions can follow from an atlas.

    Returns
    -------
    dict of {figure: list of str}
        Empty lists where nothing is missing.
    """
    recordings, regions, maps = _recordings(found), [], []
    for one in found.participants:
        if not (one.anatomy and one.anatomy["regions"].is_file()) and not (
            has_atlas and "transform" in one.anatomy
        ):
            regions.append(f"regions of {one.name}: give --atlas, or a file of regions")
        mask = one.anatomy.get("voxels")
        if "transform" not in one.anatomy and not (mask and mask.is_file()):
            maps.append(f"where the voxels of {one.name} lie: a transform, or a mask")
    given = {*collections}
    words = [] if find_spec("nltk") else ["WordNet and CMUdict: pip install 'braintune[words]'"]
    missing = {}
    absent = missing_collections(given, figures)
    for figure in figures:
        lacking = []
        if figure in OF_RECORDINGS or figure in OF_TASKS:  # whose models are tuned on recordings
            lacking += recordings + regions
        if figure in OF_MAPS:
            lacking += maps
        lacking += [
            f"collection {name}: give --collections {name}=<folder>"
            for name, those in absent.items()
            if figure in those
        ]
        if figure in OF_WORDS and "phantom" not in given:
            lacking += words
        missing[figure] = lacking
    return missing


def missing_collections(given: Collection[str], figures: Collection[str]) -> dict[str, list[str]]:
    """Return the published collections that are not given, with the figures that they are for.

    The phantom's clips have all tasks.
    """
    absent: dict[str, list[str]] = {}
    for figure in () if "phantom" in given else figures:
        if figure in OF_TASKS | OF_RECOGNITION | OF_SCALING:
            for name in PUBLISHED if figure not in OF_SOUND else ("timit",):
                if name not in given:
                    absent.setdefault(name, []).append(figure)
    return absent


def _recordings(found):
    lines = []
    for one in found.participants:
        n_bytes = sum(file.n_bytes or 0 for file in one.unfetched)
        if one.unfetched:
            lines.append(
                f"{len(one.unfetched)} files of {one.name} are not fetched ({n_bytes / 1e9:.2f} GB)"
            )
        lines += [f"{path} is absent" for path in one.absent]
        lines += [f"{one.name}: {problem}" for problem in one.problems]
    return lines


def missing_table(missing: dict[str, list[str]]) -> str:
    """Return what figures lack as text, those that lack the same together."""
    together: dict[tuple[str, ...], list[str]] = {}
    for figure, lacking in missing.items():
        together.setdefault(tuple(lacking), []).append(figure)
    lines = []
    for gaps, figures in together.items():
        lines.append(f"Figures {', '.join(figures)}: {'missing' if gaps else 'all is there'}")
        lines += [f"  {what}" for what in gaps]
    return "\n".join(lines)
