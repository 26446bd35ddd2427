"""The options of tuning, for all commands that tune a model on targets."""

import re
from dataclasses import dataclass, field
from typing import ClassVar

from datasets_scripts import check_name
from modeling_braintune import OBJECTIVES, RETENTIONS, WEIGHTED, BrainTuningArguments
from recipes.command.trainer_options import check_trainer_options
from recipes.command.vocabulary import (
    Alignment,
    Attention,
    Decided,
    EarlyStopping,
    Hub,
    Layers,
    Output,
    Overwrite,
    Pretrained,
    Recordings,
    Representations,
    Seed,
    TestStory,
    TrainingWindow,
    TrainStories,
    ValidationStories,
    Words,
    check_once,
    check_positive,
)
from recipes.stages.controls import TARGETS
from recipes.stages.teacher_targets import DTYPES

METRICS = ("loss", "pearson")  # of the validation stories; what else a Trainer adds says nothing


@dataclass(kw_only=True)
class Controls(Words):
    """What models are tuned on, the responses and their controls."""

    group = "Controls"
    default_targets: ClassVar[tuple[str, ...]] = ("responses", "permuted")

    targets: list[str] | None = field(
        default=None,
        metadata={
            "help": "What models are tuned on, one model for each target: "
            f"{', '.join(TARGETS)}; by default responses and permuted, to compare controls all "
            "but the last."
        },
    )
    permute_within: bool = field(
        default=False,
        metadata={
            "help": "Whether permuted targets are the same story's, whose blocks change places, "
            "instead of other stories' in their own order; false by default, as such targets are "
            "expected to correlate with the true ones by down to -1 / (blocks of a story - 1)."
        },
    )
    permutation_block: int = field(
        default=15,
        metadata={
            "help": "Number of TRs in a block of responses that --permute_within moves; 15 by "
            "default. A teacher's targets are then permuted TR by TR."
        },
    )
    speech_teacher: str = field(
        default="openai/whisper-medium",
        metadata={
            "help": "Whisper whose decoder's representations are the target speech_model: a "
            "folder, a name on the Hub or phantom-whisper-untaught; openai/whisper-medium by "
            "default."
        },
    )
    speech_layers: list[int] | None = field(
        default=None,
        metadata={
            "help": "Layers of the speech teacher's decoder by number, 0 being the embedding; all "
            "by default."
        },
    )
    text_teacher: str = field(
        default="openai-community/gpt2-medium",
        metadata={
            "help": "Causal language model whose representations are the target text_model: a "
            "folder, a name on the Hub, phantom-gpt2 or phantom-llama; "
            "openai-community/gpt2-medium by default."
        },
    )
    text_layers: list[int] | None = field(
        default=None,
        metadata={
            "help": "Layers of the text teacher by number, 0 being the embedding; all by default."
        },
    )
    text_context: int = field(
        default=512,
        metadata={"help": "Number of tokens that a text teacher reads at once; 512 by default."},
    )
    teacher_dtype: str = field(
        default="auto",
        metadata={
            "help": f"Type that teachers are computed in: {', '.join(DTYPES)}; auto (the default) "
            "is what they are stored in. Large ones stored in float32 should take bfloat16."
        },
    )
    teacher_language: str | None = field(
        default="english",
        metadata={
            "help": "Language of the stories, for a speech teacher that knows several; english by "
            "default."
        },
    )

    def __post_init__(self) -> None:
        if self.targets is None:
            self.targets = list(self.default_targets)
        for name in self.targets:
            check_name("target", name, TARGETS)
        check_name("teacher_dtype", self.teacher_dtype, DTYPES)
        self.targets = [name for name in TARGETS if name in self.targets]
        for name in self.targets:
            right = TARGETS[name].permuted_from
            if right is not None and right not in self.targets:
                raise ValueError(
                    f"targets: {name} is taken at the step that is best for {right}; name both"
                )
        check_positive("TRs", self, "permutation_block")
        check_positive("tokens", self, "text_context")
        for name in ("speech_layers", "text_layers"):
            check_once(name, getattr(self, name))
        super().__post_init__()


@dataclass(kw_only=True)
class Licences(Words):
    """Under which licences a card says that a model may be used."""

    group = "Output"

    license: str | None = field(
        default=None,
        metadata={
            "help": "Licence of the pretrained model, and so of what is tuned from it; read from "
            "its card by default."
        },
    )
    data_license: str | None = field(
        default=None,
        metadata={"help": "Licence of the recordings, for the card; unknown by default."},
    )


