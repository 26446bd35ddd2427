"""What is said of a folder before a run."""

import pytest

from datasets_scripts import Interval
from datasets_scripts.recordings import Inventory, ParticipantFiles, StoryFiles, Unfetched
from datasets_scripts.story import StoryShape
from recipes.stages.checkup import checkup, least_to_fetch, next_commands


def participant(root, name="UTS01", n_bytes=None, **facts):
    waiting = [] if n_bytes is None else [Unfetched(root / "stimuli/a.wav", n_bytes)]
    given = dict(listed=["a", "b"], fetched=["a"], stories=["a", "b"], unrecorded=[])
    return ParticipantFiles(name=name, unfetched=waiting, **given | facts)


def inventory(root, *participants, **sounds):
    return Inventory(
        root=root, layout="ds003020", participants=list(participants), sounds=dict(sounds)
    )


def test_facts_are_told_with_what_they_mean(tmp_path):
    phones = [Interval(0, 1, label) for label in ("AA1", "sp", "xx", "xx", "K")]
    one = participant(
        tmp_path,
        n_bytes=72_000_000,
        absent=[tmp_path / "b.wav"],
        shapes={"a": StoryShape(280, 90_000, 10)},
        n_trs={"a": 280, "b": 320},
        n_values={"a": 280 * 90_000 * 11, "b": 320 * 90_000},
        problems=["c.hf5: truncated"],
    )
    a = StoryFiles(
        n_bytes=10**9, sampling_rate=44100, n_channels=2, phones=phones, words=phones[:1]
    )
    b = StoryFiles(phones=[], words=[], problems=["b.wav: not a readable sound"])
    found = inventory(tmp_path, one, a=a, b=b)
    said = "\n".join(checkup(found, "float16", tmp_path / "not" / "yet", 30, ["a", "b"]))
    for line in (
        "UTS01: 1 of 2 stories fetched; of the 2 that matter 1",
        "  not fetched: 1 file, 72.0 MB",
        f"  absent: {tmp_path}/b.wav",
        "  responses of 1 story: 280 TRs, as derivative/respdict.json or the reports count them; "
        "90000 voxels",
        "  heard repeatedly: a (10)",
        "  PROBLEM: c.hf5: truncated",
        "Sounds of 2 stories: 1 of 44100 Hz stereo",
        "TextGrids: 2, with 1 words and 5 labels of phones",
        "  neither phones nor known silence, so they count as silence: 'xx' (2)",
        "  no phones, so no low-level impact: b",
        "  PROBLEM: b.wav: not a readable sound",
        "Hours to fetch: 0.01 at 20 MB a second",
    ):
        assert line in said.splitlines()
    # 277.2 and 28.8 million numbers of two bytes, and a sound
    assert f"Disk: prepared as float16 1.61 GB, in {tmp_path}/not/yet, " in said
    assert "Memory: 2.72 GB while the largest story is prepared" in said
    assert "up to 30 epochs of 600 windows of 0.3 TFLOP take 6.00 on two cores" in said


def test_a_disk_that_is_too_small_is_noticed(tmp_path):
    found = inventory(tmp_path, participant(tmp_path), a=StoryFiles(n_bytes=10**18))
    assert any("free: NOT ENOUGH" in line for line in checkup(found, "float32", tmp_path, None, []))


def test_the_participant_with_least_to_fetch_comes_first(tmp_path):
    found = inventory(
        tmp_path,
        participant(tmp_path, "UTS01", n_bytes=5),
        participant(tmp_path, "UTS02", unrecorded=["c"]),
        participant(tmp_path, "UTS03", n_bytes=3),
    )
    assert least_to_fetch(found).name == "UTS03"


@pytest.mark.parametrize("n_bytes", [None, 7])
def test_commands_fetch_what_is_missing_and_tune_with_the_stories_there_are(tmp_path, n_bytes):
    root = tmp_path / "a folder"
    found = inventory(root, participant(root, n_bytes=n_bytes, unrecorded=["c"]))
    splits = {"train_stories": ["a", "c"], "validation_stories": ["b"]}
    heading, *fetch, tune = next_commands(found, ["--data", str(root)], splits)
    assert heading == "Next, for UTS01:"
    assert fetch == ([] if n_bytes is None else [f"(cd '{root}' && datalad get stimuli/a.wav)"])
    assert tune == (
        f"accelerate launch recipes/tune.py --data '{root}' --participants UTS01 --train_stories a"
    )
