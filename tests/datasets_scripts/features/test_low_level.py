"""The low-level features of training and test stories side by side."""

import dataclasses

import numpy as np
import pytest
import soundfile

from datasets_scripts import (
    articulation,
    diphones,
    low_level_features,
    phone_inventory,
    power_spectrum,
    read_ds003020,
    read_recording,
)

pytestmark = pytest.mark.filterwarnings("ignore:a recording of:UserWarning")


@pytest.fixture(scope="module")
def stories(recordings):
    return list(read_ds003020(recordings, "P01"))


def test_every_story_has_a_row_per_tr_and_the_same_columns(stories):
    test, *train = stories
    features = low_level_features(train, test)
    names = ["power_spectrum", "diphones", "triphones", "articulation", "all"]
    assert list(features) == names
    for arrays in features.values():
        assert [len(array) for array in arrays] == [len(s.tr_times) for s in (*train, test)]
        assert len({array.shape[1] for array in arrays}) == 1
    widths = {name: arrays[0].shape[1] for name, arrays in features.items()}
    assert widths["all"] == sum(widths[name] for name in names[:-1])
    assert widths["articulation"] == 22


def test_they_are_the_features_of_each_story(stories):
    test, *train = stories
    features = low_level_features(train, test)
    inventory = phone_inventory(train, 2)
    for i, story in enumerate((*train, test)):
        spectrum = power_spectrum(*read_recording(story.audio_file), story.tr_times, story.tr)
        pairs = diphones(story.phones, story.tr_times, story.tr, inventory)
        np.testing.assert_array_equal(features["power_spectrum"][i], spectrum)
        np.testing.assert_array_equal(features["diphones"][i], pairs)
        places = articulation(story.phones, story.tr_times)
        np.testing.assert_array_equal(features["articulation"][i], places)


def test_what_only_the_test_story_holds_changes_no_column(stories):
    test, *train = stories
    alien = [phone._replace(label="ZH") for phone in test.phones]
    told = low_level_features(train, test)
    spoilt = low_level_features(train, dataclasses.replace(test, phones=alien))
    for name in told:
        for known, again in zip(told[name][:-1], spoilt[name][:-1], strict=True):
            np.testing.assert_array_equal(known, again)


def test_recordings_of_different_rates_share_the_bands_that_all_hold(stories, tmp_path):
    test, *train = stories
    path = tmp_path / "slow.wav"
    soundfile.write(path, test.audio[::2], 8000)
    features = low_level_features(train, dataclasses.replace(test, audio_file=path))
    own = power_spectrum(test.audio[::2], 8000, test.tr_times, test.tr)
    assert {array.shape[1] for array in features["power_spectrum"]} == {own.shape[1]}


def test_a_story_without_phones_is_named(stories):
    test, *train = stories
    with pytest.raises(ValueError, match="story repeated of P01 has no phones.* got no labels$"):
        low_level_features(train, dataclasses.replace(test, phones=[]))


def test_unknown_labels_are_told_once_for_all_stories(stories):
    """A breath and a phone of another alphabet, in each of the stories."""
    test, *train = [
        dataclasses.replace(
            story,
            phones=[
                phone._replace(label={3: "{BR}", 5: "ə"}.get(i, phone.label))
                for i, phone in enumerate(story.phones)
            ],
        )
        for story in stories
    ]
    with pytest.warns(UserWarning, match=rf"'ə' \({len(stories)}\)") as told:
        features = low_level_features(train, test)
    assert ["ARPAbet" in str(warning.message) for warning in told].count(True) == 1
    with pytest.warns(UserWarning, match=r"'ə' \(1\)"):
        own = articulation(test.phones, test.tr_times)
    np.testing.assert_array_equal(features["articulation"][-1], own)


def test_a_story_with_phones_of_another_alphabet_only_is_named(stories):
    test, *train = stories
    foreign = [phone._replace(label="ə") for phone in test.phones]
    with pytest.raises(ValueError, match=r"story repeated .* ARPAbet .*got labels 'ə'$"):
        low_level_features(train, dataclasses.replace(test, phones=foreign))
