"""Which images are read where there are several."""

import numpy as np
import pytest

from datasets_scripts import read_bids
from datasets_scripts.recordings.bids import bids_stories

NAME = "sub-001_task-tale_{}desc-preproc_bold.nii.gz"


@pytest.fixture
def scan(func, waves, write_scan):
    """Function that writes a volume whose waves begin at a number of their own."""

    def write(rendering, first=0, folder=func):
        folder.mkdir(parents=True, exist_ok=True)
        values = waves(8, first).T.reshape(2, 2, 2, -1)
        write_scan(folder / NAME.format(rendering), values)
        return values.reshape(8, -1).T

    return write


def responses(root, **which):
    return next(read_bids(root, "001", **which)).responses


def test_volumes_and_surfaces_are_chosen_by_their_spaces(root, func, scan, waves, write_gifti):
    scan("space-MNI152NLin2009cAsym_")
    for side in "LR":
        name = f"sub-001_task-tale_hemi-{side}_space-fsnative_bold.func.gii"
        write_gifti(func / name, waves(50))
    message = r"has several spaces; set space to one of \['MNI152NLin2009cAsym', 'fsnative'\]"
    with pytest.raises(ValueError, match=message):
        bids_stories(root, "001")
    assert responses(root, space="fsnative").shape[1] == 100
    assert responses(root, space="MNI152NLin2009cAsym").shape[1] == 8


def test_resolutions_are_chosen_among_those_of_the_space(root, scan, zscored):
    scan("space-T1w_")
    fine, coarse = scan("space-MNI_res-01_", 10), scan("space-MNI_res-2_", 20)
    unnamed = scan("space-MNI_", 30)
    message = r"space MNI has several resolutions; set res to one of \['1', '2', 'none'\]"
    with pytest.raises(ValueError, match=message):
        bids_stories(root, "001", "MNI")
    for res, values in {"1": fine, "01": fine, 2: coarse, "none": unnamed}.items():
        found = responses(root, space="MNI", res=res)
        np.testing.assert_allclose(found, zscored(values), atol=1e-4)
    with pytest.raises(
        ValueError, match="unknown res .*space MNI: got '3'. .*Available: 1, 2, none"
    ):
        bids_stories(root, "001", "MNI", "3")
    assert responses(root, space="T1w").shape[1] == 8


def test_a_density_is_a_resolution(root, func, waves, write_gifti):
    for density, n in {"10k": 10242, "41k": 40962}.items():
        for side in "LR":
            name = f"sub-001_task-tale_hemi-{side}_space-fsaverage_den-{density}_bold.func.gii"
            write_gifti(func / name, np.zeros((3, n)))
    with pytest.raises(ValueError, match=r"set res to one of \['10k', '41k'\]"):
        bids_stories(root, "001")
    assert bids_stories(root, "001", res="10k") == ["tale_audio"]


def test_images_without_a_space_are_in_the_scanners(root, scan, zscored):
    values = scan("")
    np.testing.assert_allclose(responses(root), zscored(values), atol=1e-4)
    scan("space-T1w_")
    with pytest.raises(ValueError, match=r"set space to one of \['T1w', 'func'\]"):
        bids_stories(root, "001")
    np.testing.assert_allclose(responses(root, space="func"), zscored(values), atol=1e-4)


def test_derivatives_need_no_folder_of_a_pipeline(root, func, scan, zscored):
    values = scan("space-MNI_", folder=root / "derivatives/sub-001/func")
    np.testing.assert_allclose(responses(root), zscored(values), atol=1e-4)
    np.testing.assert_allclose(responses(root / "derivatives"), zscored(values), atol=1e-4)


def test_two_images_of_a_run_in_one_space_are_no_repeats(root, scan):
    scan("space-MNI_")
    scan("space-MNI_", folder=root / "derivatives/other/sub-001/func")
    with pytest.raises(ValueError, match="fmriprep.*other.*are images of one run"):
        bids_stories(root, "001")
