import json
import os
import pickle
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import cpu_offload
from safetensors.numpy import load_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCTC,
    AutoModelForPreTraining,
    GenerationConfig,
    WhisperForConditionalGeneration,
    set_seed,
)

from modeling_braintune import (
    AutoModelForBrainTuning,
    Brain,
    Data2VecAudioForBrainTuning,
    HubertForBrainTuning,
    Wav2Vec2ForBrainTuning,
    WhisperForBrainTuning,
    model_inputs,
)

TASK_CLASSES = {
    "wav2vec2": (AutoModel, AutoModelForCTC, AutoModelForPreTraining),
    "hubert": (AutoModel, AutoModelForCTC),
    "wavlm": (AutoModel, AutoModelForCTC),
    "data2vec-audio": (AutoModel, AutoModelForCTC),
    "unispeech-sat": (AutoModel, AutoModelForCTC, AutoModelForPreTraining),
    "wav2vec2-conformer": (AutoModel, AutoModelForCTC, AutoModelForPreTraining),
    "wav2vec2-bert": (AutoModel, AutoModelForCTC),
    "whisper": (AutoModel, WhisperForConditionalGeneration),
}
CHECKPOINTS = [(family, task) for family, tasks in TASK_CLASSES.items() for task in tasks]
HEAD = {"head.weight", "head.bias"}
CONTRASTIVE_HEAD = {
    "project_hid.weight",
    "project_hid.bias",
    "project_q.weight",
    "project_q.bias",
    "quantizer.codevectors",
    "quantizer.weight_proj.weight",
    "quantizer.weight_proj.bias",
}
# UniSpeech-SAT is pretrained to tell speakers apart as well.
SPEAKER_HEAD = {
    "speaker_proj.weight",
    "speaker_proj.bias",
    "label_embeddings_concat",
    "layer_norm_for_extract.weight",
    "layer_norm_for_extract.bias",
}


def own_head(family, task_class):
    """Names of the parameters that a stock class has beside the backbone."""
    if task_class is AutoModelForCTC:
        return {"lm_head.weight", "lm_head.bias"}
    if task_class is AutoModelForPreTraining:
        return CONTRASTIVE_HEAD | (SPEAKER_HEAD if family == "unispeech-sat" else set())
    return set()


def brain_of_five(**changes):
    """Five voxels of P01, two of them in a region."""
    fields = {
        "participant": "P01",
        "tr": 2.0045,
        "n_trs_per_window": 5,
        "n_recorded_voxels": 20,
        "voxels": [3, 4, 7, 11, 19],
        "noise_ceiling": np.random.default_rng(0).uniform(0.4, 1, 5),
        "regions": {"language": [0, 3]},
        "trims": {"start": 10, "end": 5},
        "places": [5, 6, 13, 20, 26],
        "space": {"shape": [3, 3, 3], "affine": np.diag([2.0, 2.0, 2.5, 1.0]).tolist()},
        "data": {"source": "recordings", "fingerprint": "0123"},
    }
    return Brain(**fields | changes)


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def random_inputs(family, batch=2, seconds=0.5):
    rng = torch.Generator().manual_seed(1)
    if family == "whisper":
        return {
            "input_features": torch.randn(batch, 80, 200, generator=rng),
            "attention_mask": torch.ones(batch, 200, dtype=torch.long),
        }
    if family == "wav2vec2-bert":
        return {"input_features": torch.randn(batch, 24, 160, generator=rng)}
    return {"input_values": torch.randn(batch, int(seconds * 16000), generator=rng)}


def own_frames(model, **inputs):
    """Last hidden states of the stock backbone."""
    backbone = model.base_model
    return (backbone.encoder if hasattr(backbone, "decoder") else backbone)(**inputs)[0]


def same_tensors(left, right):
    assert left.keys() == right.keys()
    return all(torch.equal(left[name], right[name]) for name in left)


