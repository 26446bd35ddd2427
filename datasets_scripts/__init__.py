"""From recordings on disk to arrays on the TR axis."""

from .cortex.atlas import (
    LATE_LANGUAGE,
    REGIONS,
    project_regions,
    regions_from_annot,
    regions_from_labels,
    voxels_at,
    write_regions,
)
from .cortex.volumes import read_mask, write_surface, write_volume
from .features.low_level import low_level_features
from .features.mel import fbank, frame_times, mfcc
from .features.phones import (
    ARTICULATORS,
    PHONES,
    articulation,
    diphones,
    phone_inventory,
    triphones,
)
from .features.power_spectrum import power_bands, power_spectrum
from .lanczos import lanczos
from .noise_ceiling import noise_ceiling, select_voxels
from .permutation import permute_blocks
from .phantom.recordings import make_phantom
from .phantom.tasks import PHANTOM_TASKS, PhantomTasks, make_phantom_tasks
from .recordings.bids import bids_brain_mask, bids_stories, read_bids
from .recordings.ds003020 import participant_stories, read_ds003020, read_regions
from .recordings.listening import Listening
from .recordings.participant import Participant, open_participant
from .recordings.sound import read_recording, resample
from .recordings.textgrid import read_textgrid, write_textgrid
from .recordings.tr_times import read_tr_times
from .speech_tasks.crema_d import CremaD
from .speech_tasks.slurp import Slurp
from .speech_tasks.speech_commands import SpeechCommands
from .speech_tasks.timit import TIMIT_PHONES, Timit
from .story import Interval, Story, tr_midpoints
from .windows import (
    EvaluationWindows,
    JointWindows,
    TrainingWindows,
    cut,
    evaluation_windows,
    training_windows,
)

__all__ = [
    "ARTICULATORS",
    "LATE_LANGUAGE",
    "PHANTOM_TASKS",
    "PHONES",
    "REGIONS",
    "TIMIT_PHONES",
    "CremaD",
    "EvaluationWindows",
    "Interval",
    "JointWindows",
    "Listening",
    "Participant",
    "PhantomTasks",
    "Slurp",
    "SpeechCommands",
    "Story",
    "Timit",
    "TrainingWindows",
    "articulation",
    "bids_brain_mask",
    "bids_stories",
    "cut",
    "diphones",
    "evaluation_windows",
    "fbank",
    "frame_times",
    "lanczos",
    "low_level_features",
    "make_phantom",
    "make_phantom_tasks",
    "mfcc",
    "noise_ceiling",
    "open_participant",
    "participant_stories",
    "permute_blocks",
    "phone_inventory",
    "power_bands",
    "power_spectrum",
    "project_regions",
    "read_bids",
    "read_ds003020",
    "read_mask",
    "read_recording",
    "read_regions",
    "read_textgrid",
    "read_tr_times",
    "regions_from_annot",
    "regions_from_labels",
    "resample",
    "select_voxels",
    "tr_midpoints",
    "training_windows",
    "triphones",
    "voxels_at",
    "write_regions",
    "write_surface",
    "write_textgrid",
    "write_volume",
]
