import json
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from datasets_scripts import (
    Interval,
    TrainingWindows,
    cut,
    noise_ceiling,
    participant_stories,
    read_ds003020,
    read_regions,
    training_windows,
    write_textgrid,
)
from datasets_scripts.cortex import Anatomy
from datasets_scripts.recordings import write_anatomy
from datasets_scripts.recordings.ds003020 import (
    anatomy_files,
    count_voxels,
    open_responses,
    participant_anatomy,
    participants,
    read_responses,
    read_tr_axis,
    source_files,
)

LISTENING_MINI = Path(__file__).resolve().parents[3].parent / "shared/data/listening-mini"
needs_listening_mini = pytest.mark.skipif(
    not LISTENING_MINI.is_dir(), reason="the listening-mini recordings are not here"
)

PHONES = [Interval(0.1, 0.3, "S"), Interval(0.3, 0.5, "OW1"), Interval(0.5, 0.9, "sp")]
WORDS = [Interval(0.1, 0.5, "so")]
N_VOXELS = 6
RAW_TRS = {"avatar": 26, "souls": 24}


def responses(root, participant, story):
    return root / f"derivative/preprocessed_data/{participant}/{story}.hf5"


def write_responses(path, **datasets):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values


@pytest.fixture
def root(tmp_path):
    """Two stories, heard by UTS01; UTS02 heard `avatar` alone. `souls` has three repeats."""
    rng = np.random.default_rng(0)
    (tmp_path / "stimuli").mkdir()
    (tmp_path / "derivative/TextGrids").mkdir(parents=True)
    (tmp_path / "derivative/respdict.json").write_text(json.dumps(RAW_TRS))
    for story, raw in RAW_TRS.items():
        sound = rng.uniform(-1, 1, (8000 * (2 * raw - 20), 2))
        soundfile.write(tmp_path / f"stimuli/{story}.wav", sound, 8000)
        textgrid = tmp_path / f"derivative/TextGrids/{story}.TextGrid"
        write_textgrid(textgrid, {"Phones": PHONES, "Words": WORDS}, 1.0)
        repeats = rng.standard_normal((3, raw - 20, N_VOXELS))
        repeats[..., -1] = np.nan
        for participant in ("UTS01", "UTS02") if story == "avatar" else ("UTS01",):
            write_responses(
                responses(tmp_path, participant, story),
                data=repeats.mean(axis=0),
                **({"individual_repeats": repeats} if story == "souls" else {}),
            )
    return tmp_path


def test_responses_are_those_of_the_stories_and_need_neither_sounds_nor_words(root):
    stories = list(read_ds003020(root, "UTS01", tr=2.0045))
    for file in [*(root / "stimuli").iterdir(), *(root / "derivative/TextGrids").iterdir()]:
        file.unlink()
    found = list(read_responses(root, "UTS01", tr=2.0045))
    for responses_of, story in zip(found, stories, strict=True):
        assert (responses_of.name, responses_of.tr) == (story.name, 2.0045)
        for name in ("tr_times", "responses", "repeats"):
            np.testing.assert_array_equal(getattr(responses_of, name), getattr(story, name))
    (souls,) = read_responses(root, "UTS01", ["souls"], repeats=False)
    assert souls.repeats is None


def write_regions(root, regions):
    (root / "derivative/regions").mkdir(exist_ok=True)
    (root / "derivative/regions/UTS01.json").write_text(json.dumps(regions))


def test_a_story_holds_what_its_files_hold(root):
    souls = next(read_ds003020(root, "UTS01", ["souls"]))
    with h5py.File(responses(root, "UTS01", "souls")) as file:
        data, repeats = file["data"][()], file["individual_repeats"][()]
    assert (souls.name, souls.participant, souls.tr) == ("souls", "UTS01", 2.0)
    assert souls.audio_file == root / "stimuli/souls.wav"
    np.testing.assert_array_equal(souls.responses, data.astype(np.float32))
    np.testing.assert_array_equal(souls.repeats, repeats.astype(np.float32))
    np.testing.assert_array_equal(souls.tr_times, [11.0, 13.0, 15.0, 17.0])
    assert souls.responses.dtype == souls.repeats.dtype == souls.audio.dtype == np.float32
    assert np.isnan(souls.responses[:, -1]).all()
    assert souls.audio.shape == (28 * 16000,)
    assert (souls.phones, souls.words) == (PHONES, WORDS)


