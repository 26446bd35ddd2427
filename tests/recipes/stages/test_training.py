"""What an earlier run left of a model and whether it is taken, and what options make of one."""

import copy
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForPreTraining, HubertConfig

from modeling_braintune import AutoModelForBrainTuning, file_checksums, write_alignment
from recipes.command.arguments import parse_arguments
from recipes.command.checkpoints import checkpoint
from recipes.command.output_folder import CURVE, FILES, finished_curve, write_checked
from recipes.stages.recordings import open_recordings, tuning_listener
from recipes.stages.starting_model import check_starting_model, starting_model
from recipes.stages.targets import windows
from recipes.stages.training import (
    CHECKPOINTS,
    _check_unchanged,
    made_by_tuning,
    same_epochs,
    tune_models,
)
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

LOSSES = {"train": [[1, 0.5]], "validation": [[1, 0.25]], "chosen_step": 1}


@pytest.fixture
def folder(tmp_path):
    """That of a model that was tuned to the end, but for the clean-up."""
    (tmp_path / "checkpoints").mkdir()
    for name in ("model.safetensors", "config.json", "checkpoints/optimizer.pt"):
        (tmp_path / name).write_text(name)
    write_checked(tmp_path / CURVE, LOSSES | {FILES: file_checksums(tmp_path)})
    return tmp_path


def test_a_finished_model_is_taken_as_it_is(folder, tmp_path):
    (folder / "checkpoints" / "optimizer.pt").unlink()
    (folder / "README.md").write_text("A card, of a later step.")
    assert finished_curve(folder / CURVE) == LOSSES
    assert finished_curve(tmp_path / "nowhere") is None


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", CURVE])
def test_a_damaged_model_is_named(name, folder):
    path = folder / name
    path.write_text(path.read_text().replace("o", "0", 1))
    with pytest.raises(ValueError, match=f"{path} is damaged: bring it back, or"):
        finished_curve(folder / CURVE)


