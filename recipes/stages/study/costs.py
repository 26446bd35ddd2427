"""What the jobs of a study cost: counted work, at rates that are timed on this machine."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import set_seed

from datasets_scripts.recordings import ParticipantFiles
from modeling_braintune import AutoModelForBrainTuning, layer_representations, model_inputs
from recipes.command.arguments import read_config
from recipes.stages.controls import TARGETS
from recipes.stages.study.jobs import Job, done
from recipes.stages.study.planning import Backbone, Study, config_path
from recipes.stages.timing import seconds_of

RATE = 16000
WINDOW_SECONDS, EVALUATION_SECONDS = 10.0, 16.0
LOW_LEVEL = 5  # times that an encoding model is fitted besides, where low-level impact is measured
N_PENALTIES, FLOAT32, TR = 15, 4, 2.0
START = 15.0  # seconds in which a command starts and reads recordings
SIDE = 1024  # of the matrices that operations are timed with
# Sound of collections, and what preference cuts from stories, in hours
CLIP_HOURS = {"phantom": 0.7, "timit": 5.4, "slurp": 58, "speech_commands": 29, "crema_d": 5.3}
TOKEN_HOURS = 1.7  # 2000 words of 10 tokens of a third of a second


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Seconds that a backbone takes on this machine."""

    window: float  # a training step, for each of its windows
    frozen: float  # the frozen feature encoder, for a window
    representation: float  # of a window of 16 s
    hidden_size: int
    n_layers: int


@dataclass(frozen=True, kw_only=True)
class Heard:
    """How much a participant has heard.

    Parameters
    ----------
    train_trs, test_trs : int
        TRs of the training stories and of the test story.
    n_voxels : int
    """

    train_trs: int
    test_trs: int
    n_voxels: int


def heard_by(one: ParticipantFiles, splits: dict[str, list[str]]) -> Heard:
    """Return how much a participant has heard, as far as names and sizes say."""
    trs = {split: sum(one.n_trs.get(s, 0) for s in stories) for split, stories in splits.items()}
    plain = {name: n for name, n in one.n_values.items() if name in splits["train_stories"]}
    n_trs = sum(one.n_trs.get(name, 0) for name in plain)
    return Heard(
        train_trs=trs["train_stories"],
        test_trs=trs["test_story"],
        n_voxels=round(sum(plain.values()) / n_trs) if n_trs else 0,
    )


def time_backbones(study: Study) -> dict[str, Rates]:
    """Time the models of a study; larger ones are taken to be slower by what they have more.

    Returns
    -------
    dict of {name of a backbone: Rates}
    """
    rates = {one.name: time_backbone(one) for one in study.families.values()}
    for family, large in study.larger.items():
        small = study.families[family]
        more = _size(large) / _size(small)
        rates[large.name] = replace(
            rates[small.name],
            window=more * rates[small.name].window,
            representation=more * rates[small.name].representation,
            hidden_size=large.config.hidden_size,
            n_layers=large.n_layers,
        )
    return rates


def _size(one):
    return one.n_layers * one.config.hidden_size**2


def time_backbone(one: Backbone, batch: int = 1) -> Rates:
    """Time a few steps of a model of a backbone's shape, with weights that are random.

    Parameters
    ----------
    one : Backbone
    batch : int
        Windows of a step.

    Returns
    -------
    Rates
    """
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    set_seed(0)
    one.config.num_voxels = 64
    model = AutoModelForBrainTuning.from_config(one.config).to(device).train()
    model.freeze_feature_encoder()
    sound = np.random.default_rng(0).standard_normal(round(EVALUATION_SECONDS * RATE))
    sound = sound.astype(np.float32)
    clips = [sound[: round(WINDOW_SECONDS * RATE)]] * batch
    inputs = {k: v.to(device) for k, v in model_inputs(one.feature_extractor, clips).items()}
    labels = torch.zeros(batch, 64, device=device)

    def features():
        with torch.no_grad():
            return model.frozen_features(inputs)

    masked = model.config.is_encoder_decoder and model.config.apply_spec_augment
    batch_of = inputs if masked else features()
    step = seconds_of(lambda: model(**batch_of, labels=labels).loss.backward())
    frozen = 0.0 if masked else seconds_of(features)
    model.eval()
    windows = np.array([[0, len(sound)]] * batch)
    represent = seconds_of(
        lambda: layer_representations(model, one.feature_extractor, sound, windows, [one.n_layers])
    )
    return Rates(
        window=step / batch,
        frozen=frozen / batch,
        representation=represent / batch,
        hidden_size=one.config.hidden_size,
        n_layers=one.n_layers,
    )


def operations_a_second() -> float:
    """Time a product of matrices, of which fitting encoding models mostly consists."""
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    matrix = torch.ones(SIDE, SIDE, device=device)
    return 2 * SIDE**3 / seconds_of(lambda: matrix @ matrix)


