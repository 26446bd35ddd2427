"""The folder layout of OpenNeuro ds003020 (LeBel et al. 2023, Scientific Data 10:555)."""

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import h5py
import nibabel
import numpy as np

from ..cortex import Anatomy, read_mask
from ..names import check_name, checked_stories
from ..story import (
    TAIL_TRS,
    UNSIMULATED_TRS,
    Story,
    StoryResponses,
    stored_trs,
    tr_midpoints,
)
from .annex import all_unfetched, check_there, fetching, unfetched
from .ds003020_anatomy import (
    ANATOMY_FILE,
    REGIONS_FILE,
    TRANSFORMS,
    derive_anatomy,
    read_json,
)
from .ds003020_anatomy import anatomy_files as shipped_anatomy
from .sound import check_lasts, recording_seconds, with_sound
from .tiers import read_phones_and_words
from .tr_times import read_tr_times

RAW_TRS = "derivative/respdict.json"
BEYOND_SCAN = 10.0  # seconds that a sound may go on after the scanner stopped
MOST_COMPRESSED = 200  # times; measured responses hardly compress at all


class TrAxis(NamedTuple):
    """The TRs of a story whose responses are stored.

    Parameters
    ----------
    tr_times : float64 array of shape (n_trs,)
        Midpoints in seconds from the start of the sound.
    tr : float
        Seconds per TR.
    raw_trs : int
        TRs that the scanner took.
    file : Path
        Where that is stated.
    """

    tr_times: np.ndarray
    tr: float
    raw_trs: int
    file: Path


def read_ds003020(
    root: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    *,
    tr: float = 2.0,
    tr_times: str | PathLike[str] | None = None,
) -> Iterator[Story]:
    """Read a participant's stories, one at a time.

    The arguments are checked at the call; each story is read when it is asked for.

    Parameters
    ----------
    root : path-like
        The data set's folder: it holds `stimuli/` and `derivative/`.
    participant : str
        Such as "UTS03".
    stories : list of str, optional
        Names in the order wanted. All that the participant heard, sorted, by default.
    tr : float
        Seconds per TR of the published time axis; see `tr_midpoints`.
    tr_times : path-like, optional
        Folder of exact TR times, `<story>.report`, that replace that axis, its TR and the TR
        counts; see `read_tr_axis`.

    Returns
    -------
    iterator of Story

    Raises
    ------
    FileNotFoundError
        `root` is no such folder, or files of the stories are missing or not fetched; the message
        lists them.
    TypeError
        `stories` is one name, not a list.
    ValueError
        An unknown participant or story, a story named twice, a TR that is not positive, a story
        without a usable TR count; while reading, a damaged file or one that disagrees with the
        others. The message names the file.
    """
    root = Path(root)
    check_there(source_files(root, participant, stories, tr_times=tr_times), participant, root)
    heard = read_responses(root, participant, stories, tr=tr, tr_times=tr_times)
    return (_with_sound(root, responses) for responses in heard)


def read_responses(
    root: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    *,
    tr: float = 2.0,
    tr_times: str | PathLike[str] | None = None,
    repeats: bool = True,
) -> Iterator[StoryResponses]:
    """Read a participant's responses, a story at a time, and nothing of what was heard.

    Parameters
    ----------
    root, participant, stories, tr, tr_times
        As `read_ds003020`.
    repeats : bool
        Also the single presentations of stories that were repeated.

    Returns
    -------
    iterator of StoryResponses

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        As `read_ds003020`, but for sounds and TextGrids.
    """
    if not tr > 0:
        raise ValueError(f"tr must be positive seconds, got {tr}")
    root = Path(root)
    stories = checked_stories(
        f"{participant} in {root}", stories, participant_stories(root, participant)
    )
    files = [responses_file(root, participant, story) for story in stories]
    counts = _counts(root, stories, tr_times)
    check_there([*files, *counts], participant, root)
    axes = [read_tr_axis(root, story, tr=tr, tr_times=tr_times) for story in stories]
    heard = (
        _read_responses(root, participant, story, axis, repeats)
        for story, axis in zip(stories, axes, strict=True)
    )
    return _of_one_width(files, heard)


def _of_one_width(files, heard):
    n_voxels = None
    for file, story in zip(files, heard, strict=True):
        own = story.responses.shape[1]
        n_voxels = n_voxels or own
        if own != n_voxels:
            raise ValueError(_other_width(file, own, files[0], n_voxels))
        yield story


