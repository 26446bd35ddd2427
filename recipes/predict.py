"""Predict the brain's responses to any recording, as images that every viewer opens.

    python recipes/predict.py --checkpoints outputs/phantom/brain-tuned --audio story.wav \\
        --output responses.nii.gz

The output's name says what is written: `.nii` or `.nii.gz` a volume per TR, `.func.gii` a map per
TR on either hemisphere (of fsaverage5, if the checkpoint says where its voxels lie on it), `.npz`
arrays. Images hold NaN where the model predicts nothing, and
volumes 0 outside the voxels that are known.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipes.command.process import one_line_errors, prepare_process

import nibabel
import numpy as np
from accelerate import PartialState

from datasets_scripts import (
    read_mask,
    voxels_at,
    write_surface,
    write_volume,
    written_whole,
)
from datasets_scripts.cortex import load_volume
from modeling_braintune.brain import N_FSAVERAGE5
from recipes.command.arguments import parse_arguments
from recipes.command.checkpoints import one_checkpoint, one_participant
from recipes.command.vocabulary import Checkpoints, Participants, Surface
from recipes.stages.predicting import brain_pipeline, known_voxels, said_alignment
from recipes.stages.shared_space import placed

# By the output's suffix: which arguments, together, can say where the voxels are.
WHERE: dict[str, list[set[str]]] = {
    ".nii": [set(), {"mask"}],
    ".nii.gz": [set(), {"mask"}],
    ".gii": [set(), {"surface"}, {"mask", "surface"}, {"left_vertices"}],
    ".npz": [set()],
}


@dataclass(kw_only=True)
class PredictOptions(Checkpoints, Participants, Surface):
    """Which model hears which recording, and where its predictions go."""

    audio: str = field(
        metadata={"help": "Sound file that the model hears, of any rate and number of channels."}
    )
    output: str = field(
        metadata={
            "help": "File that is written; its name ends in .nii.gz or .nii (volumes), .func.gii "
            "(surface maps, a file for each hemisphere) or .npz (arrays)."
        }
    )
    mask: str | None = field(
        default=None,
        metadata={
            "help": "Image of all the voxels of the participant's recordings; by default only "
            "those that the model predicts are placed, if the checkpoint says where they are."
        },
    )
    left_vertices: int | None = field(
        default=None,
        metadata={
            "help": "Number of the left hemisphere's vertices, which come first, for .func.gii "
            "where the recordings are of vertices instead of voxels; none by default."
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        one_checkpoint(self.checkpoints)
        if self.participants:
            one_participant(self.participants)
        suffix = next((s for s in WHERE if self.output.endswith(s)), None)
        if suffix is None:
            raise ValueError(
                f"--output {self.output}: its name must end in .nii.gz, .nii, .func.gii or .npz"
            )
        names = ("mask", "surface", "left_vertices")
        given = {name for name in names if getattr(self, name) is not None}
        if given not in WHERE[suffix]:
            raise ValueError(
                f"--output {self.output} goes with {' or '.join(map(_listed, WHERE[suffix]))}, "
                f"got {_listed(given)}"
            )


def _listed(names):
    return " ".join(f"--{name}" for name in sorted(names)) or "none of the options for places"


def predict(arguments: PredictOptions) -> dict[str, Any]:
    """Predict the responses to a recording and write them, one volume, map or row per TR.

    Parameters
    ----------
    arguments : PredictOptions

    Returns
    -------
    dict
        As `BrainEncodingPipeline` gives it.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such model, recording, mask or surface, or one cannot be read; the model does
        not say whose voxels it predicts, or where they are; the mask is not of its voxels; the
        participant is unknown.
    """
    output = Path(arguments.output)
    participant = arguments.participants[0] if arguments.participants else None
    encode = brain_pipeline(arguments.checkpoints[0])
    brain = encode.model.brain_of(participant)
    # What cannot be written is refused before the work.
    if output.suffix == ".gii":
        n_left, columns = _vertices(arguments, brain)
    elif output.suffix != ".npz":
        mask, columns = _voxels(arguments.mask, brain)

    predicted = encode(arguments.audio, participant=participant)
    responses, paths = predicted["responses"], [output]
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".gii":
        stem = output.name.removesuffix(".gii").removesuffix(".func")
        paths = [*write_surface(output.with_name(stem), placed(responses, columns), n_left)]
    elif output.suffix != ".npz":
        write_volume(output, placed(responses, columns), mask, brain.tr)
    else:
        regions = {f"regions/{name}": columns for name, columns in brain.regions.items()}
        arrays = {
            name: value
            for name, value in predicted.items()
            if name not in ("regions", "alignment") and value is not None
        }
        with written_whole(output) as partial:
            np.savez(partial, **arrays, **regions)
    n_trs, n_voxels = responses.shape
    print(
        f"Predicted {n_voxels} voxels of {brain.participant} in {n_trs} TRs of {brain.tr:g} s: "
        f"{', '.join(map(str, paths))}"
    )
    if brain.alignment:
        print(said_alignment(brain))
    return predicted


def _voxels(mask, brain):
    """Image of the voxels that are known, and the model's column for each, -1 where none is."""
    if mask is None:
        if brain.places is None:
            raise ValueError(
                f"where the voxels of {brain.participant} lie is not known: give the voxel mask "
                "of the recordings as --mask"
            )
        return known_voxels(brain)
    inside, affine = read_mask(mask, brain.n_recorded_voxels)
    if affine is None:
        raise ValueError(f"{mask}: an array has no affine; give the mask as an image")
    if brain.places is not None and not (
        inside.shape == tuple(brain.space["shape"])
        and np.allclose(affine, brain.space["affine"], atol=1e-3)
        and np.array_equal(np.flatnonzero(inside)[brain.voxels], brain.places)
    ):
        raise ValueError(
            f"{mask}: the checkpoint has its voxels in other places; give the mask that the "
            f"responses of {brain.participant} were taken through, or none"
        )
    return nibabel.Nifti1Image(inside.astype(np.uint8), affine), _recorded(brain)


