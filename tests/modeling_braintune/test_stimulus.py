"""Self-supervised pretraining: which families, which masks, which loss."""

import inspect

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForPreTraining, set_seed
from transformers.models.auto.modeling_auto import MODEL_FOR_PRETRAINING_MAPPING
from transformers.models.wav2vec2.modeling_wav2vec2 import (
    _compute_mask_indices,
    _sample_negative_indices,
)

from modeling_braintune import BrainTuningArguments, BrainTuningCollator
from modeling_braintune.stimulus import FAMILIES, SelfSupervisedTrainer, load_for_pretraining

N_SAMPLES = 8000  # 24 frames
MASKS = {"mask_time_prob": 0.5, "mask_time_length": 4}


@pytest.fixture
def checkpoint(make_config, tmp_path):
    """Function from a family to the folder of a plain checkpoint."""

    def save(family="wav2vec2", **fields):
        set_seed(0)
        folder = tmp_path / family
        AutoModel.from_config(make_config(family, **fields)).save_pretrained(folder)
        return folder

    return save


@pytest.fixture
def make_trainer(checkpoint, make_extractor, make_clips, tmp_path):
    """Function from a family and training arguments to a trainer on six noises."""

    def make(family="wav2vec2", **arguments):
        model, _ = load_for_pretraining(checkpoint(family), N_SAMPLES, **MASKS)
        clips = [{"audio": clip} for clip in make_clips(*[N_SAMPLES / 16000] * 6)]
        return SelfSupervisedTrainer(
            model=model,
            args=BrainTuningArguments(
                output_dir=str(tmp_path / "output"),
                label_names=["input_values"],  # items without labels
                use_cpu=True,
                disable_tqdm=True,
                save_strategy="no",
                **arguments,
            ),
            train_dataset=clips,
            eval_dataset=clips,
            data_collator=BrainTuningCollator(make_extractor(family)),
        )

    return make


def batch_of(trainer):
    return trainer.data_collator([trainer.train_dataset[i] for i in range(3)])


@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-conformer", "unispeech", "unispeech-sat"])
def test_of_stock_pretraining_classes_those_that_take_negatives_are_taken(make_config, family):
    forward = MODEL_FOR_PRETRAINING_MAPPING[type(make_config(family))].forward
    takes = "sampled_negative_indices" in inspect.signature(forward).parameters
    assert takes == (family in FAMILIES)


@pytest.mark.parametrize("family", ["hubert", "wavlm", "unispeech-sat", "unispeech", "whisper"])
def test_other_families_are_refused_by_name(checkpoint, family):
    with pytest.raises(ValueError, match=f"wav2vec2 and wav2vec2-conformer.* is of {family}"):
        load_for_pretraining(checkpoint(family), N_SAMPLES)


def test_a_brain_tuned_model_is_refused(make_model, tmp_path):
    make_model("wav2vec2").save_pretrained(tmp_path / "tuned")
    with pytest.raises(ValueError, match="tuned' is brain-tuned already"):
        load_for_pretraining(tmp_path / "tuned", N_SAMPLES)


@pytest.mark.parametrize("masks", [(0.0, 4), (1.5, 4), (0.5, 1), (0.5, 25)])
def test_masks_that_fit_no_clip_are_refused(checkpoint, masks):
    prob, length = masks
    with pytest.raises(ValueError, match=rf"2 to the 24 frames .* got {prob} and {length}"):
        load_for_pretraining(checkpoint(), N_SAMPLES, mask_time_prob=prob, mask_time_length=length)


def test_what_a_plain_checkpoint_lacks_is_named(checkpoint, tmp_path):
    model, new = load_for_pretraining(checkpoint(), N_SAMPLES, **MASKS)
    assert new == ["project_hid", "project_q", "quantizer"]
    model.save_pretrained(tmp_path / "whole")
    assert load_for_pretraining(tmp_path / "whole", N_SAMPLES, **MASKS)[1] == []
    no_masks = checkpoint(mask_time_prob=0.0, apply_spec_augment=False)
    assert "masked_spec_embed" in load_for_pretraining(no_masks, N_SAMPLES, **MASKS)[1]


def told_apart(outputs, masked, negatives, temperature):
    """-log of the share of the true frame among it and its negatives, frame by frame."""
    guess, truth = outputs.projected_states, outputs.projected_quantized_states
    everything = truth.flatten(0, 1)
    losses = []
    for clip, frame in zip(*np.nonzero(masked), strict=True):
        other = everything[negatives[clip, frame]]
        other = other[(other != truth[clip, frame]).any(dim=1)]
        candidates = torch.cat([truth[clip, frame][None], other])
        similarity = torch.cosine_similarity(guess[clip, frame][None], candidates)
        losses.append(-torch.log_softmax(similarity / temperature, dim=0)[0])
    return torch.stack(losses)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_a_mean_over_masked_frames(make_trainer, family):
    trainer = make_trainer(family)
    model, config, batch = trainer.model.eval(), trainer.model.config, batch_of(trainer)
    np.random.seed(1)
    loss, outputs = trainer.compute_loss(model, batch, return_outputs=True)

    np.random.seed(1)
    masked = _compute_mask_indices((3, 24), 0.5, 4, min_masks=1)
    negatives = _sample_negative_indices((3, 24), config.num_negatives, masked)
    contrastive = told_apart(outputs, masked, negatives, config.contrastive_logits_temperature)
    n_codes = config.num_codevectors_per_group * config.num_codevector_groups
    diversity = 1 - outputs.codevector_perplexity / n_codes
    expected = contrastive.mean() + config.diversity_loss_weight * diversity
    torch.testing.assert_close(loss, expected)


def test_masked_frames_are_hidden_from_the_transformer_whatever_the_checkpoint_says(
    checkpoint, make_trainer
):
    trainer = make_trainer()
    trainer.model, _ = load_for_pretraining(
        checkpoint(mask_time_prob=0.0, apply_spec_augment=False), N_SAMPLES, **MASKS
    )
    trainer.compute_loss(trainer.model, batch_of(trainer)).backward()
    assert trainer.model.base_model.masked_spec_embed.grad.abs().sum() > 0
    frozen = trainer.model.base_model.feature_extractor.parameters()
    assert all(weights.grad is None for weights in frozen)


def test_validation_has_the_same_masks_each_time_and_training_does_not(make_trainer):
    trainer = make_trainer()
    before = np.random.get_state()[1].copy()
    first = trainer.evaluate()["eval_loss"]
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    batch, model = batch_of(trainer), trainer.model.eval()
    losses = {trainer.compute_loss(model, batch).item() for _ in range(5)}
    assert len(losses) == 5
    assert trainer.evaluate()["eval_loss"] == first


def test_accumulated_batches_have_the_loss_of_one(make_trainer):
    still = {"learning_rate": 0.0, "max_steps": 4, "logging_steps": 4}
    whole = make_trainer(per_device_train_batch_size=6, **still)
    parts = make_trainer(per_device_train_batch_size=2, gradient_accumulation_steps=3, **still)
    losses = []
    for trainer in (whole, parts):
        trainer.train()
        losses.append(trainer.state.log_history[0]["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.15)  # not thrice as much


def test_a_saved_model_is_a_checkpoint_of_the_stock_class(make_trainer, tmp_path):
    trainer = make_trainer()
    trainer.save_model(str(tmp_path / "saved"))
    for model_class in (AutoModel, AutoModelForPreTraining):
        _, info = model_class.from_pretrained(tmp_path / "saved", output_loading_info=True)
        assert not info["missing_keys"]
