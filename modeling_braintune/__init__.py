"""What is tuned and how: models, auto class, Trainer, collator and layer representations."""

from .auto import AutoModelForBrainTuning
from .brain import Brain, write_alignment
from .callbacks import FiniteLoss, LossBar, Patience, StopAt
from .clip_representations import clip_representations
from .collator import BrainTuningCollator, cut, model_inputs
from .configuration_braintune import checkpoint_model_type, without_fields
from .ctc import FAMILIES as CTC_FAMILIES
from .ctc import (
    CtcArguments,
    check_family,
    ctc_batch,
    ctc_model,
    ctc_processor,
    ctc_tokenizer,
    ctc_trainer,
    frame_counter,
    tokens_of,
    transcribed,
)
from .feature_cache import (
    CachedFeatures,
    FeatureWindows,
    StateWindows,
    cached_features,
    cached_states,
)
from .feature_extractor import load_feature_extractor
from .head import LowRankHead
from .hub import (
    check_access,
    check_model,
    checkpoint_files,
    commit_files,
    plain_errors,
    publish_checkpoint,
)
from .kept_arrays import Kept, checksum, keep, kept
from .layer_representations import frame_step, layer_representations, receptive_field
from .lora import LoraForBrainTuning, add_lora, load_lora, merge_lora
from .model_card import (
    CARD,
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
from .objectives import OBJECTIVES, WEIGHTED
from .pipeline_braintune import BrainEncodingPipeline
from .pooling import masked_mean
from .representation_cache import (
    cached_representations,
    entry_of,
    model_facts,
    n_kept,
    weights_fingerprint,
)
from .retention import (
    RETENTIONS,
    Distillation,
    SelfSupervision,
    pretrained_states,
    relative_change,
)
from .running_correlation import RunningCorrelation
from .stimulus import FAMILIES as STIMULUS_FAMILIES
from .stimulus import SelfSupervisedTrainer, load_for_pretraining
from .teachers import (
    check_speech_teacher,
    check_text_teacher,
    speech_representations,
    target_size,
    text_representations,
)
from .tokenizer_files import carry_tokenizer
from .trainer import BrainTuningArguments, BrainTuningTrainer, train_resumably
from .training_checkpoints import damaged_file, file_checksums, last_checkpoint

__all__ = [
    "CARD",
    "CTC_FAMILIES",
    "OBJECTIVES",
    "RETENTIONS",
    "STIMULUS_FAMILIES",
    "WEIGHTED",
    "AutoModelForBrainTuning",
    "Brain",
    "BrainEncodingPipeline",
    "BrainTuningArguments",
    "BrainTuningCollator",
    "BrainTuningMixin",
    "BrainTuningOutput",
    "BrainTuningTrainer",
    "CachedFeatures",
    "CtcArguments",
    "Data2VecAudioForBrainTuning",
    "Distillation",
    "FeatureWindows",
    "FiniteLoss",
    "HubertForBrainTuning",
    "Kept",
    "LoraForBrainTuning",
    "LossBar",
    "LowRankHead",
    "Patience",
    "RunningCorrelation",
    "SelfSupervisedTrainer",
    "SelfSupervision",
    "StateWindows",
    "StopAt",
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
    "cached_states",
    "carry_tokenizer",
    "check_access",
    "check_family",
    "check_model",
    "check_speech_teacher",
    "check_text_teacher",
    "checkpoint_files",
    "checkpoint_model_type",
    "checksum",
    "clip_representations",
    "commit_files",
    "damaged_file",
    "ctc_batch",
    "ctc_model",
    "ctc_processor",
    "ctc_tokenizer",
    "ctc_trainer",
    "cut",
    "entry_of",
    "file_checksums",
    "frame_counter",
    "frame_step",
    "keep",
    "kept",
    "last_checkpoint",
    "layer_representations",
    "license_of",
    "load_feature_extractor",
    "load_for_pretraining",
    "load_lora",
    "masked_mean",
    "merge_lora",
    "model_card",
    "model_facts",
    "model_inputs",
    "n_kept",
    "plain_errors",
    "pretrained_states",
    "publish_checkpoint",
    "read_card",
    "receptive_field",
    "relative_change",
    "replace_head",
    "save_card",
    "speech_representations",
    "stimulus_card",
    "target_size",
    "text_representations",
    "tokens_of",
    "train_resumably",
    "transcribed",
    "weights_fingerprint",
    "without_fields",
    "write_alignment",
]
