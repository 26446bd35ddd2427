"""BIDS derivatives: stories, and where the voxels lie, of images in three kinds."""

from .runs import bids_participants
from .stories import (
    bids_anatomy,
    bids_brain_mask,
    bids_repeated,
    bids_shape,
    bids_sound_files,
    bids_source_files,
    bids_stories,
    bids_unusable,
    read_bids,
    read_bids_responses,
)

__all__ = [
    "bids_anatomy",
    "bids_brain_mask",
    "bids_participants",
    "bids_repeated",
    "bids_shape",
    "bids_sound_files",
    "bids_source_files",
    "bids_stories",
    "bids_unusable",
    "read_bids",
    "read_bids_responses",
]
