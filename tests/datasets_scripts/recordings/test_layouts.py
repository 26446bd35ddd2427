"""Which layout a folder is in, and what both layouts answer alike."""

import shutil

import nibabel
import numpy as np
import pytest

from datasets_scripts import read_ds003020, read_regions
from datasets_scripts.recordings.layouts import BIDS, DS003020, find_layout
from datasets_scripts.recordings.tiers import read_phones_and_words


def test_a_folder_of_ds003020_is_found(recordings):
    layout = find_layout(recordings, {"tr": 2.0045})
    assert isinstance(layout, DS003020)
    assert layout.participants() == ["P01", "P02"]
    assert layout.stories("P01") == ["repeated", "story01", "story02"]
    assert layout.repeated_stories("P01") == ["repeated"]
    assert layout.anatomy("P01", 18).regions.keys() == read_regions(recordings, "P01").keys()
    (story,) = read_ds003020(recordings, "P01", ["story01"], tr=2.0045)
    (found,) = layout.read_responses("P01", ["story01"])
    assert found.tr == 2.0045 and (found.tr_times == story.tr_times).all()
    assert layout.n_voxels("P01") == story.responses.shape[1]
    n_repeats = next(layout.read_responses("P01", ["repeated"])).repeats.shape[0]
    assert layout.shape("P01", "repeated").n_repeats == n_repeats
    assert layout.shape("P01", "story01") == (*story.responses.shape, 0)
    assert layout.timing("P01", "story01") == {"tr": 2.0045, "n_trs": len(story.tr_times)}
    recording, textgrid = layout.sound_files()["story01"]
    assert {recording, textgrid} <= set(layout.files("P01"))
    assert read_phones_and_words(textgrid) == (story.phones, story.words)


def test_what_only_lists_needs_nothing_fetched(recordings, tmp_path, unfetch):
    copy = shutil.copytree(recordings, tmp_path / "copy")
    layout = find_layout(copy)
    sounds = layout.sound_files()
    responses = copy / "derivative/preprocessed_data/P01"
    unfetch(responses / "repeated.hf5")  # the first of them
    unfetch(responses / "story02.hf5", unlocked=True)
    unfetch(copy / "stimuli/story01.wav")
    assert layout.participants() == ["P01", "P02"]
    assert layout.stories("P01") == ["repeated", "story01", "story02"]
    assert layout.repeated_stories("P01") == []
    assert layout.n_voxels("P01") == layout.n_voxels("P02")
    assert layout.sound_files() == sounds
    unfetch(responses / "story01.hf5")
    with pytest.raises(FileNotFoundError, match="3 files of P01 are not fetched yet"):
        layout.n_voxels("P01")


def test_a_folder_of_participants_is_bids(tmp_path):
    (tmp_path / "sub-001").mkdir()
    (tmp_path / "derivatives" / "fmriprep" / "sub-002").mkdir(parents=True)
    layout = find_layout(tmp_path, {"space": "T1w"})
    assert isinstance(layout, BIDS)
    assert layout.participants() == ["001", "002"]


def test_a_bids_layout_answers_with_its_options(tmp_path):
    func = tmp_path / "derivatives/fmriprep/sub-001/func"
    func.mkdir(parents=True)
    (tmp_path / "task-tale_events.tsv").write_text("onset\tstim_file\n0\ttale.wav\n")
    values = np.zeros((2, 2, 2, 5), np.float32)
    for res in "12":
        path = func / f"sub-001_task-tale_space-MNI_res-{res}_desc-preproc_bold.nii.gz"
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
        mask = path.with_name(path.name.replace("preproc_bold", "brain_mask"))
        nibabel.save(nibabel.Nifti1Image(np.eye(2, dtype=np.uint8)[..., None], np.eye(4)), mask)
    (func / "sub-001_task-tale_desc-confounds_timeseries.tsv").write_text("trans_x\n")
    with pytest.raises(ValueError, match="several resolutions"):
        find_layout(tmp_path).stories("001")
    layout = find_layout(tmp_path, {"res": "2", "confounds": ["trans_x"], "lead": 4.0})
    assert (layout.stories("001"), layout.repeated_stories("001")) == (["tale"], [])
    assert layout.n_voxels("001") == 2 == layout.anatomy("001").n_voxels
    assert layout.trims == {"lead_seconds": 4.0}
    names = {path.name for path in layout.files("001")}
    assert "sub-001_task-tale_desc-confounds_timeseries.tsv" in names
    assert not any("res-1" in name for name in names)
    with pytest.raises(ValueError, match="atlas_spheres: .* in the space of the images"):
        layout.anatomy("001", atlas=["atlas.nii"], atlas_spheres=["lh.sphere", "rh.sphere"])


def test_an_option_of_the_other_layout_is_refused(recordings, tmp_path):
    with pytest.raises(ValueError, match="in the layout ds003020: .*'space'"):
        find_layout(recordings, {"space": "T1w"})
    (tmp_path / "sub-001").mkdir()
    with pytest.raises(ValueError, match="in the layout bids: .*'tr_times'"):
        find_layout(tmp_path, {"tr_times": "reports"})


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a ds003020 folder.*no BIDS derivatives"):
        find_layout(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere"):
        find_layout(tmp_path / "nowhere")
