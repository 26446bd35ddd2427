"""The folder layouts that recordings come in: each answers the same questions.

`holds(root)` says whether a folder is in the layout; `trims`, what is left out of a scan;
`participants()` and `stories(participant)`, what is listed, whether it is fetched or not.

Of a participant's stories, all or those that are named: `files`, all that reading them needs;
`n_voxels`, which refuses named stories that differ; `repeated_stories`, those heard repeatedly;
`read_responses`, an iterator of StoryResponses, for which no sound is decoded. Of one story:
`response_files`, from which alone its responses are read, and `timing`, what else they depend on,
with "n_trs" where the TRs are counted elsewhere; `check_story`, which refuses what by the headers
does not fit the TRs; `unusable`, why it is passed over unless it is named, or None; `shape`,
how much there is of it by the headers alone. `sound_files()` gives {story: (recording, TextGrid)},
fetched or not.

`anatomy` says where the voxels lie, for which it reads `anatomy_files`, of which an atlas needs
`files_under_an_atlas`; `mask_name` is the file that decides on the order of voxels, None where the
responses themselves do.
"""

import inspect
import os
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from ..cortex import Anatomy
from ..story import LEAD_TRS, TAIL_TRS, UNSIMULATED_TRS, StoryResponses, StoryShape
from . import bids, ds003020, ds003020_anatomy
from .annex import unfetched


class DS003020:
    """The layout of OpenNeuro ds003020.

    Parameters
    ----------
    root : path-like
    tr, tr_times
        As `read_ds003020`.
    """

    name = "ds003020"

    def __init__(
        self,
        root: str | PathLike[str],
        tr: float = 2.0,
        tr_times: str | PathLike[str] | None = None,
    ) -> None:
        self.root, self._tr, self._tr_times = Path(root), tr, tr_times

    @staticmethod
    def holds(root: str | PathLike[str]) -> bool:
        return (Path(root) / "derivative" / "preprocessed_data").is_dir()

    @property
    def trims(self) -> dict[str, float]:
        return {"lead_trs": LEAD_TRS, "tail_trs": UNSIMULATED_TRS + TAIL_TRS}

    def participants(self) -> list[str]:
        return ds003020.participants(self.root)

    def stories(self, participant: str) -> list[str]:
        return ds003020.participant_stories(self.root, participant)

    def repeated_stories(self, participant: str, stories: list[str] | None = None) -> list[str]:
        repeated = []
        for story in self.stories(participant) if stories is None else stories:
            if stories is None and unfetched(self.response_files(participant, story)[0]):
                continue
            with ds003020.open_responses(self.root, participant, story) as file:
                if "individual_repeats" in file:
                    repeated.append(story)
        return repeated

    def n_voxels(self, participant: str, stories: list[str] | None = None) -> int:
        return ds003020.count_voxels(self.root, participant, stories)

    def anatomy(
        self,
        participant: str,
        n_voxels: int | None = None,
        atlas: Sequence[str] | None = None,
        atlas_spheres: Sequence[str] | None = None,
        stories: list[str] | None = None,
    ) -> Anatomy:
        return ds003020.participant_anatomy(self.root, participant, n_voxels, atlas, atlas_spheres)

    def files_under_an_atlas(self, participant: str) -> list[Path]:
        return ds003020_anatomy.needed_by_an_atlas(
            ds003020_anatomy.anatomy_files(self.root, participant)
        )

    def mask_name(self, participant: str) -> str:
        own = ds003020.mask_file(self.root, participant)
        if own.is_file():
            return str(own)
        return f"the transposed {ds003020.anatomy_files(self.root, participant).get('mask')}"

    def files(self, participant: str, stories: list[str] | None = None) -> list[Path]:
        files = ds003020.source_files(self.root, participant, stories, tr_times=self._tr_times)
        regions = ds003020.regions_file(self.root, participant)  # decide on the voxels of a run
        return files + [regions] if os.path.lexists(regions) else files

    def response_files(self, participant: str, story: str) -> list[Path]:
        reports = [] if self._tr_times is None else [ds003020.report(self._tr_times, story)]
        return [ds003020.responses_file(self.root, participant, story), *reports]

    def timing(self, participant: str, story: str) -> dict[str, float]:
        axis = ds003020.read_tr_axis(self.root, story, tr=self._tr, tr_times=self._tr_times)
        return {"tr": axis.tr, "n_trs": len(axis.tr_times)}

    def check_story(self, participant: str, story: str) -> None:
        self.shape(participant, story)  # refuses responses that do not fit the TRs
        ds003020.check_sound(self.root, story, tr=self._tr, tr_times=self._tr_times)

    def unusable(self, participant: str, story: str) -> str | None:
        if self._tr_times is not None:
            report = ds003020.report(self._tr_times, story)
            if not os.path.lexists(report):
                return f"there is no report of its TR times, {report}"
        return None

    def read_responses(
        self, participant: str, stories: list[str] | None, repeats: bool = True
    ) -> Iterator[StoryResponses]:
        return ds003020.read_responses(
            self.root,
            participant,
            stories,
            tr=self._tr,
            tr_times=self._tr_times,
            repeats=repeats,
        )

    def shape(self, participant: str, story: str) -> StoryShape:
        axis = ds003020.read_tr_axis(self.root, story, tr=self._tr, tr_times=self._tr_times)
        with ds003020.open_responses(self.root, participant, story, axis) as file:
            n_trs, n_voxels = file["data"].shape
            repeats = file.get("individual_repeats", ())
            return StoryShape(n_trs, n_voxels, len(repeats))

    def anatomy_files(self, participant: str) -> dict[str, Path]:
        return ds003020.anatomy_files(self.root, participant)

    def sound_files(self) -> dict[str, tuple[Path, Path]]:
        return ds003020.sound_files(self.root)


