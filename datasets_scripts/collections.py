"""Which collection of clips has which tasks, and what builds its clips."""

from collections.abc import Callable, Iterable
from functools import partial

from .phantom import PHANTOM_TASKS, PhantomTasks
from .speech_tasks import LOW_LEVEL, CremaD, Slurp, SpeechCommands, SpeechTask, Timit

Builder = Callable[..., SpeechTask]

_SENTENCES: Builder = partial(PhantomTasks, kind="sentences")
_WORDS: Builder = partial(PhantomTasks, kind="words")
# Of every collection, its tasks from acoustic to semantic and the builder of the clips for each.
COLLECTIONS: dict[str, dict[str, Builder]] = {
    "phantom": dict.fromkeys([*LOW_LEVEL, *PHANTOM_TASKS], _SENTENCES) | {"word": _WORDS},
    "timit": dict.fromkeys([*LOW_LEVEL, "phones_present", "sentence_type"], Timit),
    "slurp": {"action": Slurp},
    "speech_commands": {"word": SpeechCommands},
    "crema_d": {"emotion": CremaD},
}
TASKS = {
    f"{collection}/{task}": builder
    for collection, tasks in COLLECTIONS.items()
    for task, builder in tasks.items()
}
# Collections that say which phones and words are spoken, with the builder of the clips
TRANSCRIBED: dict[str, Builder] = {"phantom": _SENTENCES, "timit": Timit}


def collection_of(task: str) -> str:
    """Return the collection of a task: "phantom" of "phantom/mood"."""
    return task.partition("/")[0]


def tasks_by_clips(names: Iterable[str]) -> dict[tuple[str, Builder], list[str]]:
    """Group tasks that share their clips.

    Parameters
    ----------
    names : iterable of str
        Collections, all of whose tasks are taken, or keys of `TASKS`.

    Returns
    -------
    dict of {(collection, builder): list of keys of `TASKS`}
        Each task once.
    """
    groups: dict[tuple[str, Builder], dict[str, None]] = {}
    for name in names:
        for task, builder in TASKS.items():
            if name in (task, collection_of(task)):
                groups.setdefault((collection_of(task), builder), {})[task] = None
    return {clips: list(tasks) for clips, tasks in groups.items()}