def _other_width(file, n_voxels, other, others):
    return (
        f"{file} has {n_voxels} voxels, but {other} has {others}: the stories of a participant "
        "must have the same; one of the two is of another release or participant"
    )


def source_files(
    root: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    *,
    tr_times: str | PathLike[str] | None = None,
) -> list[Path]:
    """Every file that reading a participant's stories touches, whether it is there or not.

    Parameters
    ----------
    root, participant, stories, tr_times
        As `read_ds003020`.

    Returns
    -------
    list of Path
        Responses, recordings and TextGrids, TR counts or exact TR times.

    Raises
    ------
    FileNotFoundError
        `root` is no such folder.
    TypeError, ValueError
        As `read_ds003020` of `stories`.
    """
    root = Path(root)
    stories = checked_stories(
        f"{participant} in {root}", stories, participant_stories(root, participant)
    )
    files = [
        file
        for story in stories
        for file in (
            responses_file(root, participant, story),
            _recording_file(root, story),
            _textgrid_file(root, story),
        )
    ]
    return files + _counts(root, stories, tr_times)


def _counts(root, stories, tr_times):
    """Where TRs are counted."""
    return [root / RAW_TRS] if tr_times is None else [report(tr_times, s) for s in stories]


def sound_files(root: str | PathLike[str]) -> dict[str, tuple[Path, Path]]:
    """Every recording in `stimuli/` that has a TextGrid, whether they are fetched or not.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    dict of {story: (recording, TextGrid)}
        Paths.
    """
    root = Path(root)
    names = sorted(path.stem for path in (root / "stimuli").glob("[!.]*.wav"))
    files = {name: (_recording_file(root, name), _textgrid_file(root, name)) for name in names}
    return {name: pair for name, pair in files.items() if all(map(os.path.lexists, pair))}


def participants(root: str | PathLike[str]) -> list[str]:
    """Names of the participants, sorted.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    list of str

    Raises
    ------
    FileNotFoundError
        `root` is not laid out as ds003020.
    """
    folder = Path(root) / "derivative" / "preprocessed_data"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{root} is not a ds003020 folder: it should hold derivative/preprocessed_data/"
        )
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def participant_stories(root: str | PathLike[str], participant: str) -> list[str]:
    """Names of the stories that a participant's responses are stored for, sorted.

    Files that are not fetched yet count: no file is looked at.

    Parameters
    ----------
    root : path-like
    participant : str

    Returns
    -------
    list of str

    Raises
    ------
    FileNotFoundError
        `root` is not laid out as ds003020.
    ValueError
        Unknown participant, or one without any story.
    """
    check_name(f"participant in {root}", participant, participants(root))
    folder = Path(root) / "derivative" / "preprocessed_data" / participant
    stories = sorted(path.stem for path in folder.glob("[!.]*.hf5"))
    if not stories:
        raise ValueError(f"{folder} holds no responses (<story>.hf5)")
    return stories


def read_regions(
    root: str | PathLike[str], participant: str, n_voxels: int | None = None
) -> dict[str, np.ndarray]:
    """Voxels of each region, from the optional file `derivative/regions/<participant>.json`.

    Parameters
    ----------
    root : path-like
    participant : str
    n_voxels : int, optional
        How many voxels the responses have; by default a file of theirs is asked.

    Returns
    -------
    dict of str to int64 array of shape (n_region_voxels,)
        Empty where there is no such file.

    Raises
    ------
    FileNotFoundError
        `root` is not laid out as ds003020, or the file is not fetched yet.
    ValueError
        Unknown participant, or a region that is no list of voxel indices of this participant.
    """
    check_name(f"participant in {root}", participant, participants(root))
    path = regions_file(root, participant)
    if not os.path.lexists(path):
        return {}
    check_there([path], participant, root)
    n_voxels = n_voxels or count_voxels(root, participant)
    regions = read_json(path)
    for name, voxels in regions.items():
        if not isinstance(voxels, list) or not all(type(voxel) is int for voxel in voxels):
            raise ValueError(f"{path}: region {name!r} must be a list of whole numbers")
        wrong = [voxel for voxel in voxels if not 0 <= voxel < n_voxels]
        if wrong:
            raise ValueError(
                f"{path}: region {name!r} has {len(wrong)} indices outside 0 to {n_voxels - 1}, "
                f"got {wrong[:3]}"
            )
    return {name: np.array(voxels, dtype=np.int64) for name, voxels in regions.items()}


