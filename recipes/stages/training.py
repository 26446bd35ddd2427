"""Training: from a checkpoint and pairs of sound and targets to tuned checkpoints."""

import copy
import dataclasses
import json
import math
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from recipes.command.process import progress_bars

import torch
from transformers import set_seed
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_utils import IntervalStrategy

from evaluate_metrics import loss_figure
from modeling_braintune import (
    Brain,
    BrainTuningCollator,
    BrainTuningTrainer,
    Distillation,
    FeatureWindows,
    Patience,
    RunningCorrelation,
    StateWindows,
    StopAt,
    add_lora,
    cached_features,
    cached_states,
    carry_tokenizer,
    file_checksums,
    last_checkpoint,
    load_feature_extractor,
    merge_lora,
    train_resumably,
)
from recipes.command.output_folder import (
    CURVE,
    FILES,
    LOGS,
    LOSSES,
    end_training,
    finished_curve,
    write_checked,
)
from recipes.stages.controls import TARGETS
from recipes.stages.recordings import TuningListener
from recipes.stages.starting_model import is_cached, self_supervision, starting_model
from recipes.stages.targets import Windows, brains
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

CHECKPOINTS = "checkpoints"
FEATURES = ".braintune-features"  # kept for all models of a run
# Ends of folders' names: of adapters, and of the model by which a refit's number of steps is chosen
ADAPTER, SELECTION = "-adapter", "-selection"


def tuned_targets(targets: Collection[str], heads_only: bool = False) -> list[str]:
    """Return the targets that a model each is tuned on, those in the right order first.

    Heads alone leave the representations as they were: there is nothing to control for.
    """
    return [t for t in TARGETS if t in targets and not (heads_only and TARGETS[t].is_permuted)]


