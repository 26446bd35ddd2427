"""A participant's anatomy, found once and kept beside the prepared recordings."""

import hashlib
import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import datasets
import nibabel

from ..cortex import Anatomy, write_voxels
from ..whole_files import made_by_one, written_whole
from .layouts import BIDS, DS003020

ANATOMY = "anatomy/{}.npz"  # also in a repository of prepared recordings
FORMAT = 1  # what is kept changes with it


def kept_anatomy(
    layout: DS003020 | BIDS,
    participant: str,
    n_voxels: int | None = None,
    *,
    atlas: Sequence[str] | None = None,
    atlas_spheres: Sequence[str] | None = None,
    stories: list[str] | None = None,
    cache_dir: str | PathLike[str] | None = None,
) -> tuple[Anatomy, Path]:
    """Find where a participant's voxels lie, unless that is kept from before.

    It is found anew when a file that it follows from changes, and each time where it is read
    from the images themselves, as for BIDS derivatives.

    Parameters
    ----------
    layout : DS003020 or BIDS
    participant : str
    n_voxels, atlas, atlas_spheres, stories
        As the layout's `anatomy`.
    cache_dir : path-like, optional
        Instead of the cache of `datasets`.

    Returns
    -------
    anatomy : Anatomy
    folder : Path
        Where it is kept, if it is: what `write_anatomy` writes.

    Raises
    ------
    FileNotFoundError, ValueError
        As the layout's `anatomy`.
    """
    given = [Path(path) for path in (*(atlas or ()), *(atlas_spheres or ()))]
    followed = layout.anatomy_files(participant).values()
    state = [
        (str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns)
        for file in (*followed, *given)
        if file.is_file()
    ]
    said = json.dumps([FORMAT, str(layout.root.absolute()), len(atlas or ()), n_voxels, state])
    key = hashlib.sha256(said.encode()).hexdigest()[:16]
    cache = Path(cache_dir or datasets.config.HF_DATASETS_CACHE)
    folder = cache / "listening_anatomy" / f"{participant}-{key}"
    path = folder / ANATOMY.format(participant)
    if followed and path.is_file():
        return Anatomy.load(path), folder

    def found():
        return layout.anatomy(participant, n_voxels, atlas, atlas_spheres, stories)

    if not followed:
        return found(), folder
    with made_by_one(folder, f"the anatomy of {participant}"):
        if path.is_file():  # by now
            return Anatomy.load(path), folder
        anatomy = found()
        write_anatomy(anatomy, participant, folder)
    return anatomy, folder


def write_anatomy(anatomy: Anatomy, participant: str, folder: str | PathLike[str]) -> list[Path]:
    """Write where a participant's voxels lie.

    Parameters
    ----------
    anatomy : Anatomy
    participant : str
    folder : path-like
        Made if need be.

    Returns
    -------
    list of Path
        `regions/<participant>.json` and `masks/<participant>.nii.gz`, as far as they are known,
        which are read from the `derivative/` of a folder laid out as ds003020; and all of it, as
        maps need it, in `anatomy/<participant>.npz`.
    """
    folder, paths = Path(folder), []
    if anatomy.regions:
        paths.append(folder / f"regions/{participant}.json")
        write_voxels(paths[-1], anatomy.regions, anatomy.n_voxels)
    if anatomy.mask is not None:
        paths.append(folder / f"masks/{participant}.nii.gz")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        with written_whole(paths[-1]) as partial:
            nibabel.save(anatomy.mask, partial)
    paths.append(folder / ANATOMY.format(participant))  # the last: what is kept is whole with it
    paths[-1].parent.mkdir(parents=True, exist_ok=True)
    anatomy.save(paths[-1])
    return paths
