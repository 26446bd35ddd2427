import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from modeling_braintune.pooling import masked_mean

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3))


@given(SHAPES, st.data())
def test_it_is_the_mean_over_each_items_own_frames(shape, data):
    frames = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    lengths = data.draw(st.lists(st.integers(1, shape[1]), min_size=shape[0], max_size=shape[0]))
    mask = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    expected = torch.stack(
        [item[:length].mean(0) for item, length in zip(frames, lengths, strict=True)]
    )
    torch.testing.assert_close(masked_mean(frames, mask), expected)
    torch.testing.assert_close(masked_mean(frames, mask.long()), expected)


def test_without_a_mask_every_frame_counts():
    frames = torch.arange(12.0).reshape(1, 6, 2)
    assert masked_mean(frames).tolist() == [[5.0, 6.0]]


def test_what_padding_holds_has_no_influence():
    frames = torch.tensor([[[1.0], [3.0], [float("nan")]], [[5.0], [float("inf")], [7.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    assert masked_mean(frames, mask).tolist() == [[2.0], [5.0]]


@pytest.mark.parametrize("mask", [None, torch.ones(1, 1000)])
def test_bfloat16_is_accumulated_in_float32(mask):
    frames = torch.cat([torch.full((1, 500, 1), 1.0), torch.full((1, 500, 1), 3.0)], dim=1)
    mean = masked_mean(frames.bfloat16(), mask)
    assert mean.dtype == torch.bfloat16 and mean.item() == 2.0


def test_no_gradient_reaches_padding():
    frames = torch.ones(1, 4, 1, requires_grad=True)
    masked_mean(frames, torch.tensor([[1, 1, 0, 0]])).sum().backward()
    assert frames.grad.flatten().tolist() == [0.5, 0.5, 0.0, 0.0]


def test_an_item_without_real_frames_is_an_error():
    with pytest.raises(ValueError, match=r"items \[1\] of the batch have no real frame"):
        masked_mean(torch.ones(3, 4, 2), torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]]))


def test_shapes_that_disagree_are_an_error():
    with pytest.raises(ValueError, match=r"\(3, 4\).*got \(3, 5\)"):
        masked_mean(torch.ones(3, 4, 2), torch.ones(3, 5))
    with pytest.raises(ValueError, match=r"\(batch, frames, hidden\).*got \(3, 4\)"):
        masked_mean(torch.ones(3, 4))
    with pytest.raises(ValueError, match=r"at least one frame, got \(3, 0, 2\)"):
        masked_mean(torch.ones(3, 0, 2))
