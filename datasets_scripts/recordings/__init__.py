"""Files of recordings, in the layouts that laboratories keep them in, and prepared ones."""

from .annex import Unfetched, all_unfetched, get_command
from .bids import bids_brain_mask, bids_stories, read_bids
from .ds003020 import participant_stories, read_ds003020, read_regions
from .inventory import Inventory, ParticipantFiles, StoryFiles, take_inventory
from .kept_anatomy import ANATOMY, kept_anatomy, write_anatomy
from .layouts import BIDS, DS003020, find_layout
from .listening import STORIES, Listening, fetched_stories
from .other_listeners import other_listeners
from .participant import (
    HUB_NAME,
    PROVENANCE,
    Participant,
    check_recordings,
    is_folder,
    open_participant,
)
from .prepared import Prepared, prepare_stories
from .sound import read_recording, resample
from .textgrid import read_textgrid, write_textgrid
from .tr_times import read_tr_times

__all__ = [
    "ANATOMY",
    "BIDS",
    "DS003020",
    "HUB_NAME",
    "PROVENANCE",
    "STORIES",
    "Inventory",
    "Listening",
    "Participant",
    "ParticipantFiles",
    "Prepared",
    "StoryFiles",
    "Unfetched",
    "all_unfetched",
    "bids_brain_mask",
    "bids_stories",
    "check_recordings",
    "fetched_stories",
    "find_layout",
    "get_command",
    "is_folder",
    "kept_anatomy",
    "open_participant",
    "other_listeners",
    "participant_stories",
    "prepare_stories",
    "read_bids",
    "read_ds003020",
    "read_recording",
    "read_regions",
    "read_textgrid",
    "read_tr_times",
    "resample",
    "take_inventory",
    "write_anatomy",
    "write_textgrid",
]