def test_a_checkpoint_of_other_recordings_is_not_gone_on_with(tmp_path):
    brain = {"n_recorded_voxels": 30, "alignment": {}, "measured_on": {}}
    config = {"num_voxels": 3, "brain": {"P01": brain}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    _check_unchanged(None, None)
    _check_unchanged(tmp_path, SimpleNamespace(**config))
    alignment = {"language": {"value": 0.5, "low": 0.4, "high": 0.6}}
    write_alignment(tmp_path, "P01", alignment, {"story": "repeated"})
    _check_unchanged(tmp_path, SimpleNamespace(**config))
    for changes in ({"num_voxels": 4}, {"brain": {"P01": brain | {"n_recorded_voxels": 31}}}):
        with pytest.raises(FileExistsError, match="the recordings, .*, or the teacher changed"):
            _check_unchanged(tmp_path, SimpleNamespace(**config | changes))


@pytest.fixture(scope="module")
def tune(settings, tmp_path_factory):
    """Function from options to the curve and the folder of a model that took nine steps."""
    root = tmp_path_factory.mktemp("tuned")
    read = {}

    def tune(name, prepare=lambda output: None, targets=("responses",), **changes):
        config = root / f"{name}.yaml"
        own = settings | {"num_train_epochs": 1, "targets": list(targets)} | changes
        config.write_text(yaml.safe_dump(own))
        words = ["--config", str(config), "--output_dir", str(root / name)]
        arguments, training = parse_arguments((TuningOptions, TrainerOptions), arguments=words)
        check_starting_model(arguments, arguments.pretrained)
        key = tuple(arguments.participants)
        if key not in read:
            read[key] = [
                tuning_listener(participant, arguments)
                for participant in open_recordings(arguments.data, arguments)
            ]
        pairs = windows(
            arguments,
            read[key],
            targets,
            located=checkpoint,
            say=lambda text: None,
            device="cpu",
            progress=False,
        )
        prepare(root / name)
        said = []
        curves = tune_models(
            arguments, training, arguments.pretrained, read[key], pairs, said.append
        )
        return SimpleNamespace(curves=curves, folder=root / name, said=said, pairs=pairs)

    return tune


def weights_of(run, model="brain-tuned"):
    return load_file(run.folder / model / "model.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def todays(tune):
    """The run without any of the options."""
    return tune("todays")


@pytest.mark.parametrize("kind", ["distil", "self_supervised"])
def test_a_weight_of_0_is_a_run_without_to_the_last_bit(kind, tune, todays):
    run = tune(f"zero-{kind}", retention=kind, retention_weight=0.0)
    assert run.curves == todays.curves
    assert same(weights_of(run), weights_of(todays))


def test_a_large_weight_stays_at_the_pretrained_model(tune, pretrained):
    drift = {}
    for weight in (1e-9, 1e4):
        run = tune(f"distil-{weight:g}", retention="distil", retention_weight=weight)
        changes = run.curves["brain-tuned"]["retention"]
        assert changes[0][1] == 0
        drift[weight] = changes[-1][1]
    assert drift[1e-9] > 1e-6 and drift[1e4] < 0.1 * drift[1e-9]


def test_kept_states_give_the_losses_of_a_frozen_copy(tune):
    kept, copied = (
        tune(f"distil-{gb}", retention="distil", feature_cache_gb=gb) for gb in (1.0, 0.0)
    )
    assert kept.curves == copied.curves
    assert same(weights_of(kept), weights_of(copied))


def test_self_supervision_says_what_is_new_and_leaves_a_whole_pretraining_model(tune):
    run = tune("self-supervised", retention="self_supervised")
    assert "brain-tuned: new, since" in run.said[0] and "quantizer" in run.said[0]
    assert len(run.curves["brain-tuned"]["retention"]) == 9
    _, info = AutoModelForPreTraining.from_pretrained(
        run.folder / "brain-tuned", output_loading_info=True
    )
    assert not info["missing_keys"]
    AutoModelForBrainTuning.from_pretrained(run.folder / "brain-tuned")


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("distil", {"tune_layers": "2", "objective": "both_correlations"}),
        ("self_supervised", {"objective": "weighted_spatial_correlation"}),
    ],
)
def test_an_interrupted_run_ends_as_one_that_was_not(kind, more, tune, monkeypatch):
    options = {"retention": kind, "save_total_limit": None, "head_rank": 3} | more
    monkeypatch.setattr("recipes.stages.training.end_training", lambda *given: None)
    whole = tune(f"whole-{kind}", **options)

    def begun(output):
        """What a run leaves that was killed after its sixth step."""
        for step in (3, 6):
            name = f"brain-tuned/{CHECKPOINTS}/checkpoint-{step}"
            shutil.copytree(whole.folder / name, output / name)

    again = tune(f"again-{kind}", begun, **options)
    assert again.curves == whole.curves
    assert same(weights_of(again), weights_of(whole))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.parametrize("objective", ["weighted_both_correlations", "spatial_correlation"])
def test_options_go_together(tune, pretrained, objective):
    """Adapters in one layer, two participants, a bottleneck, distillation, bfloat16, a refit."""
    run = tune(
        f"together-{objective}",
        participants=["P01", "P02"],
        retention="distil",
        tune_layers="2",
        lora_rank=2,
        head_rank=3,
        bf16=True,
        objective=objective,
        refit=True,
    )
    tuned = AutoModelForBrainTuning.from_pretrained(run.folder / "brain-tuned")
    assert tuned.head.rank == 3 and [*tuned.brains] == ["P01", "P02"]
    stock = load_file(pretrained / "model.safetensors")
    moved = {
        name
        for name, values in tuned.wav2vec2.state_dict().items()
        if name in stock and not torch.equal(values, stock[name])
    }
    assert moved and all(name.startswith("encoder.layers.1.attention.") for name in moved)


def test_frozen_layers_kept_or_not_give_one_model(tune, pretrained):
    kept, computed = (
        tune(f"layers-{gb}", tune_layers="2", feature_cache_gb=gb) for gb in (1.0, 0.0)
    )
    assert kept.curves == computed.curves
    assert same(weights_of(kept), weights_of(computed))
    stock = load_file(pretrained / "model.safetensors")
    for name, values in weights_of(kept).items():
        own = name.removeprefix("wav2vec2.")
        if own in stock and not own.startswith("encoder.layers.1."):
            assert torch.equal(values, stock[own]), name


