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
    SharedWindows,
    TrainingWindows,
    zscore_responses,
)
from modeling_braintune import Brain
from recipes.command.cache import cache_folder
from recipes.stages.controls import TARGETS, source_of
from recipes.stages.permuted_targets import permuted_order, signal_left
from recipes.stages.recordings import TuningListener, tuned_on
from recipes.stages.shared_space import coverage, known_vertices, shared_brain, shared_windows
from recipes.stages.teacher_targets import teacher_targets

Windows = TrainingWindows | JointWindows | SharedWindows


def windows(
    arguments: Any,
    listeners: list[TuningListener],
    targets: Iterable[str],
    seed: int = 0,
    *,
    located: Callable[[str], str],
    say: Callable[[str], None] = print,
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
    say : callable
        Is told how a control's targets correlate with the true ones, and the sizes of teachers.
    **teaching
        `device` and `progress` of `teacher_targets`.

    Returns
    -------
    dict of {target: [training pairs, validation pairs]}
        Each is a `TrainingWindows`, or a `JointWindows` of several participants, or with
        `shared_space` a `SharedWindows`. With `refit`, a third one is of the stories of both.

    Raises
    ------
    ValueError
        As `permuted_order` and `teacher_targets`.
    """
    splits = {split: getattr(listeners[0], split) for split in ("tuning", "validation")}
    # What a teacher makes of the stories is large, and held once for all who learn from it.
    taught = {
        source: _taught(arguments, source, splits, located, say=say, **teaching)
        for source in dict.fromkeys(map(source_of, targets))
        if TARGETS[source].teacher
    }
    participants = [one.participant for one in listeners]
    vertices = known_vertices(located(arguments.pretrained)) if arguments.shared_space else None
    pairs: dict[str, list[Windows]] = {target: [] for target in targets}
    wanted = [
        ("tuning",),
        ("validation",),
        *([("tuning", "validation")] if arguments.refit else []),
    ]
    for parts in wanted:
        for target in pairs:
            source = source_of(target)
            if source in taught:
                stories = [story for split in parts for story in taught[source][split]]
                made = _pairs(arguments, stories, None, target, parts, seed)
            else:
                by_name = {
                    one.name: _pairs(
                        arguments,
                        [story for split in parts for story in getattr(one, split)],
                        one.voxels,
                        target,
                        parts,
                        seed,
                    )
                    for one in listeners
                }
                if arguments.shared_space:
                    made = shared_windows(by_name, participants, vertices)
                    vertices = made.voxels  # validated on what is tuned, whatever else there is
                else:
                    made = JointWindows(by_name) if len(by_name) > 1 else by_name[listeners[0].name]
            pairs[target].append(made)
    for one in listeners if vertices is not None else ():
        say(coverage(one, vertices))
    for target, (control, *_) in pairs.items():
        if TARGETS[target].is_permuted:
            true = pairs[source_of(target)][0]
            left = signal_left(splits["tuning"], true, control, _block(arguments, target))
            say(f"{TARGETS[target].model}: {left}")
    return pairs


def _pairs(arguments, stories, voxels, target, splits, seed):
    order = None
    if TARGETS[target].is_permuted:
        block = _block(arguments, target)
        if block is None and splits == ("validation",) and len(stories) == 1:
            # Its halves: the loss of a permuted model's validation decides nothing.
            block = len(stories[0].tr_times) // 2
        order = permuted_order(stories, block, seed)
    return TrainingWindows(stories, voxels, arguments.n_trs_per_window, order)


def _block(arguments, target):
    """TRs that change places within a story; None where targets are other stories'."""
    if not arguments.permute_within:
        return None
    # Without noise, blocks of a short story give themselves away by what they are not.
    return 1 if TARGETS[target].teacher else arguments.permutation_block


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
        own = [brain(arguments, one, target) for one in listeners]
        if arguments.shared_space:
            return [shared_brain(own, pairs.voxels)]
        return own
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
