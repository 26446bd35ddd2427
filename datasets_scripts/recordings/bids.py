"""Stories from BIDS derivatives in NIfTI, as the Narratives collection has them.

Nastase et al. 2021 (Scientific Data 8:250; OpenNeuro ds002345), preprocessed by fMRIPrep::

    <root>/stimuli/<stim_file>                                  and <stem>.TextGrid beside it
    <root>/sub-<participant>/[ses-*/]func/*_events.tsv          onset, trial_type, stim_file
    <root>/derivatives/<pipeline>/sub-<participant>/[ses-*/]func/
        *_space-<space>*_desc-preproc_bold.nii.gz               and its .json
        *_space-<space>*_desc-brain_mask.nii.gz

A pipeline's folder can itself be the root: with its own stimuli and the events beside the images,
or with those of the data set that it lies in. Tasks that begin with "rest" are passed over: they
have no events.
"""

import csv
import json
import math
import os
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np

from ..names import check_name, checked_stories
from ..story import Story, StoryResponses, StoryShape
from ..zscore import zscore_responses
from .annex import check_there
from .sound import recording_seconds, with_sound
from .tiers import read_phones_and_words

BOLD = "_desc-preproc_bold.nii.gz"
SOUND_FORMATS = {".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
# Entities by which two images of one run may differ.
RENDERING = {"space", "res", "den", "desc"}
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
# Repeats are averaged TR by TR: their TRs may lie this much apart, in TRs from the sound's start.
REPEAT_TOLERANCE = 0.05
# Onsets are written as decimals: an edge that misses a TR's by less than this meets it.
EDGE_TOLERANCE = 1e-6


class _Sound(NamedTuple):
    """A sound played in a run: when it starts and when its story does, in seconds of the scan."""

    stim_file: str
    start: float
    story_start: float
    last_event: float


class _Run(NamedTuple):
    """A scan, and the sounds that were played in it by the story's name."""

    bold: Path
    events: Path
    sounds: dict[str, _Sound]

    @property
    def mask(self) -> Path:
        return self.bold.with_name(self.bold.name.replace(BOLD, "_desc-brain_mask.nii.gz"))

    @property
    def sidecar(self) -> Path:
        return self.bold.with_name(self.bold.name.replace(".nii.gz", ".json"))


def read_bids(
    root: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    *,
    space: str | None = None,
    lead: float = 10.0,
) -> Iterator[Story]:
    """Read a participant's stories, one at a time.

    The arguments, the events and the masks are checked at the call; each story is read when it
    is asked for.

    TR k of a run covers the seconds k tr to (k + 1) tr of the scan. A sound starts at the first
    event that names its file: later ones, such as the story after its music, are parts of it.
    The TRs kept begin at least `lead` after the story's own first event and end by the end of
    the sound. Runs in which one sound is played are its repeats: what is kept is what all of
    them hold, at the times of the first.

    Responses are z-scored over the TRs kept, per run, and their mean over repeats again. Nothing
    else is done to them: drifts and confounds are in them as they are in the images. A voxel that
    is constant or not finite in one of the runs is NaN there and in the mean. The voxels are
    those of `bids_brain_mask`, the same for every story.

    Parameters
    ----------
    root : path-like
        The data set's folder, or a pipeline's folder of derivatives.
    participant : str
        Such as "001": the folder's name without "sub-".
    stories : list of str, optional
        Names in the order wanted. All that the participant heard, sorted, by default.
    space : str, optional
        Such as "MNI152NLin2009cAsym"; needed where images in several spaces exist.
    lead : float
        Seconds left out at the start of a story, while the responses rise. The 10 s are what the
        trimmed responses of LeBel et al. 2023 (Scientific Data 10:555) leave out.

    Returns
    -------
    iterator of Story

    Raises
    ------
    FileNotFoundError
        `root` is no such folder, or a file is missing.
    TypeError
        `stories` is one name, not a list.
    ValueError
        An unknown participant, story or space, a story named twice, a negative lead; while
        reading, a damaged file, one that disagrees with the others, or a scan of which no TR is
        left. The message names the file.

    Warns
    -----
    UserWarning
        A scan that ends before its sound does: the story is as long as the scan.
    """
    heard, recordings = _read(root, participant, stories, space, lead)
    return (_with_sound(responses, recordings[responses.name]) for responses in heard)


def read_bids_responses(
    root: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    *,
    space: str | None = None,
    lead: float = 10.0,
) -> Iterator[StoryResponses]:
    """Read a participant's responses, a story at a time, and of the sounds only how long they are.

    Parameters
    ----------
    root, participant, stories, space, lead
        As `read_bids`.

    Returns
    -------
    iterator of StoryResponses

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        As `read_bids`.

    Warns
    -----
    UserWarning
        As `read_bids`.
    """
    heard, _ = _read(root, participant, stories, space, lead)
    return heard


def _read(root, participant, stories, space, lead):
    """An iterator of StoryResponses, and the recording of each story."""
    root = Path(root)
    runs = _story_runs(root, participant, space)
    available = _stim_files(runs)
    stories = checked_stories(f"{participant} in {root}", stories, available)
    if not lead >= 0:
        raise ValueError(f"lead must be 0 or more seconds, got {lead}")
    folder = _raw_root(root) / "stimuli"
    recordings = {story: folder / available[story] for story in stories}
    asked = [run.bold for run in runs if not run.sounds.keys().isdisjoint(stories)]
    check_there([*recordings.values(), *asked], participant, root)
    mask = _common_mask(participant, root, runs)
    heard = (_read_responses(participant, s, recordings[s], runs, mask, lead) for s in stories)
    return heard, recordings


def bids_participants(root: str | PathLike[str]) -> list[str]:
    """Names of the participants, sorted; none where there is no BIDS layout.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    list of str
    """
    return sorted({path.name.removeprefix("sub-") for path in _participant_folders(Path(root))})


def _participant_folders(root):
    pipelines = [root, *root.glob("derivatives/*")]
    return [path for pipeline in pipelines for path in pipeline.glob("sub-*") if path.is_dir()]


def bids_stories(
    root: str | PathLike[str], participant: str, space: str | None = None
) -> list[str]:
    """Names of the stories that a participant heard, sorted: their sound files without suffix.

    A run's stories are its sounds with `trial_type` "story", or all of its sounds if none has it.

    Parameters
    ----------
    root : path-like
    participant : str
    space : str, optional

    Returns
    -------
    list of str

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.
    """
    return sorted(_stim_files(_story_runs(Path(root), participant, space)))


def bids_repeated(
    root: str | PathLike[str], participant: str, space: str | None = None
) -> list[str]:
    """Names of the stories that a participant heard in more than one run, sorted.

    Parameters
    ----------
    root : path-like
    participant : str
    space : str, optional

    Returns
    -------
    list of str

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.
    """
    runs = _story_runs(Path(root), participant, space)
    return [s for s in sorted(_stim_files(runs)) if sum(s in run.sounds for run in runs) > 1]


def bids_brain_mask(
    root: str | PathLike[str], participant: str, space: str | None = None
) -> nibabel.Nifti1Image:
    """The voxels that lie in the brain masks of all runs in which the participant heard a story.

    Parameters
    ----------
    root : path-like
    participant : str
    space : str, optional

    Returns
    -------
    nibabel.Nifti1Image of shape (x, y, z)
        1 inside, 0 outside. Responses hold the voxels inside in the array's C order:
        `volume[mask.get_fdata() > 0] = responses[tr]`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.
    """
    root = Path(root)
    return _common_mask(participant, root, _story_runs(root, participant, space))


def bids_source_files(
    root: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    space: str | None = None,
) -> list[Path]:
    """Every file that reading the stories touches.

    Parameters
    ----------
    root : path-like
    participant : str
    stories : list of str, optional
        All by default.
    space : str, optional

    Returns
    -------
    list of Path, sorted
        The masks of the participant's other stories are among them: they decide on the voxels.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.
    """
    runs = _story_runs(Path(root), participant, space)
    available = _stim_files(runs)
    stories = list(available) if stories is None else stories
    files = {run.mask for run in runs}
    for story in stories:
        check_name(f"story of {participant} in {root}", story, available)
        recording = _raw_root(Path(root)) / "stimuli" / available[story]
        told = [run for run in runs if story in run.sounds]
        files |= {recording, *(run.bold for run in told), *(run.events for run in told)}
        optional = [recording.with_suffix(".TextGrid"), *(run.sidecar for run in told)]
        files |= {path for path in optional if os.path.lexists(path)}
    return sorted(files)


def bids_shape(
    root: str | PathLike[str],
    participant: str,
    story: str,
    space: str | None = None,
    lead: float = 10.0,
) -> StoryShape:
    """How much was recorded of a story, by the headers of images and sounds and by the masks.

    Parameters
    ----------
    root, participant, space, lead
        As `read_bids`.
    story : str

    Returns
    -------
    StoryShape

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.
    """
    root = Path(root)
    runs = _story_runs(root, participant, space)
    mask = _common_mask(participant, root, runs)
    told = [run for run in runs if story in run.sounds]
    recording = _raw_root(root) / "stimuli" / _stim_files(runs)[story]
    _, tr_times, _ = _kept_trs(story, told, recording_seconds(recording), lead)
    n_voxels = int(np.count_nonzero(mask.dataobj))
    return StoryShape(len(tr_times), n_voxels, len(told) if len(told) > 1 else 0)


def bids_sound_files(root: str | PathLike[str]) -> dict[str, tuple[Path, Path]]:
    """Every recording in `stimuli/`, fetched or not, and where its TextGrid would be.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    dict of {story: (recording, TextGrid)}
        Paths; the TextGrid need not exist.

    Raises
    ------
    ValueError
        Two recordings have one name.
    """
    sounds = {}
    for path in sorted((_raw_root(Path(root)) / "stimuli").rglob("*")):
        if path.suffix.lower() in SOUND_FORMATS and (path.is_file() or path.is_symlink()):
            if path.stem in sounds:
                raise ValueError(f"two sounds have one name: {sounds[path.stem][0]} and {path}")
            sounds[path.stem] = (path, path.with_suffix(".TextGrid"))
    return sounds


def _raw_root(root):
    """Where sounds and raw events lie: `root`, or the data set that a pipeline's folder is in."""
    folder = root.absolute().parent
    if (root / "stimuli").is_dir() or folder.name != "derivatives":
        return root
    return folder.parent


def _story_runs(root, participant, space):
    known = bids_participants(root)
    if not known:
        raise FileNotFoundError(f"{root} is not a BIDS folder: it should hold sub-<participant>/")
    check_name(f"participant in {root}", participant, known)
    folders = [path for path in _participant_folders(root) if path.name == f"sub-{participant}"]
    # `**` stands for a session, or for none.
    bolds = sorted(path for f in folders for path in f.glob(f"**/func/*_space-*{BOLD}"))
    bolds = [bold for bold in bolds if not _entities(bold).get("task", "").startswith("rest")]
    if not bolds:
        raise FileNotFoundError(f"{root}: participant {participant} has no *_space-*{BOLD}")
    bolds = _in_space(bolds, space, root)
    _check_one_image_per_run(bolds)

    raw_folder = _raw_root(root) / f"sub-{participant}"
    raw_events = list(raw_folder.glob("**/func/*_events.tsv"))
    events = [_events_of(bold, raw_events) for bold in bolds]
    runs = [_Run(b, e, _sounds(e)) for b, e in zip(bolds, events, strict=True)]
    runs = [run for run in runs if run.sounds]
    if not runs:
        searched = ", ".join(str(path) for path in events)
        raise ValueError(f"no event of {participant} has a sound file as stim_file in {searched}")
    return runs


def _entities(path):
    """The key-value pairs of a BIDS file name."""
    return dict(part.split("-", 1) for part in path.name.split("_") if "-" in part)


def _in_space(bolds, space, root):
    spaces = {_entities(bold)["space"] for bold in bolds}
    if space is None and len(spaces) > 1:
        raise ValueError(f"{root} has several spaces; set space to one of {sorted(spaces)}")
    if space is None:
        return bolds
    check_name(f"space in {root}", space, spaces)
    return [bold for bold in bolds if _entities(bold)["space"] == space]


def _check_one_image_per_run(bolds):
    seen = {}
    for bold in bolds:
        run = frozenset(item for item in _entities(bold).items() if item[0] not in RENDERING)
        if run in seen:
            raise ValueError(
                f"{seen[run]} and {bold} are images of one run; give the folder of one pipeline "
                "as root, and keep one resolution"
            )
        seen[run] = bold


def _events_of(bold, raw_events):
    """The events whose file name says nothing that the image's does not, and says the most."""
    run = _entities(bold).items()
    candidates = [*bold.parent.glob("*_events.tsv"), *raw_events]
    fitting = [path for path in candidates if _entities(path).items() <= run]
    if not fitting:
        raise FileNotFoundError(f"{bold}: no events.tsv for this run, beside it or in the raw data")
    return max(fitting, key=lambda path: len(_entities(path)))


def _sounds(path):
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8 ({error})") from error
    table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, restval="n/a")
    columns = table.fieldnames or []
    if not {"onset", "stim_file"} <= set(columns):
        raise ValueError(f"{path}: columns onset and stim_file are needed, got {columns}")
    rows = [row for row in table if Path(row["stim_file"]).suffix.lower() in SOUND_FORMATS]
    told = [row for row in rows if row.get("trial_type") == "story"] or rows

    sounds = {}
    for stim_file in {row["stim_file"] for row in told}:
        if "\\" in stim_file or ".." in stim_file or stim_file.startswith("/"):
            raise ValueError(f"{path}: stim_file must lie in stimuli/, got {stim_file!r}")
        name = Path(stim_file).stem
        if name in sounds:
            raise ValueError(f"{path}: two sounds are named {name!r}; rename one")
        onsets = [_onset(path, row) for row in rows if row["stim_file"] == stim_file]
        story_start = min(_onset(path, row) for row in told if row["stim_file"] == stim_file)
        sounds[name] = _Sound(stim_file, min(onsets), story_start, max(onsets))
    return sounds


