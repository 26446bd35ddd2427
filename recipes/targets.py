"""What models are tuned on: participants' stories and voxels, and the targets of each model."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets_scripts import (
    JointWindows,
    Participant,
    Story,
    TrainingWindows,
    permute_blocks,
    select_voxels,
)
from modeling_braintune import Brain
from recipes.phantom import CACHE
from recipes.teacher_targets import teacher_targets

# What a model is called by its targets
MODEL_OF = {
    "responses": "brain-tuned",
    "permuted": "random",
    "speech_model": "speech-model-tuned",
    "text_model": "text-model-tuned",
    "permuted_text_model": "random-text-model-tuned",
}
# Targets that are others in a wrong order: such a model is taken at the step that was best for
# the one in the right order, since its own validation loss is best before it has begun.
PERMUTED = {"permuted": "responses", "permuted_text_model": "text_model"}
TEACHING = {
    "speech_model": lambda arguments: (arguments.speech_teacher, arguments.speech_layers),
    "text_model": lambda arguments: (arguments.text_teacher, arguments.text_layers),
}


@dataclass(kw_only=True)
class Listener:
    """A participant's recordings as a run divides them, and the voxels that it tunes on."""

    participant: Participant
    train: list[Story]  # that encoding models are fitted on
    tuning: list[Story]  # those of them that are tuned on
    validation: list[Story]
    test: Story
    ceiling: np.ndarray
    ceiling_note: str
    voxels: np.ndarray

    @property
    def measured_regions(self):
        return self.participant.regions or {"all": np.arange(len(self.ceiling))}


def listener(arguments, name):
    """Read a participant's stories and select the voxels whose responses can be predicted at all.

    Parameters
    ----------
    arguments : TuneArguments
    name : str

    Returns
    -------
    Listener

    Raises
    ------
    ValueError, FileNotFoundError
        As the parts that read and select.
    """
    participant = arguments.open(name)
    test, ceiling, note = arguments.scored_story(participant)
    train = list(participant.stories(arguments.train_stories))
    threshold, regions = arguments.ceiling_threshold, participant.regions
    # Every voxel that will be measured must be live, or the run would fail at its end.
    TrainingWindows(train, select_voxels(ceiling, threshold, regions))
    return Listener(
        participant=participant,
        train=train,
        tuning=[story for story in train if story.name in tuned_on(arguments)],
        validation=list(participant.stories(arguments.validation_stories)),
        test=test,
        ceiling=ceiling,
        ceiling_note=note,
        voxels=select_voxels(
            ceiling, threshold, regions, arguments.tuning_regions if regions else None
        ),
    )


def tuned_on(arguments):
    """Names of the stories that models are tuned on."""
    return arguments.tuning_stories or arguments.train_stories


def windows(arguments, listeners, targets, seed=0, **teaching):
    """Pairs of sound and targets, the sounds of all targets being the same.

    Parameters
    ----------
    arguments : TuneArguments
    listeners : list of Listener
    targets : list of str
        Keys of `MODEL_OF`.
    seed : int
        Of the permutation.
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
    sources = {target: PERMUTED.get(target, target) for target in targets}
    splits = {split: getattr(listeners[0], split) for split in ("tuning", "validation")}
    # What a teacher makes of the stories is large, and held once for all who learn from it.
    taught = {
        source: _taught(arguments, source, splits, **teaching)
        for source in dict.fromkeys(sources.values())
        if source in TEACHING
    }
    pairs = {target: [] for target in targets}
    for split in splits:
        for target, source in sources.items():
            if source in taught:
                made = _pairs(arguments, taught[source][split], None, target, seed)
            else:
                made = {
                    one.participant.name: _pairs(
                        arguments, getattr(one, split), one.voxels, target, seed
                    )
                    for one in listeners
                }
                made = JointWindows(made) if len(made) > 1 else next(iter(made.values()))
            pairs[target].append(made)
    return pairs


def _pairs(arguments, stories, voxels, target, seed):
    orders = None
    if target in PERMUTED and arguments.permute_across:
        stories, voxels = list(_exchanged(stories, voxels, seed)), None
    elif target in PERMUTED:
        # Without noise, blocks of a short story give themselves away by what they are not: of K
        # blocks that all change places, the mean of the others is the block's own, over 1 - K.
        block = arguments.permutation_block if target == "permuted" else 1
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


def _taught(arguments, target, splits, **teaching):
    """Stories of each split with a teacher's z-scored representations in place of responses."""
    name, layers = TEACHING[target](arguments)
    targets = teacher_targets(
        target,
        name,
        [story for stories in splits.values() for story in stories],
        layers,
        context=arguments.text_context,
        language=arguments.teacher_language,
        dtype=arguments.teacher_dtype,
        cache_dir=CACHE / "teachers",
        **teaching,
    )
    taught = {
        split: [
            dataclasses.replace(story, responses=_zscored(next(targets)), repeats=None)
            for story in stories
        ]
        for split, stories in splits.items()
    }
    next(targets, None)  # lets go of the teacher
    return taught


def _zscored(values):
    """Standardise columns in place; constant ones become 0."""
    values -= values.mean(axis=0)
    spread = np.sqrt(np.einsum("ij,ij->j", values, values) / len(values))  # takes no second copy
    values /= np.where(spread > 1e-6 * spread.max(), spread, np.inf)
    return values


def brains(arguments, listeners, target, pairs):
    """What a checkpoint says of its head's outputs.

    Parameters
    ----------
    arguments : TuneArguments
    listeners : list of Listener
    target : a key of `MODEL_OF`
    pairs : windows of that target

    Returns
    -------
    list of Brain
    """
    source = PERMUTED.get(target, target)
    if source not in TEACHING:
        return [brain(arguments, one, target) for one in listeners]
    name, layers = TEACHING[source](arguments)
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
            data=of_sound.data
            | {
                "teacher": teacher if Path(name).is_dir() else name,
                "layers": layers,
                "text_context": arguments.text_context,
                "teacher_dtype": arguments.teacher_dtype,
            },
        )
    ]


def brain(arguments, one, targets):
    """What a checkpoint says of a listener.

    Parameters
    ----------
    arguments : TuneArguments
    one : Listener
    targets : str
        A key of `MODEL_OF`.

    Returns
    -------
    Brain
    """
    provenance, voxels = one.participant.provenance, one.voxels
    facts = {key: provenance[key] for key in ("layout", "options", "trims", "sources")}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    place = provenance["mask"]
    return Brain(
        participant=one.participant.name,
        tr=float(one.train[0].tr),
        n_trs_per_window=arguments.n_trs_per_window,
        n_recorded_voxels=one.participant.n_voxels,
        voxels=voxels,
        noise_ceiling=one.ceiling[voxels],
        regions={
            region: np.flatnonzero(np.isin(voxels, indices))
            for region, indices in one.participant.regions.items()
        },
        targets=targets,
        trims=provenance["trims"],
        places=None if place is None else np.array(place["voxels"])[voxels],
        space=place and {key: place[key] for key in ("shape", "affine")},
        data={
            "layout": provenance["layout"],
            "fingerprint": digest,
            "train_stories": tuned_on(arguments),
            "validation_stories": arguments.validation_stories,
        },
    )
