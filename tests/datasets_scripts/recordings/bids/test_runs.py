"""Events of a run: where they lie, and how they may be written."""

import os

import numpy as np
import pytest
import soundfile

from datasets_scripts import open_participant, read_bids
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


def test_pipes_are_not_waited_for(root, scan, events):
    scan()
    image = root / "derivatives"
    for path in (*image.rglob("*_bold.nii.gz"), root / "stimuli/tale_audio.TextGrid", events):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        with pytest.raises(ValueError, match=f"{path.name}: a pipe or a device, where a file"):
            list(read_bids(root, "001"))
        path.unlink()
        scan()


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


@pytest.mark.parametrize(
    ("rows", "reason"),
    [(None, r"no events\.tsv"), ("onset\ttrial_type\n1.0\tgo\n", "stim_file are needed")],
)
def test_a_run_of_another_task_is_passed_over_with_its_reason(root, scan, rows, reason, tmp_path):
    scan(), scan("task-nback")
    if rows is not None:
        (root / "sub-001/func/sub-001_task-nback_events.tsv").write_text(rows)
    with pytest.warns(UserWarning, match=f"a run of 001 is passed over: .*task-nback.*{reason}"):
        assert bids_stories(root, "001") == ["tale_audio"]
        assert [s.name for s in read_bids(root, "001", ["tale_audio"])] == ["tale_audio"]
        opened = open_participant(root, "001", cache_dir=tmp_path / "cache")
    assert opened.story_names == ["tale_audio"]


def hear(root, task, seconds):
    """A task in which another sound is played."""
    rows = f"onset\tstim_file\n1.5\t{task}.wav\n"
    (root / f"sub-001/func/sub-001_task-{task}_events.tsv").write_text(rows)
    noise = np.random.default_rng(0).uniform(-1, 1, round(8000 * seconds))
    soundfile.write(root / f"stimuli/{task}.wav", noise, 8000)


def test_a_localiser_of_short_sounds_is_passed_over_unless_named(root, scan, tmp_path):
    scan(), scan("task-localiser")
    hear(root, "localiser", 2)
    (story,) = read_bids(root, "001", ["tale_audio"])
    with pytest.warns(UserWarning, match="localiser of 001 is passed over: .*fewer than two TRs"):
        opened = open_participant(root, "001", cache_dir=tmp_path / "cache")
    (found,) = opened.stories()
    np.testing.assert_array_equal(found.responses, story.responses)
    with pytest.raises(ValueError, match="fewer than two TRs of localiser"):
        open_participant(root, "001", ["localiser"], cache_dir=tmp_path / "cache")


def test_scans_on_another_grid_stop_only_those_who_ask_for_both(
    root, scan, func, waves, write_scan, tmp_path
):
    scan()
    (story,) = read_bids(root, "001", ["tale_audio"])
    write_scan(func / NAME.format("task-zoo"), waves(27).T.reshape(3, 3, 3, -1))
    hear(root, "zoo", 50)
    cache = {"cache_dir": tmp_path / "cache"}
    with pytest.warns(UserWarning, match=r"zoo of 001 is passed over: .*\(3, 3, 3\).*\(2, 2, 2"):
        (found,) = open_participant(root, "001", **cache).stories()
    np.testing.assert_array_equal(found.responses, story.responses)
    zoo = open_participant(root, "001", ["zoo"], **cache)
    assert (zoo.n_voxels, zoo.mask.shape) == (27, (3, 3, 3))
    with pytest.raises(ValueError, match=r"zoo.*its voxels are not those of .*tale"):
        open_participant(root, "001", ["tale_audio", "zoo"], **cache)
