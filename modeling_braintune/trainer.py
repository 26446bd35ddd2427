"""Trainer with the settings of brain-tuning."""

from dataclasses import dataclass, field

import torch
from transformers import Trainer, TrainingArguments


@dataclass
class BrainTuningArguments(TrainingArguments):
    """Training arguments with the defaults of Moussa et al. 2025, section 3.3."""

    learning_rate: float = field(
        default=5e-5, metadata={"help": "Peak learning rate of the backbone."}
    )
    head_learning_rate: float = field(
        default=1e-4, metadata={"help": "Peak learning rate of the head."}
    )
    lr_scheduler_type: str = field(
        default="linear", metadata={"help": "Course of both learning rates after warm-up."}
    )
    warmup_steps: float = field(
        default=0.1,
        metadata={"help": "Warm-up: a share of the training steps below 1, else their number."},
    )
    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Windows are cut when asked for: no column is unused."}
    )
    label_names: list[str] | None = field(
        default_factory=lambda: ["labels"], metadata={"help": "Keys of the batch that are labels."}
    )
    dataloader_pin_memory: bool = field(
        default_factory=torch.cuda.is_available,
        metadata={"help": "Pin batches in memory; by default where there is a GPU."},
    )
    batch_eval_metrics: bool = field(
        default=True,
        metadata={"help": "Sum metrics up batch by batch; predictions of all voxels are large."},
    )

    def __post_init__(self):
        super().__post_init__()
        if self.head_learning_rate < 0:
            raise ValueError(
                f"head_learning_rate must not be negative, got {self.head_learning_rate}"
            )


class BrainTuningTrainer(Trainer):
    """Trainer with one learning rate for the backbone and one for the head."""

    def create_optimizer(self, model=None):
        """Make the optimizer of `args` with a group each for backbone and head.

        Both are split again into parameters with and without weight decay, as Trainer does.
        Parameters that need no gradient are in no group.
        """
        if self.optimizer is not None:
            return self.optimizer
        model = self.model if model is None else model
        with_decay = set(self.get_decay_parameter_names(model))
        groups = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                key = ("head" in name.split("."), name not in with_decay)
                groups.setdefault(key, []).append(parameter)
        optimizer_class, options = (
            self.optimizer_cls_and_kwargs or self.get_optimizer_cls_and_kwargs(self.args, model)
        )
        self.optimizer = optimizer_class(
            [
                {
                    "params": groups[is_head, no_decay],
                    "lr": self.args.head_learning_rate if is_head else self.args.learning_rate,
                    "weight_decay": 0.0 if no_decay else self.args.weight_decay,
                }
                # The backbone comes first: its rate is the one that Trainer logs.
                for is_head, no_decay in sorted(groups)
            ],
            **options,
        )
        return self.optimizer
