"""What models make of clips: a checkpoint that is loaded once, and its representations."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from recipes.command.process import progress_bars

import numpy as np
from accelerate import PartialState
from transformers import FeatureExtractionMixin, PreTrainedModel

from modeling_braintune import clip_representations, model_facts
from recipes.command.cache import representations_folder
from recipes.stages.backbones import load_backbone


class Hearer(NamedTuple):
    """A backbone on this process's device, and its feature extractor."""

    model: PreTrainedModel
    feature_extractor: FeatureExtractionMixin


def hearer(checkpoint: str, trust_remote_code: bool = False) -> Hearer:
    """Load a checkpoint's backbone in float32.

    Parameters
    ----------
    checkpoint, trust_remote_code
        As `load_backbone`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_backbone`.
    """
    model, feature_extractor = load_backbone(checkpoint, trust_remote_code)
    return Hearer(model.to(PartialState().device), feature_extractor)


def heard(one: Hearer, clips: Sequence[np.ndarray], names: Sequence, arguments: Any) -> np.ndarray:
    """Represent clips by every layer's mean over their frames, with a progress bar.

    Parameters
    ----------
    one : Hearer
    clips : sequence of float32 arrays of shape (n_samples,), mono at 16 kHz
    names : sequence
        What errors call the clips.
    arguments
        Of `Layers`, `Representations` and `BatchSize` of `recipes.command.vocabulary`.

    Returns
    -------
    float32 array of shape (n_layers, n_clips, hidden)

    Raises
    ------
    ValueError
        As `modeling_braintune.clip_representations`.
    """
    with progress_bars():
        return clip_representations(
            *one,
            clips,
            arguments.layers,
            names=names,
            cache_dir=representations_folder(arguments.cache_dir),
            batch_size=arguments.batch_size,
            progress=True,
            dtype=arguments.torch_precision,
        )


def facts_of(one: Hearer, arguments: Any) -> dict[str, Any]:
    """Return all that representations of any clip follow from, as JSON holds it."""
    return model_facts(*one, arguments.layers, arguments.torch_precision)
