"""A participant's scans: images of three kinds that answer alike, chosen by space."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import nibabel
import numpy as np

from ...names import check_name
from .entities import entities, numbered, suffix
from .grayordinates import GrayordinateScan
from .surfaces import SurfaceScan
from .volumes import VolumeScan

# Entities by which two images of one run may differ.
RENDERING = {"space", "res", "den", "desc", "hemi"}
NATIVE = "func"  # what fMRIPrep calls the scanner's own space, which names leave out


class Places(Protocol):
    """Where the voxels of scans lie: in a volume, on a surface, or among grayordinates."""

    @property
    def n_voxels(self) -> int: ...

    @property
    def mask(self) -> nibabel.Nifti1Image | None:
        """1 at the voxels, which are in C order; None where they are no volume's."""

    @property
    def fsaverage5(self) -> np.ndarray | None:
        """The voxel of each vertex of fsaverage5, (20484,), left first; None where not known."""

    def regions(self, atlas: Sequence[str | Path]) -> dict[str, np.ndarray]:
        """Voxels of each region of `REGIONS`, from the files of an atlas."""


class Scan(Protocol):
    """A scan in one kind of images."""

    pattern: ClassVar[str]
    path: Path
    sidecar: Path
    """Where its own JSON would be."""

    def __init__(self, path: Path) -> None: ...

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is read of it."""

    @property
    def place_files(self) -> tuple[Path, ...]:
        """Those besides the scan that say where its voxels lie."""

    @property
    def n_trs(self) -> int: ...

    @property
    def header_tr(self) -> float | None:
        """Seconds per TR by the image's header; None where it does not say."""

    @staticmethod
    def places(scans: Sequence[Any], space: str) -> Places:
        """The voxels that all scans of a participant share."""

    def read(self, places: Any) -> np.ndarray:
        """What the scanner saw at those voxels, (n_trs, n_voxels) in float32."""


KINDS: tuple[type[Scan], ...] = (VolumeScan, SurfaceScan, GrayordinateScan)


def find_scans(
    folders: Iterable[Path], space: str | None, res: str | None, whose: str
) -> list[Scan]:
    """Scans in one space, of tasks but rest, sorted by path.

    Parameters
    ----------
    folders : iterable of Path
        A participant's, in the pipelines.
    space, res : str or None
        Which of the images; the only ones by default.
    whose : str
        Whose scans they are, as messages say it.

    Returns
    -------
    list of Scan

    Raises
    ------
    FileNotFoundError
        There are none.
    ValueError
        Several spaces or resolutions of which none is chosen, one that is not there, or two
        images of one run.
    """
    # `**` stands for a session, or for none; a scan on a surface stands by its left hemisphere.
    found = {
        path.with_name(path.name.replace("_hemi-R", "_hemi-L")): kind
        for kind in KINDS
        for folder in folders
        for path in folder.glob(f"**/func/{kind.pattern}")
        if suffix(path) in ("bold", "")
    }
    paths = [p for p in sorted(found) if not entities(p).get("task", "").startswith("rest")]
    if not paths:
        raise FileNotFoundError(
            f"{whose} has no images of a task: func/*_desc-preproc_bold.nii.gz, "
            "func/*_hemi-L*_bold.func.gii or func/*_bold.dtseries.nii"
        )
    paths = _chosen(paths, "space", space, space_of, whose)
    res = None if res is None else numbered(str(res))
    paths = _chosen(paths, "res", res, _resolution, f"{whose}, space {space_of(paths[0])}")
    _check_one_image_per_run(paths)
    return [found[path](path) for path in paths]


def space_of(path: Path) -> str:
    """The space that an image is in; "func" where its name does not say."""
    return entities(path).get("space", NATIVE)


def _resolution(path):
    named = entities(path)
    return named.get("res", named.get("den", "none"))


def _chosen(paths, option, wanted, value_of, whose):
    values = sorted(set(map(value_of, paths)))
    if wanted is None and len(values) > 1:
        plural = {"space": "spaces", "res": "resolutions"}[option]
        raise ValueError(f"{whose} has several {plural}; set {option} to one of {values}")
    if wanted is not None:
        check_name(f"{option} of {whose}", wanted, values)
    return [path for path in paths if wanted in (None, value_of(path))]


def _check_one_image_per_run(paths):
    seen = {}
    for path in paths:
        run = frozenset(item for item in entities(path).items() if item[0] not in RENDERING)
        if run in seen:
            raise ValueError(
                f"{seen[run]} and {path} are images of one run; give the folder of one pipeline "
                "as root, and keep one of them there"
            )
        seen[run] = path
