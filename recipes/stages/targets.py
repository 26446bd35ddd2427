"""Pairs of sound and targets, and what a checkpoint says of the targets that its head predicts."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from datasets_scripts import (
    JointWindows,
    TrainingWindows,
    permute_blocks,
    zscore_responses,
)
from modeling_braintune import Brain
from recipes.command.cache import cache_folder
from recipes.stages.controls import TARGETS, source_of
from recipes.stages.recordings import TuningListener, tuned_on
from recipes.stages.teacher_targets import teacher_targets

Windows = TrainingWindows | JointWindows


def windows(
    arguments: Any,
    listeners: list[TuningListener],
    targets: Iterable[str],
    seed: int = 0,
    *,
    located: Callable[[str], str],
    **teaching: Any,
) -> dict[str, list[Windows]]:
    """Pairs of sound and targets, the sounds of all targets being the same.

    Parameters
    ----------
    arguments : TuningOptions
    listeners : list of TuningListener
    targets : iterable of str
        Keys of `TARGETS`.
    seed : int
        Of the permutation.
    located : callable
        Where a teacher of a given name is; see `recipes.command.checkpoints.checkpoint`.
    **teaching
        `device`, `progress` and `say` of `teacher_targets`.

    Returns
    -------
    dict of {target: [training pairs, validation pairs]}
        Each is a `TrainingWindows`, or a `JointWindows` of several participants.

    Raises
    ------
    ValueError
        As `permute_blocks` and `teacher_targets`.
    """
    splits = {split: getattr(listeners[0], split) for split in ("tuning", "validation")}
    # What a teacher makes of the stories is large, and held once for all who learn from it.
    taught = {
        source: _taught(arguments, source, splits, located, **teaching)
        for source in dict.fromkeys(map(source_of, targets))
        if TARGETS[source].teacher
    }
    pairs: dict[str, list[Windows]] = {target: [] for target in targets}
    for split in splits:
        for target in pairs:
            source = source_of(target)
            if source in taught:
                made = _pairs(arguments, taught[source][split], None, target, seed)
            else:
                by_name = {
                    one.name: _pairs(arguments, getattr(one, split), one.voxels, target, seed)
                    for one in listeners
                }
                made = JointWindows(by_name) if len(by_name) > 1 else by_name[listeners[0].name]
            pairs[target].append(made)
    return pairs


def _pairs(arguments, stories, voxels, target, seed):
    orders = None
    if TARGETS[target].is_permuted and arguments.permute_across:
        stories, voxels = list(_exchanged(stories, voxels, seed)), None
    elif TARGETS[target].is_permuted:
        # Without noise, blocks of a short story give themselves away by what they are not: of K
        # blocks that all change places, the mean of the others is the block's own, over 1 - K.
        block = 1 if TARGETS[target].teacher else arguments.permutation_block
        orders = [_order(story, block, [seed, i]) for i, story in enumerate(stories)]
    return TrainingWindows(stories, voxels, arguments.n_trs_per_window, orders)


def _order(story, block, seed):
    try:
        return permute_blocks(len(story.tr_times), block, seed)
    except ValueError as error:
        raise ValueError(f"permutation_block, story {story.name}: {error}") from error


def _exchanged(stories, voxels, seed):
    """Stories with the responses of another one each, begun again where they are too short."""
    if len(stories) < 2:
        raise ValueError(f"permute_across needs two stories or more, got {len(stories)}")
    turned = np.random.default_rng(seed).permutation(len(stories))
    others = dict(zip(turned, np.roll(turned, 1), strict=True))
    for i, story in enumerate(stories):
        other, n_trs = stories[others[i]].responses, len(story.tr_times)
        if voxels is not None:
            other = other[:, voxels]
        # A slice holds nothing twice.
        other = other[:n_trs] if n_trs <= len(other) else other[np.arange(n_trs) % len(other)]
        yield dataclasses.replace(story, responses=other, repeats=None)


def teachers(arguments: Any) -> list[str]:
    """Return the names of the teachers that a run's targets come from."""
    sources = dict.fromkeys(map(source_of, arguments.targets))
    return [_teacher(arguments, source)[0] for source in sources if TARGETS[source].teacher]


