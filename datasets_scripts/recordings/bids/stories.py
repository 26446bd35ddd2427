"""Stories from BIDS derivatives, as the Narratives collection has them.

Nastase et al. 2021 (Scientific Data 8:250; OpenNeuro ds002345), preprocessed by fMRIPrep::

    <root>/stimuli/<stim_file>                                  and <stem>.TextGrid beside it
    <root>/stimuli/gentle/<stem>/align.json or align.csv        in place of a TextGrid
    <root>/[sub-<participant>/[ses-*/]func/]*_events.tsv        onset, trial_type, stim_file
    <root>/derivatives/[<pipeline>/]sub-<participant>/[ses-*/]func/
        *_space-<space>*_desc-preproc_bold.nii.gz               volumes, each with its
        *_space-<space>*_desc-brain_mask.nii.gz
        *_hemi-L_space-<space>*_bold.func.gii                   surfaces, with *_hemi-R_*
        *_space-<space>*_bold.dtseries.nii                      grayordinates
        *_desc-confounds_timeseries.tsv                         where confounds are taken out

Each image may have its .json. A pipeline's folder can itself be the root: with its own stimuli and
the events beside the images, or with those of the data set that it lies in. Tasks that begin with
"rest" are passed over: they have no events.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path

import nibabel
import numpy as np

from ...cortex import Anatomy
from ...names import check_name, checked_stories
from ...story import Story, StoryResponses, StoryShape
from ...zscore import zscore_responses
from ..annex import check_there, unfetched
from ..ds003020_anatomy import atlas_facts
from ..sound import recording_seconds, with_sound
from ..tiers import read_phones_and_words
from .cleaning import Cleaning
from .kept_trs import NoTrsLeft, kept_trs
from .runs import (
    SOUND_FORMATS,
    places_of,
    raw_root,
    stim_files,
    story_runs,
    told_in,
)
from .volumes import same_grid

GENTLE = "gentle"  # the folder of its alignments in stimuli/


def read_bids(
    root: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    *,
    space: str | None = None,
    res: str | None = None,
    lead: float = 10.0,
    confounds: Sequence[str] = (),
    high_pass: float | None = None,
) -> Iterator[Story]:
    """Read a participant's stories, one at a time.

    The arguments, the events, the masks and the tables of confounds are checked at the call; each
    story is read when it is asked for.

    TR k of a run covers the seconds k tr to (k + 1) tr of the scan. A sound starts at the first
    event that names its file: later ones, such as the story after its music, are parts of it.
    The TRs kept begin at least `lead` after the story's own first event and end by the end of
    the sound. Runs in which one sound is played are its repeats: what is kept is what all of
    them hold, at the times of the first.

    Responses are z-scored over the TRs kept, per run, and their mean over repeats again. Drifts and
    confounds are in them as they are in the images, unless `confounds` or `high_pass` say what is
    taken out of the whole scan before (see `Cleaning`). A voxel that is constant or not finite in
    one of the runs is NaN there and in the mean.

    The voxels are the same for every story: in volumes those of `bids_brain_mask`; on surfaces the
    vertices; of grayordinates those of the two cortices, while subcortical ones are left out, of
    which no region here holds any. The left hemisphere comes first.

    Parameters
    ----------
    root : path-like
        The data set's folder, or a pipeline's folder of derivatives.
    participant : str
        Such as "001": the folder's name without "sub-".
    stories : list of str, optional
        Names in the order wanted. All that the participant heard, sorted, by default.
    space : str, optional
        Such as "MNI152NLin2009cAsym", "fsaverage5" or "fsLR", which says the kind of images as
        well; "func" is the scanner's own, which names leave out. Needed where images in several
        spaces exist.
    res : str, optional
        Resolution or density, such as "2" or "91k", as `res-` or `den-` name it, "none" where
        neither is in the name. Needed where there are several in the space.
    lead : float
        Seconds left out at the start of a story, while the responses rise. The 10 s are what the
        trimmed responses of LeBel et al. 2023 (Scientific Data 10:555) leave out.
    confounds : list of str
        Columns of fMRIPrep's tables of confounds, such as "trans_x", that are regressed out; none
        by default.
    high_pass : float, optional
        In Hz; slower drifts are regressed out. None are by default.

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
        An unknown participant, story, space, resolution or confound, a story named twice, a
        negative lead; while reading, a damaged file, one that disagrees with the others, or a scan
        of which no TR is left. The message names the file.

    Warns
    -----
    UserWarning
        A scan that ends before its sound does: the story is as long as the scan.
    """
    cleaning = Cleaning(tuple(confounds), high_pass)
    heard, recordings = _read(root, participant, stories, space, res, lead, cleaning)
    return (_with_sound(responses, recordings[responses.name]) for responses in heard)


def read_bids_responses(
    root: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    *,
    space: str | None = None,
    res: str | None = None,
    lead: float = 10.0,
    confounds: Sequence[str] = (),
    high_pass: float | None = None,
) -> Iterator[StoryResponses]:
    """Read a participant's responses, a story at a time, and of the sounds only how long they are.

    Parameters
    ----------
    root, participant, stories, space, res, lead, confounds, high_pass
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
    cleaning = Cleaning(tuple(confounds), high_pass)
    return _read(root, participant, stories, space, res, lead, cleaning)[0]


