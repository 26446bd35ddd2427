"""One space for several participants: the vertices of fsaverage5, which one head predicts."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from transformers import PreTrainedModel

from datasets_scripts import Participant, SharedWindows, TrainingWindows, training_windows
from evaluate_metrics import Scores
from modeling_braintune import AutoModelForBrainTuning, Brain, load_feature_extractor
from modeling_braintune.brain import N_FSAVERAGE5, read_brains

SPACE = "fsaverage5"


def placed(responses: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Give each place the response that is predicted there.

    Parameters
    ----------
    responses : float32 array of shape (n_trs, num_voxels)
    columns : int array of shape (n_places,)
        The model's column for each place, -1 for none.

    Returns
    -------
    float32 array of shape (n_trs, n_places), NaN where nothing is predicted
    """
    return np.where(columns < 0, np.float32(np.nan), responses[:, columns])


def check_surfaces(participants: Sequence[Participant]) -> None:
    """Refuse participants of whom it is not known where on fsaverage5 their voxels lie.

    Raises
    ------
    ValueError
    """
    unknown = [one.name for one in participants if one.anatomy.fsaverage5 is None]
    if unknown:
        raise ValueError(
            f"a space for all needs to know which vertices of {SPACE} each participant's voxels "
            f"lie at, which is not known of {', '.join(unknown)}: recipes/anatomy.py writes it "
            "where the recordings come with surfaces; or leave them out"
        )


def known_vertices(pretrained: str) -> np.ndarray | None:
    """The vertices that a checkpoint's head predicts for all, to go on with that head.

    Parameters
    ----------
    pretrained : folder or name on the Hub

    Returns
    -------
    int64 array of shape (n_columns,), or None where it has no such head
    """
    config = AutoModelForBrainTuning.config_of(pretrained)
    if SPACE not in (getattr(config, "brain", None) or {}):
        return None
    return read_brains(config, pretrained)[SPACE].voxels


def shared_windows(
    windows: Mapping[str, TrainingWindows],
    participants: Sequence[Participant],
    vertices: np.ndarray | None,
) -> SharedWindows:
    """Put the responses of participants onto the vertices of fsaverage5.

    Parameters
    ----------
    windows : dict of {participant: TrainingWindows}
    participants : list of Participant
    vertices : array of shape (n_columns,), or None
        As `SharedWindows`.

    Returns
    -------
    SharedWindows

    Raises
    ------
    ValueError
        As `SharedWindows` and `check_surfaces`.
    """
    check_surfaces(participants)
    cortex = {one.name: one.anatomy.fsaverage5 for one in participants}
    return SharedWindows(windows, cortex, vertices)


def coverage(one: Any, vertices: np.ndarray) -> str:
    """Say in a line how many of a listener's voxels lie at vertices that a head predicts.

    Parameters
    ----------
    one : recipes.stages.recordings.TuningListener
    vertices : array of shape (n_columns,)

    Returns
    -------
    str
    """
    at = np.isin(one.voxels, one.participant.anatomy.fsaverage5[vertices])
    return (
        f"{one.name}: {np.count_nonzero(at)} of {len(at)} voxels lie at vertices of {SPACE} that "
        f"the head predicts ({len(vertices)} in all); the others are left out"
    )


def shared_brain(brains: Sequence[Brain], vertices: np.ndarray) -> Brain:
    """What a checkpoint says of a head that predicts vertices for all.

    Parameters
    ----------
    brains : list of Brain
        Of each participant's own voxels.
    vertices : array of shape (n_columns,)

    Returns
    -------
    Brain
        Noise ceilings are means over the participants who have a voxel at a vertex, and a region
        is where that of any of them is.

    Raises
    ------
    ValueError
        The participants' TRs differ.
    """
    first = brains[0]
    trs = {brain.participant: brain.tr for brain in brains}
    if max(trs.values()) - min(trs.values()) > 2e-3:
        raise ValueError(f"a space for all takes participants of one TR, got {trs} s")
    columns = [brain.fsaverage5[vertices] for brain in brains]
    ceilings = None
    if all(brain.noise_ceiling is not None for brain in brains):
        known = [placed(b.noise_ceiling[None], c)[0] for b, c in zip(brains, columns, strict=True)]
        n_known = np.isfinite(known).sum(axis=0)
        # A head that is gone on with may predict vertices where these participants have nothing.
        ceilings = np.nansum(known, axis=0) / np.maximum(n_known, 1)
    of_vertex = np.full(N_FSAVERAGE5, -1)
    of_vertex[vertices] = np.arange(len(vertices))
    fingerprints = "".join(brain.data["fingerprint"] for brain in brains)
    return dataclasses.replace(
        first,
        participant=SPACE,
        participants=[brain.participant for brain in brains],
        n_recorded_voxels=N_FSAVERAGE5,
        voxels=vertices,
        noise_ceiling=ceilings,
        regions={
            region: np.flatnonzero(
                np.any(
                    [
                        (c >= 0) & np.isin(c, b.regions.get(region, ()))
                        for b, c in zip(brains, columns, strict=True)
                    ],
                    axis=0,
                )
            )
            for region in dict.fromkeys(name for brain in brains for name in brain.regions)
        },
        places=None,
        space=None,
        fsaverage5=of_vertex,
        data=first.data | {"fingerprint": hashlib.sha256(fingerprints.encode()).hexdigest()},
    )


