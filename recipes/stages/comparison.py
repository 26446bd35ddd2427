"""What brain-tuning is compared with: the controls that are tuned, the pairs that are tested."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from modeling_braintune import STIMULUS_FAMILIES, checkpoint_model_type
from recipes.command.arguments import CONFIGS, keys_of, parse_arguments
from recipes.command.vocabulary import LowLevel, Seeds
from recipes.stages.controls import BRAIN_TUNED, STIMULUS_TUNED, TARGETS
from recipes.stages.recordings import tuned_on
from recipes.stages.stimulus import StimulusOptions
from recipes.stages.tuning_options import TrainerOptions, TuningOptions


@dataclass(kw_only=True)
class CompareOptions(TuningOptions, LowLevel, Seeds):
    """Which controls brain-tuning is compared with."""

    group = "Controls"
    default_targets = ("responses", "permuted", "speech_model", "text_model")

    stimulus: bool = field(
        default=True,
        metadata={
            "help": "Whether a model is compared too that goes on with self-supervised training on "
            f"the stories' sound; true by default, for families {' and '.join(STIMULUS_FAMILIES)}."
        },
    )
    stimulus_config: str | None = field(
        default=None,
        metadata={
            "help": "YAML file of settings for that training; by default configs/stimulus.yaml of "
            "this package, on the phantom configs/phantom-stimulus.yaml."
        },
    )
    more_text_teachers: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Further text teachers, named as --text_teacher is, one model being tuned on "
            "each; none by default."
        },
    )
    more_text_layers: list[int] | None = field(
        default=None,
        metadata={
            "help": "Layers of the further text teachers by number, such as every third; all with "
            "the embedding by default."
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.participants) > 1:
            raise ValueError(
                "participants: models are compared for one at a time, got "
                f"{', '.join(self.participants)}"
            )
        if "responses" not in self.targets:
            raise ValueError("targets must hold responses, which the others are controls of")
        if self.heads_only:
            raise ValueError("heads_only leaves all models' layers as they were: drop it")
        names = [*(t.model for t in TARGETS.values()), STIMULUS_TUNED, *self.further]
        if len(set(names)) < len(names) or len(self.further) < len(self.more_text_teachers):
            raise ValueError(
                "more_text_teachers must end in different names, got "
                f"{', '.join(self.more_text_teachers)}"
            )

    @property
    def further(self) -> dict[str, TuningOptions]:
        """Of each model that a further text teacher is the teacher of: its options."""
        own = {key: getattr(self, key) for key in keys_of(TuningOptions)}
        own |= {"targets": ["text_model"], "text_layers": self.more_text_layers}
        return {
            f"{Path(teacher).name}-tuned": TuningOptions(**own | {"text_teacher": teacher})
            for teacher in self.more_text_teachers
        }

    @property
    def models(self) -> list[str]:
        """Names of all models that are tuned."""
        models = [*(TARGETS[target].model for target in self.targets), *self.further]
        return models + [STIMULUS_TUNED] * self.stimulus


def compared(models: list[str], further: list[str]) -> list[tuple[str, str]]:
    """Return pairs: brain-tuning with each control, the text teacher with each other one."""
    text, permuted = TARGETS["text_model"].model, TARGETS["permuted_text_model"].model
    pairs = [(BRAIN_TUNED, model) for model in models if model != BRAIN_TUNED]
    if text in models:
        pairs += [(text, model) for model in (permuted, *further) if model in models]
    return pairs


def stimulus_options(
    arguments: CompareOptions, training: TrainerOptions, pretrained: str
) -> tuple[StimulusOptions, TrainerOptions]:
    """Return the options of training on the sound, of the same model, stories and seed."""
    family = checkpoint_model_type(pretrained)
    if family not in STIMULUS_FAMILIES:
        raise ValueError(
            "stimulus: self-supervised training takes models of "
            f"{' and '.join(STIMULUS_FAMILIES)}, {arguments.pretrained} is of {family}; give "
            "--stimulus false"
        )
    own = "phantom-stimulus.yaml" if arguments.data == "phantom" else "stimulus.yaml"
    words = ["--config", arguments.stimulus_config or str(CONFIGS / own)]
    for key in ("output_dir", "seed", "use_cpu", "disable_tqdm", "overwrite_output_dir"):
        words += [f"--{key}", str(getattr(training, key))]
    stimulus, its_training = parse_arguments(
        (StimulusOptions, TrainerOptions), None, words, passed_over=keys_of(TuningOptions)
    )
    shared = keys_of(StimulusOptions) & keys_of(TuningOptions) - {"early_stopping_patience"}
    same = {key: getattr(arguments, key) for key in shared}
    same |= {"train_stories": tuned_on(arguments)}
    return dataclasses.replace(stimulus, **same), its_training