def voxel_mask(
    root: str | PathLike[str], participant: str, n_voxels: int | None = None
) -> nibabel.Nifti1Image | None:
    """Where the voxels lie, from the optional file `derivative/masks/<participant>.nii.gz`.

    Parameters
    ----------
    root : path-like
    participant : str
    n_voxels : int, optional
        As `read_regions`.

    Returns
    -------
    nibabel.Nifti1Image of shape (x, y, z), or None
        1 at the voxels, which are in C order, 0 elsewhere. None where there is no such file, or it
        is not fetched yet.

    Raises
    ------
    FileNotFoundError
        `root` is not laid out as ds003020.
    ValueError
        Unknown participant, or a mask that does not fit the responses.

    Warns
    -----
    UserWarning
        The file is not fetched yet.
    """
    check_name(f"participant in {root}", participant, participants(root))
    path = mask_file(root, participant)
    if not _for_maps(path, participant, root):
        return None
    inside, affine = read_mask(path, n_voxels or count_voxels(root, participant))
    return nibabel.Nifti1Image(inside.astype(np.uint8), affine)


def _for_maps(path, participant, root):
    """Whether a file that only maps need is there; a warning where it is not fetched yet."""
    waiting = all_unfetched([path])
    if waiting:
        warnings.warn(f"no maps: {fetching(waiting, participant, root)}", stacklevel=3)
    return os.path.lexists(path) and not waiting


def count_voxels(
    root: str | PathLike[str], participant: str, stories: Iterable[str] | None = None
) -> int:
    """How many voxels a participant's responses have, which the files' headers tell.

    Parameters
    ----------
    root : path-like
    participant : str
    stories : list of str, optional
        Those that must agree. By default the first that is fetched is asked, and no other.

    Returns
    -------
    int

    Raises
    ------
    FileNotFoundError
        `root` is not laid out as ds003020, or no responses are fetched.
    TypeError, ValueError
        As `read_ds003020` of `stories`; a file that is damaged, or has another number of voxels
        than most others.
    """
    root = Path(root)
    listed = participant_stories(root, participant)
    names = checked_stories(f"{participant} in {root}", stories, listed)
    files = {name: responses_file(root, participant, name) for name in names}
    if stories is None:
        names = [name for name in names if not unfetched(files[name])][:1]
    if not names:
        check_there(files.values(), participant, root)
    widths = {}
    for name in names:
        with open_responses(root, participant, name) as file:
            widths[name] = file["data"].shape[1]
    usual = Counter(widths.values()).most_common(1)[0][0]
    odd = next((name for name in names if widths[name] != usual), None)
    if odd is not None:
        like = next(name for name in names if widths[name] == usual)
        raise ValueError(_other_width(files[odd], widths[odd], files[like], usual))
    return usual


def participant_anatomy(
    root: str | PathLike[str],
    participant: str,
    n_voxels: int | None = None,
    atlas: Sequence[str | PathLike[str]] | None = None,
    atlas_spheres: Sequence[str | PathLike[str]] | None = None,
) -> Anatomy:
    """Where a participant's voxels lie: what a laboratory added, else what the data set ships.

    Without an atlas, `derivative/anatomy/<participant>.npz`, which `write_anatomy` writes, is taken
    where there is one that is fetched. Regions and a mask of the laboratory's own win over what
    these hold.

    Parameters
    ----------
    root, participant, n_voxels, atlas, atlas_spheres
        As `derive_anatomy`.

    Returns
    -------
    Anatomy

    Raises
    ------
    FileNotFoundError, ValueError
        As `derive_anatomy`, `Anatomy.load`, `read_regions` and `voxel_mask`; the kept anatomy is of
        another number of voxels.

    Warns
    -----
    UserWarning
        A file that a laboratory added is not fetched yet.
    """
    kept = anatomy_file(root, participant)
    if atlas is None and _for_maps(kept, participant, root):
        anatomy = Anatomy.load(kept)
        n_voxels = n_voxels or count_voxels(root, participant)
        if anatomy.n_voxels != n_voxels:
            raise ValueError(
                f"{kept}: an anatomy of {anatomy.n_voxels} voxels, but the responses of "
                f"{participant} have {n_voxels}"
            )
    else:
        anatomy = derive_anatomy(root, participant, n_voxels, atlas, atlas_spheres)
    mask = voxel_mask(root, participant, anatomy.n_voxels)
    regions = read_regions(root, participant, anatomy.n_voxels)
    if mask is not None:
        anatomy.mask = mask
    if regions:
        anatomy.regions, anatomy.atlas = regions, {}
        if anatomy.surface is not None:
            anatomy.surface.regions = {}
    return anatomy


