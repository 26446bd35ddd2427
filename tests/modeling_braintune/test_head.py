"""Heads with a bottleneck: what they compute, which there can be, and how they are saved."""

import numpy as np
import pytest
import torch

from modeling_braintune import AutoModelForBrainTuning, add_lora, load_lora, merge_lora
from modeling_braintune.head import LowRankHead, check_head_rank, make_head
from modeling_braintune.new_head import replace_head

WIDTH, N_VOXELS, RANK = 16, 40, 3
SOUND = torch.randn(2, 3200, generator=torch.Generator().manual_seed(0))

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")


@pytest.fixture
def model(make_model):
    return make_model("wav2vec2", N_VOXELS, head_rank=RANK)


def test_it_is_a_linear_map_of_that_rank():
    head = make_head(WIDTH, N_VOXELS, RANK).double()
    product = head.up.weight @ head.down.weight
    inputs = torch.randn(5, WIDTH, dtype=torch.float64)
    torch.testing.assert_close(head(inputs), inputs @ product.T + head.up.bias)
    assert np.linalg.matrix_rank(product.detach().numpy()) == RANK
    n_weights = sum(p.numel() for p in head.parameters())
    assert n_weights == RANK * (WIDTH + N_VOXELS) + N_VOXELS


def test_gradients_agree_with_finite_differences():
    head = make_head(4, 6, 2).double()
    inputs = torch.randn(3, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda down, up, bias: torch.func.functional_call(
            head, {"down.weight": down, "up.weight": up, "up.bias": bias}, inputs
        ),
        tuple(head.parameters()),
    )


def test_without_a_rank_it_is_a_linear_layer(make_model):
    assert type(make_head(WIDTH, N_VOXELS)) is torch.nn.Linear
    assert type(make_model("wav2vec2").head) is torch.nn.Linear


@pytest.mark.parametrize("rank", [-1, 17, 41])
def test_a_rank_that_no_such_map_has_is_refused(rank):
    with pytest.raises(ValueError, match=rf"from 1 to 16, .* number of voxels \(40\).*got {rank}"):
        check_head_rank(rank, WIDTH, N_VOXELS)
    with pytest.raises(ValueError, match="from 1 to 5, the smaller"):
        check_head_rank(6, WIDTH, 5)


@pytest.mark.parametrize("rank", [2.0, True, "2"])
def test_a_rank_is_an_int(rank):
    with pytest.raises(TypeError, match="head_rank must be an int, got"):
        check_head_rank(rank, WIDTH, N_VOXELS)


def test_every_family_has_it(family, make_model):
    head = make_model(family, N_VOXELS, head_rank=RANK).head
    assert isinstance(head, LowRankHead) and head.out_features == N_VOXELS


class TestCheckpoints:
    def test_one_brings_its_rank_along(self, model, tmp_path):
        model.save_pretrained(tmp_path)
        for loaded in (
            AutoModelForBrainTuning.from_pretrained(tmp_path),
            AutoModelForBrainTuning.from_pretrained(tmp_path, N_VOXELS, head_rank=RANK),
        ):
            assert loaded.head.rank == RANK
            assert torch.equal(loaded.eval()(SOUND).logits, model(SOUND).logits)

    def test_a_plain_one_gets_it(self, make_model, tmp_path):
        make_model("wav2vec2").wav2vec2.save_pretrained(tmp_path)
        loaded = AutoModelForBrainTuning.from_pretrained(
            tmp_path, {"P01": 30, "P02": 10}, head_rank=RANK
        )
        assert loaded.head.rank == loaded.config.head_rank == RANK
        assert loaded.columns_of("P02") == slice(30, 40)

    def test_one_of_before_has_none(self, make_model, tmp_path):
        old = make_model("wav2vec2", N_VOXELS)
        old.save_pretrained(tmp_path)
        assert "head_rank" not in (tmp_path / "config.json").read_text()
        loaded = AutoModelForBrainTuning.from_pretrained(tmp_path, N_VOXELS, head_rank=0).eval()
        assert torch.equal(loaded(SOUND).logits, old(SOUND).logits)

    @pytest.mark.parametrize(("own", "asked"), [(RANK, 0), (RANK, 2), (0, RANK)])
    def test_a_head_of_another_rank_is_not_made_anew_in_silence(
        self, own, asked, make_model, tmp_path
    ):
        make_model("wav2vec2", N_VOXELS, head_rank=own).save_pretrained(tmp_path)
        with pytest.raises(ValueError, match=f"got head_rank={asked}, but .* head_rank={own}"):
            AutoModelForBrainTuning.from_pretrained(tmp_path, N_VOXELS, head_rank=asked)
        loaded = AutoModelForBrainTuning.from_pretrained(
            tmp_path, N_VOXELS, head_rank=asked, ignore_mismatched_sizes=True
        )
        assert getattr(loaded.config, "head_rank", 0) == asked

    def test_adapters_are_saved_with_it(self, model, make_model, tmp_path):
        make_model("wav2vec2").wav2vec2.save_pretrained(tmp_path / "base")
        base = AutoModelForBrainTuning.from_pretrained(tmp_path / "base", N_VOXELS, head_rank=RANK)
        adapted = add_lora(base, rank=2).eval()
        adapted.save_pretrained(tmp_path / "adapter")
        expected = adapted(SOUND).logits
        loaded = load_lora(tmp_path / "adapter", tmp_path / "base").eval()
        torch.testing.assert_close(loaded(SOUND).logits, expected)
        torch.testing.assert_close(merge_lora(loaded)(SOUND).logits, expected)


def test_it_is_replaced_by_a_head_of_any_rank(model, tmp_path):
    replace_head(model, 7, head_rank=2)
    assert (model.head.rank, model.config.head_rank, model.head.out_features) == (2, 2, 7)
    assert not model.head.up.bias.any() and model.head.down.weight.std() < 0.03
    replace_head(model, 7)
    assert type(model.head) is torch.nn.Linear and not hasattr(model.config, "head_rank")
    model.save_pretrained(tmp_path)
    assert AutoModelForBrainTuning.from_pretrained(tmp_path).head.out_features == 7