def test_stories_come_in_the_order_asked_and_sorted_by_default(root):
    assert participant_stories(root, "UTS01") == ["avatar", "souls"]
    assert [story.name for story in read_ds003020(root, "UTS01")] == ["avatar", "souls"]
    asked = read_ds003020(root, "UTS01", ["souls", "avatar"])
    assert [story.name for story in asked] == ["souls", "avatar"]


def test_a_story_heard_once_has_no_repeats(root):
    assert next(read_ds003020(root, "UTS02")).repeats is None


def test_the_scanners_own_tr_is_an_option(root):
    souls = next(read_ds003020(root, "UTS01", ["souls"], tr=2.0045))
    assert souls.tr == 2.0045
    np.testing.assert_allclose(souls.tr_times[0], 10.5 * 2.0045 - 10)


def test_stories_are_read_one_at_a_time(root):
    responses(root, "UTS01", "souls").write_bytes(b"damaged")
    stories = read_ds003020(root, "UTS01")
    assert next(stories).name == "avatar"
    with pytest.raises(ValueError, match="souls"):
        next(stories)


def write_report(folder, story, n_triggers, tr=2.0045, sound=10.0):
    folder.mkdir(exist_ok=True)
    triggers = [f"{100 + k * tr:.6f} trigger" for k in range(n_triggers)]
    lines = [f"{100 + sound} sound-start", *triggers]
    (folder / f"{story}.report").write_text("\n".join(lines) + "\n")


def test_exact_tr_times_replace_the_published_axis(root, tmp_path):
    # The TR counts of respdict.json are not needed: each trigger is a TR.
    (root / "derivative/respdict.json").unlink()
    write_report(tmp_path / "trs", "souls", 24, sound=9.8)
    (souls,) = read_ds003020(root, "UTS01", ["souls"], tr_times=tmp_path / "trs")
    assert souls.tr == pytest.approx(2.0045, abs=1e-6)
    # 24 TRs, the first ten and the last ten of which have no stored response.
    starts = np.array([10, 11, 12, 13]) * 2.0045 - 9.8
    np.testing.assert_allclose(souls.tr_times, starts + 2.0045 / 2, atol=2e-6)


def test_exact_tr_times_of_a_regular_scan_are_the_published_axis(root, tmp_path):
    write_report(tmp_path / "trs", "souls", 24, tr=2.0)
    exact = read_tr_axis(root, "souls", tr_times=tmp_path / "trs")
    published = read_tr_axis(root, "souls")
    np.testing.assert_allclose(exact.tr_times, published.tr_times)
    assert (exact.tr, exact.raw_trs) == (published.tr, published.raw_trs) == (2.0, 24)


@pytest.mark.parametrize(
    ("n_triggers", "message"),
    [
        (23, r"souls\.hf5: data must be \(3 TRs.*souls\.report counts 23 TRs of .* 20 .*\(4, 6\)"),
        (20, r"souls\.report: story 'souls': raw_trs must be above the 20 .* got 20"),
    ],
)
def test_exact_tr_times_that_do_not_fit_are_named(root, tmp_path, n_triggers, message):
    write_report(tmp_path / "trs", "souls", n_triggers)
    with pytest.raises(ValueError, match=message):
        next(read_ds003020(root, "UTS01", ["souls"], tr_times=tmp_path / "trs"))


