"""What keeps a model to what it knew: exact limits, gradients, and trainings that go on."""

import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForPreTraining, set_seed

from modeling_braintune import (
    STIMULUS_FAMILIES,
    AutoModelForBrainTuning,
    BrainTuningArguments,
    BrainTuningCollator,
    BrainTuningTrainer,
    add_lora,
    model_inputs,
    train_resumably,
)
from modeling_braintune.retention import (
    PRETRAINING_PARTS,
    STATES,
    Distillation,
    SelfSupervision,
    pretrained_states,
    relative_change,
)
from modeling_braintune.stimulus import load_for_pretraining, self_supervised_loss

N_VOXELS, N_SAMPLES = 5, 8000  # 24 frames
MASKS = {"mask_time_prob": 0.5, "mask_time_length": 4}
# Nothing random but what self-supervision draws
STILL = dict(
    hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, feat_proj_dropout=0.0
)
QUIET = dict(apply_spec_augment=False, layerdrop=0.0, dropout=0.0)


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.fixture
def checkpoint(request, make_config, tmp_path):
    """Folder of a pretraining checkpoint with three layers, quantizer included."""
    set_seed(0)
    family = getattr(request, "param", "wav2vec2")
    still = STILL | ({"conformer_conv_dropout": 0.0} if "conformer" in family else {})
    config = make_config(family, num_hidden_layers=3, num_negatives=5, **still)
    AutoModelForPreTraining.from_config(config).save_pretrained(tmp_path / "pretrained")
    return tmp_path / "pretrained"


@pytest.fixture
def load(checkpoint):
    """Function that loads a model for brain-tuning, its CNN frozen and nothing in it random."""

    def load():
        set_seed(1)
        model = AutoModelForBrainTuning.from_pretrained(checkpoint, N_VOXELS)
        model.freeze_feature_encoder()
        model.set_training_switches(**QUIET)
        return model.train()

    return load


@pytest.fixture
def batch(make_extractor, make_clips):
    inputs = model_inputs(make_extractor("wav2vec2"), make_clips(*[N_SAMPLES / 16000] * 3))
    return {**inputs, "labels": draw(3, N_VOXELS, dtype=torch.float32)}


def gradients(model):
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


class TestRelativeChange:
    def test_it_is_one_minus_r_squared_averaged_over_layers(self):
        pretrained = [draw(2, 6, 4, seed=i) for i in range(3)]
        moved = [h + 0.1 * (i + 1) * draw(2, 6, 4, seed=9) for i, h in enumerate(pretrained)]
        expected = []
        for state, known in zip(moved, pretrained, strict=True):
            state, known = state.reshape(-1, 4).numpy(), known.reshape(-1, 4).numpy()
            left = np.square(state - known).sum()
            expected.append(left / (len(known) * known.var(axis=0).sum()))
        assert relative_change(moved, pretrained).item() == pytest.approx(np.mean(expected))

    def test_no_change_is_0_and_the_mean_alone_is_1(self):
        known = draw(2, 6, 4)
        assert relative_change([known], [known]) == 0
        flat = known.mean((0, 1)).expand_as(known)
        assert relative_change([flat], [known]).item() == pytest.approx(1)

    @given(scale=st.floats(1e-3, 1e3), offset=st.floats(-10, 10))
    def test_the_size_of_a_layers_values_does_not_matter(self, scale, offset):
        known, moved = draw(2, 6, 4), draw(2, 6, 4, seed=1)
        expected = relative_change([moved], [known]).item()
        rescaled = relative_change([scale * moved + offset], [scale * known + offset])
        assert rescaled.item() == pytest.approx(expected, rel=1e-6)

    def test_frames_of_padding_do_not_count(self):
        known, moved = draw(2, 6, 4), draw(2, 6, 4, seed=1)
        real = torch.ones(2, 6, dtype=torch.bool)
        real[1, 3:] = False
        expected = relative_change([moved], [known], real)
        moved[1, 3:], known[1, 3:] = 1e6, -1e6
        assert torch.equal(relative_change([moved], [known], real), expected)

    def test_gradients_agree_with_finite_differences(self):
        known = draw(2, 3, 2, 3)
        moved = [draw(2, 2, 3, seed=1).requires_grad_(), draw(2, 2, 3, seed=2).requires_grad_()]
        real = torch.tensor([[True, True], [True, False]])
        assert torch.autograd.gradcheck(
            lambda *states: relative_change(states, known[:, :2].transpose(0, 1), real), moved
        )

    def test_half_precision_is_computed_in_float32(self):
        known = draw(1, 50, 8, dtype=torch.bfloat16)
        assert relative_change([known], [known]).dtype == torch.float32


