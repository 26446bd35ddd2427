"""Damage to what is prepared: it is named, and nothing else is made of it."""

import random
import shutil

import numpy as np
import pytest

from datasets_scripts import make_phantom, open_participant

STORIES = ["repeated", "story01"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Function that opens recordings anew, what it gives, and the files that it reads."""
    folder = tmp_path_factory.mktemp("damaged")
    root, cache = folder / "phantom", folder / "cache"
    make_phantom(root, participants=("P01",), n_stories=1, seconds=30.0, test_seconds=30.0)

    def opened():
        participant = open_participant(root, "P01", STORIES, cache_dir=cache)
        return list(participant.stories()), participant.provenance

    expected = opened()
    files = [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size]
    read = {path for path in files if path.suffix in (".arrow", ".json", ".npz")}
    return opened, expected, sorted(path for path in read if path.parent.name != "regions")


def same(found, expected):
    (stories, facts), (others, said) = found, expected
    assert facts == said
    for one, other in zip(stories, others, strict=True):
        assert (one.name, one.tr, one.words, one.phones) == (
            *(other.name, other.tr),
            *(other.words, other.phones),
        )
        for name in ("audio", "tr_times", "responses", "repeats"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("seed", range(8))
def test_no_flipped_bit_is_taken_for_what_was_prepared(seed, opened):
    read, expected, files = opened
    drawn = random.Random(seed)
    for path in files:
        content = path.read_bytes()
        flipped = bytearray(content)
        flipped[drawn.randrange(len(content))] ^= 1 << drawn.randrange(8)
        path.write_bytes(flipped)
        try:
            same(read(), expected)  # a bit that says nothing, such as a blank
        except ValueError as error:
            assert str(path) in str(error) or path.name == "checksums.json"
            assert "remove" in str(error)
        finally:
            path.write_bytes(content)
    same(read(), expected)


def test_a_prepared_story_that_was_cut_off_is_named(opened):
    read, expected, files = opened
    (path,) = (path for path in files if path.name == "listening-repeats.arrow")
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"listening-repeats\.arrow is damaged: remove .*again"):
        read()
    path.write_bytes(content)
    shutil.rmtree(path.parent)
    same(read(), expected)
