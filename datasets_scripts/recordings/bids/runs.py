"""A participant's runs: a scan each, and the sounds that were played in it."""

import csv
import math
import os
import warnings
from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from ...names import check_name
from ..annex import all_unfetched, check_plain, check_there
from .entities import fitting
from .scans import Places, Scan, find_scans, space_of
from .volumes import on_one_grid

SOUND_FORMATS = {".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"}


class Sound(NamedTuple):
    """A sound played in a run: when it starts and when its story does, in seconds of the scan."""

    stim_file: str
    start: float
    story_start: float
    last_event: float


class Run(NamedTuple):
    """A scan, and the sounds that were played in it by the story's name.

    `sidecars` are JSON files that are about the scan, its own first.
    """

    scan: Scan
    events: Path
    sidecars: list[Path]
    sounds: dict[str, Sound]

    @property
    def path(self) -> Path:
        return self.scan.path


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
    pipelines = [root, root / "derivatives", *root.glob("derivatives/*")]
    return [path for pipeline in pipelines for path in pipeline.glob("sub-*") if path.is_dir()]


def raw_root(root: Path) -> Path:
    """Where sounds and raw events lie: `root`, or the data set that derivatives are in."""
    if (root / "stimuli").is_dir():
        return root
    absolute = root.absolute()
    folder = next((f for f in (absolute, absolute.parent) if f.name == "derivatives"), None)
    return root if folder is None else folder.parent


def story_runs(root: Path, participant: str, space: str | None, res: str | None) -> list[Run]:
    """The runs in which a participant heard a story, in one space.

    A run whose events are missing, or say nothing of sounds, is that of another task.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.

    Warns
    -----
    UserWarning
        A run is passed over, for what its events lack.
    """
    known = bids_participants(root)
    if not known:
        raise FileNotFoundError(f"{root} is not a BIDS folder: it should hold sub-<participant>/")
    check_name(f"participant in {root}", participant, known)
    folders = [path for path in _participant_folders(root) if path.name == f"sub-{participant}"]
    scans = find_scans(folders, space, res, f"participant {participant} in {root}")

    # What is about several runs lies further up.
    raw = raw_root(root)
    inherited = {
        ending: [*raw.glob(f"*{ending}"), *(raw / f"sub-{participant}").glob(f"**/*{ending}")]
        for ending in ("_events.tsv", "_bold.json")
    }
    runs, passed_over = [], []
    for scan in scans:
        events, sidecars = (
            [path for path in fitting(scan.path, {*beside, *of_raw}) if os.path.lexists(path)]
            for beside, of_raw in zip(
                (scan.path.parent.glob("*_events.tsv"), [scan.sidecar]),
                inherited.values(),
                strict=True,
            )
        )
        try:
            if not events:
                raise FileNotFoundError(
                    f"{scan.path}: no events.tsv for this run, beside it or in the raw data"
                )
            runs.append(Run(scan, events[0], sidecars, _sounds(events[0])))
        except (FileNotFoundError, ValueError) as error:
            passed_over.append(error)
    told = [run for run in runs if run.sounds]
    if not told and passed_over:
        raise passed_over[0]
    if not told:
        searched = ", ".join(str(run.events) for run in runs)
        raise ValueError(f"no event of {participant} has a sound file as stim_file in {searched}")
    for reason in passed_over:
        warnings.warn(f"a run of {participant} is passed over: {reason}", stacklevel=2)
    return told


def stim_files(runs: list[Run]) -> dict[str, str]:
    """The sound file of each story.

    Raises
    ------
    ValueError
        One story has two.
    """
    files: dict[str, str] = {}
    for run in runs:
        for name, sound in run.sounds.items():
            if files.setdefault(name, sound.stim_file) != sound.stim_file:
                raise ValueError(
                    f"{run.events}: story {name!r} is {sound.stim_file} here and "
                    f"{files[name]} in another run; rename one"
                )
    return files


def told_in(runs: list[Run], stories: Collection[str] | None) -> list[Run]:
    """The runs in which some of these stories were heard; all runs for None."""
    return [run for run in runs if stories is None or not run.sounds.keys().isdisjoint(stories)]


def places_of(runs: list[Run], stories: Collection[str] | None, whose: str, root: Path) -> Places:
    """The voxels that scans share.

    The masks of all runs on the grid of the stories' decide on the voxels of volumes; without any
    named, on the grid that most runs have. Where each scan says itself which it has,
    those of the stories are looked at, or without any named, those that are fetched.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bids`.
    """
    scans = [run.scan for run in runs]
    if not scans[0].place_files:
        scans = [run.scan for run in told_in(runs, stories)]
        if stories is None:
            scans = [scan for scan in scans if not all_unfetched(scan.files)] or scans
    check_there([file for scan in scans for file in scan.place_files or scan.files], whose, root)
    if scans[0].place_files:
        asked = [run.scan for run in told_in(runs, stories)]
        alike = on_one_grid(scans, asked)
        # Named stories on several grids are refused below.
        scans = [scan for scan in scans if scan in alike or stories is not None and scan in asked]
    return scans[0].places(scans, space_of(scans[0].path))


def _sounds(path):
    check_plain(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8 ({error})") from error
    table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, restval="n/a")
    columns = table.fieldnames or []
    if not {"onset", "stim_file"} <= set(columns):
        raise ValueError(f"{path}: columns onset and stim_file are needed, got {columns}")
    rows = [
        row | {"stim_file": row["stim_file"].removeprefix("stimuli/")}
        for row in table
        if Path(row["stim_file"]).suffix.lower() in SOUND_FORMATS
    ]
    told = [row for row in rows if (row.get("trial_type") or "").lower() == "story"] or rows

    sounds = {}
    for stim_file in {row["stim_file"] for row in told}:
        if "\\" in stim_file or ".." in stim_file or stim_file.startswith("/"):
            raise ValueError(f"{path}: stim_file must lie in stimuli/, got {stim_file!r}")
        name = Path(stim_file).stem
        if name in sounds:
            raise ValueError(f"{path}: two sounds are named {name!r}; rename one")
        onsets = [_onset(path, row) for row in rows if row["stim_file"] == stim_file]
        story_start = min(_onset(path, row) for row in told if row["stim_file"] == stim_file)
        sounds[name] = Sound(stim_file, min(onsets), story_start, max(onsets))
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
