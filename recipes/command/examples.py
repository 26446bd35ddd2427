"""The sounds that a checkpoint's page offers to be heard."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from recipes.command.checkpoints import PHANTOM, recordings_folder
from recipes.stages.demo.about import card_says, card_sounds

STORIES = ("repeated", "story01")  # of the phantom


def offered(given: Sequence[str], checkpoints: Iterable[str]) -> list[Path]:
    """Return the sounds that the page offers.

    Parameters
    ----------
    given : list of str
        Files.
    checkpoints : iterable of str
        If no file is given, those are offered that their cards offer; else, if one was tuned on the
        phantom, stories that it was measured and tuned on.

    Returns
    -------
    list of Path
    """
    checkpoints = list(checkpoints)
    found = [Path(path) for path in given]
    found = found or [path for name in checkpoints for path in card_sounds(name)]
    if found or PHANTOM not in [card_says(name)[1] for name in checkpoints]:
        return found
    stimuli = Path(recordings_folder(PHANTOM)) / "stimuli"
    return [stimuli / f"{story}.wav" for story in STORIES]
