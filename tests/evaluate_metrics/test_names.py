import pytest

from evaluate_metrics.names import check_name


def test_a_known_name_passes():
    check_name("metric", "a", iter("ab"))


def test_another_is_refused_with_the_nearest_and_all_that_there_are():
    said = (
        r"unknown metric: got 'langauge'. Did you mean 'language'\? Available: auditory, language"
    )
    with pytest.raises(ValueError, match=said):
        check_name("metric", "langauge", ["language", "auditory"])
    with pytest.raises(ValueError, match="unknown metric: got 'z'. Available: none"):
        check_name("metric", "z", [])
