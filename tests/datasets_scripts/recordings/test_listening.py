"""From a folder of recordings to a data set: what is in it, and when it can be trusted."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from datasets import DownloadMode

from datasets_scripts import Listening, noise_ceiling, read_ds003020
from datasets_scripts.recordings import ds003020, tiers

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def copy(recordings, tmp_path):
    return shutil.copytree(recordings, tmp_path / "copy")


def prepared(name, root, cache_dir, **options):
    builder = Listening(name, root, cache_dir=str(cache_dir), **options)
    builder.download_and_prepare()
    return builder


def responses_of(builder, split="responses"):
    rows = builder.as_dataset(split).with_format("numpy")
    return rows["story"][:], rows["repeat"][:], rows["responses"][:]


def responses_file(root, story="story01"):
    return root / "derivative" / "preprocessed_data" / "P01" / f"{story}.hf5"


def test_a_participant_has_a_row_per_tr(recordings, cache):
    rows = prepared("P01", recordings, cache).as_dataset("responses").with_format("numpy")
    assert rows.column_names == ["story", "repeat", "time", "tr", "responses"]
    assert set(rows["tr"][:]) == {2.0}
    first = 0
    for story in read_ds003020(recordings, "P01"):
        own = rows[first : first + len(story.tr_times)]
        assert set(own["story"]) == {story.name}
        np.testing.assert_array_equal(own["time"], story.tr_times)
        assert own["responses"].dtype == np.float32
        np.testing.assert_array_equal(own["responses"], story.responses)
        first += len(story.tr_times)
    assert len(rows) == first


def test_repeats_have_a_row_per_presentation_and_tr(recordings, cache):
    names, repeat, responses = responses_of(prepared("P01", recordings, cache), "repeats")
    (story,) = read_ds003020(recordings, "P01", ["repeated"])
    n_repeats, n_trs, n_voxels = story.repeats.shape
    assert set(names) == {"repeated"}
    np.testing.assert_array_equal(repeat, np.repeat(np.arange(n_repeats), n_trs))
    np.testing.assert_array_equal(responses.reshape(n_repeats, n_trs, n_voxels), story.repeats)


def test_stories_hold_the_sound_files_as_they_are_with_words_and_phones(recordings, cache):
    rows = prepared("stories", recordings, cache).as_dataset("stories")
    assert rows["story"][:] == ["repeated", "story01", "story02"]
    for row, story in zip(rows, read_ds003020(recordings, "P01"), strict=True):
        assert row["audio"]["bytes"] == story.audio_file.read_bytes()
        assert [tuple(word.values()) for word in row["words"]] == story.words
        assert [tuple(phone.values()) for phone in row["phones"]] == story.phones


def test_half_precision_takes_half_the_room(recordings, cache):
    full, half = (prepared("P01", recordings, cache, dtype=d) for d in ("float32", "float16"))
    stored = half.as_dataset("responses").data["responses"].combine_chunks().flatten().to_numpy()
    assert stored.dtype == np.float16
    np.testing.assert_array_equal(stored, responses_of(full)[2].astype(np.float16).ravel())


def test_a_data_set_streams(recordings, cache):
    stream = Listening("P01", recordings, cache_dir=cache).as_streaming_dataset("repeats")
    row = next(iter(stream))
    (story,) = read_ds003020(recordings, "P01", ["repeated"])
    np.testing.assert_array_equal(np.float32(row["responses"]), story.repeats[0, 0])


def test_responses_are_prepared_without_sounds_and_words_and_repeats_are_read_once(
    recordings, tmp_path, monkeypatch
):
    read, values = [], ds003020._read_values

    def counting(dataset):
        read.append((Path(dataset.file.filename).stem, dataset.name))
        return values(dataset)

    monkeypatch.setattr(ds003020, "_read_values", counting)
    monkeypatch.delattr(soundfile.SoundFile, "read")
    monkeypatch.delattr(tiers, "read_textgrid")
    prepared("P01", recordings, tmp_path)
    assert read.count(("repeated", "/individual_repeats")) == 1
    assert {story for story, _ in read} == {"repeated", "story01", "story02"}


def test_noise_ceilings_are_noted_where_several_processes_prepare(recordings, cache, tmp_path):
    builder = Listening("P01", recordings, cache_dir=str(tmp_path))
    builder.download_and_prepare(num_proc=2)
    expected = prepared("P01", recordings, cache)
    found, facts = (json.loads(b.info.description) for b in (builder, expected))
    assert found["noise_ceiling"] == facts["noise_ceiling"]
    np.testing.assert_array_equal(responses_of(builder)[2], responses_of(expected)[2])


def test_the_info_says_where_the_rows_come_from(recordings, cache):
    builder = prepared("P01", recordings, cache, options={"tr": 2.0045})
    provenance = json.loads(builder.as_dataset("responses").info.description)
    assert provenance["participant"] == "P01"
    assert provenance["options"] == {"tr": 2.0045}
    assert provenance["trims"] == {"lead_trs": 10, "tail_trs": 10}
    assert provenance["window"] == {"n_trs": 5}
    assert not {"regions", "mask"} & set(provenance)  # of the participant, not of these rows
    (story,) = read_ds003020(recordings, "P01", ["repeated"])
    assert provenance["n_voxels"] == story.responses.shape[1]
    ceiling = np.array(provenance["noise_ceiling"]["repeated"], dtype=float)
    np.testing.assert_allclose(ceiling, noise_ceiling(story.repeats), atol=1e-6)
    assert np.isnan(ceiling).sum() == 2
    name = "derivative/preprocessed_data/P01/story01.hf5"
    checksum = hashlib.sha256((recordings / name).read_bytes()).hexdigest()
    assert provenance["sources"][name] == checksum
    assert not any("P02" in source for source in provenance["sources"])


def test_what_is_prepared_is_used_again(recordings, cache):
    builder = prepared("P01", recordings, cache)
    (file,) = {row["filename"] for row in builder.as_dataset("responses").cache_files}
    inode = shutil.os.stat(file).st_ino
    prepared("P01", recordings, cache)
    assert shutil.os.stat(file).st_ino == inode


def test_a_changed_source_file_is_noticed(copy, tmp_path):
    before = responses_of(prepared("P01", copy, tmp_path))[2]
    with h5py.File(responses_file(copy), "r+") as file:
        file["data"][0, 0] += 1
    after = responses_of(prepared("P01", copy, tmp_path))[2]
    changed = np.argwhere((before != after) & ~np.isnan(before))
    assert len(changed) == 1
    assert after[tuple(changed[0])] == before[tuple(changed[0])] + 1


def test_what_failed_half_way_is_not_there_and_running_again_finishes(copy, tmp_path):
    whole = responses_file(copy, "story02").read_bytes()
    responses_file(copy, "story02").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="story02.hf5: truncated"):
        prepared("P01", copy, tmp_path)
    assert not list(tmp_path.glob("listening/**/dataset_info.json"))
    responses_file(copy, "story02").write_bytes(whole)
    assert len(responses_of(prepared("P01", copy, tmp_path))[0]) > 0


KILLED = """
import os, signal, sys
from datasets_scripts import Listening
root, cache = sys.argv[1:]
tables = Listening._generate_tables
def dying(self, **kwargs):
    for i, table in enumerate(tables(self, **kwargs)):
        yield table
        if i == 1:
            os.kill(os.getpid(), signal.SIGKILL)
