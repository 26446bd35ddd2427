import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from modeling_braintune import OBJECTIVES, Brain
from modeling_braintune.objectives import (
    negative_correlation,
    negative_correlations,
    negative_spatial_correlation,
    squared_error,
)

N_CLIPS, N_VOXELS = 6, 5
NAN = float("nan")


def draw(seed, n_clips=N_CLIPS, n_voxels=N_VOXELS):
    """Predictions, responses that go along with them, and that all were measured."""
    rng = torch.Generator().manual_seed(seed)
    predictions = torch.randn(n_clips, n_voxels, generator=rng)
    responses = predictions + torch.randn(n_clips, n_voxels, generator=rng)
    return predictions, responses, torch.ones(n_clips, n_voxels, dtype=torch.bool)


def hide(responses, measured):
    """Responses that are NaN where they were not measured."""
    return torch.where(measured, responses, NAN)


# Two participants with three and two voxels; the first heard clips 0, 2 and 3.
HEARD = torch.tensor([True, False, True, True, False, False])
MIXED = torch.stack([HEARD] * 3 + [~HEARD] * 2, dim=1)

seeds = st.integers(0, 1000)
factors = st.floats(0.01, 100)
offsets = st.floats(-100, 100)


def with_brains(model, ceilings):
    """Model whose participants, P01 and so on, have these noise ceilings."""
    brains = [
        Brain(
            participant=f"P{i:02}",
            tr=2.0,
            n_trs_per_window=5,
            n_recorded_voxels=20,
            voxels=np.arange(len(ceiling)),
            noise_ceiling=ceiling,
        )
        for i, ceiling in enumerate(ceilings, start=1)
    ]
    model.set_brains(*brains)
    return model


class TestSquaredError:
    def test_it_is_torchs_where_all_was_measured(self):
        predictions, responses, measured = draw(0)
        torch.testing.assert_close(
            squared_error(predictions, responses, measured, None),
            torch.nn.functional.mse_loss(predictions, responses),
        )

    def test_each_clip_counts_the_same_however_many_voxels_heard_it(self):
        predictions = torch.zeros(2, 3)
        responses = torch.tensor([[3.0, NAN, NAN], [NAN, 1.0, 5.0]])
        loss = squared_error(predictions, responses, ~responses.isnan(), None)
        assert loss == (9 + (1 + 25) / 2) / 2

    def test_weights_are_shares(self):
        predictions = torch.zeros(1, 3)
        responses = torch.tensor([[1.0, 2.0, 3.0]])
        measured = torch.ones(1, 3, dtype=torch.bool)
        weights = torch.tensor([0.5, 0.25, 0.25])
        expected = 0.5 * 1 + 0.25 * 4 + 0.25 * 9
        for scale in (1, 4):
            assert squared_error(predictions, responses, measured, scale * weights) == expected

    @given(seed=seeds, scale=factors)
    def test_equal_weights_are_none(self, seed, scale):
        predictions, responses, _ = draw(seed)
        responses = hide(responses, MIXED)
        torch.testing.assert_close(
            squared_error(predictions, responses, MIXED, torch.full((N_VOXELS,), scale)),
            squared_error(predictions, responses, MIXED, None),
        )

    def test_gradients_are_those_of_the_measured_voxels(self):
        predictions, responses, _ = draw(0)
        predictions.requires_grad_()
        squared_error(predictions, hide(responses, MIXED), MIXED, None).backward()
        share = MIXED / MIXED.sum(1, keepdim=True) / N_CLIPS
        torch.testing.assert_close(predictions.grad, 2 * (predictions - responses) * share)