def test_a_missing_report_is_named_at_the_call(root, tmp_path):
    write_report(tmp_path / "trs", "souls", 24)
    with pytest.raises(FileNotFoundError, match=r"UTS01 are missing: \S*trs/avatar\.report$"):
        read_ds003020(root, "UTS01", tr_times=tmp_path / "trs")


def test_responses_can_be_read_in_part(root):
    axis = read_tr_axis(root, "souls")
    with open_responses(root, "UTS01", "souls", axis) as file:
        assert file["data"].shape == (len(axis.tr_times), N_VOXELS)
        first, second = file["data"][:2], file["individual_repeats"][1]
    souls = next(read_ds003020(root, "UTS01", ["souls"]))
    np.testing.assert_array_equal(first.astype(np.float32), souls.responses[:2])
    np.testing.assert_array_equal(second.astype(np.float32), souls.repeats[1])


def test_an_error_while_responses_are_open_is_not_the_files(root):
    with pytest.raises(OSError, match="^disk full$"), open_responses(root, "UTS01", "souls"):
        raise OSError("disk full")


def test_responses_that_are_not_there_are_named(root):
    with (
        pytest.raises(FileNotFoundError, match=r"UTS02/souls\.hf5"),
        open_responses(root, "UTS02", "souls"),
    ):
        pass


def test_source_files_are_all_that_is_read(root, tmp_path):
    own = ["preprocessed_data/UTS02/avatar.hf5", "TextGrids/avatar.TextGrid"]
    expected = {root / "stimuli/avatar.wav", *(root / "derivative" / name for name in own)}
    counts = root / "derivative/respdict.json"
    assert set(source_files(root, "UTS02")) == expected | {counts}

    write_report(tmp_path / "trs", "avatar", 26)
    report = tmp_path / "trs/avatar.report"
    assert set(source_files(root, "UTS02", tr_times=tmp_path / "trs")) == expected | {report}


def test_source_files_are_those_of_the_stories_asked(root):
    files = source_files(root, "UTS01", ["souls"])
    assert {file.stem for file in files} == {"souls", "respdict"}
    assert len(source_files(root, "UTS01")) == 7
    with pytest.raises(ValueError, match="Did you mean 'souls'"):
        source_files(root, "UTS01", ["soul"])


def test_what_is_not_fetched_is_named_with_how_to_fetch_it(root, unfetch):
    unfetch(root / "stimuli/souls.wav", n_bytes=130_000_000)
    unfetch(responses(root, "UTS01", "souls"), n_bytes=328_714_688, unlocked=True)
    with pytest.raises(FileNotFoundError, match=r"2 files of UTS01 .*0\.46 GB \(458714688 bytes\)"):
        read_ds003020(root, "UTS01", ["souls"])
    with pytest.raises(FileNotFoundError, match="1 file of UTS01 .*get derivative/.*/souls.hf5"):
        read_responses(root, "UTS01", ["souls"])
    assert [story.name for story in read_ds003020(root, "UTS01", ["avatar"])] == ["avatar"]


def test_a_story_of_other_voxels_is_named_when_its_turn_comes(root):
    data = np.zeros((4, N_VOXELS + 1))
    write_responses(responses(root, "UTS01", "souls"), data=data)
    stories = read_ds003020(root, "UTS01")
    assert next(stories).name == "avatar"
    with pytest.raises(ValueError, match=r"souls\.hf5 has 7 voxels, but \S*avatar\.hf5 has 6"):
        next(stories)


def test_voxels_are_counted_by_the_headers_of_the_stories_asked(root):
    assert count_voxels(root, "UTS01") == count_voxels(root, "UTS01", ["souls"]) == N_VOXELS
    responses(root, "UTS01", "souls").write_bytes(b"damaged")
    assert count_voxels(root, "UTS01") == count_voxels(root, "UTS01", ["avatar"]) == N_VOXELS
    with pytest.raises(ValueError, match=r"souls\.hf5: truncated"):
        count_voxels(root, "UTS01", ["avatar", "souls"])


