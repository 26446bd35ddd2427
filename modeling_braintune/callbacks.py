"""What Trainers call at every step and evaluation: when training ends, and what is shown of it."""

import math
import os
from typing import Any

from transformers import (
    EarlyStoppingCallback,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)


class Patience(EarlyStoppingCallback):
    """Early stopping that an interruption does not make more patient."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        super().on_train_begin(args, state, control, **kwargs)
        evaluated = [row["step"] for row in state.log_history if "eval_loss" in row]
        best = state.best_global_step or 0
        self.early_stopping_patience_counter = sum(step > best for step in evaluated)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True


class StopAt(TrainerCallback):
    """End training at a given step, whatever the schedule still holds."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step >= self.step:
            control.should_training_stop = True
            control.should_save = False  # going on from there would be a step too many

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.on_step_end(args, state, control)


class BestSoFar(TrainerCallback):
    """Tell a training that goes on where its best checkpoint is: the folder may have moved."""

    def __init__(self, checkpoint: str | os.PathLike | None) -> None:
        self.checkpoint = checkpoint and str(checkpoint)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        state.best_model_checkpoint = self.checkpoint


class FiniteLoss(TrainerCallback):
    """End a training that has diverged.

    `BrainTuningTrainer` looks at every step itself; this is for a plain Trainer.
    """

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Look at the validation loss.

        Raises
        ------
        FloatingPointError
            It is NaN or infinite.
        """
        loss = (metrics or {})["eval_loss"]
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the validation loss is {loss} at step {state.global_step}: lower learning_rate, "
                "or max_grad_norm"
            )


class LossBar(ProgressCallback):
    """A progress bar that carries the losses instead of printing them line by line."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: dict[str, float] = {}

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if self.training_bar is not None and logs is not None:
            self.losses |= {name: logs[name] for name in ("loss", "eval_loss") if name in logs}
            self.training_bar.set_postfix({k: f"{v:.4f}" for k, v in self.losses.items()})

    def on_prediction_step(self, *args: Any, **kwargs: Any) -> None:
        """Draw no second bar for the validation stories."""
