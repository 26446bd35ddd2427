"""Other people who heard a story, with whom a participant's responses can be compared."""

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..names import check_name
from ..noise_ceiling import FEWEST_OTHERS
from .annex import all_unfetched
from .layouts import find_layout
from .participant import Participant, is_folder, open_participant

NAME_THEM = "name the listeners to compare with, such as --ceiling listeners P02 P03"


def other_listeners(
    participant: Participant,
    story: str,
    names: Sequence[str] = (),
    *,
    dtype: str = "float32",
    options: dict[str, Any] | None = None,
) -> list[Participant]:
    """Open a story as others heard it, whose voxels lie where the participant's do.

    Parameters
    ----------
    participant : Participant
    story : str
    names : list of str
        The others. By default all in the folder whose recordings of the story are there.
    dtype, options
        As `open_participant`.

    Returns
    -------
    list of Participant
        At least two.

    Raises
    ------
    FileNotFoundError, ValueError
        There are fewer; one is unknown, did not hear the story, or heard it at other times; voxels
        differ; names are needed, since the recordings are prepared.
    """
    data, heard = participant.data, list(names)
    if is_folder(data):
        heard = _listeners(data, story, options)
    elif not names:
        raise ValueError(
            f"{data} is prepared, which does not list who heard {story!r}; {NAME_THEM}"
        )
    for name in names:
        check_name(f"listener to {story!r}", name, heard)
    others = [name for name in names or heard if name != participant.name]
    if len(others) < FEWEST_OTHERS:
        raise ValueError(
            f"at least {FEWEST_OTHERS} others than {participant.name} must have heard {story!r}, "
            f"got {', '.join(others) or 'none'}; with --ceiling none alignment is not normalised"
        )
    own = next(participant.responses([story])).tr_times
    opened = []
    for name in others:
        opened.append(open_participant(data, name, [story], dtype=dtype, options=options))
        _check_voxels(participant, opened[-1])
        times = next(opened[-1].responses([story])).tr_times
        if len(times) != len(own) or not np.allclose(times, own, atol=1e-3):
            raise ValueError(
                f"{story!r} was scanned at other times in {name} ({_axis(times)}) than in "
                f"{participant.name} ({_axis(own)}); {NAME_THEM}"
            )
    return opened


def _listeners(folder, story, options):
    """Participants of whom nothing of the story is left to be fetched."""
    layout, found = find_layout(folder, options), []
    for name in layout.participants():
        with contextlib.suppress(FileNotFoundError):  # nothing is there of that one
            if story in layout.stories(name) and not all_unfetched(layout.files(name, [story])):
                found.append(name)
    return found


def _axis(times):
    return f"{len(times)} TRs from {times[0]:g} s on"


def _check_voxels(one, other):
    """Refuse voxels that do not lie at the same places, as far as that is known."""
    masks = one.mask, other.mask
    same = one.n_voxels == other.n_voxels and (masks[0] is None) == (masks[1] is None)
    if same and None not in masks:
        same = np.array_equal(*(np.asarray(mask.dataobj) != 0 for mask in masks)) and np.allclose(
            masks[0].affine, masks[1].affine, atol=1e-3
        )
    if not same:
        raise ValueError(
            f"the voxels of {other.name}, {other.n_voxels}, are not those of {one.name}, "
            f"{one.n_voxels}; listeners are compared voxel by voxel: all need the same ones, such "
            "as vertices of fsaverage5, or images in one space with one brain mask"
        )