class TestForward:
    def test_loss_is_the_mean_squared_error_over_voxels(self, family, make_model):
        model = make_model(family)
        labels = torch.randn(2, 5)
        output = model(**random_inputs(family), labels=labels)
        assert output.logits.shape == (2, 5)
        torch.testing.assert_close(output.loss, ((output.logits - labels) ** 2).mean())

    def test_logits_are_the_head_on_the_mean_over_frames(self, family, make_model):
        model, inputs = make_model(family), random_inputs(family)
        expected = model.head(own_frames(model, **inputs).mean(1))
        torch.testing.assert_close(model(**inputs).logits, expected)

    def test_loss_is_float32_whatever_the_weights_are(self, family, make_model):
        model = make_model(family).bfloat16()
        inputs = random_inputs(family)
        inputs = {k: v.bfloat16() if v.is_floating_point() else v for k, v in inputs.items()}
        output = model(**inputs, labels=torch.full((2, 5), 1 / 3))
        assert output.loss.dtype == torch.float32
        expected = ((output.logits.float() - 1 / 3) ** 2).mean()
        torch.testing.assert_close(output.loss, expected)

    def test_without_labels_there_is_no_loss(self, family, make_model):
        assert make_model(family)(**random_inputs(family)).loss is None

    def test_hidden_states_and_attentions_come_on_request(self, family, make_model):
        model, inputs = make_model(family), random_inputs(family)
        plain = model(**inputs)
        assert plain.hidden_states is None and plain.attentions is None
        model.set_attn_implementation("eager")
        full = model(**inputs, output_hidden_states=True, output_attentions=True)
        assert len(full.hidden_states) == 3 and full.hidden_states[0].shape[::2] == (2, 16)
        assert len(full.attentions) == 2 and full.attentions[0].shape[:2] == (2, 2)
        model.config.output_hidden_states = True
        assert len(model(**inputs).hidden_states) == 3

    def test_tuples_come_on_request(self, family, make_model):
        loss, logits = make_model(family)(
            **random_inputs(family), labels=torch.zeros(2, 5), return_dict=False
        )
        assert loss.shape == () and logits.shape == (2, 5)

    def test_labels_of_another_width_are_an_error(self, family, make_model):
        with pytest.raises(ValueError, match=r"\(2, 5\), got \(2, 4\)"):
            make_model(family)(**random_inputs(family), labels=torch.zeros(2, 4))

    def test_labels_that_would_broadcast_are_an_error(self, family, make_model):
        with pytest.raises(ValueError, match=r"\(2, 5\), got \(1, 5\)"):
            make_model(family)(**random_inputs(family), labels=torch.zeros(1, 5))

    def test_labels_with_nan_are_an_error(self, family, make_model):
        labels = torch.zeros(2, 5)
        labels[1, 3] = float("nan")
        with pytest.raises(ValueError, match=r"NaN in 1 voxels, columns \[3\]"):
            make_model(family)(**random_inputs(family), labels=labels)

    @pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
    def test_it_is_exported_with_an_attention_mask(self, family, make_model):
        model, inputs = make_model(family), random_inputs(family)
        if family == "wav2vec2":
            inputs["attention_mask"] = torch.ones(2, 8000, dtype=torch.long)
        exported = torch.export.export(model, (), inputs).module()
        torch.testing.assert_close(exported(**inputs).logits, model(**inputs).logits)

    @pytest.mark.filterwarnings("ignore:Dynamo detected a call to")  # of the stock classes
    def test_it_is_compiled_in_one_graph(self, make_model):
        """With a mask and labels; in train mode, where the stock feature encoder is frozen."""
        model, inputs = make_model("wav2vec2", num_hidden_layers=1), random_inputs("wav2vec2")
        inputs |= {"attention_mask": torch.ones(2, 8000).long(), "labels": torch.zeros(2, 5)}
        model.freeze_feature_encoder()
        model.set_training_switches(apply_spec_augment=False, layerdrop=0.0, dropout=0.0)
        compiled = torch.compile(model.train(), backend="eager", fullgraph=True)
        assert torch.equal(compiled(**inputs).loss, model(**inputs).loss)

    @pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
    def test_hooks_of_an_offloaded_model_stay(self, family, make_model):
        model, inputs = make_model(family), random_inputs(family)
        expected = model(**inputs).logits
        cpu_offload(model)
        assert torch.equal(model(**inputs).logits, expected)
        features = model.frozen_features(inputs)
        for _ in range(2):
            assert torch.equal(model(**features).logits, expected)
            assert torch.equal(model(**inputs).logits, expected)


