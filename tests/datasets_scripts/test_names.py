import pytest

from datasets_scripts.names import check_name, checked_stories, nearest


def test_a_known_name_passes():
    assert check_name("region", "language", ["auditory", "language"]) is None


def test_an_unknown_name_is_answered_with_the_nearest_and_with_all():
    message = (
        r"unknown region: got 'langauge'\. Did you mean 'language'\? Available: auditory, lang"
    )
    with pytest.raises(ValueError, match=message):
        check_name("region", "langauge", ["language", "auditory"])


def test_the_nearest_name_is_the_one_most_alike_or_none():
    assert nearest("langauge", ["auditory", "language"]) == "language"
    assert nearest("xyz", iter(["auditory", "language"])) is None
    assert nearest(7, []) is None


def test_nothing_is_suggested_where_nothing_is_near():
    with pytest.raises(ValueError, match=r"got 'xyz'\. Available: none"):
        check_name("region", "xyz", [])


@pytest.mark.parametrize(
    ("stories", "error", "message"),
    [
        ("souls", TypeError, r"use \['souls'\]"),
        (["soul"], ValueError, "unknown story of UTS01: got 'soul'. Did you mean 'souls'"),
        (["souls", "souls"], ValueError, "can be read once"),
        (["../souls"], ValueError, "no path separators and no '..', got '../souls'"),
        (["a\\souls"], ValueError, "no path separators"),
    ],
)
def test_stories_that_cannot_be_read_are_refused(stories, error, message):
    with pytest.raises(error, match=message):
        checked_stories("UTS01", stories, ["souls", "avatar"])


def test_stories_come_in_the_order_asked_for_or_sorted():
    assert checked_stories("UTS01", ("souls", "avatar"), ["avatar", "souls"]) == ["souls", "avatar"]
    assert checked_stories("UTS01", None, {"souls": 1, "avatar": 2}) == ["avatar", "souls"]