def test_participants_are_those_with_a_folder(root):
    (root / "derivative/preprocessed_data/notes.txt").touch()
    assert participants(root) == ["UTS01", "UTS02"]


def test_hidden_files_are_no_stories(root):
    (responses(root, "UTS02", "._avatar")).write_bytes(b"left by a file manager")
    assert participant_stories(root, "UTS02") == ["avatar"]


@pytest.mark.parametrize(
    ("participant", "stories", "error", "message"),
    [
        ("UTS3", None, ValueError, r"got 'UTS3'\. Did you mean 'UTS0.'\? Available: UTS01, UTS02"),
        ("../UTS01", None, ValueError, "Available: UTS01, UTS02"),
        ("UTS02", ["soul"], ValueError, r"story of UTS02 .*got 'soul'\. Available: avatar"),
        ("UTS01", ["soul"], ValueError, r"Did you mean 'souls'\? Available: avatar, souls"),
        ("UTS01", ["../UTS02/avatar"], ValueError, r"no path separators .* '\.\./UTS02/avatar'"),
        ("UTS01", ["a\\b"], ValueError, "no path separators"),
        ("UTS01", [".."], ValueError, "no path separators"),
        ("UTS01", ["souls", "souls"], ValueError, "each story can be read once"),
        ("UTS01", "souls", TypeError, r"got 'souls'; use \['souls'\]"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(root, participant, stories, error, message):
    with pytest.raises(error, match=message):
        read_ds003020(root, participant, stories)


def test_a_tr_that_is_not_positive_is_refused_at_the_call(root):
    with pytest.raises(ValueError, match="tr must be positive seconds, got -2"):
        read_ds003020(root, "UTS01", tr=-2)


def test_a_folder_of_another_layout_is_refused_at_the_call(tmp_path):
    with pytest.raises(FileNotFoundError, match="should hold derivative/preprocessed_data/"):
        read_ds003020(tmp_path, "UTS01")


def test_a_participant_without_responses_is_named(root):
    (root / "derivative/preprocessed_data/UTS03").mkdir()
    with pytest.raises(ValueError, match=r"UTS03 holds no responses"):
        participant_stories(root, "UTS03")


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"responses": np.zeros((4, 6))}, r"no dataset 'data', got \['responses'\]"),
        (
            {"data": np.zeros((5, 6))},
            r"data must be \(4 TRs.*respdict.json counts 24.*got \(5, 6\)",
        ),
        ({"data": np.zeros(4)}, r"data must be .* got \(4,\)"),
        (
            {"data": np.zeros((4, 6)), "individual_repeats": np.zeros((4, 6))},
            r"individual_repeats must be \(n_repeats, 4, 6\).* got \(4, 6\)",
        ),
        ({"data": [b"0.1", b"0.2"]}, r"data must be an array of numbers, got .*dataset"),
        ({"data/values": np.zeros((4, 6))}, "data must be an array of numbers, got .*group"),
        (
            {"data": np.zeros((4, 6)), "individual_repeats": [b"0.1"]},
            "individual_repeats must be an array of numbers",
        ),
        (
            {"data": np.zeros((4, 6)), "individual_repeats": np.zeros((0, 4, 6))},
            r"individual_repeats must be \(n_repeats, 4, 6\).* got \(0, 4, 6\)",
        ),
        (
            {"data": np.zeros((4, 6)), "individual_repeats": np.zeros((10, 4, 7))},
            r"individual_repeats must be .* got \(10, 4, 7\)",
        ),
    ],
)
def test_responses_of_the_wrong_kind_are_named(root, datasets, message):
    write_responses(responses(root, "UTS01", "souls"), **datasets)
    with pytest.raises(ValueError, match=rf"souls\.hf5: .*{message}"):
        next(read_ds003020(root, "UTS01", ["souls"]))


