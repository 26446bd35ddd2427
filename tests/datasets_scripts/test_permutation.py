import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_scripts import permute_blocks

STORIES = st.integers(2, 120).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1)))


def numbered(n_trs):
    """Responses of two voxels that say which TR they come from."""
    return np.stack([np.arange(n_trs), -np.arange(n_trs)], axis=1)


@settings(deadline=None, max_examples=60)
@given(story=STORIES, seed=st.integers(0, 2**32 - 1))
def test_blocks_move_as_wholes_and_none_stays(story, seed):
    n_trs, block = story
    permuted = permute_blocks(numbered(n_trs), block, seed)
    np.testing.assert_array_equal(permuted[:, 0], -permuted[:, 1])
    np.testing.assert_array_equal(np.sort(permuted[:, 0]), np.arange(n_trs))
    place = np.argsort(permuted[:, 0])
    assert (place != np.arange(n_trs)).all()
    n_blocks = (np.diff(place) != 1).sum() + 1
    assert n_blocks <= max(2, round(n_trs / block))


def test_blocks_are_as_equal_as_the_story_allows():
    np.testing.assert_array_equal(permute_blocks(numbered(5), 3)[:, 0], [3, 4, 0, 1, 2])


@settings(deadline=None, max_examples=60)
@given(n_trs=st.integers(40, 400), seed=st.integers(0, 2**32 - 1))
def test_no_tr_stays_near_its_place(n_trs, seed):
    place = np.argsort(permute_blocks(numbered(n_trs), 15, seed)[:, 0])
    assert np.abs(place - np.arange(n_trs)).min() >= 8


def test_blocks_hold_15_trs_by_default():
    responses = numbered(100)
    np.testing.assert_array_equal(permute_blocks(responses), permute_blocks(responses, block=15))


def test_the_seed_decides():
    responses = numbered(300)
    np.testing.assert_array_equal(
        permute_blocks(responses, seed=[3, 1]), permute_blocks(responses, seed=[3, 1])
    )
    orders = {tuple(permute_blocks(responses, seed=[3, k])[:, 0]) for k in range(10)}
    assert len(orders) == 10


def test_the_responses_themselves_are_left_alone():
    responses = numbered(30).astype(np.float32)
    permuted = permute_blocks(responses, 4)
    np.testing.assert_array_equal(responses, numbered(30))
    assert permuted.dtype == np.float32
    assert not np.shares_memory(permuted, responses)


@pytest.mark.parametrize("block", [0, -1, 30, 31])
def test_a_story_needs_two_blocks(block):
    with pytest.raises(ValueError, match=rf"from 1 to 29.* 30 TRs, got {block}"):
        permute_blocks(numbered(30), block)


@pytest.mark.parametrize("shape", [(30,), (2, 30, 4)])
def test_responses_are_trs_by_voxels(shape):
    with pytest.raises(ValueError, match=r"\(n_trs, n_voxels\), got shape"):
        permute_blocks(np.zeros(shape))