def _onset(path, row):
    try:
        onset = float(row["onset"])
    except ValueError:
        onset = math.nan
    if not math.isfinite(onset):
        raise ValueError(
            f"{path}: the onset of {row['stim_file']} must be in seconds, got {row['onset']!r}"
        )
    return onset


def _stim_files(runs):
    stim_files = {}
    for run in runs:
        for name, sound in run.sounds.items():
            if stim_files.setdefault(name, sound.stim_file) != sound.stim_file:
                raise ValueError(
                    f"{run.events}: story {name!r} is {sound.stim_file} here and "
                    f"{stim_files[name]} in another run; rename one"
                )
    return stim_files


def _common_mask(participant, root, runs):
    check_there([run.mask for run in runs], participant, root)
    with _readable(runs[0].mask):
        first = nibabel.load(runs[0].mask)
        inside = first.get_fdata(dtype=np.float32) > 0
    for run in runs[1:]:
        with _readable(run.mask):
            mask = nibabel.load(run.mask)
            _check_grid(run.mask, mask.shape, mask.affine, runs[0].mask, first)
            inside &= mask.get_fdata(dtype=np.float32) > 0
    if not inside.any():
        raise ValueError(f"{runs[0].mask} and the other {len(runs) - 1} share no voxel")
    return nibabel.Nifti1Image(inside.astype(np.uint8), first.affine)


