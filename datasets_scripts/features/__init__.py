"""What of a story's sound needs no understanding, on the TR axis or frame by frame."""

from .low_level import check_phones, low_level_features
from .mel import fbank, frame_times, mfcc
from .phones import (
    ARTICULATORS,
    articulation,
    diphones,
    phone_inventory,
    triphones,
    unknown_labels,
)
from .power_spectrum import power_bands, power_spectrum

__all__ = [
    "ARTICULATORS",
    "articulation",
    "check_phones",
    "diphones",
    "fbank",
    "frame_times",
    "low_level_features",
    "mfcc",
    "phone_inventory",
    "power_bands",
    "power_spectrum",
    "triphones",
    "unknown_labels",
]
