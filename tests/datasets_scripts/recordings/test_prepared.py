"""Stories that are prepared one by one and put together."""

import numpy as np
import pytest
from datasets import are_progress_bars_disabled

from datasets_scripts import Listening
from datasets_scripts.recordings import prepare_stories


def test_stories_together_are_what_they_are_alone(recordings, tmp_path):
    stories = ["repeated", "story01", "story02"]
    found = prepare_stories("P01", recordings, stories, cache_dir=tmp_path)
    whole = Listening("P01", recordings, cache_dir=str(tmp_path))
    whole.download_and_prepare()
    expected = whole.as_dataset()
    assert set(found.splits) == set(expected) == {"responses", "repeats"}
    for split, rows in expected.items():
        assert found.splits[split].features == rows.features
        for name, column in found.splits[split].with_format("numpy")[:].items():
            np.testing.assert_array_equal(column, rows.with_format("numpy")[:][name])
    alone = prepare_stories("P01", recordings, ["story02"], cache_dir=tmp_path)
    assert set(alone.splits) == {"responses"}
    assert set(alone.splits["responses"]["story"]) == {"story02"}


def test_facts_of_all_stories_are_told(recordings, tmp_path):
    facts = prepare_stories("P01", recordings, ["story01", "repeated"], cache_dir=tmp_path).facts
    folder = "derivative/preprocessed_data/P01"
    assert set(facts["sources"]) == {f"{folder}/{name}.hf5" for name in ("story01", "repeated")}
    assert set(facts["noise_ceiling"]) == {"repeated"}
    sounds = prepare_stories("stories", recordings, ["story01"], cache_dir=tmp_path).facts
    assert set(sounds["sources"]) == {
        "stimuli/story01.wav",
        "derivative/TextGrids/story01.TextGrid",
    }


@pytest.mark.parametrize("kind", ["stories", "P01"])
def test_an_unknown_story_is_named(recordings, tmp_path, kind):
    with pytest.raises(ValueError, match="got 'story9'. Did you mean 'story02'"):
        prepare_stories(kind, recordings, ["story01", "story9"], cache_dir=tmp_path)


def test_there_is_one_bar_for_all_stories(recordings, tmp_path, capsys):
    prepare_stories("P01", recordings, ["story01", "story02"], cache_dir=tmp_path)
    shown = capsys.readouterr().err
    assert "Preparing P01: 100%" in shown and "2/2" in shown and "Generating" not in shown
    assert not are_progress_bars_disabled()
    prepare_stories("P01", recordings, ["story01", "story02"], cache_dir=tmp_path)
    assert capsys.readouterr().err == ""
