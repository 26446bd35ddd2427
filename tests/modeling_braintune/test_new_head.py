import numpy as np
import pytest
import torch

from modeling_braintune import AutoModelForBrainTuning, Brain
from modeling_braintune.lora import add_lora
from modeling_braintune.new_head import replace_head

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")


def brain(participant, n_voxels):
    return Brain(
        participant=participant,
        tr=2.0,
        n_trs_per_window=5,
        n_recorded_voxels=300,
        voxels=np.arange(n_voxels),
        noise_ceiling=np.ones(n_voxels),
    )


def random_inputs(family):
    rng = torch.Generator().manual_seed(1)
    if family == "whisper":
        return {
            "input_features": torch.randn(2, 80, 200, generator=rng),
            "attention_mask": torch.ones(2, 200, dtype=torch.long),
        }
    if family == "wav2vec2-bert":
        return {"input_features": torch.randn(2, 24, 160, generator=rng)}
    return {"input_values": torch.randn(2, 3200, generator=rng)}


class TestNewHead:
    @pytest.fixture
    def tuned(self, family, make_model):
        """A model with a head for P01, whose voxels weigh in its loss."""
        model = make_model(family)
        model.set_brains(brain("P01", 5))
        model.set_objective("weighted_mse")
        return model

    @pytest.mark.parametrize("num_voxels", [300, {"P02": 200, "P03": 100}])
    def test_it_is_as_fresh_as_a_first_one(self, num_voxels, tuned, family, make_model):
        first, drawn = make_model(family, 300).head, tuned.head.weight
        replace_head(tuned, num_voxels)
        assert tuned.config.num_voxels == num_voxels
        assert tuned.head.weight.shape == (300, 16) and tuned.head.weight.requires_grad
        assert not torch.isin(tuned.head.weight, drawn).any()
        assert tuned.head.weight.std().item() == pytest.approx(first.weight.std().item(), rel=0.1)
        assert not tuned.head.bias.any()

    def test_it_stands_on_the_old_backbone(self, tuned):
        before = {name: w.clone() for name, w in tuned.base_model.state_dict().items()}
        replace_head(tuned, 300)
        after = tuned.base_model.state_dict()
        assert all(torch.equal(after[name], before[name]) for name in before)

    def test_nothing_is_left_of_the_old_one(self, tuned, family, tmp_path):
        replace_head(tuned, 7)
        inputs = random_inputs(family)
        output = tuned(**inputs, labels=torch.zeros(2, 7))
        assert torch.equal(output.loss, output.logits.square().mean())
        tuned.save_pretrained(tmp_path)
        assert not (tmp_path / "brain.safetensors").exists()
        reloaded = AutoModelForBrainTuning.from_pretrained(tmp_path).eval()
        assert reloaded.brains == {} and not hasattr(reloaded.config, "brain")
        assert torch.equal(reloaded(**inputs).logits, output.logits)

    def test_brains_of_other_participants_can_be_set(self, tuned):
        replace_head(tuned, {"P02": 4, "P03": 2})
        tuned.set_brains(brain("P02", 4), brain("P03", 2))
        assert tuned.columns_of("P03") == slice(4, 6)

    def test_it_is_of_the_backbones_type(self, tuned):
        replace_head(tuned.bfloat16(), 7)
        assert tuned.head.weight.dtype == torch.bfloat16

    def test_training_switches_stay_and_are_not_saved(self, make_model, tmp_path):
        model = make_model("wav2vec2")
        model.set_training_switches(layerdrop=0)
        replace_head(model, 7)
        assert model.config.layerdrop == 0
        model.save_pretrained(tmp_path)
        assert AutoModelForBrainTuning.from_pretrained(tmp_path).config.layerdrop == 0.1


@pytest.mark.parametrize("num_voxels", [0, {}, {"P01": 0}, {"P02": 1, "P01": 1}])
def test_a_head_that_cannot_be_leaves_the_old_one(num_voxels, make_model):
    model = make_model("wav2vec2")
    with pytest.raises(ValueError, match="num_voxels must"):
        replace_head(model, num_voxels)
    assert model.head.out_features == model.config.num_voxels == 5


def test_adapters_must_be_merged_first(make_model):
    with pytest.raises(TypeError, match="got LoraForBrainTuning: adapters must be merged first"):
        replace_head(add_lora(make_model("wav2vec2")), 7)


def test_a_head_alone_learns_on_a_frozen_backbone(family, make_model):
    model = make_model(family)
    replace_head(model, 7)
    model.freeze_base_model()
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained == ["head.weight", "head.bias"]
    model.train()(**random_inputs(family), labels=torch.ones(2, 7)).loss.backward()
    assert model.head.weight.grad.any()
    assert all(p.grad is None for p in model.base_model.parameters())
