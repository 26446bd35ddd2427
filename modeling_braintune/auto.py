"""The class that picks the model class from a checkpoint."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from transformers import PreTrainedConfig

from .configuration_braintune import checkpoint_model_type
from .modeling_braintune import (
    BrainTuningMixin,
    Data2VecAudioForBrainTuning,
    HubertForBrainTuning,
    UniSpeechSatForBrainTuning,
    Wav2Vec2BertForBrainTuning,
    Wav2Vec2ConformerForBrainTuning,
    Wav2Vec2ForBrainTuning,
    WavLMForBrainTuning,
    WhisperForBrainTuning,
)


class AutoModelForBrainTuning:
    """Model for brain-tuning of whichever family a checkpoint belongs to.

    Examples
    --------
    >>> from transformers import Wav2Vec2Config
    >>> config = Wav2Vec2Config(hidden_size=48, num_hidden_layers=1, num_voxels=300)
    >>> type(AutoModelForBrainTuning.from_config(config)).__name__
    'Wav2Vec2ForBrainTuning'
    """

    # Not one of the library's mappings: some of its versions silently drop what is registered
    # there for a configuration class of their own.
    _class_of: ClassVar[dict[str, type[BrainTuningMixin]]] = {}

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike,
        num_voxels: int | Mapping[str, int] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load a plain, CTC, pretraining or brain-tuned checkpoint of a known family.

        Parameters
        ----------
        pretrained_model_name_or_path : a folder, or a name on the Hub
        num_voxels : int, {participant: int}, or None
            Number of voxels to predict; required unless the checkpoint has a head.
        **kwargs : as in the stock auto classes

        Returns
        -------
        a model for brain-tuning, or (model, loading information) with `output_loading_info=True`

        Raises
        ------
        ValueError
            If the family is unknown, or `num_voxels` is missing or disagrees with the head.
        FileNotFoundError
            If `pretrained_model_name_or_path` is a path that does not exist.
        """
        model_class = cls._class_for(checkpoint_model_type(pretrained_model_name_or_path, **kwargs))
        return model_class.from_pretrained(pretrained_model_name_or_path, num_voxels, **kwargs)

    @classmethod
    def config_of(cls, name_or_path: str | os.PathLike) -> PreTrainedConfig:
        """Read the configuration of a checkpoint of a known family; none of its code is run.

        Raises
        ------
        ValueError
            If the family is unknown.
        FileNotFoundError
            If there is no checkpoint.
        """
        model_class = cls._class_for(checkpoint_model_type(name_or_path))
        return model_class.config_class.from_pretrained(name_or_path)

    @classmethod
    def from_config(cls, config: PreTrainedConfig, **kwargs: Any) -> Any:
        """Make a model with random weights; `config.num_voxels` says how wide its head is."""
        return cls._class_for(config.model_type)._from_config(config, **kwargs)

    @classmethod
    def register(
        cls, config_class: type[PreTrainedConfig], model_class: type[BrainTuningMixin]
    ) -> None:
        """Add a family: its stock configuration class and a class made with `BrainTuningMixin`.

        Raises
        ------
        ValueError
            If the model class is of another family than the configuration class.
        """
        if model_class.config_class is not config_class:
            raise ValueError(
                f"{model_class.__name__} takes a {model_class.config_class.__name__}, got "
                f"{config_class.__name__}: register it with its own configuration class"
            )
        cls._class_of[config_class.model_type] = model_class

    @classmethod
    def _class_for(cls, model_type):
        if model_type not in cls._class_of:
            raise ValueError(
                f"no class for brain-tuning models of model_type '{model_type}', only for "
                f"{', '.join(sorted(cls._class_of))}: load one of these, or add the family with "
                "AutoModelForBrainTuning.register"
            )
        return cls._class_of[model_type]


for _model_class in (
    Data2VecAudioForBrainTuning,
    HubertForBrainTuning,
    UniSpeechSatForBrainTuning,
    Wav2Vec2BertForBrainTuning,
    Wav2Vec2ConformerForBrainTuning,
    Wav2Vec2ForBrainTuning,
    WavLMForBrainTuning,
    WhisperForBrainTuning,
):
    AutoModelForBrainTuning.register(_model_class.config_class, _model_class)
