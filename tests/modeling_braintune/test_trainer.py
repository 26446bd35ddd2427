import warnings

import numpy as np
import pytest
import torch
from transformers import HfArgumentParser, set_seed

from modeling_braintune import (
    AutoModelForBrainTuning,
    BrainTuningArguments,
    BrainTuningCollator,
    BrainTuningTrainer,
    Patience,
    RunningCorrelation,
    StopAt,
    last_checkpoint,
    train_resumably,
)

N_VOXELS = 5
WORSE = dict(learning_rate=1.0, head_learning_rate=1.0, warmup_steps=0)  # at every step


class Windows(torch.utils.data.Dataset):
    """Noise whose loudness drives the voxels."""

    def __init__(self, n=16):
        rng = np.random.default_rng(0)
        self.audio = rng.standard_normal((n, 3200)).astype(np.float32)
        self.responses = rng.standard_normal((n, N_VOXELS)).astype(np.float32)

    def __len__(self):
        return len(self.audio)

    def __getitem__(self, index):
        return {"audio": self.audio[index], "labels": self.responses[index]}


@pytest.fixture
def make_trainer(make_model, make_extractor, tmp_path):
    def make(family="wav2vec2", *, deterministic=True, model=None, **arguments):
        model = make_model(family, N_VOXELS) if model is None else model
        if deterministic:
            model.set_training_switches(apply_spec_augment=False, layerdrop=0, dropout=0)
        model.freeze_feature_encoder()
        return BrainTuningTrainer(
            model,
            BrainTuningArguments(
                use_cpu=True,
                logging_steps=1,
                **{
                    "output_dir": str(tmp_path / "run"),
                    "disable_tqdm": True,
                    "max_steps": 2,
                    "save_strategy": "no",
                    **arguments,
                },
            ),
            data_collator=BrainTuningCollator(make_extractor(family)),
            train_dataset=Windows(),
            eval_dataset=Windows(10),
            compute_metrics=RunningCorrelation(),
        )

    return make


def saved_every(steps):
    """Options of a training that is evaluated and saved at every so many steps."""
    every = {"eval_steps": steps, "save_steps": steps, "load_best_model_at_end": True}
    return every | {"eval_strategy": "steps", "save_strategy": "steps"}


def losses(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def weights(trainer):
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])


def test_defaults_are_the_papers():
    args = BrainTuningArguments()
    assert (args.learning_rate, args.head_learning_rate) == (5e-5, 1e-4)
    assert args.lr_scheduler_type == "linear" and args.get_warmup_steps(300) == 30
    assert not args.remove_unused_columns and args.label_names == ["labels"]
    assert args.batch_eval_metrics


def test_arguments_are_parsed_from_a_command_line():
    (args,) = HfArgumentParser(BrainTuningArguments).parse_args_into_dataclasses(
        ["--head_learning_rate", "0.002", "--warmup_steps", "25", "--learning_rate", "0.001"]
    )
    assert (args.learning_rate, args.head_learning_rate) == (0.001, 0.002)
    assert args.get_warmup_steps(300) == 25


def test_a_negative_learning_rate_is_an_error():
    with pytest.raises(ValueError, match="head_learning_rate must not be negative, got -1"):
        BrainTuningArguments(head_learning_rate=-1)