class TestPadding:
    """Clips of different lengths give what each gives alone."""

    DURATIONS = (0.5, 0.13, 0.3)

    # WavLM hands torch its two masks in different types.
    @pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
    @pytest.mark.parametrize("family", ["wav2vec2", "hubert", "wavlm", "unispeech-sat"])
    @pytest.mark.parametrize("stable", [False, True])
    def test_a_padded_clip_equals_the_clip_alone(
        self, family, stable, make_model, make_extractor, make_clips
    ):
        model = make_model(family, feat_extract_norm="layer", do_stable_layer_norm=stable)
        extractor = make_extractor(family, return_attention_mask=True)
        clips = make_clips(*self.DURATIONS)
        together = model(**model_inputs(extractor, clips)).logits
        for index, clip in enumerate(clips):
            alone = model_inputs(extractor, [clip])["input_values"]
            expected = model.head(own_frames(model, input_values=alone).mean(1))[0]
            torch.testing.assert_close(together[index], expected, rtol=1e-4, atol=1e-5)

    def test_wav2vec2_berts_padding_has_no_influence(self, make_model, make_extractor, make_clips):
        model, extractor = make_model("wav2vec2-bert"), make_extractor("wav2vec2-bert")
        clips = make_clips(*self.DURATIONS)
        together = model(**model_inputs(extractor, clips)).logits
        # 48, 11 and 28 mel frames: of an odd number the last one is left over.
        for index, n_frames in enumerate((24, 5, 14)):
            features = model_inputs(extractor, [clips[index]])["input_features"][:, :n_frames]
            expected = model.head(own_frames(model, input_features=features).mean(1))[0]
            torch.testing.assert_close(together[index], expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("family", ["data2vec-audio", "wav2vec2-conformer"])
    def test_stacked_convolutions_see_padding(self, family, make_model):
        """Padding stays out of the mean, but the stock layers let it touch its neighbours."""
        model = make_model(family, feat_extract_norm="layer")
        inputs = random_inputs(family)["input_values"]
        padded = nn.functional.pad(inputs, (0, 4000))
        mask = nn.functional.pad(torch.ones_like(inputs), (0, 4000)).long()
        expected = own_frames(model, input_values=padded, attention_mask=mask)[:, :24].mean(1)
        logits = model(padded, attention_mask=mask).logits
        torch.testing.assert_close(logits, model.head(expected))
        assert (logits - model(inputs).logits).abs().max() > 1e-3

    @pytest.mark.parametrize("chunk_length", [2, 30])
    def test_whispers_padding_stays_out_of_the_mean(
        self, chunk_length, make_model, make_extractor, make_clips
    ):
        model = make_model("whisper", max_source_positions=50 * chunk_length)
        extractor = make_extractor("whisper", chunk_length=chunk_length)
        inputs = model_inputs(extractor, make_clips(*self.DURATIONS))
        assert inputs["input_features"].shape[2] == 100 * chunk_length
        frames = own_frames(model, input_features=inputs["input_features"])
        # A frame is 20 ms; 0.13 s is 6.5 frames, of which the half one counts.
        for index, n_frames in enumerate((25, 7, 15)):
            expected = model.head(frames[index, :n_frames].mean(0))
            torch.testing.assert_close(model(**inputs).logits[index], expected)

    def test_whispers_mask_is_each_items_own(self, make_model):
        model = make_model("whisper")
        mask = torch.zeros(3, 200, dtype=torch.long)
        for item, n_mel_frames in enumerate((200, 1, 11)):
            mask[item, :n_mel_frames] = 1
        assert model._frame_mask(mask, 100).sum(1).tolist() == [100, 1, 6]

    @pytest.mark.parametrize("family", ["wav2vec2", "hubert"])
    def test_a_clip_without_a_real_frame_is_an_error(self, family, make_model):
        model = make_model(family, feat_extract_norm="layer")
        mask = torch.ones(2, 8000, dtype=torch.long)
        mask[1, 399:] = 0
        with pytest.raises(ValueError, match=r"items \[1\] of the batch have no real frame"):
            model(torch.randn(2, 8000), attention_mask=mask)

    def test_a_whisper_clip_without_a_real_frame_is_an_error(self, make_model):
        mask = torch.tensor([[1], [0]]).repeat(1, 200)
        with pytest.raises(ValueError, match=r"items \[1\] of the batch have no real frame"):
            make_model("whisper")(torch.randn(2, 80, 200), attention_mask=mask)


class TestCheckpoints:
    @pytest.mark.parametrize(("family", "task_class"), CHECKPOINTS)
    def test_from_stock_through_tuning_and_back(
        self, family, task_class, model_class, make_config, tmp_path
    ):
        stock = getattr(task_class, "from_config", task_class)(make_config(family))
        stock.save_pretrained(tmp_path / "stock")
        model, info = model_class.from_pretrained(tmp_path / "stock", 5, output_loading_info=True)
        assert set(info["missing_keys"]) == HEAD
        assert model.head.out_features == model.config.num_voxels == 5
        backbone = stock.base_model.state_dict()
        assert same_tensors(model.base_model.state_dict(), backbone)

        set_seed(0)
        model.train().freeze_feature_encoder()
        model.set_training_switches(layerdrop=0)
        optimizer = torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)
        model(**random_inputs(family), labels=torch.randn(2, 5)).loss.backward()
        optimizer.step()
        tuned = model.eval().base_model.state_dict()
        moved = [name for name in tuned if not torch.equal(tuned[name], backbone[name])]
        assert any(name.startswith("encoder.layers.0.") for name in moved)
        assert any(name.startswith("encoder.layers.1.") for name in moved)
        assert not any(name.startswith(("feature_extractor.", "decoder.")) for name in moved)

        model.set_brains(brain_of_five())
        model.save_pretrained(tmp_path / "tuned")
        for stock_class in TASK_CLASSES[family]:
            back, info = stock_class.from_pretrained(tmp_path / "tuned", output_loading_info=True)
            assert set(info["missing_keys"]) == own_head(family, stock_class)
            assert set(info["unexpected_keys"]) == HEAD
            assert same_tensors(back.base_model.state_dict(), tuned)
            if stock_class is WhisperForConditionalGeneration:
                assert len(back.generate(random_inputs(family)["input_features"])) == 2

        ours, info = model_class.from_pretrained(tmp_path / "tuned", output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"] and not ours.training
        assert same_tensors(ours.state_dict(), model.state_dict())
        np.testing.assert_equal(vars(ours.brain_of("P01")), vars(brain_of_five()))
        for batch in (1, 2):
            inputs = random_inputs(family, batch)
            assert torch.equal(ours(**inputs).logits, model(**inputs).logits)

    def test_num_voxels_is_required_without_a_head(
        self, family, model_class, make_config, tmp_path
    ):
        AutoModel.from_config(make_config(family)).save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="num_voxels is required"):
            model_class.from_pretrained(tmp_path)

    def test_num_voxels_must_match_the_head(self, family, model_class, make_model, tmp_path):
        make_model(family).save_pretrained(tmp_path)
        assert model_class.from_pretrained(tmp_path, num_voxels=5).head.out_features == 5
        with pytest.raises(ValueError, match="num_voxels=6, but .* predicts 5 voxels"):
            model_class.from_pretrained(tmp_path, num_voxels=6)

    def test_a_head_that_is_only_promised_is_an_error(self, make_model, tmp_path):
        make_model("wav2vec2").save_pretrained(tmp_path / "tuned")
        AutoModelForCTC.from_pretrained(tmp_path / "tuned").save_pretrained(tmp_path / "ctc")
        with pytest.raises(ValueError, match="names 5 voxels, but its weights hold no head"):
            Wav2Vec2ForBrainTuning.from_pretrained(tmp_path / "ctc")
        assert Wav2Vec2ForBrainTuning.from_pretrained(tmp_path / "ctc", 5).head.out_features == 5

    def test_stock_models_of_it_are_plain_checkpoints_again(self, make_model, tmp_path):
        model = make_model("wav2vec2")
        model.set_brains(brain_of_five())
        model.save_pretrained(tmp_path / "tuned")
        for stock in (AutoModel, AutoModelForCTC):
            stock.from_pretrained(tmp_path / "tuned").save_pretrained(tmp_path / "plain")
            with pytest.raises(ValueError, match="its weights hold no head: pass num_voxels"):
                AutoModelForBrainTuning.from_pretrained(tmp_path / "plain")
            for num_voxels in (3, 5, {"P02": 2, "P03": 2}):
                fresh = AutoModelForBrainTuning.from_pretrained(tmp_path / "plain", num_voxels)
                assert fresh.config.num_voxels == num_voxels and not fresh.brains
                fresh.save_pretrained(tmp_path / "fresh")
                again = AutoModelForBrainTuning.from_pretrained(tmp_path / "fresh")
                assert same_tensors(again.state_dict(), fresh.state_dict())
                assert not hasattr(again.config, "brain")
                shutil.rmtree(tmp_path / "fresh")

    def test_a_configuration_alone_knows_no_brain(self, make_model, tmp_path):
        model = make_model("wav2vec2")
        model.set_brains(brain_of_five())
        model.save_pretrained(tmp_path / "tuned")
        config = AutoConfig.from_pretrained(tmp_path / "tuned")
        fresh = AutoModelForBrainTuning.from_config(config)
        assert config.brain and not hasattr(fresh.config, "brain")
        fresh.save_pretrained(tmp_path / "fresh")
        assert not AutoModelForBrainTuning.from_pretrained(tmp_path / "fresh").brains

    def test_only_its_own_code_is_named(self, make_config, tmp_path):
        foreign = {"AutoModel": "trap.Model", "AutoConfig": "trap.Settings"}
        config = make_config("wav2vec2", auto_map=foreign)
        AutoModel.from_config(config).save_pretrained(tmp_path / "base")
        model = AutoModelForBrainTuning.from_pretrained(tmp_path / "base", 5)
        model.save_pretrained(tmp_path / "tuned")
        said = json.loads((tmp_path / "tuned" / "config.json").read_text())
        assert said["auto_map"] == {"AutoModel": "modeling_braintune.Wav2Vec2ForBrainTuning"}

    def test_stock_keywords_are_taken(self, family, model_class, make_model, tmp_path):
        model = make_model(family)
        model.set_brains(brain_of_five())
        model.save_pretrained(tmp_path)
        load = partial(model_class.from_pretrained, pretrained_model_name_or_path=tmp_path)
        assert list(load().brains) == ["P01"]
        wider = load(num_voxels=6, ignore_mismatched_sizes=True)
        assert wider.head.out_features == 6 and not wider.brains
        assert same_tensors(wider.base_model.state_dict(), model.base_model.state_dict())
        given = model_class.from_pretrained(
            None, config=model.config, state_dict=model.state_dict()
        )
        assert same_tensors(given.state_dict(), model.state_dict())

    def test_what_is_missing_is_made_as_in_a_new_model(self, family, model_class, make_model):
        config = make_model(family).config
        loaded = model_class.from_pretrained(None, config=config, state_dict={}).state_dict()
        news = [model_class(config).state_dict() for _ in range(2)]
        for name, values in loaded.items():
            if name.startswith("head."):
                continue
            if news[0][name].equal(news[1][name]):  # ones, zeros, sinusoids
                assert values.equal(news[0][name]), name
            else:
                sizes = [new[name].double().square().mean().sqrt() for new in news]
                size = values.double().square().mean().sqrt()
                assert min(sizes) / 3 < size < 3 * max(sizes), name

    def test_others_may_read_what_is_saved(self, make_model, tmp_path):
        model = make_model("wav2vec2")
        model.set_brains(brain_of_five())
        umask = os.umask(0o027)
        try:
            model.save_pretrained(tmp_path)
        finally:
            os.umask(umask)
        for path in tmp_path.iterdir():
            assert path.stat().st_mode & 0o777 == 0o640, path

    def test_a_configuration_can_be_given(self, family, model_class, make_config, tmp_path):
        AutoModel.from_config(make_config(family)).save_pretrained(tmp_path)
        config = make_config(family, num_voxels=4)
        assert model_class.from_pretrained(tmp_path, config=config).head.out_features == 4

    def test_keywords_reach_configuration_and_weights(self, make_config, tmp_path):
        AutoModel.from_config(make_config("wav2vec2")).save_pretrained(tmp_path)
        model = Wav2Vec2ForBrainTuning.from_pretrained(
            tmp_path, 3, layerdrop=0.25, dtype=torch.bfloat16, attn_implementation="eager"
        )
        assert model.config.layerdrop == 0.25 and model.dtype == torch.bfloat16
        assert model.config._attn_implementation == "eager"

    def test_a_checkpoint_of_another_family_is_an_error(self, make_model, tmp_path):
        make_model("hubert").save_pretrained(tmp_path)
        for model_class in (Wav2Vec2ForBrainTuning, WhisperForBrainTuning):
            with pytest.raises(ValueError, match="is 'hubert': use AutoModelForBrainTuning"):
                model_class.from_pretrained(tmp_path)

    def test_a_path_that_does_not_exist_is_an_error(self, model_class, tmp_path):
        with pytest.raises(FileNotFoundError, match="no checkpoint at '.*nowhere'"):
            model_class.from_pretrained(tmp_path / "nowhere", num_voxels=3)

    def test_an_adapter_behind_the_encoder_is_pooled_too(self, make_model):
        model = make_model("wav2vec2", add_adapter=True, output_hidden_size=12)
        inputs = random_inputs("wav2vec2", seconds=1)
        mask = torch.ones(2, 16000, dtype=torch.long)
        assert model.head.in_features == 12
        torch.testing.assert_close(
            model(**inputs, attention_mask=mask).logits, model(**inputs).logits
        )


