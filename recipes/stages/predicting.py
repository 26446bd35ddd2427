"""A checkpoint as a pipeline that predicts responses, and where what it predicts lies."""

import copy
from collections.abc import Callable

import nibabel
import numpy as np
import torch
from transformers import AutoModel

from modeling_braintune import (
    AutoModelForBrainTuning,
    BrainEncodingPipeline,
    check_model,
    load_feature_extractor,
)
from modeling_braintune.brain import Brain
from recipes.stages.backbones import brings_code
from recipes.stages.quick_convolutions import quicken
from recipes.stages.timing import seconds_of

PATIENCE = 20.0  # seconds that somebody waits for what is predicted of a minute of sound
TRIED = 4  # TRs of sound that are predicted to know how long it takes


def brain_pipeline(checkpoint: str, trust_remote_code: bool = False) -> BrainEncodingPipeline:
    """Load a checkpoint in float32, whatever it is stored in, as a pipeline.

    Parameters
    ----------
    checkpoint : folder or name on the Hub
    trust_remote_code : bool
        Whether the checkpoint's own code is run where transformers has no class of its family.

    Returns
    -------
    BrainEncodingPipeline

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such model, it cannot be read, is of an unknown family, or of one whose code is
        not trusted, or does not say whose voxels it predicts.
    """
    check_model(checkpoint)
    if brings_code(checkpoint, trust_remote_code):
        model = AutoModel.from_pretrained(checkpoint, dtype=torch.float32, trust_remote_code=True)
        feature_extractor = load_feature_extractor(checkpoint, trust_remote_code=True)
        return BrainEncodingPipeline(model=model, feature_extractor=feature_extractor)
    if not getattr(AutoModelForBrainTuning.config_of(checkpoint), "brain", None):
        raise ValueError(
            f"--checkpoints {checkpoint}: it does not say whose voxels it predicts; give a "
            "checkpoint that recipes/tune.py wrote"
        )
    model = AutoModelForBrainTuning.from_pretrained(checkpoint, dtype=torch.float32)
    return BrainEncodingPipeline(model=model, feature_extractor=load_feature_extractor(checkpoint))


def patient_enough(
    encode: BrainEncodingPipeline, timed: Callable[[Callable], float] = seconds_of
) -> BrainEncodingPipeline:
    """Let nobody wait long: in float32 as it is, unless bfloat16 is quicker then.

    Parameters
    ----------
    encode : BrainEncodingPipeline
        In float32, and left so.
    timed : callable
        Takes a function without arguments, and returns the seconds that it took.

    Returns
    -------
    BrainEncodingPipeline
        The given one, or one in bfloat16, whose convolutions are those of `quick_convolutions`.
    """
    brain = next(iter(encode.model.brains.values()))
    rate = encode.feature_extractor.sampling_rate
    noise = np.random.default_rng(0).standard_normal(round(TRIED * brain.tr * rate))
    sound = {"array": noise.astype(np.float32), "sampling_rate": rate}

    def seconds(encode):
        return timed(lambda: encode(sound, participant=brain.participant))

    exact = seconds(encode)
    if exact * 60 / (TRIED * brain.tr) <= PATIENCE:
        return encode
    model = copy.deepcopy(encode.model).to(torch.bfloat16)
    for part in model.feature_encoder_parts():
        quicken(part)
    rounded = BrainEncodingPipeline(model=model, feature_extractor=encode.feature_extractor)
    return rounded if seconds(rounded) < exact else encode


def known_voxels(brain: Brain) -> tuple[nibabel.Nifti1Image, np.ndarray]:
    """Return where the voxels lie that a checkpoint predicts, as far as it says so itself.

    Parameters
    ----------
    brain : Brain
        Whose `places` are known.

    Returns
    -------
    mask : nibabel image
        1 in these voxels, 0 elsewhere.
    columns : int array of shape (num_voxels,)
        The model's column for each voxel of the mask, in C order.
    """
    inside = np.zeros(brain.space["shape"], dtype=np.uint8)
    inside.flat[brain.places] = 1
    return nibabel.Nifti1Image(inside, np.array(brain.space["affine"])), np.argsort(brain.places)


def said_alignment(brain: Brain) -> str:
    """Say in a line how far the head is to be trusted, region by region.

    Parameters
    ----------
    brain : Brain
        Whose alignment was measured.

    Returns
    -------
    str
    """
    facts = brain.measured_on
    by_region = ", ".join(
        f"{region} {s['value']:.2f} [{s['low']:.2f}, {s['high']:.2f}]"
        for region, s in brain.alignment.items()
    )
    return (
        f"Brain alignment of such predictions on {facts['story']!r}, which the model was not tuned "
        f"on ({facts['n_trs']} TRs, {facts['normalisation']}): {by_region} [95 % interval]"
    )