def _check_grid(path, shape, affine, mask_path, mask):
    if shape != mask.shape or not np.allclose(affine, mask.affine, atol=1e-4):
        raise ValueError(
            f"{path}: its voxels are not those of {mask_path}; got shape {shape} and affine "
            f"{affine.tolist()}, expected {mask.shape} and {mask.affine.tolist()}"
        )


@contextmanager
def _readable(path):
    try:
        yield
    except (
        nibabel.filebasedimages.ImageFileError,
        nibabel.spatialimages.HeaderDataError,
        OSError,
        EOFError,
        zlib.error,
    ) as error:
        raise ValueError(f"{path}: truncated, or not a NIfTI image ({error})") from error


def _read_responses(participant, name, recording, runs, mask, lead):
    runs = [run for run in runs if name in run.sounds]
    tr, tr_times, kept = _kept_trs(name, runs, recording_seconds(recording), lead)
    repeats = np.stack([_responses(r, mask, trs) for r, trs in zip(runs, kept, strict=True)])
    repeated = len(repeats) > 1
    return StoryResponses(
        name=name,
        participant=participant,
        tr=tr,
        tr_times=tr_times,
        responses=_zscored(repeats.mean(axis=0)) if repeated else repeats[0],
        repeats=repeats if repeated else None,
    )