@dataclass(kw_only=True)
class Training(
    Recordings,
    Pretrained,
    TrainStories,
    ValidationStories,
    TestStory,
    TrainingWindow,
    EarlyStopping,
    Attention,
):
    """Which model learns from which recordings, each story of which is in one split."""

    def __post_init__(self) -> None:
        super().__post_init__()
        splits = {
            "train_stories": self.train_stories,
            "validation_stories": self.validation_stories,
            "test_story": [self.test_story],
        }
        seen = {}
        for split, names in splits.items():
            for story in names:
                if story in seen:
                    raise ValueError(
                        f"story {story!r} is in {seen[story]} and in {split}; name it once"
                    )
                seen[story] = split


@dataclass(kw_only=True)
class TuningOptions(Training, Layers, Alignment, Representations, Controls, Licences):
    """What is tuned on which recordings, and how the result is measured."""

    group = "Tuning"

    tuning_stories: list[str] | None = field(
        default=None,
        metadata={
            "help": "Those of the training stories that models are tuned on, by name; all by "
            "default. Encoding models are fitted on all training stories in any case."
        },
    )
    tuning_regions: list[str] | None = field(
        default=None,
        metadata={
            "help": "Regions by name whose voxels models are tuned on, or all for every voxel "
            "above the noise ceiling; by default all regions that are known, else every voxel."
        },
    )
    heads_only: bool = field(
        default=False,
        metadata={
            "help": "Whether only the heads are tuned, on a frozen backbone, such as the head of a "
            "new participant on a backbone that others were tuned on; false by default."
        },
    )
    lora_rank: int = field(
        default=0,
        metadata={
            "help": "Rank of the low-rank adapters that are tuned in place of the backbone's own "
            "weights; 0 (the default) tunes the weights."
        },
    )
    lora_alpha: float = field(
        default=32.0,
        metadata={
            "help": "Scale of the adapters, whose output is multiplied by lora_alpha / lora_rank; "
            "32 by default."
        },
    )
    lora_dropout: float = field(
        default=0.1,
        metadata={"help": "Dropout of the adapters' inputs, from 0 to below 1; 0.1 by default."},
    )
    objective: str = field(
        default="mse",
        metadata={
            "help": f"Loss that is minimised: {', '.join(OBJECTIVES)}; mse, the mean squared "
            "error, by default. Correlations are over the windows of a batch, spatial ones over "
            "voxels; weighted ones count voxels by their noise ceilings."
        },
    )
    retention: str | None = field(
        default=None,
        metadata={
            "help": "Second loss, which keeps the pretrained model's knowledge: distil, towards "
            "its layers on the same windows, without masked spans, LayerDrop and dropout; or "
            "self_supervised, the losses of wav2vec 2.0's own pretraining; none by default."
        },
    )
    retention_weight: float | None = field(
        default=None,
        metadata={
            "help": "What --retention is multiplied by before it is added to the objective; 1 by "
            "default, 0 to leave it out."
        },
    )
    shared_space: bool = field(
        default=False,
        metadata={
            "help": "Whether one head predicts the vertices of fsaverage5 for all participants, "
            "instead of each one's voxels, so that zero_shot.py can ask it for somebody else's; "
            "false by default. A checkpoint that was tuned so is gone on with, head and all."
        },
    )
    head_rank: int = field(
        default=0,
        metadata={
            "help": "Dimensions of a bottleneck that the head's predictions of all voxels pass "
            "through; 0 (the default) for none."
        },
    )
    tune_layers: str | None = field(
        default=None,
        metadata={
            "help": "Layers of the transformer that are tuned, such as 8-12, or 12 for one; all "
            "else but the head is frozen, without masked spans and LayerDrop, and the last frozen "
            "layer's output is computed once; all layers by default."
        },
    )
    refit: bool = field(
        default=False,
        metadata={
            "help": "Whether a model is tuned again from the beginning, for the number of epochs "
            "that the validation stories chose, on the training and the validation stories; false "
            "by default."
        },
    )
    apply_spec_augment: bool | None = field(
        default=None,
        metadata={
            "help": "Whether spans of the input are masked in training; as the checkpoint says by "
            "default."
        },
    )
    layerdrop: float | None = field(
        default=None,
        metadata={
            "help": "Probability of skipping a layer in training, from 0 to below 1; as the "
            "checkpoint says by default."
        },
    )
    dropout: float | None = field(
        default=None,
        metadata={
            "help": "Dropout of the backbone in training, from 0 to below 1; as the checkpoint "
            "says by default."
        },
    )
    feature_cache_gb: float = field(
        default=100.0,
        metadata={
            "help": "Disk in GB for what the frozen feature encoder, or frozen layers, compute of "
            "the windows, and as much for --retention distil, which is then computed once for all "
            "epochs; 100 by default, 0 to compute it at every step."
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        tuned = self.tuning_stories or []
        for story in tuned:
            check_name("training story to tune on", story, self.train_stories)
        if len(set(tuned)) < len(tuned):
            raise ValueError(f"tuning_stories: name each story once, got {', '.join(tuned)}")
        if len(set(self.participants)) < len(self.participants):
            raise ValueError(f"name each participant once, got {', '.join(self.participants)}")
        self.participants = sorted(self.participants)  # as checkpoints have them
        if self.lora_rank < 0:
            raise ValueError(f"lora_rank must not be negative, got {self.lora_rank}")
        for name in ("layerdrop", "dropout", "lora_dropout"):
            if not 0 <= (getattr(self, name) or 0) < 1:
                raise ValueError(f"{name} must be from 0 to below 1, got {getattr(self, name):g}")
        check_name("objective", self.objective, OBJECTIVES)
        if self.objective.startswith(WEIGHTED) and self.ceiling_word == "none":
            raise ValueError(
                f"objective {self.objective} weights voxels by their noise ceilings, got "
                "--ceiling none"
            )
        if self.heads_only and self.lora_rank:
            raise ValueError("heads_only leaves nothing for adapters to change: drop lora_rank")
        if self.head_rank < 0:
            raise ValueError(f"head_rank must not be negative, got {self.head_rank}")
        self._check_retention()
        self._check_layers()

    def _check_retention(self):
        if self.retention is None:
            if self.retention_weight is not None:
                raise ValueError(
                    "retention_weight weighs a retention, and none is named: give --retention "
                    f"{' or '.join(RETENTIONS)}"
                )
            return
        check_name("retention", self.retention, RETENTIONS)
        if self.retention_weight is None:
            self.retention_weight = 1.0
        if not 0 <= self.retention_weight < float("inf"):
            raise ValueError(f"retention_weight must not be negative, got {self.retention_weight}")
        if self.heads_only:
            raise ValueError("heads_only leaves the backbone as it is: drop retention")
        if self.retention == "self_supervised" and self.lora_rank:
            raise ValueError(
                "retention self_supervised teaches the quantizer too, which adapters leave as it "
                "is: drop lora_rank, or distil"
            )
        if self.retention == "self_supervised" and self.tune_layers:
            raise ValueError(
                "retention self_supervised masks the input of layers that tune_layers freezes: "
                "drop tune_layers, or distil"
            )
        if self.distils:
            self._refuse_noise("retention distil compares with what the pretrained model computes")
            if self.dropout:
                raise ValueError(
                    "retention distil compares with what the pretrained model computes without "
                    f"dropout, got dropout {self.dropout:g}: drop it"
                )

    def _check_layers(self):
        if self.tune_layers is None:
            return
        if not re.fullmatch(r"[0-9]+(-[0-9]+)?", str(self.tune_layers)):
            raise ValueError(
                f"tune_layers must be a range of layers such as 8-12, or one, got "
                f"{self.tune_layers!r}"
            )
        if self.heads_only:
            raise ValueError("heads_only tunes no layer: drop tune_layers")
        self._refuse_noise("tune_layers computes what frozen layers give once")

    def _refuse_noise(self, reason):
        """Refuse what would make a pass over a window differ from the one before."""
        for name in ("apply_spec_augment", "layerdrop"):
            if getattr(self, name):
                raise ValueError(f"{reason}, without {name}, got {getattr(self, name)}: drop it")

    @property
    def distils(self) -> bool:
        """Whether training stays near the pretrained model's layers."""
        return self.retention == "distil" and self.retention_weight > 0

    @property
    def supervises_itself(self) -> bool:
        """Whether training goes on with the losses of the model's own pretraining."""
        return self.retention == "self_supervised" and self.retention_weight > 0

    @property
    def first_and_last_tuned(self) -> tuple[int, int] | None:
        """Numbers of the first and the last layer that is tuned; None for all."""
        if self.tune_layers is None:
            return None
        first, _, last = str(self.tune_layers).partition("-")
        return int(first), int(last or first)


@dataclass(kw_only=True)
class TrainerOptions(Output, Overwrite, Hub, Seed, Decided, BrainTuningArguments):
    """Options of the Trainer, but for those that a command decides."""

    group = "Tuning"

    eval_strategy: str = field(
        default="epoch",
        metadata={
            "help": "When the validation loss is computed, which says which step is taken: epoch "
            "(the default), or steps, every eval_steps steps."
        },
    )
    save_strategy: str | None = field(
        default=None,
        metadata={"help": "When a checkpoint is saved; by default as eval_strategy says."},
    )

    def __post_init__(self) -> None:
        if not self.batch_eval_metrics:
            raise ValueError(
                "batch_eval_metrics must be true, got false: predictions of all voxels are not kept"
            )
        self.load_best_model_at_end = True  # which is how a step is chosen
        self.save_strategy = self.save_strategy or self.eval_strategy
        check_trainer_options(self)
        super().__post_init__()
        metric = str(self.metric_for_best_model).removeprefix("eval_")
        check_name("metric_for_best_model", metric, METRICS)
