"""Recordings as a run divides them: participants, their stories, and the voxels that count."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets_scripts import (
    Participant,
    Story,
    ceiling_across_listeners,
    check_name,
    check_recordings,
    check_voxel_order,
    live_voxels,
    noise_ceiling,
    open_participant,
    other_listeners,
    passing_noise,
    read_noise_ceiling,
    select_voxels,
    zscore_responses,
)
from evaluate_metrics import fdr, repeat_permutation_p
from evaluate_metrics.reports import ACROSS_LISTENERS, NORMALISED, NOT_NORMALISED

STORY_OPTIONS = (
    "train_stories",
    "validation_stories",
    "test_story",
    "ceiling_story",
    "penalty_stories",
    "tuning_stories",
    "stories",
)
LAYOUT_OPTIONS = ("tr", "tr_times", "space", "res", "confounds", "high_pass")
FEW = 5  # repeats, below which noise passes the threshold often
RATE = 0.05  # of false discoveries
SHORTEST = 10  # TRs, of which a correlation and its resampling say anything at all
EVERYWHERE = "all"  # in place of regions
NO_REGIONS = (
    "tuning_regions {}: no regions of {} are known. Give --atlas lh.HCP-MMP1.annot "
    "rh.HCP-MMP1.annot, the atlas of Glasser et al. 2016 as FreeSurfer annotations of fsaverage "
    "(https://doi.org/10.6084/m9.figshare.3498446), or write the voxels of each region to "
    "derivative/regions/{}.json; --tuning_regions all tunes on all voxels whose noise ceiling is "
    "above the threshold"
)
OWN_REPEATS = (
    "Warning: noise ceilings, and with them the voxels, come from the repeats of {!r}, on which "
    "the models are scored too."
)
FEW_REPEATS = (
    "Warning: {} repeats are few: of voxels of mere noise, {:.0%} have a noise ceiling above {:g} "
    "(and {:.0%} if a TR's noise correlates by 0.6 with the next one's). Nothing predicts them: "
    "even a perfect model scores below 1; --voxel_selection fdr leaves them out."
)
ALIKE = (
    "Voxels are those whose repeats are more alike than with blocks of TRs shuffled, at a false "
    "discovery rate of 5 %, whatever their noise ceiling."
)
GIVEN = (
    "Noise ceilings, and with them the voxels, are those given in {}; it is not known here from "
    "which responses they were computed."
)
NONE = (
    "Alignment is not normalised: it is the correlation itself, which depends on how noisy the "
    "responses are. Voxels are not selected by noise ceilings."
)
ACROSS = (
    "Warning: alignment is normalised across listeners, by how the responses to {!r}, on which the "
    "models are scored too, correlate with the mean of {} other listeners ({}), and voxels are "
    "selected by that. It is no bound on models that predict what is the participant's own."
)
NO_REPEATS = (
    "{} {!r} has no repeats to compute a noise ceiling from, as heard by {}; give a story heard "
    "repeatedly as --ceiling_story, noise ceilings from elsewhere as --ceiling FILE, --ceiling "
    "listeners for alignment that is normalised across listeners, or --ceiling none for alignment "
    "that is not normalised"
)
# By the word that stands in place of files of noise ceilings
NORMALISATIONS = {None: NORMALISED, "listeners": ACROSS_LISTENERS, "none": NOT_NORMALISED}


def open_recordings(data: str, arguments: Any, cache_dir: str | None = None) -> list[Participant]:
    """Open the recordings of a run's participants, which are prepared on first use.

    Only the stories that the run names are read. Whether all their files are there is checked
    for all participants before any is prepared.

    Parameters
    ----------
    data : str
        Folder or name on the Hub.
    arguments : recipes.command.vocabulary.Recordings
    cache_dir : str, optional
        Where prepared data are, instead of the cache of `datasets`.

    Returns
    -------
    list of Participant

    Raises
    ------
    FileNotFoundError, ValueError
        As `datasets_scripts.open_participant`.
    """
    stories, options = named_stories(arguments), layout_options(arguments)
    check_recordings(data, arguments.participants, stories, options, arguments.atlas)
    return [
        open_participant(
            data,
            name,
            stories,
            dtype=arguments.dtype,
            options=options,
            atlas=arguments.atlas,
            atlas_spheres=arguments.atlas_spheres,
            cache_dir=cache_dir,
        )
        for name in arguments.participants
    ]


def layout_options(arguments: Any) -> dict[str, Any]:
    """Return what the reader of a folder is told besides."""
    options = {option: getattr(arguments, option) for option in LAYOUT_OPTIONS}
    return {option: value for option, value in options.items() if value is not None}


def named_stories(arguments: Any) -> list[str] | None:
    """Return the stories that a run names, each once; None where it names none."""
    named: list[str] = []
    for option in STORY_OPTIONS:
        value = getattr(arguments, option, None) or []
        named += [value] if isinstance(value, str) else value
    return list(dict.fromkeys(named)) or None


@dataclass(kw_only=True)
class Listener:
    """A participant, and the stories that models are measured on.

    Parameters
    ----------
    participant : Participant
    train : list of Story
        That encoding models are fitted on.
    penalties : list of Story
        That their penalties are chosen on; none if it is on the training stories.
    test : Story
    ceiling : array of shape (n_voxels,), or None
        Noise ceilings of the test story's responses; 0 where the repeats' likeness, if that
        selects voxels, is no more than chance. None where alignment is not normalised.
    ceiling_note : str
        Where they come from.
    normalisation : str
        What alignment is: "normalised", "normalised across listeners" or "not normalised".
    """

    participant: Participant
    train: list[Story]
    penalties: list[Story]
    test: Story
    ceiling: np.ndarray | None
    ceiling_note: str
    normalisation: str = NORMALISED

    @property
    def name(self) -> str:
        return self.participant.name

    @property
    def represented(self) -> list[Story]:
        """All stories whose representations a measurement needs."""
        return [*self.train, *self.penalties, self.test]

    @property
    def measured_regions(self) -> dict[str, np.ndarray]:
        return self.participant.regions or {"all": np.arange(self.participant.n_voxels)}

    def voxels_above(self, threshold: float) -> np.ndarray:
        """Those with a noise ceiling above a threshold, as indices; all where there are none."""
        if self.ceiling is None:
            return np.arange(self.participant.n_voxels)
        return np.flatnonzero(self.ceiling > threshold)


@dataclass(kw_only=True)
class TuningListener(Listener):
    """A participant's recordings as a run divides them, and the voxels that it tunes on.

    Parameters
    ----------
    tuning : list of Story
        Those of the training stories that are tuned on.
    validation : list of Story
    voxels : int array of shape (n_selected,)
    n_dead : int
        Voxels that would be among them, were they not NaN at some TR of one of the stories.
    """

    tuning: list[Story]
    validation: list[Story]
    voxels: np.ndarray
    n_dead: int


def listener(participant: Participant, arguments: Any) -> Listener:
    """Read the stories that models are measured on.

    Parameters
    ----------
    participant : Participant
    arguments
        With the stories, and the options of `recipes.command.vocabulary.Alignment`.

    Returns
    -------
    Listener

    Raises
    ------
    ValueError, FileNotFoundError
        As `scored_story` and `Participant.stories`.
    """
    return dataclasses.replace(
        scoring_listener(participant, arguments),
        train=list(participant.stories(arguments.train_stories)),
        penalties=list(participant.stories(arguments.penalty_stories or [])),
    )


def scoring_listener(participant: Participant, arguments: Any) -> Listener:
    """Read nothing but the story that models are compared on.

    Parameters
    ----------
    participant : Participant
    arguments
        As `scored_story`.

    Returns
    -------
    Listener

    Raises
    ------
    ValueError, FileNotFoundError
        As `scored_story`.
    """
    test, ceiling, note = scored_story(participant, arguments)
    return Listener(
        participant=participant,
        train=[],
        penalties=[],
        test=test,
        ceiling=ceiling,
        ceiling_note=note,
        normalisation=NORMALISATIONS[arguments.ceiling_word],
    )


def tuning_listener(participant: Participant, arguments: Any) -> TuningListener:
    """Read a participant's stories and select the voxels whose responses can be predicted at all.

    Parameters
    ----------
    participant : Participant
    arguments : TuningOptions

    Returns
    -------
    TuningListener

    Raises
    ------
    ValueError, FileNotFoundError
        As `listener`, `tuned_regions` and `datasets_scripts.select_voxels`; every selected voxel is
        dead in one of the stories.
    """
    names = tuned_regions(participant, arguments)  # refused before stories are read
    one = listener(participant, arguments)
    validation = list(participant.stories(arguments.validation_stories))
    ceiling, threshold = one.ceiling, arguments.lowest_ceiling
    if ceiling is None:
        ceiling, threshold = np.ones(participant.n_voxels), 0
    regions = None if names is None else participant.regions
    selected = select_voxels(ceiling, threshold, regions, names)
    # One set for all stories, or heads could not be trained, validated and measured alike.
    voxels = live_voxels([*one.train, *validation, one.test], selected)
    if not len(voxels):
        raise ValueError(
            f"{participant.name}: each of the {len(selected)} selected voxels is dead (NaN) at "
            "some TR of the stories that are used; leave out the story that lacks them"
        )
    return TuningListener(
        **vars(one),
        tuning=[story for story in one.train if story.name in tuned_on(arguments)],
        validation=validation,
        voxels=voxels,
        n_dead=len(selected) - len(voxels),
    )


def tuned_regions(participant: Participant, arguments: Any) -> list[str] | None:
    """Return the regions that a participant's voxels are tuned in, or None for all voxels.

    Raises
    ------
    ValueError
        Regions are named, and none are known.
    """
    names, known = arguments.tuning_regions, participant.regions
    if names == [EVERYWHERE] and EVERYWHERE not in known:
        return None
    if names and not known:
        raise ValueError(NO_REGIONS.format(" ".join(names), participant.name, participant.name))
    return names or (list(known) or None)


def tuned_on(arguments: Any) -> list[str]:
    """Return the names of the stories that models are tuned on."""
    return arguments.tuning_stories or arguments.train_stories


def described(one: TuningListener, arguments: Any) -> str:
    """Say in a line what a listener's windows and voxels are."""
    n_train, n_validation = (
        sum(len(story.tr_times) for story in stories) for stories in (one.tuning, one.validation)
    )
    where = tuned_regions(one.participant, arguments) or ["the whole brain"]
    dead = f"; {one.n_dead} more are left out, being NaN in some story" if one.n_dead else ""
    divisor = {NORMALISED: "noise ceiling", ACROSS_LISTENERS: "correlation with other listeners"}
    which = "not selected by noise ceilings,"
    if one.normalisation in divisor:
        which = f"{divisor[one.normalisation]} above {arguments.ceiling_threshold}"
    if arguments.voxel_selection == "fdr":
        which = "repeats alike (false discovery rate of 5 %)"
    return (
        f"{one.name}: {n_train} windows of {len(one.tuning)} stories to tune on, {n_validation} of "
        f"{len(one.validation)} to validate; {len(one.voxels)} voxels of "
        f"{one.participant.n_voxels}: {which} in {' and '.join(where)}{dead}"
    )


