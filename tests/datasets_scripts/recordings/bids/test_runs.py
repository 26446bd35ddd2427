"""Events of a run: where they lie, and how they may be written."""

import pytest

from datasets_scripts import read_bids
from datasets_scripts.recordings.bids import bids_repeated, bids_source_files, bids_stories

NAME = "sub-001_{}_space-MNI_desc-preproc_bold.nii.gz"


@pytest.fixture
def scan(func, waves, write_scan):
    """Function that writes a run's volume."""

    def write(run="task-tale"):
        write_scan(func / NAME.format(run), waves(8).T.reshape(2, 2, 2, -1))

    return write


@pytest.fixture
def events(root):
    return root / "sub-001/func/sub-001_task-tale_events.tsv"


@pytest.mark.parametrize(
    "place",
    ["task-tale_events.tsv", "sub-001/sub-001_task-tale_events.tsv", "events.tsv"],
)
def test_events_are_inherited_from_further_up(root, scan, events, place):
    scan()
    place = root / (place if "task" in place else f"task-tale_{place}")
    events.rename(place)
    assert bids_stories(root, "001") == ["tale_audio"]
    assert place in bids_source_files(root, "001")


def test_events_of_another_task_at_the_root_are_not_a_runs(root, scan, events):
    scan()
    events.rename(root / "task-other_events.tsv")
    with pytest.raises(FileNotFoundError, match=r"no events\.tsv for this run"):
        bids_stories(root, "001")


def test_runs_are_numbers(root, scan, events):
    scan("task-tale_run-01"), scan("task-tale_run-2")
    events.rename(events.with_name("sub-001_task-tale_run-1_events.tsv"))
    other = events.with_name("sub-001_task-tale_run-02_events.tsv")
    other.write_text("onset\tstim_file\n3.0\ttale_audio.wav\n")
    assert bids_repeated(root, "001") == ["tale_audio"]
    with pytest.warns(UserWarning, match="run-01.*ends 3.00 s before"):  # the second began 3 s late
        story = next(read_bids(root, "001"))
    assert story.repeats.shape[0] == 2 and story.tr_times[0] == 7.5 * 1.5


def test_files_may_be_named_from_the_root_and_types_in_any_case(root, scan, events):
    scan()
    rows = ["onset\ttrial_type\tstim_file", "0.0\tmusic\tstimuli/other.wav"]
    events.write_text("\n".join([*rows, "9.0\tStory\tstimuli/tale_audio.wav\n"]))
    assert bids_stories(root, "001") == ["tale_audio"]
    assert root / "stimuli/tale_audio.wav" in bids_source_files(root, "001")
