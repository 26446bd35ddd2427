"""What a run on a folder of recordings would find, need and take, in lines of text."""

import math
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from datasets_scripts import unknown_labels
from datasets_scripts.recordings import (
    Inventory,
    ParticipantFiles,
    all_unfetched,
    get_command,
)

# Rates that hours follow from, so that a reader can put in others
FETCHED = 20e6  # bytes a second of a fair connection
PREPARED = 150e6  # bytes a second: recipes/benchmarks/windows.py on two cores and a local disk
WINDOW = 0.3e12  # operations of a training step for a window of 10 s, for wav2vec2-base
CPU, GPU = 0.25e12, 50e12  # operations a second: two cores as benchmarks/tuning.py has them, a GPU
FLOAT32 = 4
LARGEST_COPIES = 2  # of a story's responses that preparing holds at once, by benchmarks/windows.py
COUNTED = {"ds003020": ", as derivative/respdict.json or the reports count them"}
LISTED = 8  # stories that a line names


def checkup(
    found: Inventory, dtype: str, cache_dir: Path, n_epochs: float | None, n_train: Iterable[str]
) -> list[str]:
    """Say what there is, what is missing, and what a run takes.

    Parameters
    ----------
    found : Inventory
    dtype : str
        That responses are prepared in.
    cache_dir : Path
        Where they are prepared to.
    n_epochs : float or None
        Of tuning, where that is known.
    n_train : list of str
        Training stories.

    Returns
    -------
    list of str
    """
    lines = [f"{found.root}: layout {found.layout}, {_number(found.participants, 'participant')}"]
    for one in found.participants:
        lines += ["", *_participant_lines(one, found)]
    lines += ["", *_sound_lines(found), "", *_needs(found, dtype, cache_dir)]
    lines += _hours(found, dtype, n_epochs, set(n_train))
    return lines


def next_commands(found: Inventory, tune: list[str], splits: dict[str, list[str]]) -> list[str]:
    """Say what to type: how to fetch what is missing, and the tuning.

    Parameters
    ----------
    found : Inventory
        Of the participants that are tuned for.
    tune : list of str
        Words of the command that tunes, but for participants.
    splits : dict of {option: list of str}
        Stories by the option that names them, where these are known.

    Returns
    -------
    list of str
    """
    names = [one.name for one in found.participants]
    lines = [f"Next, for {' '.join(names)}:"]
    waiting = {file.path: file for one in found.participants for file in _unfetched(one)}
    if waiting:
        command = get_command(waiting.values(), found.root)
        lines.append(f"(cd {shlex.quote(str(found.root))} && {command})")
    lacking = {story for one in found.participants for story in one.unrecorded}
    words = [*tune, "--participants", *names]
    for option, stories in splits.items():
        left = [story for story in stories if story not in lacking]
        if left != stories:
            words += [f"--{option}", *left]
    lines.append(" ".join(["accelerate launch recipes/tune.py", *map(shlex.quote, words)]))
    return lines


def least_to_fetch(found: Inventory) -> ParticipantFiles:
    """Return the participant of whom most is there: of those who heard most of the stories."""
    return min(
        found.participants,
        key=lambda one: (len(one.unrecorded), len(one.absent), _bytes(one.unfetched)),
    )


def _unfetched(one):
    return [*one.unfetched, *all_unfetched(one.anatomy.values())]


def _participant_lines(one, found):
    counted = COUNTED.get(found.layout, "")
    yield (
        f"{one.name}: {len(one.fetched)} of {_number(one.listed, 'story', 'stories')} fetched; of "
        f"the {len(one.stories)} that matter {len(set(one.stories) & set(one.fetched))}"
    )
    if one.unrecorded:
        yield f"  not recorded: {_some(one.unrecorded)}"
    if one.unfetched:
        yield f"  not fetched: {_number(one.unfetched, 'file')}, {_size(_bytes(one.unfetched))}"
    if one.absent:
        yield f"  absent: {_some([str(path) for path in one.absent])}"
    shapes = one.shapes
    if shapes:
        n_trs = sum(shape.n_trs for shape in shapes.values())
        voxels = Counter(shape.n_voxels for shape in shapes.values())
        yield (
            f"  responses of {_number(shapes, 'story', 'stories')}: {n_trs} TRs{counted}; "
            f"{' or '.join(map(str, voxels))} voxels"
        )
        repeats = [f"{name} ({s.n_repeats})" for name, s in shapes.items() if s.n_repeats]
        yield f"  heard repeatedly: {', '.join(repeats) or 'none of these'}"
    if one.anatomy:
        yield f"  regions: {_regions(one)}"
        yield f"  places of the voxels: {_places(one)}"
    for problem in one.problems:
        yield f"  PROBLEM: {problem}"


