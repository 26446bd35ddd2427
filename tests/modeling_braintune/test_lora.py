import json
import re

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModel, GenerationConfig, WhisperForConditionalGeneration, set_seed

from modeling_braintune import (
    AutoModelForBrainTuning,
    Brain,
    BrainTuningArguments,
    BrainTuningCollator,
    BrainTuningTrainer,
    RunningCorrelation,
)
from modeling_braintune.lora import LoraForBrainTuning, add_lora, load_lora, merge_lora
from modeling_braintune.new_head import replace_head

# peft asks models whether they checkpoint activations by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")

HEAD = {"head.modules_to_save.default.weight", "head.modules_to_save.default.bias"}
# Where the projections are: attention's name in the encoder's layers, and its parts.
ATTENTION = {
    "wav2vec2": "wav2vec2.encoder.layers.{}.attention.{}_proj",
    "hubert": "hubert.encoder.layers.{}.attention.{}_proj",
    "wavlm": "wavlm.encoder.layers.{}.attention.{}_proj",
    "data2vec-audio": "data2vec_audio.encoder.layers.{}.attention.{}_proj",
    "unispeech-sat": "unispeech_sat.encoder.layers.{}.attention.{}_proj",
    "wav2vec2-conformer": "wav2vec2_conformer.encoder.layers.{}.self_attn.linear_{}",
    "wav2vec2-bert": "wav2vec2_bert.encoder.layers.{}.self_attn.linear_{}",
    "whisper": "model.encoder.layers.{}.self_attn.{}_proj",
}


def projections(family):
    """Names of the query, key, value and output projections of both layers."""
    return {
        ATTENTION[family].format(layer, part)
        for layer in range(2)
        for part in ("q", "k", "v", "out")
    }


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


def brain(participant="P01", n_voxels=5):
    return Brain(
        participant=participant,
        tr=0.1,
        n_trs_per_window=2,
        n_recorded_voxels=20,
        voxels=np.arange(n_voxels) * 2,
        noise_ceiling=np.linspace(0.4, 0.9, n_voxels),
    )


@pytest.fixture
def make_base(make_model, tmp_path):
    """Function that saves a pretrained backbone and loads it with a head for P01."""

    def make(family):
        stock = make_model(family)
        stock.base_model.save_pretrained(tmp_path / "base")
        if family == "whisper":
            GenerationConfig(max_length=7).save_pretrained(tmp_path / "base")
        set_seed(3)
        model = AutoModelForBrainTuning.from_pretrained(tmp_path / "base", 5).eval()
        model.set_brains(brain())
        return model

    return make


@pytest.fixture
def make_adapted(make_base):
    """Function from a family to a model whose adapters and head are as if they had been trained."""

    def make(family):
        model = add_lora(make_base(family)).eval()
        rng = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.normal_(std=0.3, generator=rng)
        return model

    return make


def same(logits, expected):
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)


class TestAdapters:
    def test_the_attention_projections_of_the_encoder_have_one(self, family, make_base):
        model = add_lora(make_base(family)).get_base_model()
        adapted = {
            name.removesuffix(".lora_A")
            for name, _ in model.named_modules()
            if name.endswith(".lora_A")
        }
        assert adapted == projections(family)

    def test_they_and_the_head_are_all_that_a_step_changes(self, family, make_adapted):
        model = make_adapted(family).train()
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad])
        model(**random_inputs(family), labels=torch.ones(2, 5)).loss.backward()
        optimizer.step()
        changed = {
            name.removeprefix("base_model.model.")
            for name, p in model.named_parameters()
            if not torch.equal(p, before[name])
        }
        halves = {f"{p}.lora_{ab}.default.weight" for p in projections(family) for ab in "AB"}
        assert changed == halves | HEAD

    def test_at_first_they_change_nothing(self, family, make_base):
        model, inputs = make_base(family), random_inputs(family)
        expected = model(**inputs).logits
        same(add_lora(model).eval()(**inputs).logits, expected)

    def test_rank_scale_and_dropout_are_the_papers(self, make_base):
        model = add_lora(make_base("wav2vec2"))
        layer = model.get_submodule(f"base_model.model.{ATTENTION['wav2vec2'].format(0, 'q')}")
        assert layer.lora_A["default"].weight.shape == (8, 16)
        assert layer.scaling["default"] == 32 / 8
        assert layer.lora_dropout["default"].p == 0.1

    def test_a_rank_must_be_positive(self, make_base):
        with pytest.raises(ValueError, match="`r` should be a positive integer value.*0"):
            add_lora(make_base("wav2vec2"), rank=0)

    def test_padding_has_no_influence_on_wavlms(self, make_model):
        # Its attention is written anew for adapters, mask included.
        model = make_model("wavlm", feat_extract_norm="layer")
        values = random_inputs("wavlm")["input_values"]
        mask = torch.ones(2, 3200, dtype=torch.long)
        mask[1, 2400:] = 0
        values[1, 2400:] = 0
        with torch.no_grad():
            model = add_lora(model).eval()
            for name, parameter in model.named_parameters():
                if "lora_" in name:
                    parameter.normal_(std=0.3)
            together = model(input_values=values, attention_mask=mask).logits
            alone = model(input_values=values[1:, :2400]).logits
        torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-5)


