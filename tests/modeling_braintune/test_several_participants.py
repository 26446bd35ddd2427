"""One backbone for several participants: heads side by side, batches of all of them."""

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from transformers import AutoModel, Wav2Vec2Config

from datasets_scripts import JointWindows, Story, TrainingWindows
from modeling_braintune import (
    AutoModelForBrainTuning,
    Brain,
    BrainTuningArguments,
    BrainTuningCollator,
    BrainTuningTrainer,
    RunningCorrelation,
)
from modeling_braintune.configuration_braintune import with_num_voxels

NUM_VOXELS = {"P01": 3, "P02": 4}
COLUMNS = {"P01": slice(0, 3), "P02": slice(3, 7)}
TR, N_TRS = 0.1, 2  # of sound behind each response


def windows(participant, n_trs, seed):
    """A participant's story of noise."""
    rng = np.random.default_rng(seed)
    story = Story(
        name="noise",
        participant=participant,
        audio=rng.standard_normal(round(16000 * TR * n_trs)).astype(np.float32),
        audio_file="none.wav",
        tr=TR,
        tr_times=TR * (0.5 + np.arange(n_trs)),
        responses=rng.standard_normal((n_trs, NUM_VOXELS[participant])).astype(np.float32),
    )
    return TrainingWindows([story], n_trs_per_window=N_TRS)


@pytest.fixture
def pairs():
    """Eight windows that P01 heard, six that P02 heard."""
    return JointWindows({"P01": windows("P01", 8, seed=0), "P02": windows("P02", 6, seed=1)})


@pytest.fixture
def make_batch(make_extractor, pairs):
    """Function from indices of windows to the inputs and labels of a model."""

    def make(*indices, family="wav2vec2"):
        return BrainTuningCollator(make_extractor(family))([pairs[i] for i in indices])

    return make


@pytest.fixture
def make_several(make_model):
    """Function to a model for both participants, who have a TR each."""

    def make(family="wav2vec2"):
        model = make_model(family, NUM_VOXELS)
        model.set_brains(
            *(
                Brain(
                    participant=name,
                    tr=tr,
                    n_trs_per_window=N_TRS,
                    n_recorded_voxels=20,
                    voxels=np.arange(n) + n,
                    noise_ceiling=np.linspace(0.4, 0.9, n),
                    regions={"language": np.arange(n - 1)},
                )
                for (name, n), tr in zip(NUM_VOXELS.items(), (TR, 2 * TR), strict=True)
            )
        )
        return model

    return make


def owner(index):
    return "P01" if index < 8 else "P02"


class TestLoss:
    MIXED = (0, 9, 3, 13, 8)

    def test_it_is_the_mean_over_clips_of_each_ones_own(self, family, make_several, make_batch):
        model = make_several(family)
        alone = []
        for index in self.MIXED:
            batch = make_batch(index, family=family)
            columns = COLUMNS[owner(index)]
            labels = batch.pop("labels")[:, columns]
            alone.append(torch.nn.functional.mse_loss(model(**batch).logits[:, columns], labels))
        together = model(**make_batch(*self.MIXED, family=family)).loss
        torch.testing.assert_close(together, torch.stack(alone).mean())

    @pytest.mark.parametrize("objective", ["mse", "weighted_mse", "correlation"])
    @pytest.mark.parametrize("indices", [(0, 3, 5), (8, 9, 13)])
    def test_a_clip_moves_its_own_participants_head_alone(
        self, objective, indices, make_several, make_batch
    ):
        model = make_several()
        model.set_objective(objective)
        model(**make_batch(*indices)).loss.backward()
        for name, columns in COLUMNS.items():
            heard = name == owner(indices[0])
            for gradient in (model.head.weight.grad, model.head.bias.grad):
                # A correlation is blind to the bias.
                if not heard or objective != "correlation" or gradient.ndim == 2:
                    assert gradient[columns].any() == heard

    def test_both_participants_move_the_backbone(self, make_several, make_batch):
        for indices in ((0, 3), (8, 9)):
            model = make_several()
            model(**make_batch(*indices)).loss.backward()
            assert model.wav2vec2.encoder.layers[0].attention.q_proj.weight.grad.any()

    def test_a_voxel_dead_among_a_participants_own_is_an_error(self, make_several, make_batch):
        batch = make_batch(*self.MIXED)
        batch["labels"][3, 5] = float("nan")
        with pytest.raises(ValueError, match=r"NaN in 1 voxels, columns \[5\]"):
            make_several()(**batch)

    def test_a_clip_that_nobody_heard_is_an_error(self, make_several, make_batch):
        batch = make_batch(*self.MIXED)
        batch["labels"][3] = float("nan")
        with pytest.raises(ValueError, match="NaN in 7 voxels"):
            make_several()(**batch)