def anatomy_files(root: str | PathLike[str], participant: str) -> dict[str, Path]:
    """Files that say where a participant's voxels lie, whether they are there or not.

    Parameters
    ----------
    root : path-like
    participant : str

    Returns
    -------
    dict of {str: Path}
        "regions", "voxels" and, if it is there, "anatomy", which a laboratory adds; "transforms",
        the table of transforms, and those that are derived from, once it is fetched: see
        `ds003020_anatomy.anatomy_files`.
    """
    table = Path(root) / TRANSFORMS
    own = {
        "regions": regions_file(root, participant),
        "voxels": mask_file(root, participant),
        "transforms": table,
    }
    kept = anatomy_file(root, participant)
    if os.path.lexists(kept):
        own["anatomy"] = kept
    return own | ({} if unfetched(table) else shipped_anatomy(root, participant))


def read_tr_axis(
    root: str | PathLike[str],
    story: str,
    *,
    tr: float = 2.0,
    tr_times: str | PathLike[str] | None = None,
) -> TrAxis:
    """Times of the TRs of a story whose responses are stored.

    The published axis is simulated from the TR count of `derivative/respdict.json` (see
    `tr_midpoints`). Exact TR times (see `read_tr_times`) replace it, the count and the TR: the TRs
    that are left are the same, all but the first ten and the last ten that the scanner took.

    Parameters
    ----------
    root : path-like
    story : str
    tr : float
        Seconds per TR of the published axis.
    tr_times : path-like, optional
        Folder that holds `<story>.report`.

    Returns
    -------
    TrAxis

    Raises
    ------
    FileNotFoundError
        There is no report of the story.
    ValueError
        No TR count of the story, one that is no whole number or leaves no TR, or a report that
        cannot be used. The message names the file.
    """
    if tr_times is None:
        file = Path(root) / RAW_TRS
        raw_trs = read_json(file).get(story)
        if type(raw_trs) is not int:
            raise ValueError(
                f"{file}: story {story!r} must have a whole number of TRs, got {raw_trs!r}"
            )
    else:
        file = report(tr_times, story)
        midpoints, tr = read_tr_times(file)
        raw_trs = len(midpoints)
    try:
        kept = stored_trs(raw_trs)
    except ValueError as error:
        raise ValueError(f"{file}: story {story!r}: {error}") from error
    times = tr_midpoints(raw_trs, tr) if tr_times is None else midpoints[kept]
    return TrAxis(times, tr, raw_trs, file)


def check_sound(
    root: str | PathLike[str],
    story: str,
    *,
    tr: float = 2.0,
    tr_times: str | PathLike[str] | None = None,
) -> None:
    """Refuse a sound that its TRs outlast, by the headers alone.

    Parameters
    ----------
    root, story, tr, tr_times
        As `read_tr_axis`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_tr_axis`, `recording_seconds` and `check_lasts`.

    Warns
    -----
    UserWarning
        The sound goes on long after the scanner stopped.
    """
    axis = read_tr_axis(root, story, tr=tr, tr_times=tr_times)
    recording = _recording_file(Path(root), story)
    seconds = recording_seconds(recording)
    check_lasts(seconds, story, axis.tr_times, axis.tr)
    scan_end = axis.tr_times[-1] + (0.5 + UNSIMULATED_TRS + TAIL_TRS) * axis.tr
    if seconds > scan_end + BEYOND_SCAN:
        warnings.warn(
            f"{recording}: the sound lasts {seconds:.1f} s, but by {axis.file} the scan ends at "
            f"{scan_end:.1f} s of it; is it that of another story?",
            stacklevel=2,
        )


@contextmanager
def open_responses(
    root: str | PathLike[str], participant: str, story: str, axis: TrAxis | None = None
) -> Iterator[h5py.File]:
    """Open a story's responses, to be read in part.

    Parameters
    ----------
    root : path-like
    participant, story : str
    axis : TrAxis, optional
        The TRs that the responses must have.

    Yields
    ------
    h5py.File
        With `data` of shape (n_trs, n_voxels) and, if the story was repeated,
        `individual_repeats` of shape (n_repeats, n_trs, n_voxels).

    Raises
    ------
    FileNotFoundError
        There is no such file, or it is not fetched yet.
    ValueError
        The file is truncated or not HDF5, has no `data`, values that are not numbers, or a shape
        that does not fit. The message names the file.
    """
    path = responses_file(root, participant, story)
    check_there([path], participant, Path(root))
    try:
        file = h5py.File(path)
    except OSError as error:
        raise ValueError(f"{path}: truncated, or not an HDF5 file ({error})") from error
    with file:
        _check_responses(path, file, axis)
        yield file


