"""The feature extractor of a checkpoint, without any code that it may name."""

import os
from typing import Any

from transformers import AutoFeatureExtractor, FeatureExtractionMixin


def load_feature_extractor(
    name_or_path: str | os.PathLike, trust_remote_code: bool = False
) -> FeatureExtractionMixin:
    """Load a checkpoint's feature extractor, of one of the library's own classes.

    Parameters
    ----------
    name_or_path : a folder, or a name on the Hub
    trust_remote_code : bool
        Whether it may be of a class that the checkpoint brings along.

    Returns
    -------
    FeatureExtractionMixin
        What is saved of it names no code to be loaded with trust.
    """
    return without_code(
        AutoFeatureExtractor.from_pretrained(name_or_path, trust_remote_code=trust_remote_code)
    )


def without_code(processor: Any) -> Any:
    """Let what is saved of a feature extractor name no code; returns it."""
    vars(processor).pop("auto_map", None)
    return processor