def test_head_and_backbone_have_their_own_rates(family, make_trainer):
    trainer = make_trainer(family, weight_decay=0.01)
    optimizer, model = trainer.create_optimizer(), trainer.model
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {
        names[parameter]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert set(found) == {name for name, p in model.named_parameters() if p.requires_grad}
    assert found["head.weight"] == (1e-4, 0.01) and found["head.bias"] == (1e-4, 0.0)
    decays = set(trainer.get_decay_parameter_names(model))
    for name in found.keys() - {"head.weight", "head.bias"}:
        assert found[name] == (5e-5, 0.01 if name in decays else 0.0), name
    assert {decay for _, decay in found.values()} == {0.01, 0.0}


def test_the_backbones_rate_is_logged_and_both_decay_linearly(make_trainer):
    trainer = make_trainer(max_steps=4, warmup_steps=0.5)
    trainer.train()
    logged = [e["learning_rate"] for e in trainer.state.log_history if "learning_rate" in e]
    assert logged == pytest.approx([0, 2.5e-5, 5e-5, 2.5e-5])


@pytest.mark.parametrize("key", ["params", "model"])
def test_optimizers_that_divide_parameters_themselves_are_as_in_trainer(
    key, make_trainer, monkeypatch
):
    trainer = make_trainer()
    given = [trainer.model.head.weight]

    class Divides(torch.optim.SGD):
        def __init__(self, parameters, lr):
            assert parameters is given
            super().__init__(parameters, lr)

    chosen = Divides, {"lr": 0.1, key: given}
    monkeypatch.setattr(trainer, "get_optimizer_cls_and_kwargs", lambda *_: chosen)
    assert isinstance(trainer.create_optimizer(), Divides)


def test_a_head_alone_can_be_trained(make_trainer):
    trainer = make_trainer(learning_rate=1.0, head_learning_rate=0.1)
    trainer.model.base_model.requires_grad_(False)
    before = trainer.model.base_model.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    trainer.train()
    assert [group["initial_lr"] for group in trainer.optimizer.param_groups] == [0.1, 0.1]
    after = trainer.model.base_model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_gradient_accumulation_changes_neither_loss_nor_weights(family, make_trainer):
    runs = []
    for batch, accumulation in ((8, 1), (2, 4)):
        trainer = make_trainer(
            family,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulation,
            learning_rate=1e-3,
            head_learning_rate=1e-3,
            warmup_steps=0,
            max_grad_norm=0,
            optim="sgd",
        )
        trainer.train()
        runs.append((losses(trainer), weights(trainer)))
    assert len(runs[0][0]) == 2
    assert runs[1][0] == pytest.approx(runs[0][0], rel=1e-5)
    torch.testing.assert_close(runs[1][1], runs[0][1], rtol=1e-5, atol=1e-7)


def test_activation_checkpointing_changes_nothing(family, make_trainer):
    sgd = dict(optim="sgd", learning_rate=1e-2, warmup_steps=0)
    runs = [make_trainer(family, activation_checkpointing=on, **sgd) for on in (False, True)]
    for trainer in runs:
        trainer.train()
    assert losses(runs[0]) == losses(runs[1])
    assert torch.equal(weights(runs[0]), weights(runs[1]))


def test_one_seed_gives_one_run(family, make_trainer):
    runs = [make_trainer(family, deterministic=False, learning_rate=1e-3) for _ in range(2)]
    for trainer in runs:
        set_seed(7)
        trainer.train()
    assert losses(runs[0]) == losses(runs[1])
    assert torch.equal(weights(runs[0]), weights(runs[1]))


def test_evaluation_reports_loss_and_mean_correlation(make_trainer):
    trainer = make_trainer(per_device_eval_batch_size=4)
    for _ in range(2):
        metrics = trainer.evaluate()
        data = Windows(10)
        inputs = trainer.data_collator([data[index] for index in range(10)])
        output = trainer.model(**inputs)
        r = [
            np.corrcoef(p, y)[0, 1]
            for p, y in zip(output.logits.detach().numpy().T, data.responses.T, strict=True)
        ]
        assert metrics["eval_loss"] == pytest.approx(output.loss.item(), rel=1e-5)
        assert metrics["eval_pearson"] == pytest.approx(np.mean(r), abs=1e-4)


def test_a_run_saves_a_checkpoint_without_its_switches(make_trainer):
    trainer = make_trainer(learning_rate=1e-3)
    trainer.train()
    trainer.save_model()
    reloaded = AutoModelForBrainTuning.from_pretrained(trainer.args.output_dir)
    assert reloaded.config.apply_spec_augment and reloaded.config.layerdrop == 0.1
    inputs = trainer.data_collator([Windows()[0]])
    assert torch.equal(reloaded(**inputs).logits, trainer.model.eval()(**inputs).logits)


def test_a_loss_that_is_not_finite_stops_before_it_is_saved(make_trainer, tmp_path):
    trainer = make_trainer(
        max_steps=8, per_device_train_batch_size=4, save_strategy="steps", save_steps=1
    )
    trainer.train_dataset.audio[7] = np.nan
    with pytest.raises(
        FloatingPointError, match=r"at step \d of 8, batch \d of its epoch"
    ) as error:
        trainer.train()
    step = int(str(error.value).split("at step ")[1][0])
    assert 1 <= step <= 4  # every window comes once in an epoch of four steps
    saved = {path.name for path in (tmp_path / "run").glob("checkpoint-*")}
    assert saved == {f"checkpoint-{k}" for k in range(1, step)}


def test_half_precision_is_for_gpus_that_have_it(tmp_path):
    has_it = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    assert BrainTuningArguments(output_dir=str(tmp_path)).bf16 == has_it
    assert not BrainTuningArguments(output_dir=str(tmp_path), use_cpu=True).bf16
    assert BrainTuningArguments(output_dir=str(tmp_path), use_cpu=True, bf16=True).bf16


@pytest.mark.parametrize("stochastic", [False, True])
def test_an_interrupted_training_ends_as_one_that_was_not(stochastic, make_trainer, tmp_path):
    options = dict(deterministic=not stochastic, max_steps=6, **saved_every(2))
    whole = make_trainer(**options, output_dir=str(tmp_path / "whole"))
    expected = train_resumably(whole)
    assert [step for step, _ in expected["train"]] == [1, 2, 3, 4, 5, 6]
    assert expected["chosen_step"] in dict(expected["validation"])

    cut_short = make_trainer(**options)
    cut_short.add_callback(StopAt(5))
    train_resumably(cut_short)
    newest = tmp_path / "run" / "checkpoint-6"
    newest.mkdir()  # as if it had ended while this one was being written
    (newest / "trainer_state.json").write_text('{"epoch')
    assert last_checkpoint(tmp_path / "run") == str(tmp_path / "run" / "checkpoint-4")
    if stochastic:
        (tmp_path / "run" / "checkpoint-4" / "optimizer.pt").write_bytes(b"")
        with pytest.warns(UserWarning, match=r"checkpoint-4/optimizer\.pt is damaged"):
            assert last_checkpoint(tmp_path / "run") == str(tmp_path / "run" / "checkpoint-2")
    resumed = make_trainer(**options)
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        assert train_resumably(resumed) == expected
    assert torch.equal(weights(resumed), weights(whole))


def test_at_the_end_of_patience_nothing_is_left_to_train(make_trainer, tmp_path):
    options = dict(max_steps=8, **saved_every(1), **WORSE)
    whole = make_trainer(**options)
    whole.add_callback(Patience(2))
    expected = train_resumably(whole)
    assert len(expected["train"]) < 8
    again = make_trainer(**options)
    again.add_callback(Patience(2))
    assert train_resumably(again) == expected
    assert torch.equal(weights(again), weights(whole))


@pytest.mark.parametrize("limit", [{"max_steps": 5}, {"max_steps": -1, "num_train_epochs": 2.5}])
def test_at_the_last_step_nothing_is_left_to_train(limit, make_trainer, tmp_path):
    options = limit | saved_every(5) | {"load_best_model_at_end": False}
    whole = make_trainer(**options)
    expected = train_resumably(whole)
    assert [step for step, _ in expected["train"]] == [1, 2, 3, 4, 5]
    again = make_trainer(**options)
    assert train_resumably(again) == expected
    assert torch.equal(weights(again), weights(whole))
    assert [path.name for path in (tmp_path / "run").glob("checkpoint-*")] == ["checkpoint-5"]


def test_the_best_checkpoint_is_found_where_a_folder_was_moved_to(make_trainer, tmp_path):
    options = dict(max_steps=4, **saved_every(1), **WORSE)
    whole = make_trainer(**options, output_dir=str(tmp_path / "before"))
    expected = train_resumably(whole)
    assert expected["chosen_step"] < 4
    (tmp_path / "before").rename(tmp_path / "after")
    resumed = make_trainer(**options, output_dir=str(tmp_path / "after"))
    assert train_resumably(resumed) == expected
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("quiet", [True, False])
def test_losses_are_shown_by_a_bar_or_not_at_all(quiet, make_trainer, capsys):
    train_resumably(make_trainer(disable_tqdm=quiet))
    shown = capsys.readouterr()
    assert not shown.out and ("loss=" in shown.err) != quiet


def test_checkpoints_can_be_handed_on(make_trainer, tmp_path):
    trainer = make_trainer(hub_token="hf_secret", save_strategy="steps", save_steps=2)
    trainer.processing_class = make_trainer().data_collator.feature_extractor
    trainer.train()
    assert trainer.args.hub_token == "hf_secret"
    (checkpoint,) = (tmp_path / "run").glob("checkpoint-*")
    assert b"hf_secret" not in b"".join(path.read_bytes() for path in checkpoint.iterdir())
    assert len({(checkpoint / n).stat().st_mode for n in ("config.json", "model.safetensors")}) == 1


def test_frozen_layers_stay_to_the_last_bit_and_take_no_optimiser_state(make_trainer, make_model):
    model = make_model("wav2vec2", N_VOXELS, num_hidden_layers=3)
    model.freeze_other_layers(2, 2)
    before = {name: w.clone() for name, w in model.state_dict().items()}
    trainer = make_trainer(model=model, deterministic=False, weight_decay=0.1)
    trainer.train()
    moved = {n for n, w in model.state_dict().items() if not torch.equal(w, before[n])}
    assert {name.split(".layers.")[-1][0] for name in moved if ".layers." in name} == {"1"}
    assert all(".layers.1." in name or name.startswith("head.") for name in moved)
    learnt = [p for p in model.parameters() if p.requires_grad]
    assert {id(p) for p in trainer.optimizer.state} == {id(p) for p in learnt}
