"""The folder that a command writes to: its settings, and what an earlier run left there."""

import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from datasets_scripts import written_whole
from modeling_braintune import damaged_file, file_checksums

RESULTS, SETTINGS = "results.json", "settings.json"
LOGS = "training-logs"  # of trackers, such as TensorBoard
CURVE, LOSSES = "losses.json", "losses.png"  # of a training
FILES = "files"  # key of the losses: checksums of the model's files
CHECKSUM = "checksum"  # key of what a later start reads
MADE = "made"  # key of the settings: what a run makes in the folder, and an overwriting one removes
# What is printed of a run, where it goes to, and what it replaces: nothing that settings tell
NOT_WRITTEN = {
    *("disable_tqdm", "log_level", "log_level_replica"),
    *("output_dir", "run_name", "overwrite_output_dir", "push_to_hub", "private"),
}
# What does not change a result: what is logged, how memory, disk and processors are shared out, and
# the batch's two factors, of which only the product matters
NOT_OF_A_RESULT = NOT_WRITTEN | {
    *("log_on_each_node", "logging_steps", "logging_strategy", "logging_first_step"),
    *("report_to", "project", "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"),
    *("hub_model_id", "hub_private_repo", "hub_strategy", "hub_always_push", "hub_token"),
    *("license", "data_license", "cache_dir", "feature_cache_gb"),
    *("per_device_train_batch_size", "gradient_accumulation_steps", "per_device_eval_batch_size"),
    *("activation_checkpointing", "activation_checkpointing_kwargs"),
    *("gradient_checkpointing", "gradient_checkpointing_kwargs"),
    *("dataloader_num_workers", "dataloader_prefetch_factor", "dataloader_persistent_workers"),
    *("dataloader_pin_memory", "dataloader_multiprocessing_context"),
    *("ddp_timeout", "save_total_limit", "skip_memory_metrics"),
}


def run_settings(arguments: Any, training: Any) -> dict[str, Any]:
    """Return the settings of a run, as written to `settings.json`.

    Parameters
    ----------
    arguments : dataclass
    training : TrainingArguments

    Returns
    -------
    dict
        "batch" is the number of windows of a step, by all processes.
    """
    batch = training.train_batch_size * training.gradient_accumulation_steps * training.world_size
    settings = asdict(arguments) | json.loads(training.to_json_string()) | {"batch": batch}
    return {key: value for key, value in settings.items() if key not in NOT_WRITTEN}


def changed_settings(folder: str | PathLike, settings: dict[str, Any]) -> list[str]:
    """Return the keys of settings of which an earlier run in a folder had other values.

    Those that change no result do not count. A path may be spelt in another way, or lead to where a
    folder that is gone was moved to.
    """
    found = earlier_settings(folder)
    if found is None:
        return []
    settings = json.loads(json.dumps(settings))
    return [
        key
        for key in settings
        if key not in NOT_OF_A_RESULT and not _is_same(settings[key], found.get(key))
    ]


def _is_same(now, then):
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(map(_is_same, now, then))
    if now == then or not (isinstance(now, str) and isinstance(then, str)):
        return now == then
    new, old = Path(now).expanduser(), Path(then).expanduser()
    return new.exists() and (
        new.resolve() == old.resolve() or (not old.exists() and new.resolve().name == old.name)
    )


def earlier_settings(folder: str | PathLike) -> dict[str, Any] | None:
    """Return the settings of an earlier run in a folder, None if it made nothing that counts.

    Caches, logs and empty folders do not.
    """
    written = _written(folder)
    if written is None or MADE not in written:
        return written
    paths = [
        Path(folder, name) for name in _made(folder) if not name.startswith(".") and name != LOGS
    ]
    begun = any(
        path.is_file() or any(below.is_file() for below in path.rglob("*")) for path in paths
    )
    return written if begun else None