class TestNegativeCorrelation:
    def test_it_is_scipys_over_voxels(self):
        predictions, responses, measured = draw(0, n_clips=20)
        expected = [pearsonr(x, y)[0] for x, y in zip(predictions.T, responses.T, strict=True)]
        loss = negative_correlation(predictions, responses, measured)
        torch.testing.assert_close(loss, torch.tensor(-np.mean(expected), dtype=torch.float32))

    def test_a_voxel_is_correlated_over_the_clips_that_it_heard(self):
        predictions, responses, _ = draw(0)
        expected = [
            pearsonr(predictions[MIXED[:, v], v], responses[MIXED[:, v], v])[0]
            for v in range(N_VOXELS)
        ]
        loss = negative_correlation(predictions, hide(responses, MIXED), MIXED)
        torch.testing.assert_close(loss, torch.tensor(-np.mean(expected), dtype=torch.float32))

    def test_perfect_predictions_give_minus_one_and_opposite_ones_one(self):
        _, responses, measured = draw(0)
        for sign in (1, -1):
            loss = negative_correlation(sign * responses, responses, measured)
            assert loss.item() == pytest.approx(-sign, abs=1e-6)

    @given(seed=seeds, factor=factors, offset=offsets)
    def test_scale_and_offset_change_nothing(self, seed, factor, offset):
        predictions, responses, _ = draw(seed)
        responses = hide(responses, MIXED)
        expected = negative_correlation(predictions, responses, MIXED)
        assert -1 <= expected <= 1
        moved = (predictions.double() * factor + offset, responses.double(), MIXED)
        assert negative_correlation(*moved).item() == pytest.approx(expected.item(), abs=1e-5)
        moved = (predictions.double(), responses.double() * factor + offset, MIXED)
        assert negative_correlation(*moved).item() == pytest.approx(expected.item(), abs=1e-5)

    @given(order=st.permutations(range(N_CLIPS)))
    def test_clips_have_no_order(self, order):
        predictions, responses, _ = draw(0)
        responses = hide(responses, MIXED)
        torch.testing.assert_close(
            negative_correlation(predictions[order], responses[order], MIXED[order]),
            negative_correlation(predictions, responses, MIXED),
        )

    def test_a_voxel_measured_once_is_left_out(self):
        predictions, responses, measured = draw(0)
        measured[1:, 3:] = False
        torch.testing.assert_close(
            negative_correlation(predictions, hide(responses, measured), measured),
            negative_correlation(predictions[:, :3], responses[:, :3], measured[:, :3]),
        )

    def test_constant_predictions_and_responses_give_no_nan(self):
        predictions, responses, measured = draw(0)
        predictions[:, 0], responses[:, 1] = 0.1, 0.1
        predictions.requires_grad_()
        loss = negative_correlation(predictions, responses, measured)
        loss.backward()
        expected = [pearsonr(predictions.detach()[:, v], responses[:, v])[0] for v in (2, 3, 4)]
        assert loss.item() == pytest.approx(-sum(expected) / N_VOXELS, abs=1e-6)
        assert predictions.grad.isfinite().all()

    def test_gradients_are_those_of_the_measured_voxels(self):
        predictions, responses, _ = draw(0)
        predictions.requires_grad_()
        negative_correlation(predictions, hide(responses, MIXED), MIXED).backward()
        assert predictions.grad.isfinite().all()
        assert torch.equal(predictions.grad != 0, MIXED)

    @pytest.mark.parametrize("measured", [MIXED[:1], MIXED[[0, 1]]])
    def test_without_two_clips_of_a_participant_it_says_what_would_do(self, measured):
        predictions, responses = torch.zeros(2, len(measured), N_VOXELS)
        with pytest.raises(ValueError, match="two clips .* got 1: use larger batches"):
            negative_correlation(predictions, responses, measured)

    def test_weights_are_shares_of_the_mean(self):
        predictions, responses, measured = draw(0, n_clips=20)
        weights = torch.tensor([0.5, 0.0, 1.0, 0.25, 0.75])
        r = [pearsonr(x, y)[0] for x, y in zip(predictions.T, responses.T, strict=True)]
        for scale in (1, 4):
            loss = negative_correlation(predictions, responses, measured, scale * weights)
            assert loss.item() == pytest.approx(-np.average(r, weights=weights), rel=1e-5)


def weighted_pearson(x, y, w):
    covariance = np.cov(np.stack([x, y]), aweights=w)
    return covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])


