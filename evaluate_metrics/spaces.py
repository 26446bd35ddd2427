"""The metrics' folders as Spaces of the Hub, where the package is not installed."""

import re
from pathlib import Path

from .names import check_name

ROOM = Path(__file__).parent
METRICS = sorted(card.parent.name for card in ROOM.glob("*/README.md"))
OURS = re.compile(rb"^from evaluate_metrics\.(\w+)\.(\w+) import ", re.MULTILINE)


def space_files(name: str) -> dict[str, bytes]:
    """Gather what the Space of a metric holds.

    A Space knows only its own files, and `evaluate.load` takes from it only the metric's module
    and the modules that this one imports relatively. A line of the metric's module
    ``from evaluate_metrics.<metric>.<module> import ...`` therefore becomes
    ``from .<module> import ...``, and the module is copied beside it.

    Parameters
    ----------
    name : str
        A metric's folder in this room, such as "low_level_impact".

    Returns
    -------
    dict of {str: bytes}
        Contents by path in the Space.

    Raises
    ------
    ValueError
        If there is no such metric.

    Examples
    --------
    >>> sorted(set(space_files("low_level_impact")) - {"README.md", "__init__.py"})
    ['alignment.py', 'app.py', 'arrays.py', 'impact.py', 'low_level_impact.py', 'requirements.txt']

    To publish a metric, write its files into an empty folder and push that::

        for path, content in space_files("low_level_impact").items():
            (folder / path).write_bytes(content)
        create_repo("you/low_level_impact", repo_type="space", space_sdk="gradio")
        upload_folder(repo_id="you/low_level_impact", repo_type="space", folder_path=folder)
    """
    check_name("metric", name, METRICS)
    files = {path.name: path.read_bytes() for path in (ROOM / name).iterdir() if path.is_file()}
    script = files[f"{name}.py"]
    for metric, module in OURS.findall(script):
        copied = f"{module.decode()}.py"
        files[copied] = (ROOM / metric.decode() / copied).read_bytes()
    files[f"{name}.py"] = OURS.sub(rb"from .\2 import ", script)
    return files