def _regions(one):
    if one.anatomy["regions"].is_file():
        return f"those of {one.anatomy['regions'].name}"
    if "transform" not in one.anatomy:
        return "none; without a transform an atlas cannot be laid onto the voxels"
    return "those of an atlas that a run is given with --atlas"


def _places(one):
    """Of the files that they follow from, how many are there, not fetched and missing."""
    if one.anatomy["voxels"].is_file():
        return f"those of {one.anatomy['voxels'].name}"
    files = {name: path for name, path in one.anatomy.items() if name not in ("regions", "voxels")}
    waiting = {file.path for file in all_unfetched(files.values())}
    states = Counter(
        "not fetched" if path in waiting else "there" if path.is_file() else "missing"
        for path in files.values()
    )
    said = f"of {len(files)} files {', '.join(f'{n} {state}' for state, n in states.items())}"
    return said if "transform" in files else f"unknown, no transform; {said}"


def _sound_lines(found):
    sounds = found.sounds.values()
    rates = Counter((s.sampling_rate, s.n_channels) for s in sounds if s.sampling_rate)
    channels = {1: "mono", 2: "stereo"}
    read = ", ".join(
        f"{n} of {rate} Hz {channels.get(width, f'{width} channels')}"
        for (rate, width), n in sorted(rates.items())
    )
    yield f"Sounds of {_number(sounds, 'story', 'stories')}: {read or 'none fetched'}"
    spoken = [sound for sound in sounds if sound.phones is not None]
    phones = [phone for sound in spoken for phone in sound.phones]
    n_words = sum(len(sound.words) for sound in spoken)
    yield f"TextGrids: {len(spoken)}, with {n_words} words and {len(phones)} labels of phones"
    unknown = unknown_labels(phones)
    if unknown:
        told = _some([f"{label!r} ({n})" for label, n in unknown.items()])
        yield f"  neither phones nor known silence, so they count as silence: {told}"
    silent = [name for name, sound in found.sounds.items() if sound.phones == []]
    if silent:
        yield f"  no phones, so no low-level impact: {_some(silent)}"
    for sound in sounds:
        for problem in sound.problems:
            yield f"  PROBLEM: {problem}"


def _needs(found, dtype, cache_dir):
    existing = next(path for path in [cache_dir, *cache_dir.parents] if path.exists())
    free = shutil.disk_usage(existing).free
    needed = _prepared_bytes(found, dtype)
    enough = "" if needed < free else ": NOT ENOUGH"
    yield f"Disk: prepared as {dtype} {_size(needed)}, in {cache_dir}, {_size(free)} free{enough}"
    largest = max((n for one in found.participants for n in one.n_values.values()), default=0)
    yield (
        f"Memory: {_size(LARGEST_COPIES * largest * FLOAT32 + 0.5e9)} while the largest story is "
        f"prepared{_memory()}; after that responses are mapped from the disk"
    )


def _hours(found, dtype, n_epochs, train):
    fetched = _bytes({f.path: f for one in found.participants for f in _unfetched(one)}.values())
    if fetched:
        yield f"Hours to fetch: {_time(fetched / FETCHED)} at {FETCHED / 1e6:.0f} MB a second"
    prepared = _prepared_bytes(found, dtype)
    yield f"Hours to prepare: {_time(prepared / PREPARED)} at {PREPARED / 1e6:.0f} MB a second"
    n_trs = sum(n for one in found.participants for name, n in one.n_trs.items() if name in train)
    if not n_trs:
        return
    n_windows = n_trs * (n_epochs or 1)
    slow, fast = (_time(n_windows * WINDOW / rate) for rate in (CPU, GPU))
    epochs = f"up to {n_epochs:g} epochs" if n_epochs else "an epoch"
    yield (
        f"Hours to tune a model of wav2vec2-base's size: {epochs} of {n_trs} windows of "
        f"{WINDOW / 1e12:g} TFLOP take {slow} on two cores at {CPU / 1e12:g} TFLOP/s, {fast} on a "
        f"GPU that keeps up {GPU / 1e12:g}; tune.py times its own steps before it begins"
    )


def _prepared_bytes(found, dtype):
    n_values = sum(sum(one.n_values.values()) for one in found.participants)
    return n_values * np.dtype(dtype).itemsize + sum(s.n_bytes for s in found.sounds.values())


def _memory():
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not everywhere
        return ""
    return f", of {_size(total)} here"


def _time(seconds):
    return f"{max(0.01, math.ceil(seconds / 36) / 100):.2f}"


def _bytes(files):
    return sum(file.n_bytes or 0 for file in files)


def _size(n_bytes):
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"


def _number(things, one, several=None):
    n = len(things)
    return f"{n} {one if n == 1 else several or one + 's'}"


def _some(names):
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
