"""The folder that a command writes to: its settings, and what an earlier run left there."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from datasets_scripts import written_whole

RESULTS, SETTINGS = "results.json", "settings.json"
# What does not change a result: what is printed of a run, where it goes to, and what it replaces
NOT_OF_A_RESULT = {
    *("disable_tqdm", "log_level", "log_level_replica"),
    *("output_dir", "run_name", "overwrite_output_dir", "push_to_hub", "private"),
}


def run_settings(arguments: Any, training: Any) -> dict[str, Any]:
    """Return what a run's result follows from, as written to `settings.json`.

    Parameters
    ----------
    arguments : dataclass
    training : TrainingArguments

    Returns
    -------
    dict
    """
    settings = asdict(arguments) | json.loads(training.to_json_string())
    return {key: value for key, value in settings.items() if key not in NOT_OF_A_RESULT}


def changed_settings(folder: str | PathLike, settings: dict[str, Any]) -> list[str]:
    """Return the keys of settings of which an earlier run in a folder had other values."""
    found = json.loads(Path(folder, SETTINGS).read_text(encoding="utf-8"))
    settings = json.loads(json.dumps(settings))
    return [key for key in settings if settings[key] != found.get(key)]


def finished_results(folder: str | PathLike, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Read the results of a run with these settings that has ended in a folder.

    Returns
    -------
    dict or None
        None if no run has ended there, or one with other settings.
    """
    path = Path(folder, RESULTS)
    if not path.exists() or changed_settings(folder, settings):
        return None
    return json.loads(path.read_text(encoding="utf-8"))


def check_output(folder: str | PathLike, settings: dict[str, Any]) -> None:
    """Refuse a folder that holds a finished run, or an interrupted one with other settings.

    Raises
    ------
    FileExistsError
    """
    if Path(folder, RESULTS).exists():
        raise FileExistsError(
            f"{folder} holds a finished run ({RESULTS}); give another --output_dir, or "
            "--overwrite_output_dir true to replace it"
        )
    if Path(folder, SETTINGS).exists() and (changed := changed_settings(folder, settings)):
        raise FileExistsError(
            f"{folder} holds an interrupted run with other settings ({', '.join(changed)}); give "
            "the same ones to go on, or --overwrite_output_dir true to start again"
        )


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders of an earlier run, as far as they exist."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