class TestCheckpoint:
    def test_it_holds_all_heads_and_brains_to_the_bit(
        self, family, make_several, make_batch, tmp_path
    ):
        model, batch = make_several(family), make_batch(0, 9, family=family)
        model.save_pretrained(tmp_path)
        reloaded = AutoModelForBrainTuning.from_pretrained(tmp_path).eval()
        assert reloaded.config.num_voxels == NUM_VOXELS
        assert list(reloaded.brains) == list(NUM_VOXELS)
        for name, brain in model.brains.items():
            np.testing.assert_array_equal(reloaded.brain_of(name).voxels, brain.voxels)
            assert reloaded.brain_of(name).tr == brain.tr
        assert torch.equal(reloaded(**batch).logits, model(**batch).logits)

    @pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
    def test_stock_classes_load_it(self, family, make_several, tmp_path):
        model = make_several(family)
        model.save_pretrained(tmp_path)
        stock, info = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
        assert type(stock).__module__.startswith("transformers.") and not info["missing_keys"]
        expected = model.base_model.state_dict()
        assert all(torch.equal(w, expected[name]) for name, w in stock.state_dict().items())

    def test_the_code_that_it_carries_loads_it(
        self, make_several, make_batch, make_extractor, tmp_path
    ):
        model, batch = make_several(), make_batch(0, 9)
        model.save_pretrained(tmp_path)
        carried = AutoModel.from_pretrained(tmp_path, trust_remote_code=True).eval()
        assert type(carried).__module__.startswith("transformers_modules.")
        assert torch.equal(carried(**batch).logits, model(**batch).logits)
        sound, extractor = np.ones(16000, np.float32), make_extractor("wav2vec2")
        np.testing.assert_array_equal(
            carried.predict_responses(sound, extractor, participant="P02"),
            model.predict_responses(sound, extractor, participant="P02"),
        )

    def test_whoever_names_other_counts_learns_whose_changed(self, make_several, tmp_path):
        make_several().save_pretrained(tmp_path)
        with pytest.raises(ValueError) as caught:
            AutoModelForBrainTuning.from_pretrained(tmp_path, {"P01": 3, "P02": 5, "P03": 2})
        assert "got num_voxels={'P02': 5, 'P03': 2}, but the checkpoint's head predicts " in str(
            caught.value
        )
        assert "{'P02': 4, 'P03': 0} voxels: leave num_voxels out" in str(caught.value)
        with pytest.raises(ValueError, match="got num_voxels=7, but .* {'P01': 3, 'P02': 4}"):
            AutoModelForBrainTuning.from_pretrained(tmp_path, 7)

    def test_participants_come_in_the_order_that_a_checkpoint_keeps(self, tmp_path):
        with pytest.raises(ValueError, match="in the order of their names.*got P02, P01"):
            with_num_voxels(Wav2Vec2Config(), {"P02": 4, "P01": 3})
        config = with_num_voxels(Wav2Vec2Config(), NUM_VOXELS)
        config.save_pretrained(tmp_path)
        assert list(Wav2Vec2Config.from_pretrained(tmp_path).num_voxels) == list(NUM_VOXELS)