def _read(root, participant, stories, space, res, lead, cleaning):
    """An iterator of StoryResponses, and the recording of each story."""
    root = Path(root)
    runs = story_runs(root, participant, space, res)
    available = stim_files(runs)
    stories = checked_stories(f"{participant} in {root}", stories, available)
    if not lead >= 0:
        raise ValueError(f"lead must be 0 or more seconds, got {lead}")
    folder = raw_root(root) / "stimuli"
    recordings = {story: folder / available[story] for story in stories}
    asked = [run.scan for run in told_in(runs, stories)]
    files = [*recordings.values(), *(file for scan in asked for file in scan.files)]
    check_there(files, participant, root)
    places = places_of(runs, stories, participant, root)
    for scan in asked:
        cleaning.columns(scan)
    heard = (
        _read_responses(participant, story, recordings[story], runs, places, lead, cleaning)
        for story in stories
    )
    return heard, recordings


def bids_stories(
    root: str | PathLike[str], participant: str, space: str | None = None, res: str | None = None
) -> list[str]:
    """Names of the stories that a participant heard, sorted: their sound files without suffix.

    A run's stories are its sounds with `trial_type` "story", or all of its sounds if none has it.

    Parameters
    ----------
    root : path-like
    participant : str
    space, res : str, optional

    Returns
    -------
    list of str

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.
    """
    return sorted(stim_files(story_runs(Path(root), participant, space, res)))


def bids_repeated(
    root: str | PathLike[str], participant: str, space: str | None = None, res: str | None = None
) -> list[str]:
    """Names of the stories that a participant heard in more than one run, sorted.

    Parameters
    ----------
    root : path-like
    participant : str
    space, res : str, optional

    Returns
    -------
    list of str

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.
    """
    runs = story_runs(Path(root), participant, space, res)
    return [s for s in sorted(stim_files(runs)) if sum(s in run.sounds for run in runs) > 1]


def bids_brain_mask(
    root: str | PathLike[str], participant: str, space: str | None = None, res: str | None = None
) -> nibabel.Nifti1Image | None:
    """The voxels that lie in the brain masks of all runs in which the participant heard a story.

    Parameters
    ----------
    root : path-like
    participant : str
    space, res : str, optional

    Returns
    -------
    nibabel.Nifti1Image of shape (x, y, z), or None
        1 inside, 0 outside. Responses hold the voxels inside in the array's C order:
        `volume[mask.get_fdata() > 0] = responses[tr]`. None of surfaces and grayordinates.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.
    """
    runs = story_runs(Path(root), participant, space, res)
    return places_of(runs, None, participant, Path(root)).mask


def bids_anatomy(
    root: str | PathLike[str],
    participant: str,
    atlas: Sequence[str | PathLike[str]] | None = None,
    space: str | None = None,
    res: str | None = None,
    stories: Iterable[str] | None = None,
) -> Anatomy:
    """Where a participant's voxels lie.

    Parameters
    ----------
    root : path-like
    participant : str
    atlas : list of paths, optional
        Files that say the regions: of volumes a label image in the same space (see
        `VolumePlaces.regions`), on surfaces an annotation of each hemisphere, of the same mesh or a
        finer one of fsaverage, of grayordinates a `.dlabel.nii` of the same mesh.
    space, res : str, optional
    stories : list of str, optional
        Whose scans of surfaces or grayordinates are looked at; those that are fetched by default.

    Returns
    -------
    Anatomy
        With a mask of volumes alone, and with the vertices of fsaverage5 on meshes of fsaverage
        alone.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`; an atlas of another kind, space or mesh, or without a region's label.
    """
    runs = story_runs(Path(root), participant, space, res)
    stories = None if stories is None else list(stories)
    places = places_of(runs, stories, participant, Path(root))
    return Anatomy(
        n_voxels=places.n_voxels,
        regions=places.regions(list(map(Path, atlas))) if atlas else {},
        mask=places.mask,
        fsaverage5=places.fsaverage5,
        atlas=atlas_facts(atlas) if atlas else {},
    )


