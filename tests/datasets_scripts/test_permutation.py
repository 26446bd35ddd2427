import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_scripts import blocks_correlation, permute_blocks, permute_stories

LENGTHS = st.lists(st.integers(1, 60), min_size=2, max_size=8)
STORIES = st.integers(2, 120).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1)))


@settings(deadline=None, max_examples=60)
@given(n_trs=LENGTHS, seed=st.integers(0, 2**32 - 1))
def test_each_story_has_the_responses_to_others_in_their_order(n_trs, seed):
    order = permute_stories(n_trs, seed)
    whose = np.repeat(np.arange(len(n_trs)), n_trs)
    assert (whose[order] != whose).all()
    for story in range(len(n_trs)):
        taken = order[whose == story]
        broken = np.flatnonzero(np.diff(taken) != 1)
        # A run ends where a story does, and goes on where another begins.
        begins, ends = np.cumsum([0, *n_trs[:-1]]), np.cumsum(n_trs) - 1
        assert np.isin(taken[broken], ends).all() and np.isin(taken[broken + 1], begins).all()
    if 2 * max(n_trs) <= sum(n_trs):
        np.testing.assert_array_equal(np.sort(order), np.arange(sum(n_trs)))


def test_other_stories_begin_again_where_they_are_too_short():
    np.testing.assert_array_equal(permute_stories([5, 2]), [5, 6, 5, 6, 5, 3, 4])


@pytest.mark.parametrize("n_trs", [[], [30], [30, 0]])
def test_other_stories_are_needed(n_trs):
    with pytest.raises(ValueError, match="two stories or more, got"):
        permute_stories(n_trs)


@pytest.mark.parametrize(("n_trs", "block", "left"), [(75, 15, -1 / 4), (20, 1, -1 / 19)])
def test_blocks_leave_what_is_expected_and_other_stories_nothing(n_trs, block, left):
    rng = np.random.default_rng(0)
    stories = np.repeat(rng.standard_normal((400, n_trs // block)), block, axis=1)
    stories = (stories - stories.mean(axis=1, keepdims=True)) / stories.std(axis=1, keepdims=True)
    moved = [story[permute_blocks(n_trs, block, [1, i])] for i, story in enumerate(stories)]
    assert blocks_correlation(n_trs, block) == pytest.approx(left)
    assert np.mean(stories * moved) == pytest.approx(left, abs=0.03)
    others = stories.ravel()[permute_stories([n_trs] * 400)]
    assert np.mean(stories.ravel() * others) == pytest.approx(0, abs=0.03)


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