class Costs:
    """Hours and gigabytes of the jobs of a study.

    Parameters
    ----------
    study : Study
    heard : dict of {participant: Heard}
    rates : dict of {name of a backbone: Rates}
    operations : float
        A second, as `operations_a_second` times them.
    """

    def __init__(
        self, study: Study, heard: dict[str, Heard], rates: dict[str, Rates], operations: float
    ):
        self.study, self.heard, self.rates, self.operations = study, heard, rates, operations

    def of(self, jobs: Iterable[Job]) -> list[Job]:
        """Return jobs with their hours and gigabytes.

        What earlier jobs of the list have kept in the study's folder costs no later one anything.

        Parameters
        ----------
        jobs : list of Job

        Returns
        -------
        list of Job
        """
        kept: set[str] = set()
        return [self._costing(job, kept) for job in jobs]

    def _costing(self, job, kept):
        told = _options(job)
        pretrained = told.get("pretrained", told.get("baseline"))[0]
        rates, seconds, n_bytes = self.rates[pretrained], START, 0.0
        own = job.facts.get("participant") or told.get("participants", [None])[0]
        heard = self.heard[own or self.study.participants[0]]
        measured = _measured(job, told, pretrained)
        if job.script in ("tune", "compare", "sweep", "stimulus_tune"):
            settings = _settings(told)
            tuned = _tuned_here(job, told)
            windows = heard.train_trs * tuned * float(settings.get("num_train_epochs", 1))
            seconds += windows * rates.window + heard.train_trs * rates.frozen
        if job.script in ("tune", "compare", "sweep", "align"):
            settings, n_layers = _settings(told), rates.n_layers
            n_layers = len(settings.get("layers") or range(n_layers))
            sound = TR * (heard.train_trs + heard.test_trs)
            stride, chunk = settings.get("evaluation_stride", 0.1), self.study.evaluation_chunk
            new = [name for name in measured if name not in kept]
            kept |= {*new}
            seconds += len(new) * sound / max(stride, chunk) * rates.representation
            n_bytes += len(new) * sound / stride * n_layers * rates.hidden_size * FLOAT32
            removals = LOW_LEVEL * (job.script == "align")
            fits = len(measured) * n_layers * (1 + removals)
            seconds += fits * _operations(heard, 4 * rates.hidden_size) / self.operations
        if job.script in ("probe", "asr", "preference"):
            each = rates.representation / EVALUATION_SECONDS
            names = {c.partition("/")[0] for c in told.get("tasks", told.get("collections", []))}
            names = {name.partition("=")[0] for name in names}
            hours = TOKEN_HOURS if job.script == "preference" else _clip_hours(names)
            seconds += 3600 * hours * each * len(measured)
        if job.script == "asr":
            seconds += len(measured) * _recognition_windows(told, hours) * rates.window
        return replace(job, hours=seconds / 3600, gigabytes=n_bytes / 1e9)


def _clip_hours(names):
    return sum(CLIP_HOURS.get(name, 0) for name in names)


def _recognition_windows(told, hours):
    """As many windows of 10 s as a recogniser learns from."""
    settings = _settings(told)
    if settings.get("max_steps"):
        clip = 3.0 / WINDOW_SECONDS
        return settings["max_steps"] * settings.get("per_device_train_batch_size", 1) * clip
    return 3600 * hours / WINDOW_SECONDS * settings.get("num_train_epochs", 1)


def _options(job):
    """What a command is told, as lists of words."""
    told: dict[str, list[str]] = {}
    for word in job.command[2:]:
        if word.startswith("--"):
            told[word[2:]] = []
        else:
            told[list(told)[-1]].append(word)
    return told


def _settings(told):
    """What a command is told and its configuration says, numbers as numbers."""
    settings: dict[str, Any] = read_config(config_path(told["config"][0]))
    for name in ("num_train_epochs", "max_steps", "per_device_train_batch_size"):
        if name in told:
            settings[name] = float(told[name][0])
    return settings | ({"layers": told["layers"]} if "layers" in told else {})


def _tuned_here(job, told):
    """How many models' worth of all training stories a job tunes."""
    if job.script == "sweep":
        return sum(map(float, told["fractions"]))
    return 1  # of a comparison, the permuted control: the others are there


def _measured(job, told, pretrained):
    """The models that a job measures, by checkpoint."""
    if job.script in ("tune", "compare"):
        targets = [TARGETS[target].model for target in told["targets"]]
        return [pretrained, *(str(job.folder / model) for model in targets)]
    if job.script == "sweep":
        return [pretrained, *(f"{job.folder}/{fraction}" for fraction in told["fractions"])]
    return [pretrained, *told.get("checkpoints", [])] if job.script != "stimulus_tune" else []


def _operations(heard, width):
    """Of an encoding model: the decomposition, and products with all voxels for each penalty."""
    n, v = heard.train_trs, heard.n_voxels
    p = min(n, width)
    return 2 * n * p * width + 9 * p**3 + (4 + 2 * N_PENALTIES) * n * p * v


def summary(jobs: Iterable[Job]) -> str:
    """Say what jobs take that are not done."""
    jobs = [job for job in jobs if job.hours is not None and not done(job)]
    hours, gigabytes = sum(job.hours for job in jobs), sum(job.gigabytes for job in jobs)
    return f"{len(jobs)} jobs: {_rounded(hours)} hours one after the other, {gigabytes:.2g} GB"


def _rounded(hours):
    digits = max(0, 1 - math.floor(math.log10(max(hours, 0.01))))
    return f"{hours:.{digits}f}"
