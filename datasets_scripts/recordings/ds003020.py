"""The folder layout of OpenNeuro ds003020 (LeBel et al. 2023, Scientific Data 10:555)."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import h5py
import nibabel
import numpy as np

from ..cortex import read_mask
from ..names import check_name, checked_stories
from ..story import Story, StoryResponses, stored_trs, tr_midpoints
from .sound import with_sound
from .tiers import read_phones_and_words
from .tr_times import read_tr_times

RAW_TRS = "derivative/respdict.json"


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
        `root` is no such folder, or files of the stories are missing; the message lists them.
    TypeError
        `stories` is one name, not a list.
    ValueError
        An unknown participant or story, a story named twice, a TR that is not positive, a story
        without a usable TR count; while reading, a damaged file or one that disagrees with the
        others. The message names the file.
    """
    root = Path(root)
    source_files(root, participant, stories, tr_times=tr_times)  # refuses what is not there
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
    _check_present(participant, [_responses_file(root, participant, s) for s in stories])
    axes = [read_tr_axis(root, story, tr=tr, tr_times=tr_times) for story in stories]
    return (
        _read_responses(root, participant, story, axis, repeats)
        for story, axis in zip(stories, axes, strict=True)
    )


def source_files(
    root: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    *,
    tr_times: str | PathLike[str] | None = None,
) -> list[Path]:
    """Every file that reading a participant's stories and regions touches.

    Parameters
    ----------
    root, participant, stories, tr_times
        As `read_ds003020`.

    Returns
    -------
    list of Path
        Responses, recordings and TextGrids, TR counts or exact TR times, and those of the
        optional regions and mask that exist.

    Raises
    ------
    FileNotFoundError
        `root` is no such folder, or needed files are missing; the message lists them.
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
            _responses_file(root, participant, story),
            _recording_file(root, story),
            _textgrid_file(root, story),
        )
    ]
    files += [root / RAW_TRS] if tr_times is None else [_report(tr_times, s) for s in stories]
    _check_present(participant, files)
    optional = [_regions_file(root, participant), _mask_file(root, participant)]
    return files + [file for file in optional if file.is_file()]


def _check_present(participant, files):
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise FileNotFoundError(f"files of {participant} are missing: {', '.join(missing)}")


def sound_files(root: str | PathLike[str]) -> dict[str, tuple[Path, Path]]:
    """Every recording in `stimuli/` that has a TextGrid.

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
    return {name: pair for name, pair in files.items() if all(file.is_file() for file in pair)}


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


def read_regions(root: str | PathLike[str], participant: str) -> dict[str, np.ndarray]:
    """Voxels of each region, from the optional file `derivative/regions/<participant>.json`.

    Parameters
    ----------
    root : path-like
    participant : str

    Returns
    -------
    dict of str to int64 array of shape (n_region_voxels,)
        Empty where there is no such file.

    Raises
    ------
    FileNotFoundError
        `root` is not laid out as ds003020.
    ValueError
        Unknown participant, or a region that is no list of voxel indices of this participant.
    """
    story = participant_stories(root, participant)[0]
    path = _regions_file(root, participant)
    if not path.exists():
        return {}
    with open_responses(root, participant, story) as file:
        n_voxels = file["data"].shape[1]
    regions = _read_json(path)
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


def voxel_mask(root: str | PathLike[str], participant: str) -> nibabel.Nifti1Image | None:
    """Where the voxels lie, from the optional file `derivative/masks/<participant>.nii.gz`.

    Parameters
    ----------
    root : path-like
    participant : str

    Returns
    -------
    nibabel.Nifti1Image of shape (x, y, z), or None
        1 at the voxels, which are in C order, 0 elsewhere. None where there is no such file.

    Raises
    ------
    FileNotFoundError
        `root` is not laid out as ds003020.
    ValueError
        Unknown participant, or a mask that does not fit the responses.
    """
    story = participant_stories(root, participant)[0]
    path = _mask_file(root, participant)
    if not path.exists():
        return None
    with open_responses(root, participant, story) as file:
        inside, affine = read_mask(path, file["data"].shape[1])
    return nibabel.Nifti1Image(inside.astype(np.uint8), affine)


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
        raw_trs = _read_json(file).get(story)
        if type(raw_trs) is not int:
            raise ValueError(
                f"{file}: story {story!r} must have a whole number of TRs, got {raw_trs!r}"
            )
    else:
        file = _report(tr_times, story)
        midpoints, tr = read_tr_times(file)
        raw_trs = len(midpoints)
    try:
        kept = stored_trs(raw_trs)
    except ValueError as error:
        raise ValueError(f"{file}: story {story!r}: {error}") from error
    times = tr_midpoints(raw_trs, tr) if tr_times is None else midpoints[kept]
    return TrAxis(times, tr, raw_trs, file)


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
        There is no such file.
    ValueError
        The file is truncated or not HDF5, has no `data`, values that are not numbers, or a shape
        that does not fit. The message names the file.
    """
    path = _responses_file(root, participant, story)
    try:
        file = h5py.File(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path}: truncated, or not an HDF5 file ({error})") from error
    with file:
        _check_responses(path, file, axis)
        yield file


def _check_responses(path, file, axis):
    if "data" not in file:
        raise ValueError(f"{path}: no dataset 'data', got {sorted(file)}")
    for name in {"data", "individual_repeats"} & set(file):
        if not isinstance(file[name], h5py.Dataset) or file[name].dtype.kind not in "fiu":
            raise ValueError(f"{path}: {name} must be an array of numbers, got {file[name]}")
    shape = file["data"].shape
    if len(shape) != 2:
        raise ValueError(f"{path}: data must be (n_trs, n_voxels), got {shape}")
    if axis is not None and shape[0] != len(axis.tr_times):
        n_trs = len(axis.tr_times)
        raise ValueError(
            f"{path}: data must be ({n_trs} TRs, n_voxels), since {axis.file} counts "
            f"{axis.raw_trs} TRs of which {axis.raw_trs - n_trs} are trimmed; got {shape}"
        )
    if "individual_repeats" in file:
        repeats = file["individual_repeats"].shape
        if len(repeats) != 3 or not repeats[0] or repeats[1:] != shape:
            raise ValueError(
                f"{path}: individual_repeats must be (n_repeats, {shape[0]}, {shape[1]}) like "
                f"data, got {repeats}"
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


def _responses_file(root, participant, story):
    return Path(root) / "derivative" / "preprocessed_data" / participant / f"{story}.hf5"


def _recording_file(root, story):
    return root / "stimuli" / f"{story}.wav"


def _textgrid_file(root, story):
    return root / "derivative" / "TextGrids" / f"{story}.TextGrid"


def _mask_file(root, participant):
    return Path(root) / "derivative" / "masks" / f"{participant}.nii.gz"


def _regions_file(root, participant):
    return Path(root) / "derivative" / "regions" / f"{participant}.json"


def _report(folder, story):
    return Path(folder) / f"{story}.report"


def _read_json(path):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got a {type(content).__name__}")
    return content
