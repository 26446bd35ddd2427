"""The class that picks the model class from a checkpoint."""

from collections import OrderedDict

from transformers.models.auto.auto_factory import _BaseAutoModelClass, _LazyAutoMapping
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from .configuration_braintune import checkpoint_model_type
from .modeling_braintune import (
    Data2VecAudioForBrainTuning,
    HubertForBrainTuning,
    UniSpeechSatForBrainTuning,
    Wav2Vec2BertForBrainTuning,
    Wav2Vec2ConformerForBrainTuning,
    Wav2Vec2ForBrainTuning,
    WavLMForBrainTuning,
    WhisperForBrainTuning,
)


class AutoModelForBrainTuning(_BaseAutoModelClass):
    """Model for brain-tuning of whichever family a checkpoint belongs to.

    Examples
    --------
    >>> from transformers import Wav2Vec2Config
    >>> config = Wav2Vec2Config(hidden_size=48, num_hidden_layers=1, num_voxels=300)
    >>> type(AutoModelForBrainTuning.from_config(config)).__name__
    'Wav2Vec2ForBrainTuning'
    """

    _model_mapping = _LazyAutoMapping(CONFIG_MAPPING_NAMES, OrderedDict())

    @classmethod
    def from_pretrained(cls, name_or_path, num_voxels=None, **kwargs):
        """Load a plain, CTC, pretraining or brain-tuned checkpoint of a known family.

        Parameters
        ----------
        name_or_path : a folder, or a name on the Hub
        num_voxels : int, or None
            Number of voxels to predict; required unless the checkpoint has a head.
        **kwargs : as in the stock auto classes

        Raises
        ------
        ValueError
            If the family is unknown, or `num_voxels` is missing or disagrees with the head.
        FileNotFoundError
            If `name_or_path` is a path that does not exist.
        """
        kwargs.pop("code_revision", None)  # of code in the repository, which is not run here
        model_class = cls._class_for(checkpoint_model_type(name_or_path, **kwargs))
        return model_class.from_pretrained(name_or_path, num_voxels, **kwargs)

    @classmethod
    def from_config(cls, config, **kwargs):
        """Make a model with random weights; `config.num_voxels` says how wide its head is."""
        return cls._class_for(config.model_type)._from_config(config, **kwargs)

    @classmethod
    def register(cls, config_class, model_class, exist_ok=True):
        """Add a family: its stock configuration class and a class made with `BrainTuningMixin`."""
        # The library silently ignores its own configuration classes unless exist_ok is set.
        super().register(config_class, model_class, exist_ok=exist_ok)

    @classmethod
    def _class_for(cls, model_type):
        known = {config.model_type: model for config, model in cls._model_mapping.items()}
        if model_type not in known:
            raise ValueError(
                f"no class for brain-tuning models of model_type '{model_type}', only for "
                f"{', '.join(sorted(known))}: load one of these, or add the family with "
                "AutoModelForBrainTuning.register"
            )
        return known[model_type]


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
