"""What of a story's sound needs no understanding, on the TR axis or frame by frame."""

from .low_level import low_level_features
from .mel import fbank, frame_times, mfcc
from .phones import (
    ARTICULATORS,
    PHONES,
    articulation,
    diphones,
    is_silence,
    phone_inventory,
    triphones,
)
from .power_spectrum import power_bands, power_spectrum

__all__ = [
    "ARTICULATORS",
    "PHONES",
    "articulation",
    "diphones",
    "fbank",
    "frame_times",
    "is_silence",
    "low_level_features",
    "mfcc",
    "phone_inventory",
    "power_bands",
    "power_spectrum",
    "triphones",
]
