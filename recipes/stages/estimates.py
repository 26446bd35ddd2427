"""How long a run will take, from each kind of its work timed once on this machine."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import set_seed

from evaluate_metrics import EncodingModel
from modeling_braintune import (
    BrainTuningCollator,
    Distillation,
    layer_representations,
    load_feature_extractor,
    n_kept,
    pretrained_states,
)
from recipes.stages.encoding import Extraction
from recipes.stages.recordings import Listener, TuningListener
from recipes.stages.starting_model import is_cached, self_supervision, starting_model
from recipes.stages.targets import Windows
from recipes.stages.timing import seconds_of
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

FEW, MORE = 64, 512  # voxels of the encoding models that are timed


@dataclass(kw_only=True)
class Estimate:
    """Seconds of each kind of work, and how often it is done for a model."""

    once: float  # the frozen feature encoder, for all models that are tuned
    n_steps: int
    step: float
    n_representations: int
    representation: float
    n_encoding_models: int
    encoding_model: float

    def minutes(self, n_tuned: float, n_measured: int, n_features: int = 0) -> float:
        """Of a run.

        Parameters
        ----------
        n_tuned : float
            Models; of one that is tuned in part, what is left of it.
        n_measured : int
            Models.
        n_features : int
            Low-level features whose impact is measured.

        Returns
        -------
        float
        """
        tuning = n_tuned * self.n_steps * self.step + (self.once if n_tuned else 0)
        encoding = self.n_encoding_models * self.encoding_model * (1 + n_features)
        represented = self.n_representations * self.representation
        return (tuning + n_measured * (represented + encoding)) / 60

    def __str__(self) -> str:
        return (
            f"to tune a model, up to {self.n_steps} steps of {self.step:.2g} s; to measure it, "
            f"{self.n_representations} representations of {1000 * self.representation:.0f} ms and "
            f"{self.n_encoding_models} encoding models of {self.encoding_model:.2g} s"
        )


def estimate(
    arguments: TuningOptions,
    training: TrainerOptions,
    pretrained: str,
    pairs: Windows,
    listeners: list[TuningListener],
) -> Estimate:
    """Time a step of tuning, a batch of representations and an encoding model.

    Parameters
    ----------
    arguments : TuningOptions
    training : TrainerOptions
    pretrained : folder or name on the Hub
    pairs : TrainingWindows or JointWindows
        Of any target: the head is the smaller part.
    listeners : list of TuningListener

    Returns
    -------
    Estimate
    """
    set_seed(training.seed)
    model = starting_model(arguments, pretrained, pairs.voxels).to(training.device).train()
    feature_extractor = load_feature_extractor(pretrained)
    size = min(training.per_device_train_batch_size, len(pairs))
    # A step takes as long whatever the responses are; a new head knows of none that are missing.
    items = [pairs[i] | {"labels": np.nan_to_num(pairs.labels(i))} for i in range(size)]

    def inputs():
        batch = BrainTuningCollator(feature_extractor)(items)
        return {k: v.to(training.device) for k, v in batch.items()}

    def features():
        with torch.no_grad():
            return model.frozen_features(inputs())

    def states():
        sound = {name: values for name, values in inputs().items() if name != "labels"}
        return pretrained_states(model, sound)

    def step():
        given = batch or inputs()
        if retention is None:
            model(**given).loss.backward()
        else:
            outputs, kept = retention(model, given)
            (outputs.loss + kept).backward()

    batch, once = None, 0.0
    if is_cached(arguments, model):
        batch, once = features(), seconds_of(features) * len(pairs) / size
    retention: Any = None
    if arguments.distils:
        retention = Distillation(model, arguments.retention_weight, copied=batch is None)
        if batch is not None:
            batch |= states()
            once += seconds_of(states) * len(pairs) / size
    elif arguments.supervises_itself:
        retention = self_supervision(arguments, model, pretrained, pairs.n_samples)
    per_step = seconds_of(step) * training.gradient_accumulation_steps
    n_at_once = size * training.gradient_accumulation_steps * training.world_size
    n_steps = training.max_steps
    if n_steps <= 0:
        n_steps = round(training.num_train_epochs * math.ceil(len(pairs) / n_at_once))

    stories = {story.name: story for one in listeners for story in one.represented}.values()
    extraction = Extraction.of(arguments, precision=arguments.torch_precision)
    return Estimate(
        once=once,
        n_steps=n_steps,
        step=per_step,
        n_representations=sum(len(extraction.windows_of(model, story)) for story in stories),
        representation=_representation(model, feature_extractor, stories, extraction),
        n_encoding_models=len(listeners)
        * len(arguments.layers or range(model.config.num_hidden_layers)),
        encoding_model=_encoding_model(
            listeners[0],
            model.config.hidden_size,
            training.device,
            _n_voxels(listeners[0], arguments),
            arguments.delays,
        ),
    )


@dataclass(kw_only=True)
class MeasuringEstimate:
    """Seconds that measuring models takes, and what earlier runs have done of it."""

    seconds: float
    n_representations: int  # of all models
    n_kept: int  # of these, in the cache
    n_encoding_models: int

    def __str__(self) -> str:
        return (
            f"Representations: {self.n_kept} of {self.n_representations} are kept from earlier "
            f"runs\nEstimated time: {self.seconds / 60:.0f} min at most, and statistics "
            f"({self.n_representations - self.n_kept} representations and {self.n_encoding_models} "
            "encoding models)"
        )


def estimate_measuring(
    checkpoints: Iterable[str],
    arguments: Any,
    extraction: Extraction,
    one: Listener,
    *,
    n_listeners: int = 1,
    n_features: int = 0,
    everywhere: bool = False,
) -> MeasuringEstimate:
    """Time a batch of representations and an encoding model, and count what is left to do.

    Parameters
    ----------
    checkpoints : folders or names on the Hub
    arguments : recipes.command.vocabulary.Alignment
    extraction : Extraction
    one : Listener
        The first one; the others are taken to be alike, and to have heard the same stories.
    n_listeners : int
    n_features : int
        Low-level features whose impact is measured.
    everywhere : bool
        Whether voxels outside the regions are measured too.

    Returns
    -------
    MeasuringEstimate
    """
    stories = one.represented
    n_voxels = _n_voxels(one, arguments, everywhere)
    ahead = MeasuringEstimate(seconds=0.0, n_representations=0, n_kept=0, n_encoding_models=0)
    encoding_model: dict[int, float] = {}  # by width: one is timed for all models of it
    for checkpoint in checkpoints:
        model, feature_extractor = extraction.load(checkpoint)
        facts, cache_dir = extraction.facts_of(model, feature_extractor), extraction.cache_dir
        n = n_there = 0
        for story in stories:
            windows = extraction.windows_of(model, story)
            n += len(windows)
            if cache_dir is not None:
                n_there += n_kept(story.audio, windows, cache_dir=cache_dir, facts=facts)
        if n > n_there:
            each = _representation(model, feature_extractor, stories, extraction)
            ahead.seconds += (n - n_there) * each
        hidden = model.config.hidden_size
        if hidden not in encoding_model:
            encoding_model[hidden] = _encoding_model(
                one, hidden, extraction.device, n_voxels, arguments.delays
            )
        n_models = n_listeners * len(extraction.layers_of(model)) * (1 + n_features)
        ahead.seconds += n_models * encoding_model[hidden]
        ahead.n_representations += n
        ahead.n_kept += n_there
        ahead.n_encoding_models += n_models
    return ahead


def _representation(model, feature_extractor, stories, extraction):
    """Seconds for one, from a batch of the longest windows."""
    longest = max(stories, key=lambda story: len(story.audio))
    windows = extraction.windows_of(model, longest)[-8:]
    layers, dtype = extraction.layers_of(model), extraction.precision
    return seconds_of(
        lambda: layer_representations(
            model, feature_extractor, longest.audio, windows, layers, dtype=dtype
        )
    ) / len(windows)


def _n_voxels(one, arguments, everywhere=False):
    """How many are measured."""
    above = one.voxels_above(arguments.lowest_ceiling)
    if everywhere:
        return len(above)
    measured = np.unique(np.concatenate(list(one.measured_regions.values())))
    return len(np.intersect1d(measured, above))


def _encoding_model(one, hidden, device, n_voxels, delays):
    """Seconds to fit one: what it takes for some voxels, and as much more for the others."""
    rng = np.random.default_rng(0)
    lengths = [len(story.tr_times) for story in one.train]

    def fit(n):
        features, responses = (
            [rng.standard_normal((length, width), dtype=np.float32) for length in lengths]
            for width in (hidden, n)
        )
        model = EncodingModel(delays=delays, device=device)
        return seconds_of(lambda: model.fit(features, responses))

    if n_voxels <= MORE:
        return fit(n_voxels)
    few, more = fit(FEW), fit(MORE)
    return few + (more - few) * (n_voxels - FEW) / (MORE - FEW)
