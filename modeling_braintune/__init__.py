"""What is tuned and how: models, auto class, Trainer, collator and layer representations."""

from .auto import AutoModelForBrainTuning
from .brain import Brain
from .clip_representations import clip_representations
from .collator import BrainTuningCollator, model_inputs
from .feature_cache import CachedFeatures, FeatureWindows, cached_features
from .layer_representations import layer_representations, receptive_field
from .lora import LoraForBrainTuning, add_lora, load_lora, merge_lora
from .model_card import (
    add_results,
    license_of,
    model_card,
    read_card,
    save_card,
    stimulus_card,
)
from .modeling_braintune import (
    BrainTuningMixin,
    BrainTuningOutput,
    Data2VecAudioForBrainTuning,
    HubertForBrainTuning,
    UniSpeechSatForBrainTuning,
    Wav2Vec2BertForBrainTuning,
    Wav2Vec2ConformerForBrainTuning,
    Wav2Vec2ForBrainTuning,
    WavLMForBrainTuning,
    WhisperForBrainTuning,
)
from .new_head import replace_head
from .objectives import OBJECTIVES
from .pipeline_braintune import BrainEncodingPipeline
from .pooling import masked_mean
from .representation_cache import cached_representations, weights_fingerprint
from .running_correlation import RunningCorrelation
from .stimulus import SelfSupervisedTrainer, load_for_pretraining
from .teachers import speech_representations, target_size, text_representations
from .trainer import BrainTuningArguments, BrainTuningTrainer

__all__ = [
    "OBJECTIVES",
    "AutoModelForBrainTuning",
    "Brain",
    "BrainEncodingPipeline",
    "BrainTuningArguments",
    "BrainTuningCollator",
    "BrainTuningMixin",
    "BrainTuningOutput",
    "BrainTuningTrainer",
    "CachedFeatures",
    "Data2VecAudioForBrainTuning",
    "FeatureWindows",
    "HubertForBrainTuning",
    "LoraForBrainTuning",
    "RunningCorrelation",
    "SelfSupervisedTrainer",
    "UniSpeechSatForBrainTuning",
    "Wav2Vec2BertForBrainTuning",
    "Wav2Vec2ConformerForBrainTuning",
    "Wav2Vec2ForBrainTuning",
    "WavLMForBrainTuning",
    "WhisperForBrainTuning",
    "add_lora",
    "add_results",
    "cached_features",
    "cached_representations",
    "clip_representations",
    "layer_representations",
    "license_of",
    "load_for_pretraining",
    "load_lora",
    "masked_mean",
    "merge_lora",
    "model_card",
    "model_inputs",
    "read_card",
    "receptive_field",
    "replace_head",
    "save_card",
    "stimulus_card",
    "speech_representations",
    "target_size",
    "text_representations",
    "weights_fingerprint",
]
