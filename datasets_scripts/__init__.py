"""From recordings on disk to arrays on the TR axis."""

from .ds003020 import participant_stories, read_ds003020, read_regions
from .lanczos import lanczos
from .noise_ceiling import noise_ceiling, select_voxels
from .permutation import permute_blocks
from .phantom import make_phantom
from .recordings import read_recording, resample
from .story import Story, tr_midpoints
from .textgrid import Interval, read_textgrid, write_textgrid
from .windows import TrainingWindows, cut, evaluation_windows, training_windows

__all__ = [
    "Interval",
    "Story",
    "TrainingWindows",
    "cut",
    "evaluation_windows",
    "lanczos",
    "make_phantom",
    "noise_ceiling",
    "participant_stories",
    "permute_blocks",
    "read_ds003020",
    "read_recording",
    "read_regions",
    "read_textgrid",
    "resample",
    "select_voxels",
    "tr_midpoints",
    "training_windows",
    "write_textgrid",
]