def bids_source_files(
    root: str | PathLike[str],
    participant: str,
    stories: Iterable[str] | None = None,
    space: str | None = None,
    res: str | None = None,
    confounds: Sequence[str] = (),
    words: bool = True,
) -> list[Path]:
    """Every file that reading the stories touches.

    Parameters
    ----------
    root : path-like
    participant : str
    stories : list of str, optional
        All by default.
    space, res : str, optional
    confounds : list of str
        As `read_bids`.
    words : bool
        Whether the files of words are among them, of which responses are independent.

    Returns
    -------
    list of Path, sorted
        Masks of the participant's other stories are among them: they decide on the voxels.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.
    """
    runs = story_runs(Path(root), participant, space, res)
    available = stim_files(runs)
    stories = list(available) if stories is None else list(stories)
    files = {file for run in runs for file in run.scan.place_files}
    cleaning = Cleaning(tuple(confounds))
    for story in stories:
        check_name(f"story of {participant} in {root}", story, available)
        recording = raw_root(Path(root)) / "stimuli" / available[story]
        said = _words_file(recording)
        files |= {recording, *([said] if words and os.path.lexists(said) else [])}
        for run in told_in(runs, [story]):
            table = cleaning.file(run.scan)
            files |= {*run.scan.files, run.events, *run.sidecars}
            files |= set() if table is None else {table}
    return sorted(files)


def bids_shape(
    root: str | PathLike[str],
    participant: str,
    story: str,
    space: str | None = None,
    res: str | None = None,
    lead: float = 10.0,
) -> StoryShape:
    """How much was recorded of a story, by the headers of images and sounds and by the masks.

    Parameters
    ----------
    root, participant, space, res, lead
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
    runs = story_runs(root, participant, space, res)
    places = places_of(runs, [story], participant, root)
    told = told_in(runs, [story])
    recording = raw_root(root) / "stimuli" / stim_files(runs)[story]
    _, tr_times, _ = kept_trs(story, told, recording_seconds(recording), lead)
    return StoryShape(len(tr_times), places.n_voxels, len(told) if len(told) > 1 else 0)


def bids_unusable(
    root: str | PathLike[str],
    participant: str,
    story: str,
    space: str | None = None,
    res: str | None = None,
    lead: float = 10.0,
) -> str | None:
    """Why a story is passed over unless it is named: too short a sound, or voxels of its own.

    Parameters
    ----------
    root, participant, space, res, lead
        As `read_bids`.
    story : str

    Returns
    -------
    str or None
        None for a story that can be used along with the others.
    """
    try:
        bids_shape(root, participant, story, space, res, lead)
    except NoTrsLeft as error:
        return str(error)
    runs = story_runs(Path(root), participant, space, res)
    own, usual = (places_of(runs, names, participant, Path(root)) for names in ([story], None))
    if own.mask is None or same_grid(own.mask, usual.mask):
        return None
    return f"its voxels lie on a grid of {own.mask.shape}, those of most on {usual.mask.shape}"


def bids_sound_files(root: str | PathLike[str]) -> dict[str, tuple[Path, Path]]:
    """Every recording in `stimuli/`, fetched or not, and where its words are or would be.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    dict of {story: (recording, file of words)}
        Paths; the second, a TextGrid or an alignment by Gentle, need not exist.

    Raises
    ------
    ValueError
        Two recordings have one name.
    """
    folder = raw_root(Path(root)) / "stimuli"
    sounds: dict[str, tuple[Path, Path]] = {}
    for path in sorted(folder.rglob("*")):
        # Gentle keeps the sound that it aligned.
        if GENTLE in path.relative_to(folder).parts[:-1]:
            continue
        if path.suffix.lower() in SOUND_FORMATS and (path.is_file() or path.is_symlink()):
            if path.stem in sounds:
                raise ValueError(f"two sounds have one name: {sounds[path.stem][0]} and {path}")
            sounds[path.stem] = (path, _words_file(path))
    return sounds


def _words_file(recording):
    """Where the times of a recording's words are, or where a TextGrid would be."""
    textgrid = recording.with_suffix(".TextGrid")
    folders = [
        parent / GENTLE / name
        for parent in recording.parents
        if parent.name == "stimuli"
        for name in (recording.stem, recording.stem.removesuffix("_audio"))
    ]
    aligned = [folder / name for folder in folders for name in ("align.json", "align.csv")]
    there = [path for path in [textgrid, *aligned] if os.path.lexists(path)]
    fetched = [path for path in there if not unfetched(path)]
    return next(iter([*fetched, *there, textgrid]))


def _read_responses(participant, name, recording, runs, places, lead, cleaning):
    runs = [run for run in runs if name in run.sounds]
    tr, tr_times, kept = kept_trs(name, runs, recording_seconds(recording), lead)
    responses = [
        _responses(r.scan, places, k, tr, cleaning) for r, k in zip(runs, kept, strict=True)
    ]
    repeats = np.stack(responses)
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
    phones, words = read_phones_and_words(_words_file(recording))
    return with_sound(responses, recording, words, phones)


def _responses(scan, places, trs, tr, cleaning):
    responses = scan.read(places)
    if not cleaning:
        return _zscored(responses[trs])
    # What was constant is dead, whatever is taken out of it.
    constant = responses[trs].max(axis=0) == responses[trs].min(axis=0)
    cleaned = cleaning.clean(responses, scan, tr)[trs]
    cleaned[:, constant] = np.nan
    return _zscored(cleaned)


def _zscored(responses):
    """Z-scored in double precision: the images' values may be large beside how they vary."""
    return zscore_responses(responses.astype(np.float64)).astype(np.float32, order="C")