def carried_over(
    model: PreTrainedModel, feature_extractor: Any, one: Any, skipped: int, batch_size: int
) -> np.ndarray:
    """Predict a participant whom a model knows nothing of, from those whom its heads predict.

    What each head predicts is put onto fsaverage5 and averaged there; a voxel is predicted to
    respond as the mean of the vertices that lie in it.

    Parameters
    ----------
    model : a model for brain-tuning
    feature_extractor : its own
    one : recipes.stages.recordings.Listener
        Whose test story it is.
    skipped : int
        TRs left out at the story's start.
    batch_size : int

    Returns
    -------
    float32 array of shape (n_trs, n_voxels)
        Of all the listener's voxels, NaN where no head predicts any of their vertices.

    Raises
    ------
    ValueError
        The checkpoint does not say whose voxels it predicts, or where they lie on the cortex; or
        that is not known of the listener's.
    """
    check_surfaces([one.participant])
    if not model.brains:
        raise ValueError("the checkpoint does not say whose voxels it predicts")
    total, count = np.zeros((), np.float32), np.zeros(N_FSAVERAGE5, int)
    for name, brain in model.brains.items():
        if brain.fsaverage5 is None:
            raise ValueError(
                f"the checkpoint does not say where on {SPACE} the voxels of {name} lie: nothing "
                "that it predicts can be carried over to another participant"
            )
        windows = training_windows(one.test.tr_times, one.test.tr, brain.n_trs_per_window)[skipped:]
        predicted = model.predict_responses(
            one.test.audio, feature_extractor, windows, participant=name, batch_size=batch_size
        )
        total = total + np.nan_to_num(placed(predicted, brain.fsaverage5))
        count += brain.fsaverage5 >= 0
    return mean_of_vertices(
        np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan)),
        one.participant.anatomy.fsaverage5,
        one.participant.n_voxels,
    )


def zero_shot_scores(
    models: Mapping[str, str], one: Any, arguments: Any, device: Any, batch_size: int
) -> dict[str, Any]:
    """Score models on a participant whom none of them learned from.

    Parameters
    ----------
    models : dict of {name: folder or name on the Hub}
    one : recipes.stages.recordings.Listener
    arguments : recipes.command.vocabulary.Alignment
    device : torch.device
    batch_size : int

    Returns
    -------
    dict
        "alignment" {model: {region: scores}}, and "gain" and "tests" of all models but the first
        over that, as `Scores` gives them, on the voxels above the noise-ceiling threshold that all
        models predict; "n_unknown", those that some do not.

    Raises
    ------
    ValueError
        As `carried_over`; a model learned from the participant; none predicts any voxel.
    """
    predictions = {}
    skipped = arguments.test_skip_trs
    for name, checkpoint in models.items():
        model = AutoModelForBrainTuning.from_pretrained(checkpoint).to(device)
        learned = [p for b in model.brains.values() for p in (b.participants or [b.participant])]
        if one.name in learned:
            raise ValueError(
                f"{checkpoint} was tuned on responses of {', '.join(learned)}: what it predicts of "
                f"{one.name} is no prediction of somebody new"
            )
        extractor = load_feature_extractor(checkpoint)
        predictions[name] = carried_over(model, extractor, one, skipped, batch_size)
    references = one.test.responses[skipped:].astype(np.float32)
    above = np.isfinite(references).all(axis=0) & (references.max(0) > references.min(0))
    if one.ceiling is not None:
        above &= one.ceiling > arguments.lowest_ceiling
    members = np.zeros_like(above)
    for indices in one.measured_regions.values():
        members[indices] = True
    above &= members
    known = above & np.all([np.isfinite(p).all(axis=0) for p in predictions.values()], axis=0)
    if not known.any():
        raise ValueError(
            f"no voxel of {one.name} above the threshold lies where every model predicts something"
        )
    scored = Scores(
        references=references[:, known],
        ceiling=None if one.ceiling is None else one.ceiling[known],
        regions={
            region: np.isin(np.flatnonzero(known), indices)
            for region, indices in one.measured_regions.items()
        },
    )
    layers = {name: scored.score({"head": p[:, known]}) for name, p in predictions.items()}
    first, *others = layers
    return {
        "alignment": {name: scored.alignment(of) for name, of in layers.items()},
        "gain": {name: scored.gain(layers[name], layers[first]) for name in others},
        "tests": {name: scored.tests(layers[name], layers[first]) for name in others},
        "n_unknown": int(np.count_nonzero(above & ~known)),
        "normalisation": one.normalisation,
        "test_story": one.test.name,
    }


def mean_of_vertices(values: np.ndarray, voxel_of_vertex: np.ndarray, n_voxels: int) -> np.ndarray:
    """Average over the vertices that lie in each voxel, those without a value left out.

    Parameters
    ----------
    values : array of shape (n_trs, n_vertices)
        NaN at all TRs, or at none, of a vertex.
    voxel_of_vertex : int array of shape (n_vertices,)
        -1 for none.
    n_voxels : int

    Returns
    -------
    float32 array of shape (n_trs, n_voxels), NaN where no vertex has a value
    """
    usable = np.flatnonzero((voxel_of_vertex >= 0) & np.isfinite(values).all(axis=0))
    weights = csr_array(
        (np.ones(len(usable)), (np.arange(len(usable)), voxel_of_vertex[usable])),
        shape=(len(usable), n_voxels),
    )
    counts = weights.sum(axis=0)
    means = (values[:, usable] @ weights) / np.where(counts > 0, counts, np.nan)
    return means.astype(np.float32)
