"""Trainer with the settings of brain-tuning, and a training that goes on where it was left."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, rotate_checkpoints

from .callbacks import BestSoFar, LossBar
from .feature_extractor import without_code
from .kept_arrays import follow_umask
from .training_checkpoints import best_beside, last_checkpoint, seal


@dataclass
class BrainTuningArguments(TrainingArguments):
    """Training arguments with the defaults of Moussa et al. 2025, section 3.3."""

    learning_rate: float = field(
        default=5e-5, metadata={"help": "Peak learning rate of the backbone; 5e-5 by default."}
    )
    head_learning_rate: float = field(
        default=1e-4, metadata={"help": "Peak learning rate of the head; 1e-4 by default."}
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
    ddp_timeout: int = field(
        default=24 * 3600,
        metadata={
            "help": "Seconds that a process waits for the others; one fits encoding models while "
            "the others wait for the next run."
        },
    )
    batch_eval_metrics: bool = field(
        default=True,
        metadata={"help": "Sum metrics up batch by batch; predictions of all voxels are large."},
    )

    bf16: bool | None = field(
        default=None,
        metadata={"help": "bfloat16 autocast; by default where there is a GPU that has it."},
    )

    def __post_init__(self) -> None:
        if self.bf16 is None:
            has_it = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
            self.bf16 = has_it and not (self.use_cpu or self.fp16)
        super().__post_init__()
        if self.head_learning_rate < 0:
            raise ValueError(
                f"head_learning_rate must not be negative, got {self.head_learning_rate}"
            )


class ShareableTrainer(Trainer):
    """Trainer whose checkpoints can be handed on, and gone on from.

    They hold no token, others may read them, and they are sealed with checksums.
    """

    def _save_checkpoint(self, *args, **kwargs):
        # Older checkpoints stay until this one is sealed.
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(*args, **kwargs)
        finally:
            self.args.save_total_limit = limit
        self.accelerator.wait_for_everyone()  # each process may have written a part
        if self.args.should_save:
            folder = Path(self.args.output_dir)
            seal(folder / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
            rotate_checkpoints(str(folder), limit, self.state.best_model_checkpoint, use_mtime=True)

    def _save(self, output_dir=None, state_dict=None):
        token, self.args.hub_token = self.args.hub_token, None
        try:
            super()._save(output_dir, state_dict)
        finally:
            self.args.hub_token = token
        if self.args.should_save:
            follow_umask(output_dir or self.args.output_dir)


class BrainTuningTrainer(ShareableTrainer):
    """Trainer with one learning rate for the backbone and one for the head.

    It stops at a loss that is not finite, before a checkpoint is made of what comes of it.

    Parameters
    ----------
    *args, **kwargs : as those of Trainer
    retention : Distillation or SelfSupervision, optional
        A second loss that training lowers too, times its weight; evaluations do not look at it.
        It is logged as "retention", without its weight.
    """

    LOOK_EVERY = 50  # steps; on an accelerator each look waits for all that is under way

    def __init__(self, *args: Any, retention: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.retention = retention
        self._retained: list[torch.Tensor] = []  # of the steps that are not logged yet
        if self.processing_class is not None:
            without_code(self.processing_class)  # it is saved beside the model
        self._unseen: list[tuple[int, torch.Tensor]] = []

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Compute the loss over responses, and in training add the weighted retention."""
        if self.retention is None or not model.training:
            return super().compute_loss(model, inputs, return_outputs, **kwargs)
        outputs, retained = self.retention(model, inputs, self.accelerator.autocast)
        self._retained.append(retained.detach())
        loss = outputs.loss + self.retention.weight * retained
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log as Trainer does, and beside the training loss the retention that is in it."""
        if "loss" in logs and self._retained:
            logs["retention"] = torch.stack(self._retained).mean().item()
            self._retained = []
        super().log(logs, *args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Take a step as Trainer does.

        Raises
        ------
        FloatingPointError
            The loss of this step, or on an accelerator of one of the last, is not finite.
        """
        loss = super().training_step(*args, **kwargs)
        self._unseen.append((self.state.global_step + 1, loss.detach()))
        if loss.device.type == "cpu" or len(self._unseen) >= self.LOOK_EVERY:
            self._check_losses()
        return loss

    def _save_checkpoint(self, *args, **kwargs):
        self._check_losses()
        super()._save_checkpoint(*args, **kwargs)

    def _check_losses(self):
        steps, losses = zip(*self._unseen, strict=True) if self._unseen else ((), ())
        self._unseen = []
        if losses and not (finite := torch.stack(losses).isfinite()).all():
            step = steps[finite.tolist().index(False)]
            raise FloatingPointError(
                f"the loss is not finite at step {step} of {self.state.max_steps}, batch "
                f"{(step - 1) % self._steps_per_epoch() + 1} of its epoch. Checkpoints of "
                "earlier steps are kept: look at that batch, or lower learning_rate and "
                "head_learning_rate, or max_grad_norm"
            )

    def _steps_per_epoch(self):
        return max(1, round(self.state.max_steps / (self.state.num_train_epochs or 1)))

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimizer of `args` with a group each for backbone and head.

        Both are split again into parameters with and without weight decay, as Trainer does.
        Parameters that need no gradient are in no group. Optimizers that divide parameters
        themselves (LOMO, GaLore, APOLLO) are as in Trainer, and have no rate of the head's own.
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
        if options.keys() & {"params", "model", "optimizer_dict"}:
            return super().create_optimizer(model)
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


def train_resumably(trainer: ShareableTrainer) -> dict[str, Any]:
    """Train to the end, from the last whole checkpoint of an interrupted training if there is one.

    Losses are shown by a progress bar, or not at all with `disable_tqdm`.

    Parameters
    ----------
    trainer : ShareableTrainer
        Its `args.output_dir` is where checkpoints are looked for.

    Returns
    -------
    dict
        Losses "train" and "validation", [[step, loss]] each, and "chosen_step": the best one by
        the validation loss, None where none was chosen. With retention, that of the training
        steps as "retention".
    """
    quiet = trainer.args.disable_tqdm
    trainer.remove_callback(PrinterCallback if quiet else ProgressCallback)
    if not quiet:
        trainer.add_callback(LossBar())
    last = last_checkpoint(trainer.args.output_dir)
    if last is not None:
        trainer.add_callback(BestSoFar(best_beside(last)))
        state = TrainerState.load_from_json(str(Path(last, TRAINER_STATE_NAME)))
        if 0 < state.max_steps <= state.global_step or _was_to_stop(state):
            _train_no_further(trainer)
    trainer.train(resume_from_checkpoint=last)
    history = trainer.state.log_history
    kinds = {"train": "loss", "validation": "eval_loss", "retention": "retention"}
    curves = {
        kind: [[row["step"], row[key]] for row in history if key in row]
        for kind, key in kinds.items()
    }
    if not curves["retention"]:
        del curves["retention"]
    return curves | {"chosen_step": trainer.state.best_global_step}


def _was_to_stop(state):
    """Whether training was to end with the step of a checkpoint, its patience having run out."""
    control = state.stateful_callbacks.get("TrainerControl", {})
    return control.get("args", {}).get("should_training_stop", False)


def _train_no_further(trainer):
    """Have `train` load a checkpoint of the last step, and end as if it had just taken it.

    Trainer would begin the epoch that was cut short, and look for a reason to end after a step.
    """
    initial_values = trainer.set_initial_training_values
    trainer.set_initial_training_values = lambda *args: (0, *initial_values(*args)[1:])