class TestDistillation:
    def test_at_the_pretrained_weights_loss_and_gradients_are_exactly_0(self, load, batch):
        model = load()
        outputs, loss = Distillation(model, 1.0)(model, batch)
        assert loss == 0 and outputs.loss > 0
        loss.backward()
        assert all(not gradient.any() for gradient in gradients(model).values())

    def test_kept_states_give_the_loss_of_a_copy(self, load, batch):
        model = load()
        sound = {"input_values": batch["input_values"]}
        kept = pretrained_states(model, sound)
        assert kept[STATES].shape == (3, 3, 24, 16)
        found = {}
        for copied in (True, False):
            tuned = load()
            retention = Distillation(tuned, 1.0, copied=copied)
            with torch.no_grad():
                for parameter in tuned.wav2vec2.encoder.parameters():
                    parameter.mul_(1.01)
            outputs, loss = retention(tuned, batch if copied else batch | kept)
            (outputs.loss + loss).backward()
            found[copied] = {"loss": loss, **gradients(tuned)}
        assert found[True]["loss"] > 0
        assert all(torch.equal(found[False][name], value) for name, value in found[True].items())

    def test_layers_that_stay_are_left_out(self, load, batch):
        model = load()
        model.freeze_other_layers(2, 2)
        retention = Distillation(model, 1.0)
        with torch.no_grad():
            model.wav2vec2.encoder.layers[1].final_layer_norm.weight.mul_(1.1)
        states = pretrained_states(retention._teacher, {"input_values": batch["input_values"]})
        assert states[STATES].shape[1] == 2  # layers 2 and 3
        _, loss = retention(model, batch)
        now = model(batch["input_values"], output_hidden_states=True).hidden_states
        expected = relative_change(now[2:], states[STATES].unbind(1))
        assert torch.equal(loss, expected) and loss > 0

    def test_the_pretrained_model_is_not_moved(self, load, batch):
        model = load()
        retention = Distillation(model, 1.0)
        before = {name: w.clone() for name, w in retention._teacher.state_dict().items()}
        (retention(model, batch)[0].loss + retention(model, batch)[1]).backward()
        assert all(torch.equal(w, before[n]) for n, w in retention._teacher.state_dict().items())
        assert gradients(retention._teacher) == {}

    @pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")
    def test_adapters_begin_where_the_pretrained_model_is(self, load, batch):
        """Their dropout included: what they add is 0 whatever they are given."""
        model = load()
        retention = Distillation(model, 1.0)
        adapted = add_lora(model, rank=2, dropout=0.5).train()
        assert retention(adapted, batch)[1] == 0
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.fill_(0.1)
        _, loss = retention(adapted, batch)
        loss.backward()
        assert loss > 0 and {n.split(".")[-3] for n in gradients(adapted)} == {"lora_A", "lora_B"}

    def test_every_family_distils(self, family, make_model, make_extractor, make_clips):
        model = make_model(family, N_VOXELS)
        model.set_training_switches(**QUIET)
        model.train()
        batch = model_inputs(make_extractor(family), make_clips(0.5, 0.5))
        retention = Distillation(model, 1.0)
        assert retention(model, batch)[1].item() == pytest.approx(0, abs=1e-10)
        with torch.no_grad():
            for parameter in model.base_model.encoder.layers.parameters():
                parameter.mul_(1.1)
        assert retention(model, batch)[1] > 1e-5

    def test_whispers_padding_does_not_count(self, make_model, make_extractor, make_clips):
        model = make_model("whisper", N_VOXELS)
        batch = model_inputs(make_extractor("whisper"), make_clips(0.5, 0.5))
        known = pretrained_states(model, batch)
        known[STATES][:, :, 25:] = 1e6  # 20 ms a frame
        assert Distillation(model, 1.0, copied=False)(model, batch | known)[1] == 0

    def test_gradients_agree_with_finite_differences(self, load, batch):
        model = load().double()
        retention = Distillation(model, 3.0)
        batch = {name: values.double() for name, values in batch.items()}
        perturb(model, 0.01)

        def loss():
            outputs, kept = retention(model, batch)
            return outputs.loss + retention.weight * kept

        assert_directional_derivative(model, loss)

    @pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan")])
    def test_weights_are_above_0(self, weight, load):
        with pytest.raises(ValueError, match="weight of retention must be above 0, got"):
            Distillation(load(), weight)

    def test_adapters_of_the_stock_classes_are_refused(self, make_model):
        with pytest.raises(ValueError, match="a model with add_adapter has other frames"):
            Distillation(make_model("wav2vec2", add_adapter=True), 1.0)


