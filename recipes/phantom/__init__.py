"""The phantom on this machine: its recordings, speech models and teachers.

All are made on first use and kept in the Hugging Face cache.
"""

from .data import phantom_data, phantom_tasks
from .models import MODELS, phantom_model
from .teachers import TEACHERS, phantom_teacher

__all__ = [
    "MODELS",
    "TEACHERS",
    "phantom_data",
    "phantom_model",
    "phantom_tasks",
    "phantom_teacher",
]
