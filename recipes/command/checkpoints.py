"""Names of models and recordings: a folder, a name on the Hub, or one of the phantom's."""

from collections.abc import Callable, Sequence
from pathlib import Path

from evaluate_metrics.reports import BASELINE
from modeling_braintune import check_model
from recipes.phantom import (
    MODELS,
    TEACHERS,
    phantom_data,
    phantom_model,
    phantom_tasks,
    phantom_teacher,
)

PHANTOM = "phantom"


def recordings_folder(data: str, say: Callable = lambda _: None) -> str:
    """Return where recordings are; the phantom's are made if need be.

    Parameters
    ----------
    data : str
        Folder, name on the Hub, or "phantom".
    say : callable
        Is told what was made.

    Returns
    -------
    str
        Folder or name on the Hub.
    """
    if data != PHANTOM:
        return data
    folder, made = phantom_data()
    say(f"{'Made' if made else 'Reusing'} the phantom recordings in {folder}")
    return str(folder)


def clips_folder(collection: str, data: str) -> str:
    """Return where a collection of clips is; the phantom's is made if need be.

    Parameters
    ----------
    collection : str
    data : str
        Folder, name on the Hub, or "phantom" for the collection of that name.

    Returns
    -------
    str
        Folder or name on the Hub.
    """
    return str(phantom_tasks()) if collection == data == PHANTOM else data


def checkpoint(name: str, say: Callable = lambda _: None) -> str:
    """Return where a model is, once it is known to be there; the phantom's are made if need be.

    Parameters
    ----------
    name : str
        Folder, name on the Hub, or one of the phantom's models or teachers.
    say : callable
        Is told what was made.

    Returns
    -------
    str
        Folder or name on the Hub.

    Raises
    ------
    FileNotFoundError, PermissionError, ConnectionError, ValueError
        As `check_model`.
    """
    if name in MODELS:
        folder, made = phantom_model(name)
    elif name in TEACHERS:
        folder, made = phantom_teacher(name)
    else:
        check_model(name)
        return name
    what = "pretrained model" if name in MODELS else "teacher"
    say(f"{'Made' if made else 'Reusing'} the {what} in {folder}")
    return str(folder)


def labelled(checkpoints: Sequence[str], baseline: str | None = None) -> dict[str, str]:
    """Return names of models by what reports call them, the baseline first.

    Parameters
    ----------
    checkpoints : list of str
        Folders or names on the Hub, called by the last part.
    baseline : str, optional

    Returns
    -------
    dict of {str: str}

    Raises
    ------
    ValueError
        There is none, or two would be called the same.
    """
    if not checkpoints:
        raise ValueError("checkpoints must name at least one model: give --checkpoints")
    names = {BASELINE: baseline} if baseline else {}
    names |= {Path(name).name: name for name in checkpoints}
    if len({BASELINE, *names}) <= len(checkpoints):
        raise ValueError(
            "checkpoints are told apart by the last part of their names, which must differ from "
            f"one another and from {BASELINE!r}; got {', '.join(checkpoints)}"
        )
    return names


def one_checkpoint(checkpoints: Sequence[str]) -> str:
    """Return the only model of a command that takes one.

    Raises
    ------
    ValueError
        There are more, or none.
    """
    if len(checkpoints) != 1:
        raise ValueError(f"checkpoints must name one model, got {', '.join(checkpoints) or 'none'}")
    return checkpoints[0]


def one_participant(participants: Sequence[str]) -> str:
    """Return the only participant of a command that takes one.

    Raises
    ------
    ValueError
        There are more.
    """
    if len(participants) != 1:
        raise ValueError(
            f"participants must name one at a time here, got {', '.join(participants)}"
        )
    return participants[0]