class TestMerging:
    def test_the_weights_give_what_the_adapters_gave(self, family, make_adapted, tmp_path):
        model, inputs = make_adapted(family), random_inputs(family)
        expected = model(**inputs).logits
        merged = merge_lora(model)
        assert type(merged) is type(AutoModelForBrainTuning.from_config(merged.config))
        same(merged(**inputs).logits, expected)
        merged.save_pretrained(tmp_path / "merged")
        reloaded = AutoModelForBrainTuning.from_pretrained(tmp_path / "merged").eval()
        same(reloaded(**inputs).logits, expected)
        assert reloaded.brain_of("P01").voxels.tolist() == brain().voxels.tolist()
        stock, info = AutoModel.from_pretrained(tmp_path / "merged", output_loading_info=True)
        assert not info["missing_keys"] and info["unexpected_keys"] == {"head.weight", "head.bias"}
        weights = merged.base_model.state_dict()
        assert all(torch.equal(w, weights[name]) for name, w in stock.state_dict().items())

    def test_whisper_still_transcribes(self, make_adapted, tmp_path):
        merge_lora(make_adapted("whisper")).save_pretrained(tmp_path / "merged")
        whole, info = WhisperForConditionalGeneration.from_pretrained(
            tmp_path / "merged", output_loading_info=True
        )
        assert not info["missing_keys"] and whole.generation_config.max_length == 7

    def test_the_voxels_are_still_known(self, make_adapted, make_extractor):
        model, sound = make_adapted("wav2vec2"), np.ones(8000, np.float32)
        extractor = make_extractor("wav2vec2")
        expected = model.predict_responses(sound, extractor, participant="P01")
        merged = merge_lora(model).predict_responses(sound, extractor, participant="P01")
        np.testing.assert_allclose(merged, expected, atol=1e-5)

    def test_a_merged_model_can_be_adapted_again(self, make_adapted):
        model = merge_lora(make_adapted("wav2vec2"))
        inputs = random_inputs("wav2vec2")
        expected = model(**inputs).logits
        again = add_lora(model).eval()
        same(again(**inputs).logits, expected)
        assert sum(name.endswith(".lora_A") for name, _ in again.named_modules()) == 8

    def test_adapters_that_hold_nan_are_not_merged(self, make_adapted):
        model = make_adapted("wav2vec2")
        next(p for name, p in model.named_parameters() if "lora_B" in name).data.fill_(torch.nan)
        with pytest.raises(ValueError, match="NaNs detected in the merged weights"):
            merge_lora(model)