class BIDS:
    """BIDS derivatives: volumes, surfaces or grayordinates.

    Parameters
    ----------
    root : path-like
    space, res, lead, confounds, high_pass
        As `read_bids`.
    """

    name = "bids"

    def __init__(
        self,
        root: str | PathLike[str],
        space: str | None = None,
        res: str | None = None,
        lead: float = 10.0,
        confounds: Sequence[str] = (),
        high_pass: float | None = None,
    ) -> None:
        self.root, self._lead = Path(root), lead
        self._images: dict[str, Any] = {"space": space, "res": res}
        self._confounds, self._high_pass = confounds, high_pass

    @staticmethod
    def holds(root: str | PathLike[str]) -> bool:
        return bool(bids.bids_participants(root))

    @property
    def trims(self) -> dict[str, float]:
        return {"lead_seconds": self._lead}

    def participants(self) -> list[str]:
        return bids.bids_participants(self.root)

    def stories(self, participant: str) -> list[str]:
        return bids.bids_stories(self.root, participant, **self._images)

    def repeated_stories(self, participant: str, stories: list[str] | None = None) -> list[str]:
        repeated = bids.bids_repeated(self.root, participant, **self._images)
        return [story for story in repeated if stories is None or story in stories]

    def n_voxels(self, participant: str, stories: list[str] | None = None) -> int:
        return bids.bids_anatomy(self.root, participant, stories=stories, **self._images).n_voxels

    def anatomy(
        self,
        participant: str,
        n_voxels: int | None = None,
        atlas: Sequence[str] | None = None,
        atlas_spheres: Sequence[str] | None = None,
        stories: list[str] | None = None,
    ) -> Anatomy:
        if atlas_spheres:
            raise ValueError(
                "atlas_spheres: in BIDS derivatives an atlas is in the space of the images, got "
                f"{' '.join(map(str, atlas_spheres))}"
            )
        return bids.bids_anatomy(self.root, participant, atlas, **self._images, stories=stories)

    def files_under_an_atlas(self, participant: str) -> list[Path]:
        return []

    def mask_name(self, participant: str) -> None:
        return None

    def files(self, participant: str, stories: list[str] | None = None) -> list[Path]:
        return bids.bids_source_files(
            self.root, participant, stories, **self._images, confounds=self._confounds
        )

    def response_files(self, participant: str, story: str) -> list[Path]:
        # How long a sound is decides on the TRs.
        return bids.bids_source_files(
            self.root,
            participant,
            [story],
            **self._images,
            confounds=self._confounds,
            words=False,
        )

    def timing(self, participant: str, story: str) -> dict[str, float]:
        return {}

    def check_story(self, participant: str, story: str) -> None:
        """Nothing: the TRs that are kept end by the end of the sound."""

    def unusable(self, participant: str, story: str) -> str | None:
        return bids.bids_unusable(self.root, participant, story, **self._images, lead=self._lead)

    def read_responses(
        self, participant: str, stories: list[str] | None, repeats: bool = True
    ) -> Iterator[StoryResponses]:
        # Repeats are what the responses are the mean of: they are read in any case.
        return bids.read_bids_responses(
            self.root,
            participant,
            stories,
            **self._images,
            lead=self._lead,
            confounds=self._confounds,
            high_pass=self._high_pass,
        )

    def shape(self, participant: str, story: str) -> StoryShape:
        return bids.bids_shape(self.root, participant, story, **self._images, lead=self._lead)

    def anatomy_files(self, participant: str) -> dict[str, Path]:
        return {}

    def sound_files(self) -> dict[str, tuple[Path, Path]]:
        return bids.bids_sound_files(self.root)


LAYOUTS = (DS003020, BIDS)


def find_layout(
    root: str | PathLike[str], options: dict[str, Any] | None = None
) -> DS003020 | BIDS:
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
            taken = [name for name in inspect.signature(layout).parameters if name != "root"]
            for option in options:
                if option not in taken:
                    raise ValueError(
                        f"{root} is in the layout {layout.name}: it takes {', '.join(taken)}, got "
                        f"{option!r}"
                    )
            return layout(root, **options)
    raise FileNotFoundError(
        f"{root} is not a ds003020 folder, which would hold derivative/preprocessed_data/, and "
        "holds no BIDS derivatives, which would lie in sub-*/func/"
    )