def _with_sound(responses, recording):
    phones, words = read_phones_and_words(recording.with_suffix(".TextGrid"))
    return with_sound(responses, recording, words, phones)


def _kept_trs(name, runs, seconds, lead):
    """Seconds per TR, midpoints of the TRs kept, and for each run which of its TRs these are."""
    first = runs[0].sounds[name]
    tr = _repetition_time(runs[0])
    shifts = [_shift(name, run, runs[0], seconds, tr) for run in runs]
    begin = math.ceil((first.story_start + lead) / tr - EDGE_TOLERANCE)
    begin = max([begin] + [-shift for shift in shifts])
    sound_end = math.floor((first.start + seconds) / tr + EDGE_TOLERANCE)
    scan_end = min(_scan(run).shape[3] - shift for run, shift in zip(runs, shifts, strict=True))
    end = min(sound_end, scan_end)

    short = f"{(sound_end - end) * tr:.2f} s before the last TR of {first.stim_file}"
    if end - begin < 2:  # one TR has no variance to z-score by
        raise ValueError(
            f"{runs[0].bold}: fewer than two TRs of {name} are left after a lead of {lead} s; "
            f"the sound lasts {seconds:.2f} s from {first.start} s on, its story begins at "
            f"{first.story_start} s, and the scan ends {short}"
        )
    if end < sound_end:
        warnings.warn(
            f"{runs[0].bold}: the scan of {name}, or of a repeat of it, ends {short}", stacklevel=2
        )
    tr_times = (np.arange(begin, end) + 0.5) * tr - first.start
    return tr, tr_times, [slice(begin + shift, end + shift) for shift in shifts]