def _teacher(arguments, target):
    """Name and layers of the teacher that a target comes from."""
    kind = TARGETS[target].teacher
    return getattr(arguments, f"{kind}_teacher"), getattr(arguments, f"{kind}_layers")


def _taught(arguments, target, splits, located, **teaching):
    """Stories of each split with a teacher's z-scored representations in place of responses."""
    name, layers = _teacher(arguments, target)
    targets = teacher_targets(
        TARGETS[target].teacher,
        located(name),
        [story for stories in splits.values() for story in stories],
        layers,
        context=arguments.text_context,
        language=arguments.teacher_language,
        dtype=arguments.teacher_dtype,
        cache_dir=cache_folder("teachers"),
        **teaching,
    )
    taught = {
        split: [
            dataclasses.replace(story, responses=_standardised(next(targets)), repeats=None)
            for story in stories
        ]
        for split, stories in splits.items()
    }
    next(targets, None)  # lets go of the teacher
    return taught


def _standardised(values):
    """Z-score columns in place, as responses are; what is constant but for rounding becomes 0."""
    ranges = np.ptp(values, axis=0)
    values = zscore_responses(values)
    values[:, ranges <= 1e-6 * ranges.max()] = 0  # labels may hold no NaN
    return values


def brains(
    arguments: Any, listeners: list[TuningListener], target: str, pairs: Windows
) -> list[Brain]:
    """What a checkpoint says of its head's outputs.

    Parameters
    ----------
    arguments : TuningOptions
    listeners : list of TuningListener
    target : str
        A key of `TARGETS`.
    pairs : windows of that target

    Returns
    -------
    list of Brain
    """
    if TARGETS[target].teacher is None:
        return [brain(arguments, one, target) for one in listeners]
    name, layers = _teacher(arguments, target)
    teacher = Path(name).name
    of_sound = brain(arguments, listeners[0], target)
    n_targets = len(pairs.voxels)
    return [
        dataclasses.replace(
            of_sound,
            participant=teacher,
            n_recorded_voxels=n_targets,
            voxels=pairs.voxels,
            noise_ceiling=np.ones(n_targets),
            regions={},
            places=None,
            space=None,
            fsaverage5=None,
            atlas={},
            data=of_sound.data
            | {
                "teacher": teacher if Path(name).is_dir() else name,
                "layers": layers,
                "text_context": arguments.text_context,
                "teacher_dtype": arguments.teacher_dtype,
            },
        )
    ]


def brain(arguments: Any, one: TuningListener, targets: str) -> Brain:
    """What a checkpoint says of a listener.

    Parameters
    ----------
    arguments : TuningOptions
    one : TuningListener
    targets : str
        A key of `TARGETS`.

    Returns
    -------
    Brain
    """
    provenance, voxels = one.participant.provenance, one.voxels
    facts = {key: provenance[key] for key in ("layout", "options", "trims", "sources")}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    anatomy = one.participant.anatomy
    mask = anatomy.mask
    columns = np.full(anatomy.n_voxels + 1, -1)  # the last for vertices without a voxel
    columns[voxels] = np.arange(len(voxels))
    return Brain(
        participant=one.name,
        tr=float(one.train[0].tr),
        n_trs_per_window=arguments.n_trs_per_window,
        n_recorded_voxels=one.participant.n_voxels,
        voxels=voxels,
        noise_ceiling=None if one.ceiling is None else one.ceiling[voxels],
        regions={
            region: np.flatnonzero(np.isin(voxels, indices))
            for region, indices in one.participant.regions.items()
        },
        targets=targets,
        trims=provenance["trims"],
        places=None if mask is None else np.flatnonzero(np.asarray(mask.dataobj))[voxels],
        space=None if mask is None else {"shape": list(mask.shape), "affine": mask.affine.tolist()},
        fsaverage5=None if anatomy.fsaverage5 is None else columns[anatomy.fsaverage5],
        atlas=anatomy.atlas,
        data={
            "layout": provenance["layout"],
            "fingerprint": digest,
            "train_stories": tuned_on(arguments),
            "validation_stories": arguments.validation_stories,
            "normalisation": one.normalisation,
        },
    )
