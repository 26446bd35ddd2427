"""The low-level features of stories: what of a story's sound needs no understanding."""

from collections.abc import Iterable, Sequence

import numpy as np

from ..labels import arpabet
from ..recordings import read_recording
from ..story import Story
from .phones import (
    articulation,
    diphones,
    phone_inventory,
    triphones,
    unknown_labels,
    without_unknown_labels,
)
from .power_spectrum import power_spectrum

FEATURES = ("power_spectrum", "diphones", "triphones", "articulation")
ALL = "all"


def low_level_features(train: Sequence[Story], *others: Story) -> dict[str, list[np.ndarray]]:
    """Low-level features on the TR axis (Moussa et al. 2025, section 3.4; Oota et al. 2024).

    Parameters
    ----------
    train : list of Story
        The inventories of diphones and triphones are theirs alone.
    others : Story
        Such as the test story.

    Returns
    -------
    dict of {feature: list of float32 arrays of shape (n_trs, n_features)}
        An array per training story, then one for each other story; "power_spectrum" from the
        original recordings, in the bands that all of them hold; "diphones", "triphones",
        "articulation"; "all" of them side by side.

    Warns
    -----
    UserWarning
        As `power_spectrum`, of bands that a recording cannot hold; labels that are neither phones
        nor known to be silence, once for all stories.

    Raises
    ------
    ValueError
        As `check_phones` and the features; the training stories have no three phones in a row.
    """
    check_phones([*train, *others])
    stories = without_unknown_labels([*train, *others])
    train = stories[: len(train)]
    features = {"power_spectrum": _spectra(stories)}
    for name, n, function in (("diphones", 2, diphones), ("triphones", 3, triphones)):
        inventory = phone_inventory(train, n)
        features[name] = [function(s.phones, s.tr_times, s.tr, inventory) for s in stories]
    features["articulation"] = [articulation(s.phones, s.tr_times) for s in stories]
    features[ALL] = [np.hstack(parts) for parts in zip(*features.values(), strict=True)]
    return features


def check_phones(stories: Iterable[Story]) -> None:
    """Refuse a story without phones, which low-level features cannot be had of.

    Parameters
    ----------
    stories : iterable of Story

    Raises
    ------
    ValueError
        The message names the story, and labels that it has instead.
    """
    for story in stories:
        if not any(arpabet(phone.label) for phone in story.phones):
            labels = [f"{label!r}" for label in unknown_labels(story.phones)][:5]
            raise ValueError(
                f"story {story.name} of {story.participant} has no phones: low-level features need "
                "them of every story, from a TextGrid with a tier of ARPAbet phones or Gentle's "
                "align.json, got " + (f"labels {', '.join(labels)}" if labels else "no labels")
            )


def _spectra(stories):
    spectra = [power_spectrum(*read_recording(s.audio_file), s.tr_times, s.tr) for s in stories]
    # A recording of a lower rate lacks the highest bands; all stories need the same columns.
    n_bands = min(spectrum.shape[1] for spectrum in spectra)
    return [spectrum[:, :n_bands] for spectrum in spectra]
