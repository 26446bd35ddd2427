"""Options of the Trainer that no run here can do anything with, refused before it begins."""

from importlib.util import find_spec
from typing import Any

import torch
from transformers.integrations import get_available_reporting_integrations

AT_LEAST_ONE = (
    *("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"),
)
NOT_NEGATIVE = (
    *("learning_rate", "head_learning_rate", "weight_decay", "warmup_steps", "max_grad_norm"),
    *("dataloader_num_workers", "seed"),
)


def check_trainer_options(options: Any) -> None:
    """Refuse what would fail, or be left undone, in the middle of a training.

    Parameters
    ----------
    options : TrainingArguments
        As they were given: before the Trainer looks at them.

    Raises
    ------
    ValueError
        The message names the option.
    ImportError
        A tracker is not installed, or matplotlib, which draws the losses.
    """
    for name in AT_LEAST_ONE:
        if getattr(options, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(options, name)}")
    for name in NOT_NEGATIVE:
        if (getattr(options, name, None) or 0) < 0:
            raise ValueError(f"{name} must not be negative, got {getattr(options, name):g}")
    if options.max_steps <= 0 and not options.num_train_epochs > 0:
        raise ValueError(
            f"num_train_epochs must be above 0, got {options.num_train_epochs:g}: nothing would be "
            "trained"
        )
    if _value(options.eval_strategy) == "no":
        raise ValueError(
            "eval_strategy must be steps or epoch, got no: the validation loss says which step is "
            "taken"
        )
    evaluated, saved = _value(options.eval_strategy), _value(options.save_strategy)
    if options.load_best_model_at_end and saved not in (evaluated, "best"):
        raise ValueError(f"save_strategy must be {evaluated} as eval_strategy is, got {saved}")
    if options.label_smoothing_factor:
        raise ValueError(
            "label_smoothing_factor is for classes, of which there are none here, got "
            f"{options.label_smoothing_factor:g}: leave it out"
        )
    if options.neftune_noise_alpha is not None:
        raise ValueError(
            "neftune_noise_alpha is for embeddings of tokens, which speech models have none of, "
            f"got {options.neftune_noise_alpha:g}: leave it out"
        )
    if options.fp16 and (options.use_cpu or not torch.accelerator.is_available()):
        raise ValueError("fp16 needs a GPU, and none is used: leave it out, or take bf16")
    _check_trackers(options.report_to)
    if find_spec("matplotlib") is None:
        raise ImportError('the losses are drawn by matplotlib: pip install "braintune[figures]"')


def _check_trackers(report_to):
    names = [report_to] if isinstance(report_to, str) else report_to or []
    installed = get_available_reporting_integrations()
    for name in {*names} - {"all", "none", *installed}:
        raise ImportError(
            f"report_to: {name} is not installed, or no tracker; installed are "
            f"{', '.join(installed) or 'none'}"
        )


def _value(strategy):
    return getattr(strategy, "value", strategy)