def perturb(model, size):
    """Move away from where the retention is 0 and its gradient vanishes."""
    with torch.no_grad():
        for i, parameter in enumerate(model.wav2vec2.encoder.layers.parameters()):
            parameter.add_(size * draw(*parameter.shape, seed=i, dtype=parameter.dtype))


def assert_directional_derivative(model, loss, step=1e-6, rel=1e-5):
    """Compare the gradient with central differences along a random direction, in float64."""
    model.zero_grad()
    loss().backward()
    learnt = [p for p in model.parameters() if p.grad is not None]
    directions = [draw(*p.shape, seed=i) for i, p in enumerate(learnt)]
    expected = sum((p.grad * d).sum() for p, d in zip(learnt, directions, strict=True)).item()
    values = []
    with torch.no_grad():
        for sign in (1, -2):
            for p, d in zip(learnt, directions, strict=True):
                p.add_(sign * step * d)
            values.append(loss().item())
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(expected, rel=rel)
    assert abs(expected) > 1e-3


class TestSelfSupervision:
    @pytest.fixture
    def make(self, load, checkpoint):
        """Function that makes a model and its retention."""

        def make(weight=1.0):
            model = load()
            return model, SelfSupervision(model, checkpoint, N_SAMPLES, weight, **MASKS)

        return make

    @pytest.mark.parametrize("checkpoint", STIMULUS_FAMILIES, indirect=True)
    @pytest.mark.parametrize("kept", [False, True])
    def test_its_loss_and_gradients_are_those_of_stimulus_tuning(
        self, kept, make, checkpoint, batch
    ):
        sound = {"input_values": batch["input_values"]}
        stock, _ = load_for_pretraining(checkpoint, N_SAMPLES, **MASKS)
        stock.config.layerdrop = 0.0
        stock.train()
        for module in stock.modules():  # a Conformer's keep their statistics in brain-tuning
            if isinstance(module, torch.nn.BatchNorm1d):
                module.eval()
        set_seed(3)
        expected, _ = self_supervised_loss(stock, sound)
        expected.backward()

        model, retention = make()
        given = model.frozen_features(sound) if kept else sound
        set_seed(3)
        _, loss = retention(model, batch | given)
        loss.backward()
        assert torch.equal(loss, expected)
        found = gradients(model)
        assert found.keys() == gradients(stock).keys() and len(found) > 30
        for name, gradient in gradients(stock).items():
            assert torch.equal(found[name], gradient), name

    def test_a_large_weight_gives_the_gradient_of_stimulus_tuning(self, make, batch):
        found = {}
        for weight in (1.0, 1e6):
            model, retention = make(weight)
            set_seed(3)
            outputs, loss = retention(model, batch)
            (loss if weight == 1 else outputs.loss / weight + loss).backward()
            found[weight] = gradients(model)
        for name, expected in found[1.0].items():
            assert torch.allclose(found[1e6][name], expected, rtol=1e-4, atol=1e-6), name

    def test_gradients_agree_with_finite_differences(self, make, batch):
        """Of what is told apart; the choice of codes has a surrogate gradient of its own.

        The stock class computes similarities in float32 whatever the model is in.
        """
        model, retention = make(2.0)
        model.double().eval()
        retention._twin.eval()
        for part in (model.quantizer, model.base_model.feature_projection):
            part.requires_grad_(False)
        batch = {name: values.double() for name, values in batch.items()}

        def loss():
            np.random.seed(0)
            outputs, kept = retention(model, batch)
            return outputs.loss + retention.weight * kept

        assert_directional_derivative(model, loss, step=1e-4, rel=1e-3)

    def test_a_checkpoint_loads_whole_in_the_pretraining_class(self, make, tmp_path):
        model, retention = make()
        assert retention.new == []
        model.save_pretrained(tmp_path / "tuned")
        _, info = AutoModelForPreTraining.from_pretrained(
            tmp_path / "tuned", output_loading_info=True
        )
        assert not info["missing_keys"]
        reloaded = AutoModelForBrainTuning.from_pretrained(tmp_path / "tuned")
        assert torch.equal(reloaded.head.weight, model.head.weight)
        assert not any(hasattr(reloaded, part) for part in PRETRAINING_PARTS)

    def test_masks_of_its_own_stay_out_of_the_pass_over_responses(self, make, batch):
        model, retention = make()
        logits = retention(model, batch)[0].logits
        assert torch.equal(logits, model.eval()(batch["input_values"]).logits)
        assert model.config.apply_spec_augment is False
        assert model.train().wav2vec2.masked_spec_embed.requires_grad

    def test_frozen_layers_are_refused(self, load, checkpoint):
        model = load()
        model.freeze_other_layers(2, 3)
        with pytest.raises(ValueError, match="frozen layers leave it as it was: .* or distil"):
            SelfSupervision(model, checkpoint, N_SAMPLES, 1.0, **MASKS)

    def test_a_model_without_a_mask_is_refused(self, make_model, checkpoint):
        model = make_model("wav2vec2", mask_time_prob=0.0)
        with pytest.raises(ValueError, match="no masked_spec_embed .* distil instead"):
            SelfSupervision(model, checkpoint, N_SAMPLES, 1.0, **MASKS)


