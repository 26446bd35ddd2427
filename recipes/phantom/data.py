"""The phantom's recordings and speech tasks, made on first use."""

from pathlib import Path

from datasets_scripts import make_phantom, make_phantom_tasks
from recipes.command.cache import cache_folder

PARTICIPANTS = ("P01", "P02", "P03")
VERSION = 2  # of recordings and tasks: a change of either takes new folders


def phantom_data() -> tuple[Path, bool]:
    """The default phantom's folder of recordings; made unless it is there.

    Returns
    -------
    root : Path
    made : bool
    """
    root = cache_folder(f"phantom-{VERSION}")
    root.parent.mkdir(parents=True, exist_ok=True)
    return root, make_phantom(root, participants=PARTICIPANTS)


def phantom_tasks() -> Path:
    """The folder of the phantom's speech tasks; made unless it is there."""
    root = cache_folder(f"phantom-tasks-{VERSION}")
    root.parent.mkdir(parents=True, exist_ok=True)
    make_phantom_tasks(root)
    return root
