import pytest

from datasets_scripts.names import check_name


def test_a_known_name_passes():
    assert check_name("region", "language", ["auditory", "language"]) is None


def test_an_unknown_name_is_answered_with_the_nearest_and_with_all():
    message = (
        r"unknown region: got 'langauge'\. Did you mean 'language'\? Available: auditory, lang"
    )
    with pytest.raises(ValueError, match=message):
        check_name("region", "langauge", ["language", "auditory"])


def test_nothing_is_suggested_where_nothing_is_near():
    with pytest.raises(ValueError, match=r"got 'xyz'\. Available: none"):
        check_name("region", "xyz", [])
