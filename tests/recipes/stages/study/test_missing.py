"""What figures lack, from what a folder of recordings holds."""

import pytest

from datasets_scripts.recordings import Inventory, ParticipantFiles
from recipes.stages.study.missing import able, missing_inputs, missing_table

SPLITS = {"train_stories": ["a", "b", "c"], "validation_stories": ["v"], "test_story": ["t"]}


def heard(name, listed, **more):
    return ParticipantFiles(
        name=name, listed=[*listed], fetched=[], stories=[*listed], unrecorded=[], **more
    )


@pytest.fixture
def inventory(tmp_path):
    regions = tmp_path / "regions.json"
    regions.touch()
    at = {"regions": regions, "transform": tmp_path / "matrices.xfm"}
    there = heard("P1", "abvt", anatomy=at)
    return Inventory(
        root=tmp_path,
        layout="ds003020",
        participants=[there, heard("P2", "avt", anatomy=at), heard("P3", "abcv", anatomy=at)],
        sounds={},
    )


def test_who_lacks_the_test_story_or_most_of_the_others_is_not_able(inventory):
    assert [one.name for one in able(inventory, SPLITS)] == ["P1"]


def test_figures_name_what_they_lack(inventory, tmp_path):
    everything = ["timit", "slurp", "speech_commands", "crema_d"]
    figures = ["2a", "2c", "4", "9"]
    assert not any(missing_inputs(inventory, everything, figures, False).values())
    missing = missing_inputs(inventory, ["slurp"], figures, False)
    assert missing["2a"] == [] and len(missing["4"]) == 3
    assert missing["9"] == ["collection timit: give --collections timit=<folder>"]
    (tmp_path / "regions.json").unlink()
    inventory.participants = inventory.participants[:1]
    assert not missing_inputs(inventory, everything, ["2a"], True)["2a"]  # of an atlas
    del inventory.participants[0].anatomy["transform"]
    missing = missing_inputs(inventory, everything, figures, True)
    assert missing["2a"] == ["regions of P1: give --atlas, or a file of regions"]
    assert missing["2c"] == [*missing["2a"], "where the voxels of P1 lie: a transform, or a mask"]


def test_figures_that_lack_the_same_stand_together():
    missing = {"2a": [], "4": ["timit"], "5": [], "9": ["timit"]}
    assert missing_table(missing).splitlines() == [
        "Figures 2a, 5: all is there",
        "Figures 4, 9: missing",
        "  timit",
    ]