DAMAGES = {
    "empty": lambda content: b"",
    "cut in its header": lambda content: content[:60],
    "cut at its end": lambda content: content[:-1],
    "a page instead": lambda content: b"<html>Not found</html>" * 20,
    "a pointer instead": lambda content: b"version https://git-lfs.github.com/spec/v1\noid",
}


class TestFaultyCheckpoints:
    """Each is refused with one line that names it, and left as it is."""

    @pytest.fixture
    def checkpoint(self, make_model, tmp_path):
        model = make_model("wav2vec2")
        model.set_brains(brain_of_five())
        model.save_pretrained(tmp_path / "checkpoint")
        return tmp_path / "checkpoint"

    def refusal(self, checkpoint, error=ValueError):
        before = contents(checkpoint)
        with pytest.raises(error) as refused:
            AutoModelForBrainTuning.from_pretrained(checkpoint)
        assert contents(checkpoint) == before
        message = str(refused.value)
        assert "\n" not in message and str(checkpoint) in message
        return message

    @pytest.mark.parametrize("damage", DAMAGES)
    @pytest.mark.parametrize("name", ["model.safetensors", "brain.safetensors"])
    def test_a_damaged_file(self, name, damage, checkpoint):
        (checkpoint / name).write_bytes(DAMAGES[damage]((checkpoint / name).read_bytes()))
        message = self.refusal(checkpoint)
        assert "cannot be read" in message and "download it again" in message

    def test_brain_safetensors_is_missing(self, checkpoint):
        (checkpoint / "brain.safetensors").unlink()
        assert "voxels of P01, but brain.safetensors is not beside" in self.refusal(checkpoint)

    def test_model_safetensors_is_missing(self, checkpoint):
        (checkpoint / "model.safetensors").unlink()
        assert "no file named model.safetensors" in self.refusal(checkpoint, OSError)

    def test_config_json_is_missing(self, checkpoint):
        (checkpoint / "config.json").unlink()
        assert "it has no config.json" in self.refusal(checkpoint, FileNotFoundError)

    def test_the_brain_of_another_head(self, checkpoint, make_model, tmp_path):
        other = make_model("wav2vec2", num_voxels=2)
        other.set_brains(
            brain_of_five(
                voxels=[0, 1], noise_ceiling=[1, 1], regions={"language": []}, places=[0, 1]
            )
        )
        other.save_pretrained(tmp_path / "other")
        shutil.copy(tmp_path / "other" / "brain.safetensors", checkpoint)
        assert "voxels of {'P01': 2}, not {'P01': 5}" in self.refusal(checkpoint)

    def test_the_weights_of_another_head(self, checkpoint, make_model, tmp_path):
        make_model("wav2vec2", num_voxels=2).save_pretrained(tmp_path / "other")
        shutil.copy(tmp_path / "other" / "model.safetensors", checkpoint)
        message = self.refusal(checkpoint)
        assert "head.bias has shape (2,), not (5,) (num_voxels=5)" in message

    @pytest.mark.parametrize(
        ("brain", "reason"),
        [
            (["P01"], "'list' object"),
            ({"P01": 3}, "'int' object"),
            ({"P01": {"regions": []}}, "missing .* 'tr'"),
            ({"P01": {"regions": [], "participant": "P02"}}, "'participant'"),
            ({"../P01": {"regions": []}}, "no array '../P01/voxels'"),
            ({"P01": {"regions": ["../../language"]}}, "no array 'P01/regions/../../language'"),
        ],
    )
    def test_a_configuration_that_tells_of_no_brain(self, brain, reason, checkpoint):
        config = json.loads((checkpoint / "config.json").read_text())
        (checkpoint / "config.json").write_text(json.dumps(config | {"brain": brain}))
        message = self.refusal(checkpoint)
        assert re.search(reason, message) and "download the whole checkpoint" in message

    def test_a_pickle_that_would_run_code(self, checkpoint, tmp_path):
        class Payload:
            def __reduce__(self):
                return Path.touch, (tmp_path / "executed",)

        (checkpoint / "model.safetensors").unlink()
        weights = checkpoint / "pytorch_model.bin"
        torch.save({"head.bias": Payload()}, weights)
        assert "a pickle of more than tensors" in self.refusal(checkpoint)
        with pytest.raises(pickle.UnpicklingError):
            AutoModel.from_pretrained(checkpoint)
        assert not (tmp_path / "executed").exists()
        torch.load(weights, weights_only=False)
        assert (tmp_path / "executed").exists()

    @pytest.mark.parametrize("name", ["../escaped", "/escaped", "..", "a\\..\\b", "\0", ""])
    def test_names_of_voxels_are_no_paths(self, name, make_model, tmp_path):
        folder = tmp_path / "one" / "two"
        model = make_model("wav2vec2")
        brain = brain_of_five(participant=name, regions={name: [1], f"{name}/x": [2]})
        model.set_brains(brain)
        model.save_pretrained(folder)
        assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {folder}
        stored = load_file(folder / "brain.safetensors")
        np.testing.assert_array_equal(stored[f"{name}/voxels"], brain.voxels)
        reloaded = Wav2Vec2ForBrainTuning.from_pretrained(folder)
        np.testing.assert_equal(vars(reloaded.brain_of(name)), vars(brain))