def _shift(name, run, first_run, seconds, tr):
    """TRs by which the sound starts later in a run than in the first."""
    sound, first = run.sounds[name], first_run.sounds[name]
    if sound.last_event >= sound.start + seconds:
        raise ValueError(
            f"{run.events}: {sound.stim_file} lasts {seconds:.2f} s from {sound.start} s on, "
            f"got an event of it at {sound.last_event} s; it can be played once in a run"
        )
    if not math.isclose(_repetition_time(run), tr, rel_tol=1e-6):
        raise ValueError(
            f"{run.bold}: repeats of {name} must have one TR, got {_repetition_time(run)} s here "
            f"and {tr} s in {first_run.bold}"
        )
    shift = (sound.start - first.start) / tr
    if abs(shift - round(shift)) > REPEAT_TOLERANCE:
        raise ValueError(
            f"{run.events}: the TRs of repeats must lie alike on the sound, within "
            f"{REPEAT_TOLERANCE} TR; got {sound.stim_file} at {sound.start} s here and at "
            f"{first.start} s in {first_run.events}, {shift:.3f} TRs apart"
        )
    return round(shift)


def _repetition_time(run):
    if run.sidecar.exists():
        try:
            sidecar = json.loads(run.sidecar.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{run.sidecar}: not a JSON file ({error})") from error
        if "RepetitionTime" in sidecar:
            tr = sidecar["RepetitionTime"]
            if not isinstance(tr, int | float) or not 0 < tr < math.inf:
                raise ValueError(f"{run.sidecar}: RepetitionTime must be seconds, got {tr!r}")
            return float(tr)
    header = _scan(run).header
    tr, unit = header.get_zooms()[3], header.get_xyzt_units()[1]
    if unit not in SECONDS or not tr > 0:
        raise ValueError(
            f"{run.bold}: its header gives no TR, got {tr} in unit {unit!r}; write RepetitionTime, "
            f"in seconds, to {run.sidecar.name}"
        )
    return round(float(tr) * SECONDS[unit], 6)  # the header stores single precision


def _scan(run):
    with _readable(run.bold):
        image = nibabel.load(run.bold)
    if image.ndim != 4:
        raise ValueError(f"{run.bold}: expected a shape of (x, y, z, TRs), got {image.shape}")
    return image


def _responses(run, mask, trs):
    image = _scan(run)
    _check_grid(run.bold, image.shape[:3], image.affine, run.mask, mask)
    with _readable(run.bold):
        volumes = image.get_fdata(dtype=np.float32, caching="unchanged")
    return _zscored(volumes[mask.get_fdata() > 0][:, trs].T)


def _zscored(responses):
    """Z-scored in double precision: the images' values may be large beside how they vary."""
    return zscore_responses(responses.astype(np.float64)).astype(np.float32, order="C")
