import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_scripts import permute_blocks

STORIES = st.integers(2, 120).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1)))


@settings(deadline=None, max_examples=60)
@given(story=STORIES, seed=st.integers(0, 2**32 - 1))
def test_blocks_move_as_wholes_and_none_stays(story, seed):
    n_trs, block = story
    order = permute_blocks(n_trs, block, seed)
    np.testing.assert_array_equal(np.sort(order), np.arange(n_trs))
    assert (order != np.arange(n_trs)).all()
    n_blocks = (np.diff(order) != 1).sum() + 1
    assert n_blocks <= max(2, round(n_trs / block))


def test_blocks_are_as_equal_as_the_story_allows():
    np.testing.assert_array_equal(permute_blocks(5, 3), [3, 4, 0, 1, 2])


@settings(deadline=None, max_examples=60)
@given(n_trs=st.integers(40, 400), seed=st.integers(0, 2**32 - 1))
def test_no_tr_stays_near_its_place(n_trs, seed):
    assert np.abs(permute_blocks(n_trs, 15, seed) - np.arange(n_trs)).min() >= 8


def test_blocks_hold_15_trs_by_default():
    np.testing.assert_array_equal(permute_blocks(100), permute_blocks(100, block=15))


def test_the_seed_decides():
    again = permute_blocks(300, seed=[3, 1])
    np.testing.assert_array_equal(permute_blocks(300, seed=[3, 1]), again)
    assert len({tuple(permute_blocks(300, seed=[3, k])) for k in range(10)}) == 10


@pytest.mark.parametrize("block", [0, -1, 30, 31])
def test_a_story_needs_two_blocks(block):
    with pytest.raises(ValueError, match=rf"from 1 to 29.* 30 TRs, got {block}"):
        permute_blocks(30, block)