class TestTraining:
    @pytest.mark.parametrize(("prob", "masked"), [(0.05, True), (0.0, True), (0.05, False)])
    def test_all_that_is_to_learn_gets_a_gradient(self, family, prob, masked, make_model, tmp_path):
        features = 0.0 if family == "wavlm" else 0.1  # which stock WavLM cannot mask
        model = make_model(family, layerdrop=0.0, mask_time_prob=prob, mask_feature_prob=features)
        model.config.apply_spec_augment = masked
        model.save_pretrained(tmp_path)
        model = AutoModelForBrainTuning.from_pretrained(tmp_path).train()
        model(**random_inputs(family, seconds=1), labels=torch.randn(2, 5)).loss.backward()
        idle = {n for n, p in model.named_parameters() if p.requires_grad and p.grad is None}
        assert not idle

    def step(self, model, family):
        model.train()
        set_seed(0)
        model(**random_inputs(family), labels=torch.randn(2, 5)).loss.backward()
        return {
            name: parameter.grad is not None and bool(parameter.grad.any())
            for name, parameter in model.named_parameters()
        }

    def test_gradients_reach_transformer_and_head_but_no_frozen_part(self, family, make_model):
        model = make_model(family)
        model.set_training_switches(layerdrop=0)
        model.freeze_feature_encoder()
        reached = self.step(model, family)
        frozen = {
            "whisper": ("model.encoder.conv", "model.encoder.embed_positions", "model.decoder"),
            "wav2vec2-bert": (),
        }.get(family, (f"{model.base_model_prefix}.feature_extractor",))
        for name, grad in reached.items():
            if name.startswith(frozen):
                assert not grad and not model.get_parameter(name).requires_grad
            elif family == "wav2vec2-conformer" and "pos_conv_embed" in name:
                # Conformers have relative positions; the stock model leaves this part unused.
                assert not grad
            # Attention does not depend on the bias of its keys.
            elif not name.endswith(("k_proj.bias", "linear_k.bias")):
                assert grad, f"no gradient reached {name}"

    def test_the_feature_encoder_learns_unless_frozen(self, make_model):
        reached = self.step(make_model("wav2vec2"), "wav2vec2")
        assert reached["wav2vec2.feature_extractor.conv_layers.0.conv.weight"]

    def test_training_switches_off_means_training_is_like_evaluation(self, family, make_model):
        model = make_model(
            family,
            **{"encoder_layerdrop": 0.5, "dropout": 0.5, "apply_spec_augment": True}
            if family == "whisper"
            else {"layerdrop": 0.5, "hidden_dropout": 0.5, "feat_proj_dropout": 0.5},
            conformer_conv_dropout=0.5,
            attention_dropout=0.5,
            activation_dropout=0.5,
            mask_time_prob=0.5,
        )
        inputs = random_inputs(family)

        def differs():
            set_seed(3)
            clones = {name: value.clone() for name, value in inputs.items()}
            return not torch.equal(model.train()(**clones).logits, model.eval()(**inputs).logits)

        assert differs()
        model.set_training_switches(apply_spec_augment=False, layerdrop=0, dropout=0)
        assert not differs()
        model.set_training_switches(apply_spec_augment=True)
        assert differs()
        model.set_training_switches(apply_spec_augment=False, dropout=0.1)
        assert differs()
        model.set_training_switches(dropout=0, layerdrop=0.9)
        assert differs()

    def test_training_switches_do_not_leak_into_checkpoints(
        self, family, model_class, make_model, tmp_path
    ):
        model = make_model(family, apply_spec_augment=True)
        saved = model.config.to_dict()
        model.set_training_switches(apply_spec_augment=False, layerdrop=0.0, dropout=0.0)
        model.set_training_switches(apply_spec_augment=False, layerdrop=0.5)
        model.save_pretrained(tmp_path)
        assert model.config.apply_spec_augment is False
        assert getattr(model.config, "layerdrop", 0.5) == 0.5
        reloaded = model_class.from_pretrained(tmp_path)
        for name in saved:
            if any(word in name for word in ("drop", "augment", "mask")):
                assert getattr(reloaded.config, name) == saved[name], name
        probabilities = [m.p for m in reloaded.modules() if isinstance(m, nn.Dropout)]
        assert probabilities == [m.p for m in make_model(family).modules() if hasattr(m, "p")]

    def test_an_undeclared_switch_does_not_leak_either(self, make_model, tmp_path):
        model = make_model("data2vec-audio")
        assert not hasattr(model.config, "apply_spec_augment")
        model.set_training_switches(apply_spec_augment=False)
        model.save_pretrained(tmp_path)
        assert Data2VecAudioForBrainTuning.from_pretrained(tmp_path).config.apply_spec_augment

    @pytest.mark.parametrize(
        ("family", "fields"),
        [("wav2vec2-conformer", {}), ("hubert", {"conv_pos_batch_norm": True})],
    )
    def test_a_clip_does_not_depend_on_its_batch(self, family, fields, make_model):
        model, inputs = make_model(family, **fields), random_inputs(family)["input_values"]
        model.set_training_switches(apply_spec_augment=False, layerdrop=0, dropout=0)
        before = {name: buffer.clone() for name, buffer in model.named_buffers()}
        assert any(name.endswith("running_mean") for name in before)
        together = model.train()(inputs).logits
        alone = torch.cat([model(clip[None]).logits for clip in inputs])
        torch.testing.assert_close(together, alone)
        assert same_tensors(before, dict(model.named_buffers()))

    @pytest.mark.parametrize("name", ["layerdrop", "dropout"])
    @pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
    def test_a_switch_is_a_probability(self, name, value, make_model):
        with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\), got {value}"):
            make_model("wav2vec2").set_training_switches(**{name: value})

    @pytest.mark.parametrize("source", ["config", "checkpoint"])
    def test_whispers_decoder_rests(self, source, make_model, tmp_path):
        model = make_model("whisper")
        if source == "checkpoint":
            model.save_pretrained(tmp_path)
            model = WhisperForBrainTuning.from_pretrained(tmp_path)
        model.train()
        assert model.training and model.model.encoder.training
        assert not any(module.training for module in model.model.decoder.modules())
        assert not any(parameter.requires_grad for parameter in model.model.decoder.parameters())
        assert all(p.requires_grad for p in model.model.encoder.layers.parameters())
        assert not model.eval().model.encoder.training

    def test_whispers_generation_config_is_carried_along(self, make_config, tmp_path):
        stock = WhisperForConditionalGeneration(make_config("whisper"))
        stock.generation_config.max_length = 7
        stock.save_pretrained(tmp_path / "stock")
        model = WhisperForBrainTuning.from_pretrained(tmp_path / "stock", num_voxels=3)
        model.save_pretrained(tmp_path / "tuned")
        WhisperForBrainTuning.from_pretrained(tmp_path / "tuned").save_pretrained(tmp_path / "next")
        assert GenerationConfig.from_pretrained(tmp_path / "next").max_length == 7
        tuned = WhisperForConditionalGeneration.from_pretrained(tmp_path / "next")
        features = torch.randn(1, 80, 200)
        assert torch.equal(tuned.generate(features), stock.eval().generate(features))

    def test_whisper_without_a_generation_config_saves_none(self, make_model, tmp_path):
        make_model("whisper").save_pretrained(tmp_path)
        WhisperForBrainTuning.from_pretrained(tmp_path).save_pretrained(tmp_path)
        assert not (tmp_path / "generation_config.json").exists()


