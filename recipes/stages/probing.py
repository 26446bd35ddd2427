"""Probes of a model by a task: what they are to tell, what they follow from, how they score."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict
from sklearn.base import clone

from datasets_scripts.speech_tasks import LOW_LEVEL, SPLITS, mean_spectra, task_name
from evaluate_metrics import ClassProbe, LabelProbe, RidgeProbe

WEIGHTED = "weighted_sum"
FORMAT = 2  # of results: a new one has them computed again


class Targets(NamedTuple):
    """What a task's probes are to tell of the clips.

    Parameters
    ----------
    probe : ClassProbe, LabelProbe or RidgeProbe
        Not fitted.
    values : dict of {split: array}
        Classes by name (n_clips,), labels (n_clips, n_labels), or means over frames
        (n_clips, n_bands).
    notes : list of str
        Which labels are left out.
    """

    probe: ClassProbe | LabelProbe | RidgeProbe
    values: dict[str, np.ndarray]
    notes: list[str]

    @property
    def measure(self) -> str:
        return "r2" if isinstance(self.probe, RidgeProbe) else "macro_f1"


def task_targets(data: DatasetDict | dict[str, Dataset], task: str) -> Targets:
    """Return what a task's probes are to tell of the clips.

    Labels that no clip has, or all training clips have, are left out: TIMIT's silence, for one.

    Parameters
    ----------
    data : dict of {split: Dataset}
    task : str
        Its name after the slash is a column of classes or lists of them, "mfcc" or "fbank".

    Returns
    -------
    Targets

    Raises
    ------
    ValueError
        A clip is shorter than a frame of mel energies.
    """
    name = task_name(task)
    if name in LOW_LEVEL:
        spectra = {split: mean_spectra(clips, name) for split, clips in data.items()}
        return Targets(RidgeProbe(), spectra, [])
    feature = data["train"].features[name]
    if isinstance(feature, ClassLabel):
        classes = np.array(feature.names)
        named = {split: classes[list(clips[name])] for split, clips in data.items()}
        return Targets(ClassProbe(), named, [])
    labels = np.array(feature.feature.names)
    present = {
        split: np.array([np.isin(range(len(labels)), held) for held in clips[name]])
        for split, clips in data.items()
    }
    everywhere = present["train"].all(axis=0)
    nowhere = ~np.any([held.any(axis=0) for held in present.values()], axis=0)
    notes = [
        f"{task}: {', '.join(labels[which])} left out, being in {where}."
        for which, where in ((everywhere, "all training clips"), (nowhere, "no clip"))
        if which.any()
    ]
    kept = ~(everywhere | nowhere)
    held = {split: held[:, kept] for split, held in present.items()}
    return Targets(LabelProbe(names=labels[kept]), held, notes)


def result_keys(
    facts: dict[str, Any], data: DatasetDict, tasks: Iterable[str], weighted_sum: bool
) -> dict[str, str]:
    """Return digests of all that the results of tasks follow from.

    Parameters
    ----------
    facts : dict
        What the model's representations follow from, as `facts_of` returns it.
    data : DatasetDict
        The clips that the tasks share.
    tasks : iterable of str
    weighted_sum : bool
        Whether a sum of all layers is probed too.

    Returns
    -------
    dict of {task: str}
    """
    facts = facts | {
        "data": [data[split]._fingerprint for split in SPLITS],
        "weighted_sum": weighted_sum,
        "probes": FORMAT,
    }
    return {
        task: hashlib.sha256(json.dumps([facts, task], sort_keys=True).encode()).hexdigest()
        for task in tasks
    }


def probed(
    task: str,
    features: dict[str, np.ndarray],
    targets: Targets,
    layers: list[int] | None = None,
    weighted_sum: bool = False,
) -> tuple[dict[int | str, dict[str, Any]], list[str]]:
    """Fit a task's probes on the training clips, and score them on the test clips.

    Parameters
    ----------
    task : str
        As errors and notes call it.
    features : dict of {split: array of shape (n_layers, n_clips, hidden)}
    targets : Targets
    layers : list of int, or None for all
        What the rows of the features are.
    weighted_sum : bool
        Also probe a sum of all layers with learned weights.

    Returns
    -------
    scores : dict of {layer or "weighted_sum": dict}
        As `LinearProbe.score` returns them.
    notes : list of str
        What a reader of them must know.

    Raises
    ------
    ValueError
        As `LinearProbe.fit` and `LinearProbe.score`.
    """
    rows: list[int | str] = list(layers or range(len(features["train"])))
    probes = [(rows, targets.probe)]
    if weighted_sum:
        probes.append(([WEIGHTED], clone(targets.probe).set_params(weighted_sum=True)))
    fitting, validating, testing = ((features[split], targets.values[split]) for split in SPLITS)
    scores: dict[int | str, dict[str, Any]] = {}
    try:
        for names, probe in probes:
            found = probe.fit(*fitting, *validating).score(*testing)
            scores |= zip(names, found, strict=True)
    except ValueError as error:
        raise ValueError(f"{task}: {error}") from error
    notes = list(targets.notes)
    absent = found[0]["absent"]
    if absent:
        notes.append(f"{task}: no test clip has {', '.join(map(str, absent))}, which do not count.")
    return scores, notes
