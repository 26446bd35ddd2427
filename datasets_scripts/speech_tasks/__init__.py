"""Collections of labelled clips that layers are probed with."""

from .clips import LOW_LEVEL, SPLITS, mean_spectra, open_clips, sounds, task_name
from .crema_d import CremaD
from .slurp import Slurp
from .speech_commands import SpeechCommands
from .speech_task import INTERVALS, Clip, SpeechTask, read_json_lines, require
from .timit import TIMIT_PHONES, Timit
from .transcripts import UNITS, TranscribedClips, transcripts

__all__ = [
    "INTERVALS",
    "LOW_LEVEL",
    "SPLITS",
    "TIMIT_PHONES",
    "UNITS",
    "Clip",
    "CremaD",
    "Slurp",
    "SpeechCommands",
    "SpeechTask",
    "Timit",
    "TranscribedClips",
    "mean_spectra",
    "open_clips",
    "read_json_lines",
    "require",
    "sounds",
    "task_name",
    "transcripts",
]
