"""Whose voxels a head predicts, as a checkpoint carries it beside its weights."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedConfig
from transformers.utils import cached_file

from .collator import SAMPLING_RATE
from .kept_arrays import written_whole

BRAIN_FILE = "brain.safetensors"
N_FSAVERAGE5 = 20484  # vertices of both hemispheres
# What a file may claim: beyond these, predicting would fill the memory or never end.
TRS = (0.01, 100.0)  # seconds per TR, at least and at most
LONGEST_WINDOW = 3600.0  # seconds
MOST_VOXELS = 10**8  # of a recording, or of its whole space
MEASURED_ON = {"story", "n_trs", "normalisation"}


@dataclass(kw_only=True)
class Brain:
    """One participant's voxels, in the order of a head's outputs, and what they were tuned on.

    Attributes
    ----------
    participant : str
        Or the space, where one head predicts the voxels of several participants in it.
    tr : float
        Seconds per TR.
    n_trs_per_window : int
        TRs of sound behind each response.
    n_recorded_voxels : int
        Voxels of the recordings, of which the head predicts some.
    voxels : int64 array of shape (num_voxels,)
        Their indices in the recordings.
    noise_ceiling : float32 array of shape (num_voxels,), or None
        None where there were none to select voxels by.
    regions : dict of {str: int64 array}
        Columns of the head's outputs that lie in each region of interest.
    targets : str
        What the head was taught: "responses", or those of a control such as "permuted".
    participants : list of str
        Whose responses were learned in one space, where each has some of its voxels; empty where
        `participant` is one.
    trims : dict
        What is left out at the start and end of a story's recording.
    places : int64 array of shape (num_voxels,), or None
        Of the voxels in the functional space, as flat indices in C order.
    space : dict with "shape" and "affine", or None
        The functional space; known with `places`.
    fsaverage5 : int64 array of shape (20484,), or None
        Column of the head's outputs for each vertex of fsaverage5, left hemisphere first; -1 where
        none is predicted. None where it is not known which vertex lies in which voxel.
    atlas : dict with "name" and "sha256"
        What the regions follow from; empty where they follow from no atlas.
    data : dict
        Where the recordings come from, with their fingerprint.
    alignment : dict of {str: dict}
        How well the head predicts each region of interest: "value", the brain alignment of what it
        predicts itself of a story that it was not tuned on, and its 95 % interval from "low" to
        "high". Empty where that was not measured; "all" where no regions are known.
    measured_on : dict with "story", "n_trs" and "normalisation"
        What `alignment` is of, and what correlations were divided by; empty without it.

    Raises
    ------
    ValueError
        If arrays disagree in length, or hold indices of nothing that there is; or alignment is no
        value within an interval.
    """

    participant: str
    tr: float
    n_trs_per_window: int
    n_recorded_voxels: int
    voxels: np.ndarray
    noise_ceiling: np.ndarray | None
    regions: dict[str, np.ndarray] = field(default_factory=dict)
    targets: str = "responses"
    participants: list[str] = field(default_factory=list)
    trims: dict = field(default_factory=dict)
    places: np.ndarray | None = None
    space: dict | None = None
    fsaverage5: np.ndarray | None = None
    atlas: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    alignment: dict[str, dict[str, float]] = field(default_factory=dict)
    measured_on: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.voxels = np.asarray(self.voxels, np.int64)
        if self.noise_ceiling is not None:
            self.noise_ceiling = np.asarray(self.noise_ceiling, np.float32)
        self.regions = {name: np.asarray(v, np.int64) for name, v in self.regions.items()}
        if self.places is not None:
            self.places = np.asarray(self.places, np.int64)
        if self.fsaverage5 is not None:
            self.fsaverage5 = np.asarray(self.fsaverage5, np.int64)
            if self.fsaverage5.shape != (N_FSAVERAGE5,):
                raise ValueError(
                    f"fsaverage5 of {self.participant} must be of shape ({N_FSAVERAGE5},), got "
                    f"{self.fsaverage5.shape}"
                )
        if not isinstance(self.participants, list) or not all(
            isinstance(name, str) for name in self.participants
        ):
            raise ValueError(
                f"participants of {self.participant} must be a list of names, got "
                f"{self.participants!r}"
            )
        n_voxels = len(self.voxels)
        if not TRS[0] <= self.tr <= TRS[1]:
            raise ValueError(
                f"tr of {self.participant} must be from {TRS[0]:g} to {TRS[1]:g} seconds, got "
                f"{self.tr}"
            )
        if (
            not isinstance(self.n_trs_per_window, Integral)
            or not 0 < self.n_trs_per_window * self.tr <= LONGEST_WINDOW
        ):
            raise ValueError(
                f"n_trs_per_window of {self.participant} must be a number of TRs above 0, of up to "
                f"{LONGEST_WINDOW:g} seconds in all, got {self.n_trs_per_window!r}"
            )
        if not 0 < self.n_recorded_voxels <= MOST_VOXELS:
            raise ValueError(
                f"n_recorded_voxels of {self.participant} must be from 1 to {MOST_VOXELS}, got "
                f"{self.n_recorded_voxels}"
            )
        n_unknown = 0
        if self.noise_ceiling is not None:
            n_unknown = np.count_nonzero(~np.isfinite(self.noise_ceiling))
        if n_unknown:
            raise ValueError(
                f"noise_ceiling of {self.participant} must be finite, got {n_unknown} that are "
                "not: leave these voxels out"
            )
        n_twice = n_voxels - len(np.unique(self.voxels))
        if n_twice:
            raise ValueError(
                f"voxels of {self.participant} must differ from one another, got {n_twice} that "
                "stand there again"
            )
        for name, values in {"noise_ceiling": self.noise_ceiling, "places": self.places}.items():
            if values is not None and values.shape != (n_voxels,):
                raise ValueError(
                    f"{name} of {self.participant} must be of shape (num_voxels,) = "
                    f"({n_voxels},), got {values.shape}"
                )
        if (self.places is None) != (self.space is None):
            raise ValueError(f"places and space of {self.participant} are known together or not")
        if self.space is not None:
            shape, affine = self.space["shape"], np.array(self.space["affine"], np.float64)
            if (
                (len(shape), min(shape) > 0) != (3, True)
                or math.prod(shape) > MOST_VOXELS
                or affine.shape != (4, 4)
                or not np.isfinite(affine).all()
            ):
                raise ValueError(
                    f"space of {self.participant} must have a shape of 3 numbers above 0, of up to "
                    f"{MOST_VOXELS} voxels, and a finite affine (4, 4), got {shape} and "
                    f"{affine.tolist()}"
                )
        bounds = [("voxels", self.voxels, self.n_recorded_voxels)]
        bounds += [(f"columns of region {r!r}", v, n_voxels) for r, v in self.regions.items()]
        if self.places is not None:
            bounds.append(("places", self.places, math.prod(self.space["shape"])))
        if self.fsaverage5 is not None:
            mapped = self.fsaverage5[self.fsaverage5 != -1]
            bounds.append(("columns of fsaverage5", mapped, n_voxels))
        for name, indices, n in bounds:
            if indices.size and not (0 <= indices.min() and indices.max() < n):
                raise ValueError(
                    f"{name} must be from 0 to {n - 1}, got {indices.min()} to {indices.max()}"
                )
        for region, scores in self.alignment.items():
            numbers = [scores.get(key) for key in ("low", "value", "high")]
            if not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers) or (
                numbers != sorted(numbers)
            ):
                raise ValueError(
                    f"alignment of {self.participant} must be a finite value from low to high, got "
                    f"{scores} in region {region!r}"
                )
        if bool(self.alignment) != MEASURED_ON.issubset(self.measured_on):
            raise ValueError(
                f"alignment and measured_on of {self.participant} are known together or not"
            )

    def windows(self, n_samples: int) -> np.ndarray:
        """Bounds of the sound behind each TR of a recording, TR by TR from its start.

        They are those of the training windows, and may reach beyond the recording, where silence
        stands in. The last TR is the one that holds the recording's end.

        Parameters
        ----------
        n_samples : int, at 16 kHz

        Returns
        -------
        int64 array of shape (n_trs, 2)
            First sample of each window and the one after its last.
        """
        n_trs = math.ceil(round(n_samples / (self.tr * SAMPLING_RATE), 6))
        midpoints = (np.arange(n_trs) + 0.5) * self.tr
        ends = np.rint((midpoints + self.tr / 2) * SAMPLING_RATE).astype(np.int64)
        length = round(self.n_trs_per_window * self.tr * SAMPLING_RATE)
        return np.stack([ends - length, ends], axis=1)

    def recorded(self, predictions: np.ndarray) -> np.ndarray:
        """Put predicted responses where their voxels are in the recordings.

        Parameters
        ----------
        predictions : array of shape (..., num_voxels)

        Returns
        -------
        float32 array of shape (..., n_recorded_voxels), NaN where nothing is predicted
        """
        predictions = np.asarray(predictions, np.float32)
        whole = np.full((*predictions.shape[:-1], self.n_recorded_voxels), np.nan, np.float32)
        whole[..., self.voxels] = predictions
        return whole


# Of a `Brain`, these stand in the configuration, the arrays in `BRAIN_FILE`.
FIELDS = (
    "tr",
    "n_trs_per_window",
    "n_recorded_voxels",
    "targets",
    "participants",
    "trims",
    "space",
    "atlas",
    "data",
    "alignment",
    "measured_on",
)


def brain_fields(brains: Mapping[str, Brain]) -> dict:
    """Return what the configuration says of each participant.

    Parameters
    ----------
    brains : dict of {participant: Brain}
    """
    return {
        name: {key: getattr(brain, key) for key in FIELDS} | {"regions": list(brain.regions)}
        for name, brain in brains.items()
    }


def write_brains(brains: Mapping[str, Brain], folder: str | os.PathLike) -> None:
    """Write the arrays of {participant: Brain} to `brain.safetensors` in a folder."""
    arrays = {}
    for name, brain in brains.items():
        arrays[f"{name}/voxels"] = brain.voxels
        if brain.noise_ceiling is not None:
            arrays[f"{name}/noise_ceiling"] = brain.noise_ceiling
        if brain.places is not None:
            arrays[f"{name}/places"] = brain.places
        if brain.fsaverage5 is not None:
            arrays[f"{name}/fsaverage5"] = brain.fsaverage5
        for region, columns in brain.regions.items():
            arrays[f"{name}/regions/{region}"] = columns
    arrays = {key: np.ascontiguousarray(values) for key, values in arrays.items()}
    with written_whole(Path(folder) / BRAIN_FILE) as partial:
        save_file(arrays, partial)


def write_alignment(
    folder: str | os.PathLike,
    participant: str,
    alignment: Mapping[str, Mapping[str, float]],
    measured_on: Mapping[str, Any],
) -> None:
    """Put into a checkpoint how well its head predicts a participant, once that is known.

    Parameters
    ----------
    folder : path-like
        Of the checkpoint, whose configuration is written anew, and nothing else.
    participant, alignment, measured_on
        As in `Brain`, which checks them when the checkpoint is loaded.
    """
    path = Path(folder) / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["brain"][participant] |= {"alignment": alignment, "measured_on": measured_on}
    with written_whole(path) as partial:
        partial.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_brains(
    config: PreTrainedConfig, name_or_path: str | os.PathLike, **hub: Any
) -> dict[str, Brain]:
    """Read back what `brain_fields` and `write_brains` put into a checkpoint.

    Parameters
    ----------
    config : the checkpoint's configuration
    name_or_path : a folder, or a name on the Hub
    **hub : `revision`, `token` and such

    Returns
    -------
    dict of {participant: Brain}
        Empty where the configuration names none.

    Raises
    ------
    ValueError
        If the arrays are missing, unreadable, or of another head.
    """
    said = getattr(config, "brain", None)
    if not said:
        return {}
    path = cached_file(name_or_path, BRAIN_FILE, _raise_exceptions_for_missing_entries=False, **hub)
    if path is None:
        raise ValueError(
            f"the configuration of '{name_or_path}' names the voxels of {', '.join(said)}, "
            f"but {BRAIN_FILE} is not beside it: download the whole checkpoint"
        )
    with readable_weights(path):
        arrays = load_file(path)
    try:
        brains = {name: _brain(name, fields, arrays) for name, fields in said.items()}
        expected = config.num_voxels
        if not isinstance(expected, dict):
            expected = dict.fromkeys(brains, expected)
        found = {name: len(brain.voxels) for name, brain in brains.items()}
        if found != expected:
            raise ValueError(f"voxels of {found}, not {expected}")
    except KeyError as error:
        raise ValueError(
            f"{path} has no array {error}, which config.json beside it names: download the whole "
            "checkpoint"
        ) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} and config.json beside it do not describe the voxels of one head ({error}): "
            "download the whole checkpoint"
        ) from error
    return brains


def _brain(name, fields, arrays):
    return Brain(
        participant=name,
        voxels=arrays[f"{name}/voxels"],
        noise_ceiling=arrays.get(f"{name}/noise_ceiling"),
        places=arrays.get(f"{name}/places"),
        fsaverage5=arrays.get(f"{name}/fsaverage5"),
        **fields | {"regions": {r: arrays[f"{name}/regions/{r}"] for r in fields["regions"]}},
    )


@contextmanager
def readable_weights(name: str | os.PathLike) -> Iterator[None]:
    """Say which checkpoint it is whose weights are damaged, or a pickle that would run code.

    Raises
    ------
    ValueError
        In place of the reader's own error.
    """
    try:
        yield
    except SafetensorError as error:
        raise ValueError(
            f"the weights of '{name}' cannot be read ({error}): the file is damaged or was not "
            "written to its end; download it again"
        ) from error
    except UnpicklingError as error:
        raise ValueError(
            f"the weights of '{name}' are a pickle of more than tensors, which could run code as "
            "it is read: get a checkpoint with model.safetensors"
        ) from error