def _written(folder):
    """The settings in a folder; None if there are none that can be read."""
    try:
        found = json.loads(Path(folder, SETTINGS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _is_ours(folder):
    """Whether a run has written the settings in a folder."""
    return MADE in (_written(folder) or {})


def _made(folder, names=()):
    """Names of what earlier runs made in a folder; of `names` those that are a run's own folder."""
    own = {name for name in names if _is_ours(Path(folder, name))}
    if not _is_ours(folder):
        return own
    made = _written(folder)[MADE]
    return own | {Path(name).name for name in (_listed(folder) if made is None else made)}


def _listed(folder):
    """All that a folder holds but for settings, also those that were not written to their end."""
    paths = Path(folder).iterdir() if Path(folder).is_dir() else ()
    return {path.name for path in paths if not path.name.endswith(SETTINGS)}


def finished_results(folder: str | PathLike, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Read the results of a run with these settings that has ended in a folder.

    Returns
    -------
    dict or None
        None if no run has ended there, or one with other settings.

    Raises
    ------
    ValueError
        As `read_checked`.
    """
    path = Path(folder, RESULTS)
    if not path.exists() or not earlier_settings(folder) or changed_settings(folder, settings):
        return None
    return read_checked(path)


def finished_curve(path: Path) -> dict[str, Any] | None:
    """Read the losses of a model that an earlier run tuned to the end.

    Parameters
    ----------
    path : Path
        Written last into the model's folder, with the checksums of its files as `FILES`.

    Returns
    -------
    dict or None
        None if no run has come to its end.

    Raises
    ------
    ValueError
        It, or one of the files, is damaged.
    """
    if not path.exists():
        return None
    curve = read_checked(path)
    if damaged := damaged_file(path.parent, curve.pop(FILES)):
        raise ValueError(
            f"{damaged} is damaged: bring it back, or remove {path.parent}/ to have the model "
            "tuned again"
        )
    return curve


@contextmanager
def written_anew(path: Path, name: str) -> Iterator[None]:
    """Let a file of a model be written once more after the model was tuned to the end.

    Killed at any time, the model counts as whole: until the block is left, nothing is said of the
    file.

    Parameters
    ----------
    path : Path
        The model's losses, which `finished_curve` reads.
    name : str
        Of the file beside it.
    """
    curve = read_checked(path)
    others = {other: digest for other, digest in curve[FILES].items() if other != name}
    write_checked(path, curve | {FILES: others})
    yield
    write_checked(path, curve | {FILES: others | file_checksums(path.parent, name)})


def check_names(folder: str | PathLike, made: Collection[str]) -> None:
    """Refuse a folder with something that no run has made, but that this one would write to.

    Parameters
    ----------
    folder : path-like
    made : collection of str
        Names of all that the run makes in the folder.

    Raises
    ------
    FileExistsError
    """
    foreign = {name for name in made if Path(folder, name).exists()} - _made(folder, made)
    settings = Path(folder, SETTINGS)
    # One of no bytes is what a full disk has left.
    if settings.exists() and settings.stat().st_size and not _is_ours(folder):
        foreign.add(SETTINGS)
    if foreign:
        raise FileExistsError(
            f"{folder} holds {', '.join(sorted(foreign)[:3])}, which this run would write to and "
            "no earlier one says it has made: give another --output_dir, or move it away"
        )


def check_output(
    folder: str | PathLike,
    settings: dict[str, Any],
    made: Collection[str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Refuse a folder that holds what is not this run's to go on with. Changes nothing.

    Parameters
    ----------
    folder : path-like
    settings : dict
    made : collection of str, optional
        Names of all that the run makes in the folder; by default the folder is its own as a whole.
    overwrite : bool
        Whether an earlier run may be replaced.

    Raises
    ------
    FileExistsError
        The folder holds a finished run, an interrupted one with other settings, or, as
        `check_names`, something of another kind.
    """
    if not overwrite and _written(folder) is not None:
        if Path(folder, RESULTS).exists():
            raise FileExistsError(
                f"{folder} holds a finished run ({RESULTS}); give another --output_dir, or "
                "--overwrite_output_dir true to replace it"
            )
        if changed := changed_settings(folder, settings):
            raise FileExistsError(
                f"{folder} holds an interrupted run with other settings ({', '.join(changed)}); "
                "give the same ones to go on, or --overwrite_output_dir true to start again"
            )
    check_names(folder, _listed(folder) if made is None else made)


def claim_output(
    folder: str | PathLike,
    settings: dict[str, Any],
    made: Collection[str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Take a folder for a run, once `check_output` and all other checks have passed.

    Parameters
    ----------
    folder, settings, made, overwrite
        As `check_output`. What earlier runs made is removed if they are replaced, and nothing else.
    """
    before = _made(folder, made or ())
    if overwrite:
        remove(Path(folder, name) for name in before)
        before = set()
    names = None if made is None else sorted({*made, *before})
    write_json(Path(folder, SETTINGS), settings | {MADE: names})


def end_training(folder: str | PathLike, logs: str | PathLike) -> None:
    """Remove the folder of a training's checkpoints, but keep what trackers have logged there.

    Parameters
    ----------
    folder : path-like
        With `checkpoint-<step>` and the logs; nothing is done if there is none.
    logs : path-like
        Folder that takes the logs; made if there are any.
    """
    if not Path(folder).is_dir():
        return
    for path in Path(folder).iterdir():
        if not path.name.startswith("checkpoint-"):
            place = Path(logs, path.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, place, dirs_exist_ok=True)
            else:
                shutil.copy2(path, place)
    shutil.rmtree(folder)


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


def write_checked(path: Path, content: dict[str, Any]) -> None:
    """Write JSON as `write_json`, with a checksum, so that a later start can rely on it."""
    write_json(path, content | {CHECKSUM: _checksum(content)})


def read_checked(path: Path) -> dict[str, Any]:
    """Read what `write_checked` wrote.

    Raises
    ------
    ValueError
        The file is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop(CHECKSUM) == _checksum(content):
            return content
    except (ValueError, KeyError, AttributeError):
        pass
    raise ValueError(
        f"{path} is damaged: bring it back, or give --overwrite_output_dir true to start again"
    )


def _checksum(content):
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
