"""The table of collections and their tasks."""

from datasets_scripts import PHANTOM_TASKS
from datasets_scripts.collections import (
    COLLECTIONS,
    TASKS,
    TRANSCRIBED,
    collection_of,
    tasks_by_clips,
)


def test_tasks_are_called_after_their_collection():
    assert {collection_of(task) for task in TASKS} == set(COLLECTIONS)
    assert {f"phantom/{task}" for task in ("mfcc", "fbank", *PHANTOM_TASKS)} < set(TASKS)
    assert set(TRANSCRIBED) < set(COLLECTIONS)


def test_single_tasks_share_their_clips():
    names = ["phantom/word", "phantom/mood", "phantom/fbank", "phantom/mood"]
    groups = tasks_by_clips(names)
    assert list(groups.values()) == [["phantom/word"], ["phantom/mood", "phantom/fbank"]]
    assert {collection for collection, _ in groups} == {"phantom"}


def test_a_collection_stands_for_all_its_tasks():
    (tasks,) = tasks_by_clips(["timit/fbank", "timit"]).values()
    assert sorted(tasks) == sorted(task for task in TASKS if collection_of(task) == "timit")
    assert tasks[0] == "timit/fbank"
