"""The phantom's recordings and speech tasks, made on first use."""

from contextlib import nullcontext
from pathlib import Path

from datasets_scripts import made_by_one, make_phantom, make_phantom_tasks
from recipes.command.cache import cache_folder

PARTICIPANTS = ("P01", "P02", "P03", "P04")
VERSION = 4  # of recordings and tasks: a change of either takes new folders


def phantom_data() -> tuple[Path, bool]:
    """The default phantom's folder of recordings; made unless it is there.

    Returns
    -------
    root : Path
    made : bool
    """
    root = cache_folder(f"phantom-{VERSION}")
    with nullcontext() if root.exists() else made_by_one(root):
        return root, make_phantom(root, participants=PARTICIPANTS)


def phantom_tasks() -> Path:
    """The folder of the phantom's speech tasks; made unless it is there."""
    root = cache_folder(f"phantom-tasks-{VERSION}")
    with nullcontext() if root.exists() else made_by_one(root):
        make_phantom_tasks(root)
    return root