class TestNegativeSpatialCorrelation:
    def test_it_is_scipys_over_the_voxels_of_a_clip(self):
        predictions, responses, measured = draw(0)
        expected = [pearsonr(x, y)[0] for x, y in zip(predictions, responses, strict=True)]
        loss = negative_spatial_correlation(predictions, responses, measured)
        assert loss.item() == pytest.approx(-np.mean(expected), rel=1e-5)

    def test_a_clip_is_correlated_over_the_voxels_of_who_heard_it(self):
        predictions, responses, _ = draw(0)
        expected = [
            pearsonr(predictions[i, row], responses[i, row])[0] for i, row in enumerate(MIXED)
        ]
        loss = negative_spatial_correlation(
            predictions, hide(responses, MIXED), MIXED, None, [3, 2]
        )
        assert loss.item() == pytest.approx(-np.mean(expected), rel=1e-5)

    def test_participants_who_heard_one_clip_are_correlated_apart(self):
        predictions, responses, measured = draw(0, n_voxels=7)
        responses[:, 4:] += 100  # of another participant, which no offset may mix up
        expected = [
            pearsonr(x[part], y[part])[0]
            for x, y in zip(predictions, responses, strict=True)
            for part in (slice(0, 4), slice(4, 7))
        ]
        loss = negative_spatial_correlation(predictions, responses, measured, None, [4, 3])
        assert loss.item() == pytest.approx(-np.mean(expected), rel=1e-4)

    def test_weights_are_those_of_a_weighted_correlation(self):
        predictions, responses, measured = draw(0)
        weights = torch.tensor([0.5, 0.1, 1.0, 0.25, 0.75])
        expected = [
            weighted_pearson(x, y, weights) for x, y in zip(predictions, responses, strict=True)
        ]
        loss = negative_spatial_correlation(predictions, responses, measured, weights)
        assert loss.item() == pytest.approx(-np.mean(expected), rel=1e-5)

    @given(seed=seeds, factor=factors, offset=offsets)
    def test_scale_and_offset_change_nothing(self, seed, factor, offset):
        predictions, responses, measured = (v.double() for v in draw(seed))
        expected = negative_spatial_correlation(predictions, responses, measured.bool())
        assert -1 <= expected <= 1
        moved = negative_spatial_correlation(
            predictions * factor + offset, responses, measured.bool()
        )
        assert moved.item() == pytest.approx(expected.item(), abs=1e-6)

    def test_constant_clips_give_no_nan(self):
        predictions, responses, measured = draw(0)
        predictions[0], responses[1] = 0.1, 0.1
        predictions.requires_grad_()
        loss = negative_spatial_correlation(predictions, responses, measured)
        loss.backward()
        assert loss.isfinite() and predictions.grad.isfinite().all()

    def test_one_voxel_has_no_pattern(self):
        predictions, responses, measured = draw(0, n_voxels=2)
        with pytest.raises(ValueError, match="needs two voxels of a participant"):
            negative_spatial_correlation(predictions, responses, measured, None, [1, 1])

    def test_both_are_the_mean_of_either(self):
        arguments = (*draw(0), torch.rand(N_VOXELS), [3, 2])
        either = negative_correlation(*arguments), negative_spatial_correlation(*arguments)
        assert torch.equal(negative_correlations(*arguments), (either[0] + either[1]) / 2)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("objective", dict.fromkeys(OBJECTIVES.values()))
def test_gradients_agree_with_finite_differences(objective, weighted):
    predictions, responses, _ = draw(0)
    weights = torch.linspace(0.2, 1, N_VOXELS, dtype=torch.float64) if weighted else None
    responses = hide(responses.double(), MIXED)
    assert torch.autograd.gradcheck(
        lambda values: objective(values, responses, MIXED, weights, [3, 2]),
        predictions.double().requires_grad_(),
    )


