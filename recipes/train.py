"""One model's training: from a checkpoint and pairs of sound and targets to a tuned checkpoint."""

import copy
import json
import shutil
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    set_seed,
)
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.utils import cached_file

from modeling_braintune import (
    AutoModelForBrainTuning,
    BrainTuningCollator,
    BrainTuningTrainer,
    FeatureWindows,
    RunningCorrelation,
    add_lora,
    cached_features,
    merge_lora,
    replace_head,
)
from modeling_braintune.configuration_braintune import checkpoint_model_type
from recipes.process import progress_bars

CURVE = "losses.json"
FEATURES = "features"  # kept for all models of a run
# Of a model that can transcribe, such as Whisper; tuning leaves its vocabulary alone.
TOKENIZER = (
    *("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "normalizer.json"),
    *("special_tokens_map.json", "added_tokens.json"),
)


class Patience(EarlyStoppingCallback):
    """Early stopping that an interruption does not make more patient."""

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        evaluated = [row["step"] for row in state.log_history if "eval_loss" in row]
        best = state.best_global_step or 0
        self.early_stopping_patience_counter = sum(step > best for step in evaluated)

    def on_step_end(self, args, state, control, **kwargs):
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True


class StopAt(TrainerCallback):
    """End training at a given step, whatever the schedule still holds."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= self.step:
            control.should_training_stop = True
            control.should_save = False  # going on from there would be a step too many

    def on_epoch_end(self, args, state, control, **kwargs):
        self.on_step_end(args, state, control)


class LossBar(ProgressCallback):
    """A progress bar that carries the losses instead of printing them line by line."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self.training_bar is not None:
            losses = {name: logs[name] for name in ("loss", "eval_loss") if name in logs}
            self.losses = getattr(self, "losses", {}) | losses
            self.training_bar.set_postfix({k: f"{v:.4f}" for k, v in self.losses.items()})

    def on_prediction_step(self, *args, **kwargs):
        """Draw no second bar for the validation stories."""


def starting_model(arguments, pretrained, voxels):
    """Load the model that training starts from, with what is frozen and random in it chosen.

    Parameters
    ----------
    arguments : TuneArguments
    pretrained : folder or name on the Hub
    voxels : array of shape (n_selected,), or dict of {participant: array}
        That the head predicts. Of a checkpoint that was tuned on others the head is replaced.

    Returns
    -------
    a model for brain-tuning
    """
    several = isinstance(voxels, dict)
    n_voxels = {name: len(v) for name, v in voxels.items()} if several else len(voxels)
    checkpoint_model_type(pretrained)  # which says so where there is no checkpoint
    tuned_on = getattr(AutoConfig.from_pretrained(pretrained), "brain", None) or {}
    others = tuned_on and not set(tuned_on) & set(arguments.participants)
    # In float32 whatever the checkpoint is stored in: half precision is Trainer's to choose.
    model = AutoModelForBrainTuning.from_pretrained(
        pretrained,
        num_voxels=None if others else n_voxels,
        dtype=torch.float32,
        attn_implementation=arguments.attn_implementation,
    )
    if others:
        replace_head(model, n_voxels)
    model.freeze_feature_encoder()
    model.set_training_switches(
        arguments.apply_spec_augment, arguments.layerdrop, arguments.dropout
    )
    if arguments.heads_only:
        model.freeze_base_model()
        model.set_training_switches(apply_spec_augment=False, layerdrop=0.0, dropout=0.0)
    return model


def _with_adapters(arguments, model):
    if not arguments.lora_rank:
        return model
    return add_lora(model, arguments.lora_rank, arguments.lora_alpha, arguments.lora_dropout)


def is_cached(arguments, model):
    """Whether the feature encoder's work is kept: Whisper may mask what goes into its own."""
    masked = model.config.is_encoder_decoder and model.config.apply_spec_augment
    return arguments.feature_cache_gb > 0 and not masked


def _with_features(pairs, model, feature_extractor, arguments, training):
    """Pairs whose sound is past the frozen feature encoder, as far as there is room for it."""
    if not is_cached(arguments, model):
        return pairs
    dtype = torch.bfloat16 if training.bf16 else torch.float16 if training.fp16 else None
    with progress_bars():
        features = cached_features(
            model.to(training.device),
            feature_extractor,
            pairs.recordings,
            cache_dir=Path(training.output_dir).parents[1] / FEATURES,
            dtype=dtype,
            batch_size=training.per_device_train_batch_size,
            max_bytes=round(arguments.feature_cache_gb * 1e9),
            progress=not training.disable_tqdm,
        )
    return pairs if features is None else FeatureWindows(pairs, features)


def train(name, arguments, training, pretrained, pairs, brains, stop_at=None):
    """Tune one model to `<output>/<name>`; go on where an interrupted run ended.

    Parameters
    ----------
    name : str
    arguments : TuneArguments
    training : BrainTuningArguments
    pretrained : folder or name on the Hub
    pairs : [training pairs, validation pairs], as `recipes.targets.windows` gives them
    brains : list of Brain
        What the checkpoint says of its head.
    stop_at : int, optional
        Take the model at this step, not at the one with the best validation loss.

    Returns
    -------
    dict
        Its losses {"train": [[step, loss]], "validation": [[step, loss]], "chosen_step": int}.

    Raises
    ------
    FileExistsError
        What an earlier run left was tuned on other recordings, or by another teacher.
    FloatingPointError
        The loss is no longer finite.
    """
    folder = Path(training.output_dir) / name
    finished = (folder / CURVE).exists()
    training = copy.copy(training)
    training.output_dir = str(folder / "checkpoints")
    training.load_best_model_at_end = stop_at is None
    training.push_to_hub = False  # what is published is the finished run
    set_seed(training.seed)
    feature_extractor = AutoFeatureExtractor.from_pretrained(pretrained)
    model = starting_model(arguments, pretrained, pairs[0].voxels)
    model.set_brains(*brains)
    last = last_checkpoint(training.output_dir)
    _check_unchanged(folder if finished else last, model.config)
    if finished:
        return json.loads((folder / CURVE).read_text())
    model.set_objective(arguments.objective)
    if training.world_size > 1 and arguments.layerdrop != 0:
        # Processes that skip different layers would wait for one another's gradients.
        if training.process_index == 0:
            print("LayerDrop is off: several processes train one model")
        model.set_training_switches(layerdrop=0)
    pairs = [
        _with_features(split, model, feature_extractor, arguments, training) for split in pairs
    ]
    trainer = BrainTuningTrainer(
        model=_with_adapters(arguments, model),
        args=training,
        train_dataset=pairs[0],
        eval_dataset=pairs[1],
        data_collator=BrainTuningCollator(feature_extractor),
        processing_class=feature_extractor,
        compute_metrics=RunningCorrelation(squared_error=arguments.objective == "mse"),
        callbacks=[
            Patience(arguments.early_stopping_patience) if stop_at is None else StopAt(stop_at)
        ],
    )
    trainer.remove_callback(PrinterCallback if training.disable_tqdm else ProgressCallback)
    if not training.disable_tqdm:
        trainer.add_callback(LossBar())
    trainer.train(resume_from_checkpoint=last)
    history = trainer.state.log_history
    curve = {
        "train": [[row["step"], row["loss"]] for row in history if "loss" in row],
        "validation": [[row["step"], row["eval_loss"]] for row in history if "eval_loss" in row],
        "chosen_step": stop_at or trainer.state.best_global_step,
    }
    trainer.accelerator.wait_for_everyone()
    # By all processes, which may hold a part of it each
    saved = folder.with_name(f"{name}-adapter") if arguments.lora_rank else folder
    trainer.save_model(str(saved))
    if trainer.is_world_process_zero():
        (saved / TRAINING_ARGS_NAME).unlink(missing_ok=True)  # pickled; they stand beside it
        if arguments.lora_rank:
            (saved / "README.md").unlink(missing_ok=True)  # an empty form
            merge_lora(trainer.model).save_pretrained(folder)
            feature_extractor.save_pretrained(folder)
        carry_tokenizer(pretrained, folder)
        write_json(folder / CURVE, curve)
        shutil.rmtree(training.output_dir)
    trainer.accelerator.wait_for_everyone()
    return curve


def carry_tokenizer(pretrained, folder):
    """Copy a checkpoint's tokenizer, if it has one, so that what is tuned still transcribes.

    Parameters
    ----------
    pretrained : folder or name on the Hub
    folder : path-like
    """
    for name in TOKENIZER:
        found = cached_file(pretrained, name, _raise_exceptions_for_missing_entries=False)
        if found is not None:
            shutil.copyfile(found, Path(folder) / name)


def last_checkpoint(folder):
    """The newest checkpoint that was written to its end: its state comes last."""
    states = Path(folder).glob("checkpoint-*/trainer_state.json")
    complete = [path.parent for path in states if _is_whole(path)]
    return str(max(complete, key=lambda path: int(path.name.split("-")[1]))) if complete else None


def _check_unchanged(checkpoint, config):
    """Refuse to go on with other targets than those that a checkpoint was made from."""
    if checkpoint is None:
        return
    found = json.loads((Path(checkpoint) / "config.json").read_text())
    for key in ("num_voxels", "brain"):
        if found[key] != json.loads(json.dumps(getattr(config, key))):
            raise FileExistsError(
                f"the recordings, the voxels selected from them, or the teacher changed since "
                f"{checkpoint} was made ({key}): restore them, or give --overwrite_output_dir true "
                "to start again"
            )


def _is_whole(path):
    try:
        return bool(json.loads(path.read_text()))
    except json.JSONDecodeError:
        return False


def write_json(path, content):
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=1))
    partial.replace(path)