class TestSaving:
    def test_what_is_saved_is_small_and_whole(self, make_adapted, tmp_path):
        make_adapted("wav2vec2").save_pretrained(tmp_path / "adapter")
        names = {path.name for path in (tmp_path / "adapter").iterdir()}
        assert names >= {
            "adapter_model.safetensors",
            "adapter_config.json",
            "config.json",
            "brain.safetensors",
        }
        assert "model.safetensors" not in names
        said = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
        assert (said["r"], said["lora_alpha"], said["lora_dropout"]) == (8, 32, 0.1)
        assert said["modules_to_save"] == ["head"]
        assert str(tmp_path) not in "".join(
            path.read_text() for path in (tmp_path / "adapter").glob("*.json")
        )
        modes = {path.stat().st_mode for path in (tmp_path / "adapter").iterdir()}
        assert len(modes) == 1
        assert all(re.fullmatch(said["target_modules"], name) for name in projections("wav2vec2"))

    def test_it_loads_on_its_backbone(self, family, make_adapted, tmp_path):
        model, inputs = make_adapted(family), random_inputs(family)
        model.save_pretrained(tmp_path / "adapter")
        loaded = load_lora(tmp_path / "adapter", tmp_path / "base")
        assert isinstance(loaded, LoraForBrainTuning)
        same(loaded.eval()(**inputs).logits, model(**inputs).logits)
        assert loaded.brain_of().voxels.tolist() == brain().voxels.tolist()
        assert not any(p.requires_grad for p in loaded.parameters())
        # peft alone does as well, on a model with a head of that width.
        fresh = AutoModelForBrainTuning.from_pretrained(tmp_path / "base", 5)
        loaded = PeftModel.from_pretrained(fresh, tmp_path / "adapter").eval()
        same(loaded(**inputs).logits, model(**inputs).logits)

    def test_it_can_be_trained_on(self, make_adapted, tmp_path):
        model = make_adapted("wav2vec2")
        model.save_pretrained(tmp_path / "adapter")
        loaded = load_lora(tmp_path / "adapter", tmp_path / "base", is_trainable=True)
        trained = {name for name, p in model.named_parameters() if p.requires_grad}
        assert {name for name, p in loaded.named_parameters() if p.requires_grad} == trained

    def test_merged_after_loading_it_is_a_whole_checkpoint(self, make_adapted, tmp_path):
        model, inputs = make_adapted("whisper"), random_inputs("whisper")
        model.save_pretrained(tmp_path / "adapter")
        loaded = load_lora(tmp_path / "adapter", tmp_path / "base")
        merge_lora(loaded).save_pretrained(tmp_path / "merged")
        assert (tmp_path / "merged/generation_config.json").exists()
        reloaded = AutoModelForBrainTuning.from_pretrained(tmp_path / "merged").eval()
        same(reloaded(**inputs).logits, model(**inputs).logits)
        assert reloaded.brain_of().participant == "P01"

    def test_its_head_takes_the_place_of_that_of_a_tuned_base(self, make_base, tmp_path):
        make_base("wav2vec2").save_pretrained(tmp_path / "tuned")
        model = AutoModelForBrainTuning.from_pretrained(tmp_path / "tuned").eval()
        replace_head(model, {"P02": 3, "P03": 1})
        model.set_brains(brain("P02", 3), brain("P03", 1))
        add_lora(model).save_pretrained(tmp_path / "adapter")
        loaded = load_lora(tmp_path / "adapter", tmp_path / "tuned").eval()
        assert list(loaded.brains) == ["P02", "P03"]
        inputs = random_inputs("wav2vec2")
        same(loaded(**inputs).logits, model(**inputs).logits)

    def test_a_base_in_a_folder_is_pointed_to(self, make_adapted, tmp_path):
        make_adapted("wav2vec2").save_pretrained(tmp_path / "adapter")
        with pytest.raises(ValueError, match="does not name its backbone's checkpoint: pass base"):
            load_lora(tmp_path / "adapter")
        with pytest.raises(FileNotFoundError, match="no checkpoint at '.*gone'"):
            load_lora(tmp_path / "adapter", base=tmp_path / "gone")

    def test_a_base_that_was_never_saved_is_asked_for(self, make_model, tmp_path):
        add_lora(make_model("wav2vec2")).save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="does not name its backbone's checkpoint: pass base"):
            load_lora(tmp_path)

    def test_nobody_asks_the_hub_about_the_backbone(self, make_adapted, tmp_path, monkeypatch):
        model = make_adapted("wav2vec2")
        model.peft_config["default"].base_model_name_or_path = "ada/base"
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # in which peft warns that it found no answer
        model.save_pretrained(tmp_path / "adapter")
        said = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
        assert said["base_model_name_or_path"] == "ada/base"

    def test_training_switches_are_not_saved(self, make_base, tmp_path):
        model = make_base("wav2vec2")
        model.set_training_switches(layerdrop=0)
        add_lora(model).save_pretrained(tmp_path / "adapter")
        assert json.loads((tmp_path / "adapter/config.json").read_text())["layerdrop"] == 0.1
        assert model.config.layerdrop == 0


class Windows(torch.utils.data.Dataset):
    """Noise, and responses that are noise too."""

    def __init__(self, n=16):
        rng = np.random.default_rng(0)
        self.audio = rng.standard_normal((n, 3200)).astype(np.float32)
        self.responses = rng.standard_normal((n, 5)).astype(np.float32)

    def __len__(self):
        return len(self.audio)

    def __getitem__(self, index):
        return {"audio": self.audio[index], "labels": self.responses[index]}