def check_scoring(participants: Iterable[Participant], arguments: Any) -> None:
    """Refuse what models cannot be scored by, for all participants and before anything is computed.

    Parameters
    ----------
    participants : iterable of Participant
    arguments
        As `scored_story`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `check_test_story`, `datasets_scripts.read_noise_ceiling` and
        `datasets_scripts.check_voxel_order`; the story that noise
        ceilings are to come from is not known, or has too few repeats; as
        `datasets_scripts.other_listeners`.
    """
    repeats = {}
    for participant in participants:
        test, source = arguments.test_story, arguments.ceiling_story
        check_name(f"story of {participant.name}", test, participant.story_names)
        check_test_story(test, participant.n_trs[test], arguments.test_skip_trs)
        if arguments.ceiling_files:
            path = arguments.ceiling_files[participant.name]
            given = read_noise_ceiling(path, participant.n_voxels)
            if participant.mask is not None:
                check_voxel_order(participant.mask, given, str(path))
            continue
        if arguments.ceiling_word == "listeners":
            _others(participant, arguments)
        if arguments.ceiling_word is not None:
            continue
        option, story = ("test_story", test) if source is None else ("ceiling_story", source)
        check_name(f"story of {participant.name}", story, participant.story_names)
        repeats[participant.name] = participant.n_repeats.get(story, 0)
        if repeats[participant.name] < 2:
            raise ValueError(NO_REPEATS.format(option, story, participant.name))
    n, most = arguments.ceiling_repeats, min(repeats.values(), default=0) - 1
    if n is not None and not 2 <= n <= most:
        counts = ", ".join(f"{name} heard it {count} times" for name, count in repeats.items())
        would_do = f"must be from 2 to {most}, or left out" if most >= 2 else "must be left out"
        raise ValueError(
            f"ceiling_repeats {would_do}, so that some repeats of {arguments.test_story!r} are "
            f"left to score: {counts}, got {n}"
        )