def elsewhere(file, name, kind, other):
    """Write a data set whose values lie in another file, in one of the ways that HDF5 has."""
    if kind == "external storage":
        stored = [(str(other), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset(name, (4, N_VOXELS), "f8", external=stored)
    elif kind == "virtual data set":
        layout = h5py.VirtualLayout((4, N_VOXELS), "f8")
        layout[:] = h5py.VirtualSource(str(other), "data", (4, N_VOXELS))
        file.create_virtual_dataset(name, layout)
    elif kind == "soft link":
        file["there"] = h5py.ExternalLink(str(other), "/")
        file[name] = h5py.SoftLink("/there/data")
    else:
        file[name] = h5py.ExternalLink(str(other), "/data")


@pytest.mark.parametrize("name", ["data", "individual_repeats"])
@pytest.mark.parametrize(
    "kind", ["external storage", "virtual data set", "soft link", "link to another file"]
)
def test_responses_that_lie_in_another_file_are_refused(root, tmp_path, name, kind):
    other = tmp_path / "private"
    write_responses(other, data=np.zeros((4, N_VOXELS)))
    path = responses(root, "UTS01", "souls")
    path.unlink()
    with h5py.File(path, "w") as file:
        if name != "data":
            file["data"] = np.zeros((4, N_VOXELS))
        elsewhere(file, name, kind, other)
    message = rf"souls\.hf5: {name} is .*{kind}.* must stand in this file"
    with pytest.raises(ValueError, match=message):
        next(read_ds003020(root, "UTS01", ["souls"]))
    with pytest.raises(ValueError, match=message):
        count_voxels(root, "UTS01", ["souls"])


@pytest.mark.parametrize("options", [{}, {"chunks": True}, {"compression": "gzip"}])
def test_responses_that_were_never_written_are_refused_before_they_fill_the_memory(root, options):
    path = responses(root, "UTS01", "souls")
    path.unlink()
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (4, 10**12), "f8", **options)
    with pytest.raises(ValueError, match=r"souls\.hf5: data claims 32000000000000 bytes .* 0 are"):
        next(read_ds003020(root, "UTS01", ["souls"]))


@pytest.mark.parametrize("kept", [0, 100, 1500])
def test_a_truncated_response_file_is_named(root, kept):
    path = responses(root, "UTS01", "souls")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"souls\.hf5: truncated, or not an HDF5 file"):
        next(read_ds003020(root, "UTS01", ["souls"]))


def test_a_response_file_with_a_damaged_part_is_named(root):
    path = responses(root, "UTS01", "souls")
    with h5py.File(path, "w") as file:
        data = np.random.default_rng(0).standard_normal((4, 600))
        chunk = file.create_dataset("data", data=data, chunks=data.shape, compression="gzip").id
        start = chunk.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[start : start + 100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"souls\.hf5: /data is damaged"):
        next(read_ds003020(root, "UTS01", ["souls"]))


def test_all_missing_files_are_named_at_the_call(root):
    missing = ["stimuli/souls.wav", "derivative/TextGrids/souls.TextGrid", "stimuli/avatar.wav"]
    for name in missing:
        (root / name).unlink()
    with pytest.raises(FileNotFoundError, match="files of UTS01 are missing: ") as refused:
        read_ds003020(root, "UTS01")
    assert all(str(root / name) in str(refused.value) for name in missing)


def test_tr_counts_that_are_missing_are_named_at_the_call(root):
    (root / "derivative/respdict.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"derivative/respdict\.json"):
        read_ds003020(root, "UTS01")


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "not a readable sound"), (b"RIFF....WAVE", "not a readable")]
)
def test_an_unreadable_recording_is_named(root, content, message):
    (root / "stimuli/souls.wav").write_bytes(content)
    with pytest.raises(ValueError, match=rf"souls\.wav: .*{message}"):
        next(read_ds003020(root, "UTS01", ["souls"]))


def test_an_empty_recording_is_named(root):
    soundfile.write(root / "stimuli/souls.wav", np.zeros((0, 2)), 8000)
    with pytest.raises(ValueError, match=r"souls\.wav: the recording is empty"):
        next(read_ds003020(root, "UTS01", ["souls"]))


