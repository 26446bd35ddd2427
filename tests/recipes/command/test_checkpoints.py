"""Names that people give, and what they stand for."""

import pytest

from recipes.command import checkpoints
from recipes.command.checkpoints import clips_folder, labelled, one_participant


def test_only_the_phantoms_own_clips_are_made(monkeypatch):
    monkeypatch.setattr(checkpoints, "phantom_tasks", lambda: "made")
    assert clips_folder("phantom", "phantom") == "made"
    assert clips_folder("phantom", "elsewhere") == "elsewhere"
    assert clips_folder("timit", "phantom") == "phantom"


def test_models_are_called_by_the_last_part_of_their_names():
    assert labelled(["runs/a", "ada/b"]) == {"a": "runs/a", "b": "ada/b"}
    assert list(labelled(["runs/a"], "facebook/x").items()) == [
        ("pretrained", "facebook/x"),
        ("a", "runs/a"),
    ]
    with pytest.raises(ValueError, match="give --checkpoints"):
        labelled([])


def test_one_participant_is_one():
    assert one_participant(["P01"]) == "P01"
    with pytest.raises(ValueError, match="one at a time here, got P01, P02"):
        one_participant(["P01", "P02"])
