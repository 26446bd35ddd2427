"""Stories from a prepared data set are the stories that were read from the folder."""

import io
import json
import shutil
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import soundfile
from datasets import DatasetDict, concatenate_datasets
from scipy.ndimage import gaussian_filter
from scipy.stats import zscore

from datasets_scripts import (
    TrainingWindows,
    check_recordings,
    open_participant,
    read_ds003020,
    read_recording,
    read_regions,
)
from datasets_scripts.recordings import ANATOMY, ds003020
from datasets_scripts.recordings.participant import PROVENANCE, Participant


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def participant(recordings, cache):
    return open_participant(recordings, "P01", cache_dir=cache)


def assert_same_story(found, expected):
    for name in ("name", "participant", "tr", "words", "phones"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("audio", "tr_times", "responses"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    if expected.repeats is None:
        assert found.repeats is None
    else:
        np.testing.assert_array_equal(found.repeats, expected.repeats)


def test_stories_are_those_of_the_folder(participant, recordings):
    assert participant.story_names == ["repeated", "story01", "story02"]
    for found, expected in zip(
        participant.stories(), read_ds003020(recordings, "P01"), strict=True
    ):
        assert_same_story(found, expected)
        original, rate = read_recording(found.audio_file)
        expected_original, expected_rate = read_recording(expected.audio_file)
        assert rate == expected_rate
        np.testing.assert_array_equal(original, expected_original)


def test_responses_are_those_of_the_stories_and_decode_no_sound(participant, monkeypatch):
    stories = list(participant.stories())
    monkeypatch.delattr(soundfile.SoundFile, "read")
    responses = list(participant.responses())
    for found, expected in zip(responses, stories, strict=True):
        assert not hasattr(found, "audio")
        for name in ("name", "participant", "tr"):
            assert getattr(found, name) == getattr(expected, name)
        for name in ("tr_times", "responses", "repeats"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert [one.name for one in participant.responses(["story02"])] == ["story02"]
    assert participant.n_trs == {story.name: len(story.responses) for story in stories}
    assert participant.n_repeats == {"repeated": len(stories[0].repeats)}


def test_responses_and_numbers_of_trs_need_no_sounds_at_all(participant):
    deaf = Participant(
        participant._responses,
        participant._repeats,
        participant._stories.select([]),
        participant.provenance,
        data="",
        anatomy=participant.anatomy,
    )
    assert deaf.n_trs == participant.n_trs
    for found, expected in zip(deaf.responses(), participant.responses(), strict=True):
        np.testing.assert_array_equal(found.responses, expected.responses)
    with pytest.raises(ValueError, match="story repeated: the prepared recordings hold no sound"):
        next(deaf.stories())


def test_stories_come_in_the_order_asked_for(participant):
    names = ["story02", "repeated"]
    assert [story.name for story in participant.stories(names)] == names


def test_responses_are_views_of_the_mapped_file(participant):
    (story,) = participant.stories(["repeated"])
    for array in (story.responses, story.repeats):
        assert not array.flags.owndata and not array.flags.writeable


def test_windows_come_from_mapped_responses(participant, recordings):
    (story,) = participant.stories(["story01"])
    voxels = np.flatnonzero(np.isfinite(story.responses[0]))[[7, 0, 3]]
    direct = TrainingWindows(read_ds003020(recordings, "P01", ["story01"]), voxels)
    mapped = TrainingWindows(participant.stories(["story01"]), voxels)
    for i in range(len(direct)):
        np.testing.assert_array_equal(mapped[i]["audio"], direct[i]["audio"])
        np.testing.assert_array_equal(mapped[i]["labels"], direct[i]["labels"])


def test_regions_and_provenance(participant, recordings):
    assert set(participant.regions) == {"language", "auditory"}
    mask = nibabel.load(recordings / "derivative" / "masks" / "P01.nii.gz")
    np.testing.assert_array_equal(participant.mask.dataobj, mask.dataobj)
    np.testing.assert_array_equal(participant.mask.affine, mask.affine)
    assert participant.name == participant.provenance["participant"] == "P01"
    assert participant.n_voxels == participant.provenance["n_voxels"]


def test_options_reach_the_reader(recordings, cache):
    slow = open_participant(recordings, "P01", options={"tr": 2.0045}, cache_dir=cache)
    (found,) = slow.stories(["story01"])
    (expected,) = read_ds003020(recordings, "P01", ["story01"], tr=2.0045)
    assert_same_story(found, expected)


def test_rows_in_several_pieces_are_put_together(participant):
    rows = participant._responses
    parts = [range(0, 30), range(30, len(rows))]
    pieces = concatenate_datasets([rows.select(part).flatten_indices() for part in parts])
    kept = participant.provenance, participant.anatomy
    pieced = Participant(pieces, None, participant._stories, kept[0], data="", anatomy=kept[1])
    for found, expected in zip(pieced.stories(), participant.stories(), strict=True):
        np.testing.assert_array_equal(found.responses, expected.responses)


def test_responses_keep_the_precision_that_they_are_stored_in(recordings, cache):
    half = open_participant(recordings, "P01", dtype="float16", cache_dir=cache)
    (story,) = half.stories(["story01"])
    assert story.responses.dtype == np.float16 and not story.responses.flags.owndata


def test_a_folder_of_prepared_recordings_opens(participant, tmp_path):
    """As a repository of the Hub is laid out."""
    splits = {
        "P01": DatasetDict(responses=participant._responses, repeats=participant._repeats),
        "stories": DatasetDict(stories=participant._stories),
    }
    card = ["---", "configs:"]
    for config, parts in splits.items():
        card += [f"- config_name: {config}", "  data_files:"]
        for split, rows in parts.items():
            rows.to_parquet(tmp_path / config / f"{split}-00000-of-00001.parquet")
            card += [f"  - split: {split}", f"    path: {config}/{split}-*"]
    (tmp_path / "README.md").write_text("\n".join([*card, "---", ""]))
    (tmp_path / PROVENANCE.format("P01")).parent.mkdir()
    (tmp_path / PROVENANCE.format("P01")).write_text(json.dumps(participant.provenance))
    (tmp_path / ANATOMY.format("P01")).parent.mkdir()
    participant.anatomy.save(tmp_path / ANATOMY.format("P01"))
    opened = open_participant(tmp_path, "P01", cache_dir=tmp_path / "cache")
    for found, expected in zip(opened.stories(), participant.stories(), strict=True):
        assert_same_story(found, expected)
    assert opened.regions.keys() == participant.regions.keys()
    for region, voxels in participant.regions.items():
        np.testing.assert_array_equal(opened.regions[region], voxels)
    np.testing.assert_array_equal(opened.mask.dataobj, participant.mask.dataobj)
    np.testing.assert_array_equal(opened.mask.affine, participant.mask.affine)
    assert open_participant(tmp_path, "P01", ["story01"], cache_dir=tmp_path / "cache").n_trs
    with pytest.raises(ValueError, match="unknown story of P01: got 'story9'"):
        open_participant(tmp_path, "P01", ["story9"], cache_dir=tmp_path / "cache")
    (tmp_path / PROVENANCE.format("P01")).write_text('{"participant": "P01", "trims": 3}')
    with pytest.raises(ValueError, match=r"P01\.json does not tell .*: layout, options, trims, s"):
        open_participant(tmp_path, "P01", cache_dir=tmp_path / "cache")
    for options in ({"dtype": "float16"}, {"atlas": ["lh.annot", "rh.annot"]}):
        with pytest.raises(ValueError, match="prepared already: .*got dtype='float"):
            open_participant(tmp_path, "P01", **options)


def test_voxels_in_another_order_than_the_mask_says_are_refused(recordings, tmp_path):
    copy = shutil.copytree(recordings, tmp_path / "copy")
    inside = np.ones((16, 18, 20), dtype=np.uint8)
    smooth = gaussian_filter(np.random.default_rng(0).standard_normal(inside.shape), 1.5)
    for added in ("regions/P01.json", "anatomy/P01.npz"):
        (copy / "derivative" / added).unlink()
    path = copy / "derivative/masks/P01.nii.gz"
    nibabel.save(nibabel.Nifti1Image(inside, np.eye(4)), path)
    for file in (copy / "derivative/preprocessed_data/P01").iterdir():
        with h5py.File(file, "r+") as content:
            n_trs = len(content["data"])
            # As if the columns were those of the transposed volume
            strength = smooth.T.ravel() / smooth.std()
            signal = np.random.default_rng(1).standard_normal((n_trs, 1)) * strength
            for name in list(content):
                shape = (*content[name].shape[:-1], strength.size)
                noise = np.random.default_rng(2).standard_normal(shape)
                del content[name]
                content[name] = signal + 0.5 * noise
            if "individual_repeats" in content:
                content["data"][...] = zscore(content["individual_repeats"], axis=1).mean(axis=0)
    with pytest.raises(ValueError, match=r"P01\.nii\.gz: .*transposed to \(z, y, x\)"):
        open_participant(copy, "P01", cache_dir=tmp_path / "cache")  # by its ceilings
    with pytest.raises(ValueError, match=r"P01\.nii\.gz: .*transposed to \(z, y, x\)"):
        open_participant(copy, "P01", ["story01"], cache_dir=tmp_path / "cache")  # by responses
    nibabel.save(nibabel.Nifti1Image(inside.T, np.eye(4)), path)
    assert open_participant(copy, "P01", cache_dir=tmp_path / "cache").mask.shape == (20, 18, 16)


def test_a_changed_response_reaches_the_story(recordings, tmp_path):
    copy = shutil.copytree(recordings, tmp_path / "copy")
    open_participant(copy, "P01", cache_dir=tmp_path / "cache")
    with h5py.File(copy / "derivative/preprocessed_data/P01/story01.hf5", "r+") as file:
        file["data"][2, 1] = 9.0
    (story,) = open_participant(copy, "P01", cache_dir=tmp_path / "cache").stories(["story01"])
    assert story.responses[2, 1] == 9.0


def test_a_mask_that_fits_no_response_is_named(recordings, tmp_path):
    copy = shutil.copytree(recordings, tmp_path / "copy")
    path = copy / "derivative" / "masks" / "P01.nii.gz"
    mask = nibabel.load(path)
    inside = np.asarray(mask.dataobj).copy()
    inside.flat[np.flatnonzero(inside)[0]] = 0
    nibabel.save(nibabel.Nifti1Image(inside, mask.affine), path)
    with pytest.raises(ValueError, match="P01.nii.gz: the mask has 17 true voxels, .* for 18"):
        open_participant(copy, "P01", cache_dir=tmp_path / "cache")


@pytest.fixture
def copy(recordings, tmp_path):
    return shutil.copytree(recordings, tmp_path / "copy")


@pytest.fixture
def read(monkeypatch):
    """Names of the stories whose responses are read, as they are."""
    names, values = [], ds003020._read_values

    def noting(dataset):
        names.append(Path(dataset.file.filename).stem)
        return values(dataset)

    monkeypatch.setattr(ds003020, "_read_values", noting)
    return names


def files_of(root, story, participant="P01"):
    return [
        root / "derivative/preprocessed_data" / participant / f"{story}.hf5",
        root / "stimuli" / f"{story}.wav",
        root / "derivative/TextGrids" / f"{story}.TextGrid",
    ]


@pytest.mark.parametrize("unlocked", [False, True])
def test_only_the_stories_that_are_named_are_touched(copy, recordings, tmp_path, unfetch, unlocked):
    for file in files_of(copy, "story01"):
        unfetch(file, unlocked=unlocked)
    with h5py.File(files_of(copy, "other")[0], "w") as file:
        file["data"] = np.zeros((3, 2))  # of another size, with no sound, and counted nowhere
    opened = open_participant(copy, "P01", ["story02", "repeated"], cache_dir=tmp_path / "cache")
    assert opened.story_names == ["repeated", "story02"]
    assert opened.regions.keys() == read_regions(recordings, "P01").keys()
    expected = read_ds003020(recordings, "P01", ["story02", "repeated"])
    for found, one in zip(opened.stories(["story02", "repeated"]), expected, strict=True):
        assert_same_story(found, one)
    with pytest.raises(ValueError, match="got 'story01'.*Available: repeated, story02"):
        opened.stories(["story01"])


@pytest.mark.parametrize("kind", range(3))
def test_all_that_is_fetched_is_opened_and_the_rest_is_said(copy, tmp_path, unfetch, kind):
    unfetch(files_of(copy, "story01")[kind], n_bytes=328714688)
    with pytest.warns(UserWarning, match="1 of the 3 stories of P01 are left out, .*: story01$"):
        opened = open_participant(copy, "P01", cache_dir=tmp_path / "cache")
    assert [story.name for story in opened.stories()] == ["repeated", "story02"]
    for ask in (opened.stories, opened.responses):
        with pytest.raises(
            FileNotFoundError, match=r"'story01', is not fetched yet .*\(328714688 b"
        ):
            ask(["story02", "story01"])


def test_where_nothing_is_fetched_all_of_it_is_asked_for(copy, tmp_path, unfetch):
    for story in ("repeated", "story01", "story02"):
        for file in files_of(copy, story):
            unfetch(file)
    with pytest.raises(FileNotFoundError, match="9 files of P01 are not fetched yet"):
        open_participant(copy, "P01", cache_dir=tmp_path / "cache")


def test_what_participants_lack_is_said_before_anything_is_prepared(copy, tmp_path, unfetch):
    lacking = [*files_of(copy, "story01"), files_of(copy, "story01", "P02")[0]]
    for file in lacking:
        unfetch(file)
    with pytest.raises(FileNotFoundError, match="4 files of P01, P02 are not fetched") as refused:
        check_recordings(copy, ["P01", "P02"], ["story01", "story02"])
    assert all(str(file.relative_to(copy)) in str(refused.value) for file in lacking)
    with pytest.raises(FileNotFoundError, match="3 files of P01 are not fetched"):
        open_participant(copy, "P01", ["story01", "story02"], cache_dir=tmp_path / "cache")
    assert not list(tmp_path.glob("cache/**/*.arrow"))
    check_recordings(copy, ["P01", "P02"], ["story02"])
    check_recordings(copy, ["P01"], None)  # all that is fetched
    with pytest.raises(ValueError, match="unknown participant in .*got 'P3'"):
        check_recordings(copy, ["P3"], ["story02"])


def test_a_recording_that_is_cut_short_is_said_before_anything_is_prepared(copy, tmp_path):
    sound = files_of(copy, "story01")[1]
    content = sound.read_bytes()
    sound.write_bytes(content[:-100])
    opened = {"cache_dir": tmp_path / "cache"}
    for refuse in (
        lambda: check_recordings(copy, ["P01"], ["story01"]),
        lambda: open_participant(copy, "P01", ["story01"], **opened),
    ):
        with pytest.raises(ValueError, match=r"story01\.wav: cut short"):
            refuse()
    samples, rate = soundfile.read(io.BytesIO(content))
    soundfile.write(sound, samples[: 20 * rate], rate)
    with pytest.raises(ValueError, match=r"story01: its sound ends at 20\.0 s, but the last TR"):
        open_participant(copy, "P01", ["story01"], **opened)
    assert not list(tmp_path.glob("cache/**/*.arrow"))
    assert open_participant(copy, "P01", ["story02"], **opened).story_names == ["story02"]
    soundfile.write(sound, np.tile(samples, 3), rate)
    with pytest.warns(UserWarning, match=r"story01\.wav: the sound lasts .* the scan ends at"):
        check_recordings(copy, ["P01"], ["story01"])


def test_a_story_without_a_report_of_its_tr_times_is_passed_over_unless_named(copy, tmp_path):
    folder = tmp_path / "reports"
    folder.mkdir()
    raw = json.loads((copy / "derivative/respdict.json").read_text())
    for name in ("story01", "repeated"):
        triggers = [f"{2.0 * k} trigger" for k in range(raw[name])]
        (folder / f"{name}.report").write_text("\n".join(["10.0 sound-start", *triggers]) + "\n")
    opened = {"options": {"tr_times": str(folder)}, "cache_dir": tmp_path / "cache"}
    with pytest.warns(UserWarning, match=r"story02 of P01 is passed over: .*story02\.report"):
        assert open_participant(copy, "P01", **opened).story_names == ["repeated", "story01"]
    assert open_participant(copy, "P01", ["story01"], **opened).story_names == ["story01"]
    with pytest.raises(FileNotFoundError, match=r"story02\.report"):
        open_participant(copy, "P01", ["story02"], **opened)


def test_transposed_responses_are_named_and_not_those_they_differ_from(copy, tmp_path):
    for story in ("story01", "repeated"):  # more of them than others
        with h5py.File(files_of(copy, story)[0], "r+") as file:
            data = file["data"][()].T
            del file["data"]
            file["data"] = data
            file.pop("individual_repeats", None)
    opened = {"stories": ["story01", "story02"], "cache_dir": tmp_path / "cache"}
    message = r"story01\.hf5: data must be \(22 TRs, .* got \(18, 22\), which is transposed"
    with pytest.raises(ValueError, match=message):
        open_participant(copy, "P01", **opened)
    with pytest.raises(ValueError, match=message):
        check_recordings(copy, ["P01"], ["story01", "story02"])


def test_regions_are_fetched_with_the_stories_and_a_mask_is_not_needed(copy, tmp_path, unfetch):
    opened = {"stories": ["story01"], "cache_dir": tmp_path / "cache"}
    for added in ("masks/P01.nii.gz", "anatomy/P01.npz"):
        unfetch(copy / "derivative" / added)
    with pytest.warns(UserWarning, match="no maps: 1 file of P01 is not fetched yet"):
        assert open_participant(copy, "P01", **opened).mask is None  # one for each of the two
    unfetch(copy / "derivative/regions/P01.json")
    with pytest.raises(FileNotFoundError, match=r"datalad get derivative/regions/P01\.json"):
        open_participant(copy, "P01", **opened)


def test_what_is_prepared_is_not_prepared_again(copy, tmp_path, read):
    added = [copy / f"derivative/{name}" for name in ("regions", "masks", "anatomy")]
    for folder in added:
        shutil.move(folder, tmp_path / folder.name)
    cache = tmp_path / "cache"
    before = open_participant(copy, "P01", ["repeated"], cache_dir=cache)
    assert (before.regions, before.mask) == ({}, None)
    assert set(read) == {"repeated"}
    read.clear()
    for folder in added:
        shutil.move(tmp_path / folder.name, folder)
    counts = copy / "derivative/respdict.json"
    counts.write_text(json.dumps(json.loads(counts.read_text()) | {"further": 300}))
    files_of(copy, "story02")[0].touch()
    after = open_participant(copy, "P01", ["story01", "repeated"], cache_dir=cache)
    assert set(read) == {"story01"}
    assert after.regions and after.mask is not None
    counts.write_text(json.dumps(json.loads(counts.read_text()) | {"story01": 300}))
    with pytest.raises(ValueError, match=r"story01\.hf5: data must be \(280 TRs"):
        open_participant(copy, "P01", ["story01", "repeated"], cache_dir=cache)


def test_preparing_goes_on_at_the_story_that_it_was_at(copy, tmp_path, read):
    whole = files_of(copy, "story02")[0].read_bytes()
    with h5py.File(files_of(copy, "story02")[0], "r+") as file:
        file["data"][0, 0] = 1e5  # found when the story is read
    options = {"dtype": "float16", "cache_dir": tmp_path / "cache"}
    with pytest.raises(ValueError, match="story02 of P01: .*do not fit float16"):
        open_participant(copy, "P01", **options)
    files_of(copy, "story02")[0].write_bytes(whole)
    assert set(read) == {"repeated", "story01", "story02"}
    read.clear()
    assert len(open_participant(copy, "P01", **options).story_names) == 3
    assert set(read) == {"story02"}


def test_a_story_with_other_voxels_is_named_with_what_the_others_have(copy, tmp_path):
    path = files_of(copy, "story02")[0]
    with h5py.File(path, "r+") as file:
        data = file["data"][()]
        del file["data"]
        file["data"] = np.hstack([data, data[:, :1]])
    message = r"P01/story02\.hf5 has 19 voxels, but \S*P01/repeated\.hf5 has 18"
    with pytest.raises(ValueError, match=message):
        open_participant(copy, "P01", cache_dir=tmp_path / "cache")
    assert not list(tmp_path.glob("cache/**/*.arrow"))
    assert open_participant(copy, "P01", ["story01"], cache_dir=tmp_path / "cache").n_voxels == 18


def test_nothing_is_written_to_the_folder(copy, tmp_path):
    def state():
        return {path: path.stat().st_mtime_ns for path in [copy, *copy.rglob("*")]}

    before = state()
    list(open_participant(copy, "P01", cache_dir=tmp_path / "cache").stories())
    assert state() == before


def test_no_story_at_all_is_refused(recordings, cache):
    with pytest.raises(ValueError, match="stories of P01 must name at least one"):
        open_participant(recordings, "P01", [], cache_dir=cache)


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["story3"], ValueError, "unknown story of P01: got 'story3'.*repeated, story01, story02"),
        (["story01", "story01"], ValueError, "read once"),
        ("story01", TypeError, r"use \['story01'\]"),
    ],
)
def test_stories_that_cannot_be_had_are_refused(participant, names, error, message):
    for read in (participant.stories, participant.responses):
        with pytest.raises(error, match=message):
            read(names)


@pytest.mark.parametrize("data", ["nowhere", "./a/b/c", "../nowhere/x", "/nowhere"])
def test_what_is_no_folder_and_no_name_on_the_hub_is_refused(data):
    with pytest.raises(FileNotFoundError, match="there is no folder .* not the name of a data set"):
        open_participant(data, "P01")


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="not a ds003020 folder.*no BIDS derivatives"):
        open_participant(tmp_path, "P01")