def _check_responses(path, file, axis):
    stored = sorted(file)
    if "data" not in stored:
        raise ValueError(f"{path}: no dataset 'data', got {stored}")
    for name in {"data", "individual_repeats"} & {*stored}:
        _check_own(path, file, name)
        if not isinstance(file[name], h5py.Dataset) or file[name].dtype.kind not in "fiu":
            raise ValueError(f"{path}: {name} must be an array of numbers, got {file[name]}")
        n_stored = file[name].id.get_storage_size()
        if file[name].nbytes > MOST_COMPRESSED * n_stored:
            raise ValueError(
                f"{path}: {name} claims {file[name].nbytes} bytes of values, of which {n_stored} "
                "are stored: they were never written, or are all alike"
            )
    shape = file["data"].shape
    if len(shape) != 2:
        raise ValueError(f"{path}: data must be (n_trs, n_voxels), got {shape}")
    if axis is not None and shape[0] != len(axis.tr_times):
        n_trs = len(axis.tr_times)
        raise ValueError(
            f"{path}: data must be ({n_trs} TRs, n_voxels), since {axis.file} counts "
            f"{axis.raw_trs} TRs of which {axis.raw_trs - n_trs} are trimmed; got {shape}"
            f"{', which is transposed' if shape[1] == n_trs else ''}"
        )
    if "individual_repeats" in file:
        repeats = file["individual_repeats"].shape
        if len(repeats) != 3 or not repeats[0] or repeats[1:] != shape:
            raise ValueError(
                f"{path}: individual_repeats must be (n_repeats, {shape[0]}, {shape[1]}) like "
                f"data, got {repeats}"
            )


def _check_own(path, file, name):
    """Refuse values that lie elsewhere: HDF5 lets a file show any other file of its reader's."""
    # Asked of the link, since a look at what it leads to opens that.
    kinds = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}
    kind = file.id.links.get_info(name.encode()).type
    values = file[name] if kind == h5py.h5l.TYPE_HARD else None
    if values is None:
        found = kinds.get(kind, "a link")
    elif isinstance(values, h5py.Dataset) and values.is_virtual:
        found = "a virtual data set, whose values are in other places"
    elif isinstance(values, h5py.Dataset) and values.external:
        found = f"external storage in {values.external[0][0]}"
    else:
        return
    raise ValueError(
        f"{path}: {name} is {found}; the values must stand in this file itself, so that nothing "
        "else is read in their place"
    )


def _read_responses(root, participant, name, axis, with_repeats):
    with open_responses(root, participant, name, axis) as file:
        repeats = file.get("individual_repeats") if with_repeats else None
        return StoryResponses(
            name=name,
            participant=participant,
            tr=axis.tr,
            tr_times=axis.tr_times,
            responses=_read_values(file["data"]),
            repeats=None if repeats is None else _read_values(repeats),
        )


def _with_sound(root, responses):
    phones, words = read_phones_and_words(_textgrid_file(root, responses.name))
    return with_sound(responses, _recording_file(root, responses.name), words, phones)


def _read_values(dataset):
    try:
        return dataset.astype(np.float32)[()]
    except OSError as error:
        raise ValueError(f"{dataset.file.filename}: {dataset.name} is damaged ({error})") from error


def responses_file(root: str | PathLike[str], participant: str, story: str) -> Path:
    """Where a participant's responses to a story lie, or would lie."""
    return Path(root) / "derivative" / "preprocessed_data" / participant / f"{story}.hf5"


def _recording_file(root, story):
    return root / "stimuli" / f"{story}.wav"


def _textgrid_file(root, story):
    return root / "derivative" / "TextGrids" / f"{story}.TextGrid"


def mask_file(root: str | PathLike[str], participant: str) -> Path:
    """Where a laboratory says where the voxels of a participant lie."""
    return Path(root) / "derivative" / "masks" / f"{participant}.nii.gz"


def anatomy_file(root: str | PathLike[str], participant: str) -> Path:
    """Where a laboratory's own anatomy of a participant lies, or would lie."""
    return Path(root) / ANATOMY_FILE.format(participant)


def regions_file(root: str | PathLike[str], participant: str) -> Path:
    """Where a participant's regions lie, or would lie."""
    return Path(root) / REGIONS_FILE.format(participant)


def report(folder: str | PathLike[str], story: str) -> Path:
    """Where the exact TR times of a story lie, or would lie."""
    return Path(folder) / f"{story}.report"