class TestPredictions:
    def test_one_participant_is_picked(self, make_several, make_extractor):
        model, extractor = make_several(), make_extractor("wav2vec2")
        sound = np.random.default_rng(2).standard_normal(16000).astype(np.float32)
        for name, n_trs in (("P01", 10), ("P02", 5)):  # in a second, at the TR of each
            predicted = model.predict_responses(sound, extractor, participant=name)
            assert predicted.shape == (n_trs, NUM_VOXELS[name])
            clip = sound[None, -round(16000 * model.brain_of(name).tr * N_TRS) :]
            inputs = extractor(list(clip), sampling_rate=16000, return_tensors="pt")
            last = model(**inputs).logits[0, COLUMNS[name]].detach()
            torch.testing.assert_close(torch.from_numpy(predicted[-1]), last)

    @pytest.mark.parametrize("participant", [None, "P03"])
    def test_a_participant_must_be_named_and_known(self, participant, make_several, make_extractor):
        with pytest.raises(ValueError, match=f"P01, P02, got {participant!r}"):
            make_several().predict_responses(
                np.ones(16000), make_extractor("wav2vec2"), participant=participant
            )

    def test_nobody_else_is_predicted_by_one_participants_head(self, make_model, make_extractor):
        model = make_model("wav2vec2", 2)
        fields = {"tr": TR, "n_trs_per_window": N_TRS, "n_recorded_voxels": 2, "voxels": [0, 1]}
        model.set_brains(Brain(participant="P01", noise_ceiling=[1, 1], **fields))
        with pytest.raises(ValueError, match="one of P01, got 'P02'"):
            model.predict_responses(
                np.ones(16000), make_extractor("wav2vec2"), [[0, 3200]], participant="P02"
            )


class TestTrainer:
    @pytest.fixture
    def make_trainer(self, make_several, make_extractor, pairs, tmp_path):
        def make(**arguments):
            return BrainTuningTrainer(
                make_several(),
                BrainTuningArguments(
                    output_dir=str(tmp_path / "run"),
                    use_cpu=True,
                    disable_tqdm=True,
                    save_strategy="no",
                    per_device_eval_batch_size=4,
                    **arguments,
                ),
                data_collator=BrainTuningCollator(make_extractor("wav2vec2")),
                train_dataset=pairs,
                eval_dataset=pairs,
                compute_metrics=RunningCorrelation(),
            )

        return make

    def test_evaluation_is_of_each_participants_own_clips(self, make_trainer, make_batch):
        trainer = make_trainer()
        metrics = trainer.evaluate()
        batch = make_batch(*range(14))
        output = trainer.model(**batch)
        predictions, labels = output.logits.detach().numpy(), batch["labels"].numpy()
        r = []
        for name, columns in COLUMNS.items():
            heard = [index for index in range(14) if owner(index) == name]
            for x, y in zip(predictions[heard, columns].T, labels[heard, columns].T, strict=True):
                r.append(pearsonr(x, y)[0])
        assert metrics["eval_loss"] == pytest.approx(output.loss.item(), rel=1e-5)
        assert metrics["eval_pearson"] == pytest.approx(np.mean(r), abs=1e-4)

    @pytest.mark.parametrize("objective", ["mse", "weighted_mse", "correlation"])
    def test_it_lowers_the_loss_of_both(self, objective, make_trainer, make_batch):
        trainer = make_trainer(
            max_steps=6,
            per_device_train_batch_size=7,
            learning_rate=1e-3,
            head_learning_rate=0.05,
        )
        model = trainer.model
        model.set_training_switches(apply_spec_augment=False, layerdrop=0, dropout=0)
        model.set_objective(objective)
        batches = [make_batch(*range(8)), make_batch(*range(8, 14))]

        def losses():
            with torch.no_grad():
                return [model.eval()(**batch).loss.item() for batch in batches]

        before = losses()
        trainer.train()
        assert all(after < first for after, first in zip(losses(), before, strict=True))
