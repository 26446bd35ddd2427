"""Recordings and speech tasks with planted truth, spoken in an invented language."""

from .lexicon import CONTENT_WORDS, FUNCTION_WORDS
from .recordings import make_phantom, tell
from .speech import PHONES, SAMPLING_RATE
from .tasks import PHANTOM_TASKS, PhantomTasks, make_phantom_tasks

__all__ = [
    "CONTENT_WORDS",
    "FUNCTION_WORDS",
    "PHANTOM_TASKS",
    "PHONES",
    "SAMPLING_RATE",
    "PhantomTasks",
    "make_phantom",
    "make_phantom_tasks",
    "tell",
]