def scored_story(participant: Participant, arguments: Any) -> tuple[Story, np.ndarray | None, str]:
    """Return the story that models are compared on, and the noise ceilings of its responses.

    The noise ceilings select voxels, so they should not come from the repeats that are scored:
    they can be given, be had from another repeated story, or from some of the repeats, whereupon
    the mean of the others is scored (Schoppe et al. 2016). In place of noise ceilings there can be
    the correlation with other listeners, or nothing.

    Parameters
    ----------
    participant : Participant
    arguments
        With `test_story`, and the options of `recipes.command.vocabulary.Alignment` on noise
        ceilings.

    Returns
    -------
    test : Story
    ceiling : array of shape (n_voxels,), or None
        With `voxel_selection` fdr, 0 where the repeats are not alike; None where alignment is not
        to be normalised.
    note : str
        Where the noise ceilings come from, and what is wrong with few repeats.

    Raises
    ------
    FileNotFoundError, ValueError
        As `check_scoring`.
    """
    check_scoring([participant], arguments)
    skip_trs, n_repeats = arguments.test_skip_trs, arguments.ceiling_repeats
    (test,) = participant.stories([arguments.test_story])
    if arguments.ceiling_word == "none":
        return test, None, NONE
    if arguments.ceiling_word == "listeners":
        others = _others(participant, arguments)
        heard = (next(o.responses([test.name])).responses[skip_trs:] for o in others)
        ceiling = ceiling_across_listeners(test.responses[skip_trs:], heard)
        note = ACROSS.format(test.name, len(others), ", ".join(o.name for o in others))
        return test, ceiling, note
    if arguments.ceiling_files:
        path = arguments.ceiling_files[participant.name]
        ceiling = read_noise_ceiling(path, participant.n_voxels)
        return test, ceiling, GIVEN.format(Path(path).name)
    if arguments.ceiling_story is not None:
        (other,) = participant.responses([arguments.ceiling_story])
        n_scored = 1 if test.repeats is None else len(test.repeats)
        note = f"Noise ceilings, and with them the voxels, come from {other.name!r}."
        return test, *_ceiling(other.repeats, n_scored, arguments, note)
    repeats = test.repeats[:, skip_trs:]
    if n_repeats is None:
        return test, *_ceiling(repeats, len(repeats), arguments, OWN_REPEATS.format(test.name))
    scored = test.repeats[n_repeats:]
    mean = zscore_responses(scored.mean(axis=0, dtype=np.float32))
    note = (
        f"Noise ceilings, and with them the voxels, come from {n_repeats} repeats of "
        f"{test.name!r}; models are scored on the mean of the other {len(scored)}."
    )
    test = dataclasses.replace(test, responses=mean, repeats=scored)
    return test, *_ceiling(repeats[:n_repeats], len(scored), arguments, note)