class TestModels:
    def loss(self, model, labels):
        rng = torch.Generator().manual_seed(1)
        inputs = torch.randn(len(labels), 3200, generator=rng)
        output = model(inputs, labels=labels)
        return output.loss, output.logits

    @pytest.mark.parametrize("num_voxels", [N_VOXELS, {"P01": N_VOXELS}])
    def test_by_default_one_participants_loss_is_torchs_to_the_bit(self, num_voxels, make_model):
        labels = draw(0)[1]
        loss, logits = self.loss(make_model("wav2vec2", num_voxels), labels)
        assert torch.equal(loss, torch.nn.functional.mse_loss(logits, labels))

    def test_a_voxel_counts_by_its_noise_ceiling(self, make_model):
        ceiling = np.array([0.4, 0.9, 0.6, 0.5, 0.0], np.float32)
        model, labels = with_brains(make_model("wav2vec2", N_VOXELS), [ceiling]), draw(0)[1]
        model.set_objective("weighted_mse")
        loss, logits = self.loss(model, labels)
        error = (logits - labels).detach().numpy() ** 2
        assert loss.item() == pytest.approx(np.average(error.mean(0), weights=ceiling), rel=1e-6)

    def test_ceilings_of_several_participants_stand_beside_their_voxels(self, make_model):
        ceilings = np.array([0.4, 0.9, 0.6], np.float32), np.array([0.5, 1.0], np.float32)
        model = with_brains(make_model("wav2vec2", {"P01": 3, "P02": 2}), ceilings)
        model.set_objective("weighted_mse")
        labels = hide(draw(0)[1], MIXED)
        loss, logits = self.loss(model, labels)
        error = (logits - labels).detach().numpy() ** 2
        clips = [
            np.average(row[known], weights=np.concatenate(ceilings)[known])
            for row, known in zip(error, MIXED.numpy(), strict=True)
        ]
        assert loss.item() == pytest.approx(np.mean(clips), rel=1e-6)

    def test_correlation_of_one_participant_is_that_over_the_batch(self, make_model):
        model, labels = make_model("wav2vec2", N_VOXELS), draw(0)[1]
        model.set_objective("correlation")
        loss, logits = self.loss(model, labels)
        expected = negative_correlation(logits, labels, torch.ones_like(labels).bool())
        assert torch.equal(loss, expected)
        with pytest.raises(ValueError, match="two clips of a participant in a batch, got 1"):
            self.loss(model, labels[:1])

    @pytest.mark.parametrize("name", OBJECTIVES)
    def test_parameters_get_finite_gradients_beside_nan(self, name, make_model):
        model = make_model("wav2vec2", {"P01": 3, "P02": 2})
        with_brains(model, np.split(np.ones(N_VOXELS, np.float32), [3])).set_objective(name)
        loss, _ = self.loss(model, hide(draw(0)[1], MIXED))
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert model.head.weight.grad.abs().sum() > 0
        assert all(gradient.isfinite().all() for gradient in gradients)

    @pytest.mark.parametrize("name", [name for name in OBJECTIVES if name != "mse"])
    def test_an_objective_can_be_taken_back(self, name, make_model):
        model, labels = make_model("wav2vec2", N_VOXELS), draw(0)[1]
        with_brains(model, [np.linspace(0.1, 1, N_VOXELS, dtype=np.float32)])
        expected, _ = self.loss(model, labels)
        model.set_objective(name)
        assert self.loss(model, labels)[0] != expected
        model.set_objective("mse")
        assert torch.equal(self.loss(model, labels)[0], expected)

    def test_unknown_objectives_are_refused(self, make_model):
        with pytest.raises(ValueError, match="mse, weighted_mse, correlation, .*got 'pearson'"):
            make_model("wav2vec2").set_objective("pearson")

    def test_weights_must_be_known(self, make_model):
        model = make_model("wav2vec2", 2)
        with pytest.raises(ValueError, match="noise ceilings: call set_brains"):
            model.set_objective("weighted_mse")
        model.set_brains(
            Brain(
                participant="P01",
                tr=2.0,
                n_trs_per_window=5,
                n_recorded_voxels=2,
                voxels=[0, 1],
                noise_ceiling=None,
            )
        )
        with pytest.raises(ValueError, match="those of P01 are unknown"):
            model.set_objective("weighted_mse")
        with_brains(model, [np.zeros(2, np.float32)])
        with pytest.raises(ValueError, match="those of P01 are 0"):
            model.set_objective("weighted_mse")