class TestTrainer:
    @pytest.fixture
    def make_trainer(self, make_base, make_extractor, tmp_path):
        def make(folder="run", **arguments):
            model = make_base("wav2vec2")
            model.set_training_switches(apply_spec_augment=False, layerdrop=0, dropout=0)
            set_seed(4)
            return BrainTuningTrainer(
                add_lora(model, dropout=0.0),
                BrainTuningArguments(
                    output_dir=str(tmp_path / folder),
                    use_cpu=True,
                    disable_tqdm=True,
                    logging_steps=1,
                    warmup_steps=0,
                    **{"max_steps": 2, "save_strategy": "no"} | arguments,
                ),
                data_collator=BrainTuningCollator(make_extractor("wav2vec2")),
                train_dataset=Windows(),
                eval_dataset=Windows(10),
                compute_metrics=RunningCorrelation(),
            )

        return make

    @staticmethod
    def weights(trainer):
        trained = [p.detach().flatten() for p in trainer.model.parameters() if p.requires_grad]
        return torch.cat(trained)

    def test_adapters_and_head_have_their_own_rates(self, make_trainer):
        trainer = make_trainer(learning_rate=1e-4, head_learning_rate=1e-3)
        names = {parameter: name for name, parameter in trainer.model.named_parameters()}
        rates = {
            names[parameter].removeprefix("base_model.model."): group["lr"]
            for group in trainer.create_optimizer().param_groups
            for parameter in group["params"]
        }
        halves = {f"{p}.lora_{ab}.default.weight" for p in projections("wav2vec2") for ab in "AB"}
        assert rates == dict.fromkeys(halves, 1e-4) | dict.fromkeys(HEAD, 1e-3)

    def test_gradient_accumulation_changes_neither_loss_nor_weights(self, make_trainer):
        runs = []
        for batch, accumulation in ((8, 1), (2, 4)):
            trainer = make_trainer(
                per_device_train_batch_size=batch,
                gradient_accumulation_steps=accumulation,
                learning_rate=0.1,
                head_learning_rate=0.1,
                max_grad_norm=0,
                optim="sgd",
            )
            before = self.weights(trainer)
            trainer.train()
            losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
            runs.append((losses, self.weights(trainer)))
            assert not torch.equal(before, runs[-1][1])
        assert len(runs[0][0]) == 2 and runs[1][0] == pytest.approx(runs[0][0], rel=1e-5)
        torch.testing.assert_close(runs[1][1], runs[0][1], rtol=1e-4, atol=1e-6)

    def test_activation_checkpointing_changes_nothing(self, make_trainer):
        runs = [make_trainer(activation_checkpointing=on) for on in (False, True)]
        for trainer in runs:
            trainer.train()
        assert torch.equal(self.weights(runs[0]), self.weights(runs[1]))

    def test_an_interrupted_run_goes_on_as_if_it_had_not_been(self, make_trainer, tmp_path):
        rates = {"learning_rate": 1e-2, "head_learning_rate": 1e-2, "lr_scheduler_type": "constant"}
        whole = make_trainer("whole", **rates)
        whole.train()
        make_trainer("parts", max_steps=1, save_strategy="steps", save_steps=1, **rates).train()
        rest = make_trainer("parts", **rates)
        rest.train(resume_from_checkpoint=str(tmp_path / "parts/checkpoint-1"))
        assert torch.equal(self.weights(rest), self.weights(whole))

    def test_its_best_checkpoint_is_whole(self, make_trainer, tmp_path):
        trainer = make_trainer(
            learning_rate=1e-2,
            head_learning_rate=1.0,  # too much: the first step was the best
            eval_strategy="steps",
            save_strategy="steps",
            eval_steps=1,
            save_steps=1,
            load_best_model_at_end=True,
        )
        trainer.train()
        evaluated = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
        assert trainer.evaluate()["eval_loss"] == pytest.approx(min(evaluated), rel=1e-5)
        inputs = random_inputs("wav2vec2")
        loaded = load_lora(trainer.state.best_model_checkpoint, tmp_path / "base").eval()
        same(loaded(**inputs).logits, trainer.model.eval()(**inputs).logits)
        assert loaded.brain_of().participant == "P01"


def test_with_frozen_layers_the_others_alone_get_adapters(family, make_model):
    model = make_model(family)
    model.freeze_other_layers(2, 2)
    adapted = add_lora(model, rank=2)
    trained = {name for name, p in adapted.named_parameters() if p.requires_grad}
    of_layers = {name.split(".layers.")[1][0] for name in trained if ".layers." in name}
    assert of_layers == {"1"} and any("head" in name for name in trained)
    adapted.train()
    assert not model.base_model.encoder.training
    assert model.base_model.encoder.layers[1].training