def tune_models(
    arguments: TuningOptions,
    training: TrainerOptions,
    pretrained: str,
    listeners: list[TuningListener],
    pairs: dict[str, list[Windows]],
    say: Callable,
    names: dict[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Tune a model on each target, to folders of the output folder; finished ones are left.

    Parameters
    ----------
    arguments : TuningOptions
    training : TrainerOptions
    pretrained : folder or name on the Hub
    listeners : list of TuningListener
    pairs : dict of {target: [training pairs, validation pairs]}
        From `recipes.stages.targets.windows`; with `refit`, and the pairs of both.
    say : callable
        Is told which step was chosen.
    names : dict of {target: str}, optional
        The models' names, where they differ from those of `TARGETS`.

    Returns
    -------
    dict of {model: curve}
        As `train` gives them. With `refit` they are those by which a step was chosen, and
        "refit_steps" says how many steps were then taken from the beginning on the stories of
        training and validation: as many epochs. A permuted control goes straight to these.

    Raises
    ------
    FileExistsError, FloatingPointError
        As `train`.
    """
    curves, chosen = {}, {}
    for target in tuned_targets(pairs, arguments.heads_only):
        name = (names or {}).get(target, TARGETS[target].model)
        about = brains(arguments, listeners, target, pairs[target][0])
        stop_at = chosen.get(TARGETS[target].permuted_from)

        def tuned(name, own, about, training=training, stop_at=stop_at):
            return train(name, arguments, training, pretrained, own, about, say, stop_at)

        if arguments.refit:
            curves[name] = _refitted(tuned, name, pairs[target], about, training, stop_at)
            chosen[target] = curves[name]["refit_steps"]
            say(f"{name}: {chosen[target]} steps on training and validation stories")
        else:
            curves[name] = tuned(name, pairs[target], about)
            chosen[target] = curves[name]["chosen_step"]
            say(f"{name}: chosen at step {chosen[target]}")
    return curves


def _refitted(tuned, name, pairs, about, training, stop_at):
    """Choose a number of steps, unless it is given, and take as many epochs on all stories."""
    train_pairs, validation_pairs, all_pairs = pairs
    curve = None
    if stop_at is None:
        curve = tuned(name + SELECTION, [train_pairs, validation_pairs], about)
        stop_at = same_epochs(curve["chosen_step"], all_pairs, train_pairs, training)
    again = copy.copy(training)
    if training.max_steps > 0:
        again.max_steps = same_epochs(training.max_steps, all_pairs, train_pairs, training)
    about = [on_all_stories(brain) for brain in about]
    refit = tuned(name, [all_pairs, None], about, again, stop_at)
    return (curve or refit) | {"refit_steps": stop_at}


def same_epochs(steps: int, pairs: Windows, of_steps: Windows, training: TrainerOptions) -> int:
    """Return in how many steps a model passes over some pairs as often as over others.

    Parameters
    ----------
    steps : int, taken on `of_steps`
    pairs, of_steps : windows
    training : TrainerOptions
        Which says how many windows a step takes.

    Returns
    -------
    int, at least 1
    """
    batch = training.train_batch_size * training.world_size
    accumulated = training.gradient_accumulation_steps
    batches = math.floor if training.dataloader_drop_last else math.ceil
    per_epoch = [
        math.ceil(batches(len(windows) / batch) / accumulated) for windows in (pairs, of_steps)
    ]
    return max(1, round(steps * per_epoch[0] / per_epoch[1]))


def on_all_stories(brain: Brain) -> Brain:
    """What a checkpoint says of a head that was tuned on the validation stories too."""
    stories = [*brain.data["train_stories"], *brain.data["validation_stories"]]
    data = brain.data | {"train_stories": stories, "validation_stories": []}
    return dataclasses.replace(brain, data=data)


def train(
    name: str,
    arguments: TuningOptions,
    training: TrainerOptions,
    pretrained: str,
    pairs: list[Windows],
    brains: list[Brain],
    say: Callable,
    stop_at: int | None = None,
) -> dict[str, Any]:
    """Tune one model to `<output>/<name>`; go on where an interrupted run ended.

    Parameters
    ----------
    name : str
    arguments : TuningOptions
    training : TrainerOptions
    pretrained : folder or name on the Hub
    pairs : [training pairs, validation pairs]
        As `recipes.stages.targets.windows` gives them; None in place of the second where nothing
        is left to validate on, and `stop_at` is given.
    brains : list of Brain
        What the checkpoint says of its head.
    say : callable
        Is told of parts of the model that begin untaught.
    stop_at : int, optional
        Take the model at this step, not at the one with the best validation loss.

    Returns
    -------
    dict
        Its losses {"train": [[step, loss]], "validation": [[step, loss]], "chosen_step": int},
        and those of "retention", which the training losses hold too, times its weight.

    Raises
    ------
    FileExistsError
        What an earlier run left was tuned on other recordings, or by another teacher.
    FloatingPointError
        The loss is no longer finite.
    ValueError
        A model that an earlier run left is damaged.
    """
    output, folder = Path(training.output_dir), Path(training.output_dir) / name
    training = copy.copy(training)
    training.output_dir = str(folder / CHECKPOINTS)
    training.load_best_model_at_end = stop_at is None
    if pairs[1] is None:
        training.eval_strategy = IntervalStrategy.NO
    training.push_to_hub = None  # what is published is the finished run
    set_seed(training.seed)
    feature_extractor = load_feature_extractor(pretrained)
    model = starting_model(arguments, pretrained, pairs[0].voxels)
    model.set_brains(*brains)
    finished = finished_curve(folder / CURVE)
    _check_unchanged(folder if finished else last_checkpoint(training.output_dir), model.config)
    if finished:
        if training.process_index == 0:  # of a run that was killed just then
            end_training(training.output_dir, output / LOGS / name)
        return finished
    model.set_objective(arguments.objective)
    if training.world_size > 1 and arguments.layerdrop != 0:
        # Processes that skip different layers would wait for one another's gradients.
        if training.process_index == 0:
            print("LayerDrop is off: several processes train one model")
        model.set_training_switches(layerdrop=0)
    kept = output / FEATURES
    sound = pairs[0]
    pairs = [
        p and _with_features(p, model, feature_extractor, arguments, training, kept) for p in pairs
    ]
    retention = None
    if arguments.distils:
        pairs[0], retention = _distilled(
            sound, pairs[0], model, feature_extractor, arguments, training, kept
        )
    elif arguments.supervises_itself:
        retention = self_supervision(arguments, model, pretrained, sound.n_samples)
        if retention.new:
            say(f"{name}: new, since {pretrained} has none: {', '.join(retention.new)}")
    if arguments.lora_rank:
        rank, alpha = arguments.lora_rank, arguments.lora_alpha
        model = add_lora(model, rank, alpha, arguments.lora_dropout)
    trainer = BrainTuningTrainer(
        model=model,
        args=training,
        train_dataset=pairs[0],
        eval_dataset=pairs[1],
        data_collator=BrainTuningCollator(feature_extractor),
        processing_class=feature_extractor,
        compute_metrics=RunningCorrelation(squared_error=arguments.objective == "mse"),
        callbacks=[
            Patience(arguments.early_stopping_patience) if stop_at is None else StopAt(stop_at)
        ],
        retention=retention,
    )
    curve = train_resumably(trainer)
    curve["chosen_step"] = stop_at or curve["chosen_step"]
    trainer.accelerator.wait_for_everyone()
    # By all processes, which may hold a part of it each
    saved = folder.with_name(name + ADAPTER) if arguments.lora_rank else folder
    trainer.save_model(str(saved))
    if trainer.is_world_process_zero():
        (saved / TRAINING_ARGS_NAME).unlink(missing_ok=True)  # pickled; they stand beside it
        if arguments.lora_rank:
            (saved / "README.md").unlink(missing_ok=True)  # an empty form
            merge_lora(trainer.model).save_pretrained(folder)
            feature_extractor.save_pretrained(folder)
        carry_tokenizer(pretrained, folder)
        loss_figure({name: curve}, folder / LOSSES, title=f"Tuning of {name}")
        write_checked(folder / CURVE, curve | {FILES: file_checksums(folder)})
        end_training(training.output_dir, output / LOGS / name)
    trainer.accelerator.wait_for_everyone()
    return curve


def made_by_tuning(models: Iterable[str]) -> list[str]:
    """Return names of all that tuning these models makes in an output folder."""
    kinds = [of + end for of in ("", SELECTION) for end in ("", ADAPTER)]
    return [FEATURES, LOGS, *(model + kind for model in models for kind in kinds)]


def steps_left(output: Path, model: str, n_steps: int) -> float:
    """Return the share of a model's training that is not done yet, from 0 to 1.

    Parameters
    ----------
    output : Path
    model : str
    n_steps : int
        Of the whole training.
    """
    if (output / model / CURVE).exists():
        return 0.0
    last = last_checkpoint(output / model / CHECKPOINTS)
    done = 0 if last is None else int(Path(last).name.split("-")[1])
    return max(0.0, 1 - done / n_steps)


def _with_features(pairs, model, feature_extractor, arguments, training, cache_dir):
    """Pairs whose sound is past all that is frozen, as far as there is room for it."""
    if not is_cached(arguments, model):
        return pairs
    features = _kept(
        cached_features, pairs, model, feature_extractor, arguments, training, cache_dir
    )
    return pairs if features is None else FeatureWindows(pairs, features)


def _distilled(sound, pairs, model, feature_extractor, arguments, training, cache_dir):
    """Pairs with what the pretrained layers make of them, if there is room, and the retention."""
    model.to(training.device)
    states = None
    if arguments.feature_cache_gb > 0:
        states = _kept(
            cached_states, sound, model, feature_extractor, arguments, training, cache_dir
        )
    retention = Distillation(model, arguments.retention_weight, copied=states is None)
    return pairs if states is None else StateWindows(pairs, states), retention


def _kept(compute, pairs, model, feature_extractor, arguments, training, cache_dir):
    dtype = torch.bfloat16 if training.bf16 else torch.float16 if training.fp16 else None
    with progress_bars():
        return compute(
            model.to(training.device),
            feature_extractor,
            pairs.recordings,
            cache_dir=cache_dir,
            dtype=dtype,
            batch_size=training.per_device_train_batch_size,
            max_bytes=round(arguments.feature_cache_gb * 1e9),
            progress=not training.disable_tqdm,
        )


def _check_unchanged(checkpoint, config):
    """Refuse to go on with other targets than those that a checkpoint was made from."""
    if checkpoint is None:
        return
    found = json.loads((Path(checkpoint) / "config.json").read_text(encoding="utf-8"))
    for brain in found["brain"].values():  # measured since then
        brain |= {"alignment": {}, "measured_on": {}}
    for key in ("num_voxels", "brain"):
        if found[key] != json.loads(json.dumps(getattr(config, key))):
            raise FileExistsError(
                f"the recordings, the voxels selected from them, or the teacher changed since "
                f"{checkpoint} was made ({key}): restore them, or give --overwrite_output_dir true "
                "to start again"
            )
