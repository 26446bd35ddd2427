"""What a task's probes are to tell, what their results follow from, and how they score."""

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List

from evaluate_metrics import ClassProbe, LabelProbe, RidgeProbe
from recipes.stages.probing import Targets, probed, result_keys, task_targets

SPLITS = ("train", "validation", "test")


def test_labels_of_all_or_no_clips_are_left_out_and_said():
    features = Features({"phones_present": List(ClassLabel(names=["aa", "b", "sil", "zh"]))})
    held = {"train": [["sil", "aa"], ["sil", "b"]], "test": [["b"], ["sil", "b"]]}
    data = {
        split: Dataset.from_dict({"phones_present": rows}, features=features)
        for split, rows in held.items()
    }
    made = task_targets(data, "timit/phones_present")
    assert isinstance(made.probe, LabelProbe) and list(made.probe.names) == ["aa", "b"]
    assert made.measure == "macro_f1"
    assert made.values["train"].tolist() == [[True, False], [False, True]]
    assert made.values["test"].tolist() == [[False, True], [False, True]]
    assert made.notes == [
        "timit/phones_present: sil left out, being in all training clips.",
        "timit/phones_present: zh left out, being in no clip.",
    ]


def test_classes_are_told_by_name():
    features = Features({"mood": ClassLabel(names=["happy", "sad"])})
    data = {"train": Dataset.from_dict({"mood": [1, 0, 1]}, features=features)}
    made = task_targets(data, "phantom/mood")
    assert isinstance(made.probe, ClassProbe) and made.notes == []
    assert made.values["train"].tolist() == ["sad", "happy", "sad"]


def test_spectra_are_predicted(monkeypatch):
    means = np.arange(6.0).reshape(2, 3)
    monkeypatch.setattr("recipes.stages.probing.mean_spectra", lambda clips, name: means)
    made = task_targets({"train": None}, "timit/fbank")
    assert isinstance(made.probe, RidgeProbe) and made.measure == "r2"
    np.testing.assert_array_equal(made.values["train"], means)


def test_a_key_changes_with_all_that_a_result_follows_from():
    def data(name):
        return {split: Dataset.from_dict({"file": [f"{split}-{name}"]}) for split in SPLITS}

    tasks, facts, clips = ["a/b", "a/c"], {"weights": "1"}, data("x")
    first = result_keys(facts, clips, tasks, False)
    assert list(first) == tasks and first["a/b"] != first["a/c"]
    assert result_keys(facts, clips, tasks, False) == first
    for changed in (
        result_keys({"weights": "2"}, clips, tasks, False),
        result_keys(facts, data("y"), tasks, False),
        result_keys(facts, clips, tasks, True),
    ):
        assert not set(changed.values()) & set(first.values())


@pytest.fixture
def features():
    """Two layers of clips of three classes, of which the second one hears them."""
    rng = np.random.default_rng(0)
    layers = {split: rng.standard_normal((2, 60, 4)) for split in SPLITS}
    words = np.array(["no", "up", "yes"] * 20)
    for of_split in layers.values():
        of_split[1, :, :3] += 5 * (words[:, None] == ["no", "up", "yes"])
    return layers, {split: words for split in SPLITS}


def test_every_layer_and_their_sum_have_a_score(features):
    layers, words = features
    targets = Targets(ClassProbe(), words, ["so it is"])
    scores, notes = probed("a/word", layers, targets, weighted_sum=True)
    assert list(scores) == [0, 1, "weighted_sum"] and notes == ["so it is"]
    assert scores[0]["value"] < 0.6 < 0.9 < scores[1]["value"]
    assert scores["weighted_sum"]["value"] > 0.9
    expected = ClassProbe().fit(
        layers["train"], words["train"], layers["validation"], words["validation"]
    )
    assert [scores[0], scores[1]] == expected.score(layers["test"], words["test"])
    named, _ = probed("a/word", layers, targets, layers=[3, 7])
    assert list(named) == [3, 7]


def test_classes_that_no_test_clip_has_are_said(features):
    layers, words = features
    words = words | {"test": np.where(words["test"] == "up", "no", words["test"])}
    _, notes = probed("a/word", layers, Targets(ClassProbe(), words, []))
    assert notes == ["a/word: no test clip has up, which do not count."]


def test_errors_name_the_task(features):
    layers, words = features
    words = words | {"validation": np.array(["down"] * 60)}
    with pytest.raises(ValueError, match="^a/word: validation targets hold 'down'"):
        probed("a/word", layers, Targets(ClassProbe(), words, []))