Listening._generate_tables = dying
Listening("P01", root, cache_dir=cache).download_and_prepare()
"""


def test_a_killed_preparation_leaves_nothing_that_is_trusted(recordings, cache, tmp_path):
    words = [sys.executable, "-c", KILLED, str(recordings), str(tmp_path)]
    assert subprocess.run(words, capture_output=True).returncode == -9
    assert not list(tmp_path.glob("listening/**/dataset_info.json"))
    after = responses_of(prepared("P01", recordings, tmp_path))
    for found, expected in zip(
        after, responses_of(prepared("P01", recordings, cache)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_responses_that_do_not_fit_the_precision_are_refused(copy, tmp_path):
    with h5py.File(responses_file(copy), "r+") as file:
        file["data"][0, 0] = 1e5
    message = "story01 of P01: responses of up to 100000 do not fit float16"
    with pytest.raises(ValueError, match=message):
        prepared("P01", copy, tmp_path, dtype="float16")


def test_an_unreadable_sound_is_not_stored(copy, tmp_path):
    (copy / "stimuli" / "story01.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="story01.wav: not a readable sound"):
        prepared("stories", copy, tmp_path)


def test_a_recording_that_nobody_heard_does_no_harm(copy, tmp_path):
    soundfile.write(copy / "stimuli" / "unheard.wav", np.zeros(1600), 16000)
    rows = prepared("stories", copy, tmp_path).as_dataset("stories")
    assert rows["story"][:] == ["repeated", "story01", "story02"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("P03", {}, "unknown participant in .*: got 'P03'.*Available: P01, P02"),
        ("P01", {"dtype": "float64"}, "dtype must be one of float32, float16, got 'float64'"),
        ("P01", {"options": {"space": "T1w"}}, "layout ds003020: .*'space'"),
        ("P01", {"options": {"tr": 0}}, "tr must be positive"),
    ],
)
def test_bad_arguments_are_refused(recordings, tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        prepared(name, recordings, tmp_path, **options)


def test_a_missing_recording_is_named(copy, tmp_path):
    (copy / "stimuli" / "story01.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"missing: \S*story01.wav"):
        prepared("P01", copy, tmp_path)


def test_it_can_be_prepared_anew(recordings, cache):
    builder = prepared("P01", recordings, cache)
    builder.download_and_prepare(download_mode=DownloadMode.FORCE_REDOWNLOAD)
    assert len(builder.as_dataset("responses"))


def test_sounds_are_written_one_at_a_time(recordings, tmp_path):
    """Together they may exceed the 2 GiB that a table's 32-bit offsets can address."""
    builder = Listening("stories", recordings, cache_dir=str(tmp_path))
    builder.download_and_prepare()
    stories = builder.as_dataset("stories")
    assert stories.data["audio"].num_chunks == len(stories) > 1


def test_a_silent_sound_is_not_stored(copy, tmp_path):
    soundfile.write(copy / "stimuli/story01.wav", np.zeros(16000 * 70), 16000)
    builder = Listening("stories", copy, stories=["story01"], cache_dir=str(tmp_path))
    with pytest.raises(ValueError, match=r"story01\.wav: the sound is silent: all samples are 0"):
        builder.download_and_prepare()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("data", lambda data: data * 0, "story repeated of P01: none of the"),
        (
            "individual_repeats",
            lambda r: r[[0, *range(len(r) - 1)]],
            "repeats 0 and 1 are identical",
        ),
    ],
)
def test_responses_without_sense_are_not_stored(copy, tmp_path, name, change, message):
    with h5py.File(copy / "derivative/preprocessed_data/P01/repeated.hf5", "r+") as file:
        file[name][...] = change(file[name][()])
    builder = Listening("P01", copy, stories=["repeated"], cache_dir=str(tmp_path))
    with pytest.raises(ValueError, match=message):
        builder.download_and_prepare()