def test_a_sound_that_ends_before_the_last_tr_begins_is_refused_with_both_times(root):
    # The last stored TR of souls lasts from 16 to 18 s.
    for seconds in (16.5, 16.0):
        sound = np.random.default_rng(0).uniform(-1, 1, round(8000 * seconds))
        soundfile.write(root / "stimuli/souls.wav", sound, 8000)
        stories = read_ds003020(root, "UTS01", ["souls"])
        if seconds > 16:
            assert next(stories).tr_times[-1] == 17
            continue
        with pytest.raises(ValueError, match=r"souls.* ends at 16\.0 s, .* at 16\.0 s begins"):
            next(stories)


@pytest.mark.parametrize("format", ["long", "short", "chronological"])
def test_textgrids_of_any_format_are_read(root, format):
    path = root / "derivative/TextGrids/souls.TextGrid"
    write_textgrid(path, {"Phones": PHONES, "Words": WORDS}, 1.0, format)
    souls = next(read_ds003020(root, "UTS01", ["souls"]))
    assert (souls.phones, souls.words) == (PHONES, WORDS)


def test_a_textgrid_whose_tiers_cannot_be_told_is_named(root):
    write_textgrid(root / "derivative/TextGrids/souls.TextGrid", {"notes": WORDS}, 1.0)
    with pytest.raises(ValueError, match=r"souls\.TextGrid: cannot tell .* phones; .*'notes'"):
        next(read_ds003020(root, "UTS01", ["souls"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"avatar": 26}', "story 'souls' must have a whole number of TRs, got None"),
        ('{"souls": 24.5}', "story 'souls' must have a whole number of TRs, got 24.5"),
        ('{"souls": "24"}', "story 'souls' must have a whole number of TRs, got '24'"),
        ('{"souls": 15}', "story 'souls': raw_trs must be above the 20"),
        ("{", "not a JSON file"),
        ("[24]", "expected a JSON object, got a list"),
    ],
)
def test_tr_counts_that_cannot_be_used_are_named(root, content, message):
    (root / "derivative/respdict.json").write_text(content)
    with pytest.raises(ValueError, match=rf"respdict\.json: {message}"):
        read_ds003020(root, "UTS01", ["souls"])


def test_regions_are_voxel_indices(root):
    write_regions(root, {"language": [0, 2], "auditory": []})
    regions = read_regions(root, "UTS01")
    assert {name: voxels.tolist() for name, voxels in regions.items()} == {
        "language": [0, 2],
        "auditory": [],
    }
    assert all(voxels.dtype == np.int64 for voxels in regions.values())


def test_regions_are_optional(root):
    assert read_regions(root, "UTS01") == {}


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        ([0, 6, -1], r"2 indices outside 0 to 5, got \[6, -1\]"),
        ([0.5], "must be a list of whole numbers"),
        ([True], "must be a list of whole numbers"),
        (3, "must be a list of whole numbers"),
    ],
)
def test_bad_region_indices_are_named(root, voxels, message):
    write_regions(root, {"language": voxels})
    with pytest.raises(ValueError, match=rf"UTS01\.json: region 'language' .*{message}"):
        read_regions(root, "UTS01")


def test_an_anatomy_that_a_laboratory_found_is_kept_beside_the_recordings(root):
    mask = nibabel.Nifti1Image(np.ones((1, 2, 3), np.uint8), np.eye(4))
    of_vertices = np.resize([-1, *range(N_VOXELS)], 20484)
    found = Anatomy(
        n_voxels=N_VOXELS, regions={"auditory": np.array([1])}, mask=mask, fsaverage5=of_vertices
    )
    assert "anatomy" not in anatomy_files(root, "UTS01")
    write_anatomy(found, "UTS01", root / "derivative")
    assert anatomy_files(root, "UTS01")["anatomy"].is_file()
    read = participant_anatomy(root, "UTS01")
    np.testing.assert_array_equal(read.fsaverage5, of_vertices)
    assert read.regions["auditory"].tolist() == [1]
    write_regions(root, {"language": [0, 2]})
    assert list(participant_anatomy(root, "UTS01").regions) == ["language"]
    with pytest.raises(FileNotFoundError, match="subject_xfms.json"):  # an atlas asks for more
        participant_anatomy(root, "UTS01", atlas=("lh.annot", "rh.annot"))