class TestTraining:
    @pytest.fixture
    def make_trainer(self, load, checkpoint, make_extractor, make_clips, tmp_path):
        """Function from a kind of retention to a trainer of six steps with dropout."""
        clips = make_clips(*[N_SAMPLES / 16000] * 6)
        items = [
            {"audio": clip, "labels": draw(N_VOXELS, seed=i, dtype=torch.float32).numpy()}
            for i, clip in enumerate(clips)
        ]

        def make(kind, weight=1.0, output="output", **arguments):
            model = load()
            retention = None
            if kind == "distil":
                retention = Distillation(model, weight)
            elif kind == "self_supervised":
                model.set_training_switches(dropout=0.1)
                retention = SelfSupervision(model, checkpoint, N_SAMPLES, weight, **MASKS)
            return BrainTuningTrainer(
                model=model,
                args=BrainTuningArguments(
                    output_dir=str(tmp_path / output),
                    use_cpu=True,
                    disable_tqdm=True,
                    max_steps=6,
                    per_device_train_batch_size=2,
                    learning_rate=1e-3,
                    logging_steps=1,
                    eval_strategy="steps",
                    eval_steps=2,
                    save_steps=2,
                    **arguments,
                ),
                train_dataset=items,
                eval_dataset=items,
                data_collator=BrainTuningCollator(make_extractor("wav2vec2")),
                retention=retention,
            )

        return make

    def test_the_loss_is_that_over_responses_and_the_weighted_retention(self, make_trainer):
        curve = train_resumably(make_trainer("distil", weight=7.0))
        assert curve["retention"][0] == [1, 0.0] and curve["retention"][-1][1] > 0
        alone = train_resumably(make_trainer(None, output="alone"))
        assert "retention" not in alone
        assert curve["train"][0] == alone["train"][0]  # where nothing has changed yet

    def test_evaluation_looks_at_responses_alone(self, make_trainer, batch):
        trainer = make_trainer("self_supervised")
        loss = trainer.evaluate()["eval_loss"]
        assert loss == make_trainer(None, output="alone").evaluate()["eval_loss"]

    @pytest.mark.parametrize("kind", ["distil", "self_supervised"])
    def test_an_interrupted_training_ends_as_one_that_was_not(self, kind, make_trainer, tmp_path):
        whole = make_trainer(kind)
        expected = train_resumably(whole)
        (tmp_path / "cut").mkdir()
        shutil.copytree(tmp_path / "output/checkpoint-4", tmp_path / "cut/checkpoint-4")
        shutil.copytree(tmp_path / "output/checkpoint-2", tmp_path / "cut/checkpoint-2")
        again = make_trainer(kind, output="cut")
        assert train_resumably(again)["retention"] == expected["retention"]
        state = whole.model.state_dict()
        assert all(torch.equal(w, state[n]) for n, w in again.model.state_dict().items())

    def test_in_bfloat16_both_passes_are(self, make_trainer):
        for kind in ("distil", "self_supervised"):
            curve = train_resumably(make_trainer(kind, output=kind, bf16=True))
            assert np.isfinite(curve["retention"]).all()
