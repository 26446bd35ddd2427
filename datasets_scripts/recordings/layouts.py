"""The folder layouts that recordings come in: each answers the same questions.

`participants()`; of a participant `stories`, `repeated_stories`, `n_voxels`, `regions`, `mask` (an
image, or None), `files` (every source file) and `read` (an iterator of Story); `sound_files()`,
{story: (recording, TextGrid)}, whose TextGrids `read_phones_and_words` reads; `trims`, what is left
out of a scan.
"""

from pathlib import Path

import numpy as np

from ..story import LEAD_TRS, TAIL_TRS, UNSIMULATED_TRS
from . import bids, ds003020


class DS003020:
    """The layout of OpenNeuro ds003020.

    Parameters
    ----------
    root : path-like
    tr, tr_times
        As `read_ds003020`.
    """

    name = "ds003020"

    def __init__(self, root, tr=2.0, tr_times=None):
        self.root, self._time = Path(root), {"tr": tr, "tr_times": tr_times}

    @staticmethod
    def holds(root):
        return (Path(root) / "derivative" / "preprocessed_data").is_dir()

    @property
    def trims(self):
        return {"lead_trs": LEAD_TRS, "tail_trs": UNSIMULATED_TRS + TAIL_TRS}

    def participants(self):
        return ds003020.participants(self.root)

    def stories(self, participant):
        return ds003020.participant_stories(self.root, participant)

    def repeated_stories(self, participant):
        repeated = []
        for story in self.stories(participant):
            with ds003020.open_responses(self.root, participant, story) as file:
                if "individual_repeats" in file:
                    repeated.append(story)
        return repeated

    def n_voxels(self, participant):
        first = self.stories(participant)[0]
        with ds003020.open_responses(self.root, participant, first) as file:
            return file["data"].shape[-1]

    def regions(self, participant):
        return ds003020.read_regions(self.root, participant)

    def mask(self, participant):
        return ds003020.voxel_mask(self.root, participant)

    def files(self, participant):
        tr_times = self._time["tr_times"]
        return ds003020.source_files(self.root, participant, tr_times=tr_times)

    def read(self, participant, stories):
        return ds003020.read_ds003020(self.root, participant, stories, **self._time)

    def sound_files(self):
        return ds003020.sound_files(self.root)

    read_phones_and_words = staticmethod(ds003020.read_phones_and_words)


class BIDS:
    """BIDS derivatives in NIfTI.

    Parameters
    ----------
    root : path-like
    space, lead
        As `read_bids`.
    """

    name = "bids"

    def __init__(self, root, space=None, lead=10.0):
        self.root, self._space, self._lead = Path(root), space, lead

    @staticmethod
    def holds(root):
        return bool(bids.bids_participants(root))

    @property
    def trims(self):
        return {"lead_seconds": self._lead}

    def participants(self):
        return bids.bids_participants(self.root)

    def stories(self, participant):
        return bids.bids_stories(self.root, participant, self._space)

    def repeated_stories(self, participant):
        return bids.bids_repeated(self.root, participant, self._space)

    def n_voxels(self, participant):
        return int(np.count_nonzero(self.mask(participant).dataobj))

    def regions(self, participant):
        return {}

    def mask(self, participant):
        return bids.bids_brain_mask(self.root, participant, self._space)

    def files(self, participant):
        return bids.bids_source_files(self.root, participant, space=self._space)

    def read(self, participant, stories):
        space, lead = self._space, self._lead
        return bids.read_bids(self.root, participant, stories, space=space, lead=lead)

    def sound_files(self):
        return bids.bids_sound_files(self.root)

    read_phones_and_words = staticmethod(bids.read_phones_and_words)


LAYOUTS = (DS003020, BIDS)


def find_layout(root, options=None):
    """The layout that a folder of recordings is in.

    Parameters
    ----------
    root : path-like
    options : dict, optional
        Of that layout.

    Returns
    -------
    DS003020 or BIDS

    Raises
    ------
    FileNotFoundError
        There is no such folder, or it is in none of the layouts.
    ValueError
        An option that the layout does not have.
    """
    root, options = Path(root), options or {}
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root} with recordings")
    for layout in LAYOUTS:
        if layout.holds(root):
            try:
                return layout(root, **options)
            except TypeError as error:
                raise ValueError(f"{root} is in the layout {layout.name}: {error}") from error
    raise FileNotFoundError(
        f"{root} is not a ds003020 folder, which would hold derivative/preprocessed_data/, and "
        "holds no BIDS derivatives, sub-*/func/*_desc-preproc_bold.nii.gz"
    )