def test_a_refit_learns_from_the_validation_stories_for_as_many_epochs(tune, todays):
    run = tune("refit", targets=("responses", "permuted"), refit=True)
    curve, control = run.curves["brain-tuned"], run.curves["permuted"]
    chosen = todays.curves["brain-tuned"]
    assert {key: curve[key] for key in chosen} == chosen
    train, validation, both = run.pairs["responses"]
    assert len(both) == len(train) + len(validation) and both.n_samples == train.n_samples
    assert curve["refit_steps"] == control["refit_steps"] == 11  # of 88 windows; 9 were of 66
    assert control["validation"] == []
    assert same(weights_of(run, "brain-tuned-selection"), weights_of(todays))
    assert not same(weights_of(run), weights_of(todays))
    losses = json.loads((run.folder / "brain-tuned" / CURVE).read_text())
    assert [step for step, _ in losses["train"]] == [*range(1, 12)]
    (brain,) = AutoModelForBrainTuning.from_pretrained(run.folder / "brain-tuned").brains.values()
    assert brain.data["train_stories"] == ["story01", "story02", "story03", "story04"]
    assert brain.data["validation_stories"] == []
    left = {path.name for path in run.folder.iterdir()}
    assert left <= {*made_by_tuning(["brain-tuned", "permuted"])}


@pytest.mark.parametrize(("steps", "expected"), [(9, 12), (1, 1), (5, 7)])
def test_epochs_are_of_batches_begun(steps, expected):
    training = SimpleNamespace(
        train_batch_size=4,
        world_size=2,
        gradient_accumulation_steps=1,
        dataloader_drop_last=False,
    )
    assert same_epochs(steps, range(90), range(67), training) == expected
    halves = copy.copy(training)
    halves.train_batch_size, halves.gradient_accumulation_steps = 2, 2
    assert same_epochs(steps, range(90), range(67), halves) == expected


def test_epochs_are_of_whole_batches_where_others_are_dropped():
    training = SimpleNamespace(
        train_batch_size=32,
        world_size=1,
        gradient_accumulation_steps=1,
        dataloader_drop_last=True,
    )
    assert same_epochs(4, range(90), range(64), training) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tune_layers": "2-3"}, "tune_layers must be from 1 to 2, the layers of .* got 2-3"),
        ({"tune_layers": "0"}, "tune_layers must be from 1 to 2"),
        ({"head_rank": 17}, "head_rank must be at most 16, the width of .* got 17"),
    ],
)
def test_what_the_model_does_not_have_is_refused(changes, message, tune):
    with pytest.raises(ValueError, match=message):
        tune("refused", **changes)


def test_a_rank_above_the_number_of_voxels_is_refused(settings, tmp_path):
    config = tmp_path / "configuration.yaml"
    config.write_text(yaml.safe_dump(settings | {"head_rank": 10}))
    words = ["--config", str(config), "--output_dir", str(tmp_path)]
    arguments, _ = parse_arguments((TuningOptions, TrainerOptions), arguments=words)
    with pytest.raises(ValueError, match="head_rank must be from 1 to 5, .*; got 10"):
        starting_model(arguments, arguments.pretrained, np.arange(5))


def test_self_supervision_is_refused_where_it_cannot_be(settings, tmp_path):
    config = tmp_path / "configuration.yaml"
    config.write_text(yaml.safe_dump(settings | {"retention": "self_supervised"}))
    words = ["--config", str(config), "--output_dir", str(tmp_path)]
    arguments, _ = parse_arguments((TuningOptions, TrainerOptions), arguments=words)
    check_starting_model(arguments, arguments.pretrained)
    with pytest.raises(ValueError, match="do not share, got 2: train in one process, or distil"):
        check_starting_model(arguments, arguments.pretrained, 2)
    HubertConfig(hidden_size=16).save_pretrained(tmp_path / "hubert")
    with pytest.raises(ValueError, match="takes models of .* is of hubert: distil"):
        check_starting_model(arguments, str(tmp_path / "hubert"))