def _vertices(arguments, brain):
    """How many vertices are the left hemisphere's, and the model's column for each vertex."""
    if arguments.surface is not None:
        mask, columns = _voxels(arguments.mask, brain)
        places, _, _ = load_volume(arguments.surface, "array of vertices")
        if places.shape != (N_FSAVERAGE5, 3):
            raise ValueError(
                f"{arguments.surface}: the places of fsaverage5's vertices are of shape "
                f"({N_FSAVERAGE5}, 3), got {places.shape}"
            )
        # One more column, for vertices outside the mask.
        columns = np.append(columns, -1)[voxels_at(places, mask)]
        if (columns < 0).all():
            raise ValueError(
                f"{arguments.surface}: no vertex lies in a voxel that is predicted; are the places "
                "in mm of the functional space?"
            )
        return N_FSAVERAGE5 // 2, columns
    if arguments.left_vertices is None:
        if brain.fsaverage5 is None:
            raise ValueError(
                f"which vertices the voxels of {brain.participant} lie at is not known: give the "
                "places of fsaverage5's vertices as --surface, or, where the recordings are of "
                "vertices, --left_vertices"
            )
        return N_FSAVERAGE5 // 2, brain.fsaverage5
    n_left, n_vertices = arguments.left_vertices, brain.n_recorded_voxels
    if brain.places is not None:
        raise ValueError(
            f"--left_vertices: the recordings of {brain.participant} are of voxels in a volume; "
            "give --surface instead"
        )
    if not 0 < n_left < n_vertices:
        raise ValueError(f"--left_vertices must be from 1 to {n_vertices - 1}, got {n_left}")
    return n_left, _recorded(brain)


def _recorded(brain):
    """The model's column for each voxel of the recordings, -1 where it has none."""
    columns = np.full(brain.n_recorded_voxels, -1)
    columns[brain.voxels] = np.arange(len(brain.voxels))
    return columns


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments((PredictOptions,))
        prepare_process(PartialState().device, 1)
        predict(arguments)


if __name__ == "__main__":
    main()
