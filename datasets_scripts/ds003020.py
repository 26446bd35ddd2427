"""The folder layout of OpenNeuro ds003020 (LeBel et al. 2023, Scientific Data 10:555)."""

import json
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from .names import check_name
from .recordings import read_recording, resample
from .story import Story, tr_midpoints
from .textgrid import read_textgrid

RAW_TRS = "derivative/respdict.json"


def read_ds003020(root, participant, stories=None, *, tr=2.0):
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
        Seconds per TR; see `tr_midpoints`.

    Returns
    -------
    iterator of Story

    Raises
    ------
    FileNotFoundError
        `root` is no such folder, or a file of a story is missing.
    TypeError
        `stories` is one name, not a list.
    ValueError
        An unknown participant or story, a story named twice, a TR that is not positive; while
        reading, a damaged file or one that disagrees with the others. The message names the file.
    """
    available = participant_stories(root, participant)
    if isinstance(stories, str):
        raise TypeError(f"stories must be a list of names, got {stories!r}; use [{stories!r}]")
    stories = available if stories is None else list(stories)
    for story in stories:
        if "/" in story or "\\" in story or ".." in story:
            raise ValueError(f"a story name holds no path separators and no '..', got {story!r}")
        check_name(f"story of {participant} in {root}", story, available)
    if len(set(stories)) < len(stories):
        raise ValueError(f"each story can be read once, got {stories}")
    if not tr > 0:
        raise ValueError(f"tr must be positive seconds, got {tr}")
    raw_trs = _read_json(Path(root) / RAW_TRS)
    return (_read_story(Path(root), participant, story, raw_trs, tr) for story in stories)


def participant_stories(root, participant):
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
    folder = Path(root) / "derivative" / "preprocessed_data"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{root} is not a ds003020 folder: it should hold derivative/preprocessed_data/"
        )
    participants = [path.name for path in folder.iterdir() if path.is_dir()]
    check_name(f"participant in {root}", participant, participants)
    stories = sorted(path.stem for path in (folder / participant).glob("[!.]*.hf5"))
    if not stories:
        raise ValueError(f"{folder / participant} holds no responses (<story>.hf5)")
    return stories


def read_regions(root, participant):
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
    path = Path(root) / "derivative" / "regions" / f"{participant}.json"
    if not path.exists():
        return {}
    with _open_responses(Path(root), participant, story) as file:
        n_voxels = file["data"].shape[-1]
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


def _read_story(root, participant, name, raw_trs, tr):
    if name not in raw_trs:
        raise ValueError(f"{root / RAW_TRS}: no TR count for story {name!r}")
    try:
        tr_times = tr_midpoints(raw_trs[name], tr)
    except ValueError as error:
        raise ValueError(f"{root / RAW_TRS}: story {name!r}: {error}") from error
    responses, repeats = _read_responses(root, participant, name, raw_trs[name], len(tr_times))
    audio_file = root / "stimuli" / f"{name}.wav"
    phones, words = _read_phones_and_words(root / "derivative" / "TextGrids" / f"{name}.TextGrid")
    return Story(
        name=name,
        participant=participant,
        audio=resample(*read_recording(audio_file), target=Story.sampling_rate),
        audio_file=audio_file,
        tr=tr,
        tr_times=tr_times,
        responses=responses,
        repeats=repeats,
        words=words,
        phones=phones,
    )


def _read_responses(root, participant, story, raw_trs, n_trs):
    with _open_responses(root, participant, story) as file:
        shape = file["data"].shape
        if len(shape) != 2 or shape[0] != n_trs:
            raise ValueError(
                f"{file.filename}: data must be ({n_trs} TRs, n_voxels), since {RAW_TRS} counts "
                f"{raw_trs} TRs of which {raw_trs - n_trs} are trimmed; got {shape}"
            )
        responses = file["data"].astype(np.float32)[()]
        if "individual_repeats" not in file:
            return responses, None
        if file["individual_repeats"].shape[1:] != shape:
            raise ValueError(
                f"{file.filename}: individual_repeats must be (n_repeats, {shape[0]}, {shape[1]}) "
                f"like data, got {file['individual_repeats'].shape}"
            )
        return responses, file["individual_repeats"].astype(np.float32)[()]


@contextmanager
def _open_responses(root, participant, story):
    path = root / "derivative" / "preprocessed_data" / participant / f"{story}.hf5"
    try:
        with h5py.File(path) as file:
            if "data" not in file:
                raise ValueError(f"{path}: no dataset 'data', got {sorted(file)}")
            yield file
    except OSError as error:
        raise ValueError(f"{path}: truncated, or not an HDF5 file ({error})") from error


def _read_phones_and_words(path):
    tiers = read_textgrid(path)
    # The tiers are known by their places: their names differ between data sets.
    if len(tiers) < 2:
        raise ValueError(f"{path}: expected a phone tier and then a word tier, got {list(tiers)}")
    return list(tiers.values())[:2]


def _read_json(path):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got a {type(content).__name__}")
    return content