def _ceiling(repeats, n_scored, arguments, note):
    """Noise ceilings, 0 where voxels are selected otherwise and not among them; and a note."""
    ceiling, threshold = noise_ceiling(repeats, n_scored), arguments.ceiling_threshold
    if arguments.voxel_selection == "fdr":
        live = np.flatnonzero(np.isfinite(ceiling))
        block = min(10, repeats.shape[1] // 10)  # of few blocks nothing stands out
        alike = fdr(repeat_permutation_p(repeats[:, :, live], block)) <= RATE
        ceiling[live[~alike]] = 0
        return ceiling, f"{note} {ALIKE}"
    if len(repeats) < FEW:
        white, drifting = (
            passing_noise(len(repeats), repeats.shape[1], threshold, n_scored, correlated)
            for correlated in (0.0, 0.6)
        )
        said = FEW_REPEATS.format(len(repeats), white, threshold, drifting)
        note = f"{note} {said}"
    return ceiling, note


def _others(participant, arguments):
    """Those who heard the test story too; the names follow the word that asks for them."""
    return other_listeners(
        participant,
        arguments.test_story,
        arguments.ceiling[1:],
        dtype=arguments.dtype,
        options=layout_options(arguments),
    )


def check_test_story(name: str, n_trs: int, skip_trs: int = 0) -> None:
    """Refuse a story of which too few TRs are left to compare models on.

    Parameters
    ----------
    name : str
    n_trs : int
        Of its responses.
    skip_trs : int
        Left out at its start.

    Raises
    ------
    ValueError
    """
    left = max(0, n_trs - skip_trs)
    if skip_trs < 0 or left < SHORTEST:
        raise ValueError(
            f"test_skip_trs={skip_trs} leaves {left} of the {n_trs} TRs of {name}; at least "
            f"{SHORTEST} are needed"
        )