class TestLayersToTune:
    """What `freeze_other_layers` leaves to learn; `test_feature_cache` has what it saves."""

    @pytest.fixture
    def model(self, make_model):
        model = make_model("wav2vec2", num_hidden_layers=4)
        model.freeze_other_layers(2, 3)
        return model.train()

    def test_they_and_the_head_alone_get_gradients(self, model):
        model(torch.randn(2, 3200), labels=torch.randn(2, 5)).loss.backward()
        learnt = {name for name, p in model.named_parameters() if p.grad is not None}
        layers = {name for name in learnt if not name.startswith("head.")}
        assert {name.split(".")[3] for name in layers} == {"1", "2"} and len(layers) == 32
        assert learnt - layers == HEAD
        assert learnt == {name for name, p in model.named_parameters() if p.requires_grad}

    def test_what_comes_before_them_is_the_same_in_every_pass(self, model, make_model):
        model.set_training_switches(dropout=0.5)
        sound = torch.randn(2, 3200)
        states = [model(sound, output_hidden_states=True).hidden_states for _ in range(2)]
        same = [torch.equal(a, b) for a, b in zip(*states, strict=True)]
        assert same == [True, True, False, False, False]
        pretrained = make_model("wav2vec2", num_hidden_layers=4)
        expected = pretrained(sound, output_hidden_states=True).hidden_states
        assert all(torch.equal(states[0][i], expected[i]) for i in (0, 1))

    def test_the_checkpoint_keeps_its_switches(self, model, tmp_path):
        model.save_pretrained(tmp_path)
        assert model.config.layerdrop == 0 and model.config.apply_spec_augment is False
        config = AutoConfig.from_pretrained(tmp_path)
        assert config.layerdrop == 0.1 and config.apply_spec_augment

    def test_evaluation_is_that_of_the_whole_model(self, model, make_model):
        sound = torch.randn(2, 3200)
        whole = make_model("wav2vec2", num_hidden_layers=4)
        assert torch.equal(model.eval()(sound).logits, whole(sound).logits)

    @pytest.mark.parametrize(("first", "last"), [(0, 2), (3, 2), (4, 5), (5, 5)])
    def test_layers_that_do_not_exist_are_refused(self, first, last, make_model):
        model = make_model("wav2vec2", num_hidden_layers=4)
        with pytest.raises(ValueError, match=f"must be from 1 to 4, .* got {first} to {last}"):
            model.freeze_other_layers(first, last)
        assert model.tuned_layers is None and model.head.weight.requires_grad

    def test_all_of_them_leave_the_feature_encoder_to_be_kept(self, make_model):
        model = make_model("wav2vec2")
        model.freeze_other_layers(1, 2)
        features = model.frozen_features({"input_values": torch.randn(1, 3200)})
        assert features["input_values"].shape == (1, 8, 9)


def test_num_voxels_of_a_configuration_is_checked(make_config):
    with pytest.raises(TypeError, match="num_voxels must be a positive int"):
        HubertForBrainTuning(make_config("hubert"))
    with pytest.raises(ValueError, match="got -1"):
        HubertForBrainTuning(make_config("hubert", num_voxels=-1))


def test_a_seed_gives_one_head(make_model):
    first, second = make_model("hubert"), make_model("hubert")
    assert torch.equal(first.head.weight, second.head.weight)
    assert 0 < np.std(first.head.weight.detach().numpy()) < 0.1


def test_predicting_leaves_every_module_in_its_mode(make_model, make_extractor, make_clips):
    model = make_model("wav2vec2").train()
    model.wav2vec2.encoder.layers[0].eval()
    modes = [module.training for module in model.modules()]
    (audio,) = make_clips(0.5)
    windows = np.array([(-800, 3200), (4000, 8800)])
    model.predict_responses(audio, make_extractor("wav2vec2"), windows)
    assert [module.training for module in model.modules()] == modes
    assert len(set(modes)) == 2