def test_an_anatomy_of_other_voxels_is_refused(root):
    write_anatomy(Anatomy(n_voxels=5), "UTS01", root / "derivative")
    with pytest.raises(ValueError, match=r"UTS01\.npz: an anatomy of 5 voxels, but .* have 6"):
        participant_anatomy(root, "UTS01")


@needs_listening_mini
@pytest.mark.parametrize("participant", ["UTS01", "UTS02"])
def test_listening_mini_is_read(participant):
    truth = json.loads((LISTENING_MINI / "truth.json").read_text())
    for story in read_ds003020(LISTENING_MINI, participant):
        known = truth["stories"][story.name]
        assert story.responses.shape == (known["stored_trs"], 240)
        assert len(story.tr_times) == known["stored_trs"]
        assert abs(len(story.audio) - known["seconds"] * 16000) <= 1
        assert np.isnan(story.responses).all(axis=0).nonzero()[0].tolist() == [239]
        assert (story.repeats is not None) == (story.name == "wheretheressmoke")
        assert 0 < len(story.words) < len(story.phones)
        assert story.phones[-1].end <= known["seconds"] + 0.0005  # written in milliseconds


@needs_listening_mini
@pytest.mark.parametrize("participant", ["UTS01", "UTS02"])
def test_every_training_window_of_listening_mini_holds_the_sound_of_its_own_ten_seconds(
    participant,
):
    raw_trs = json.loads((LISTENING_MINI / "derivative/respdict.json").read_text())
    stories = list(read_ds003020(LISTENING_MINI, participant))
    pairs = iter(TrainingWindows(stories, voxels=range(239)))
    assert len(stories) == {"UTS01": 5, "UTS02": 4}[participant]
    for story in stories:
        recording, rate = soundfile.read(story.audio_file, dtype="float32", always_2d=True)
        sound = resample_poly(recording.mean(axis=1), 320, rate // 50)
        bounds = training_windows(story.tr_times, story.tr)
        with h5py.File(responses(LISTENING_MINI, participant, story.name)) as file:
            stored = file["data"][()].astype(np.float32)
        n_trs = raw_trs[story.name] - 20
        assert len(story.tr_times) == len(story.responses) == len(bounds) == len(stored) == n_trs
        for k in range(n_trs):
            # TR k begins 10 + 2 k seconds into the sound and lasts 2; its window began 8 before.
            first, last = (2 + 2 * k) * 16000, (12 + 2 * k) * 16000
            silence = np.zeros(max(last - len(sound), 0), np.float32)
            own = np.concatenate([sound[first:last], silence])
            pair = next(pairs)
            np.testing.assert_array_equal(cut(story.audio, *bounds[k]), own)
            np.testing.assert_array_equal(pair["audio"], own)
            np.testing.assert_array_equal(pair["labels"], stored[k, :239])
    assert next(pairs, None) is None


@needs_listening_mini
def test_ceilings_of_listening_mini_follow_its_truth():
    snr = np.load(LISTENING_MINI / "truth.npz")["snr"]
    story = next(read_ds003020(LISTENING_MINI, "UTS01", ["wheretheressmoke"]))
    ceiling = noise_ceiling(story.repeats)
    planted = np.sqrt(10 * snr**2 / (1 + 10 * snr**2))
    assert np.isnan(ceiling).nonzero()[0].tolist() == [239]
    # 28 TRs, which the smooth responses make fewer still, tell ceilings apart only roughly.
    assert np.corrcoef(ceiling[:-1], planted[:-1])[0, 1] > 0.8
