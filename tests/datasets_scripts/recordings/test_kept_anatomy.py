import json
import os

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from datasets_scripts.cortex import Anatomy
from datasets_scripts.recordings import DS003020, kept_anatomy, write_anatomy
from tests.planted_anatomy import plant_anatomy


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    root = tmp_path_factory.mktemp("ds003020")
    truth = plant_anatomy(root)
    (root / "derivative/preprocessed_data/UTS05").mkdir(parents=True)
    return root, truth


@pytest.fixture
def own(planted, tmp_path):
    root, truth = planted
    return tmp_path / "data", truth.copied(root, tmp_path / "data")


def keep(root, truth, cache, **arguments):
    arguments = {"atlas": truth.atlas} | arguments
    return kept_anatomy(DS003020(root), "UTS05", truth.n_voxels, cache_dir=cache, **arguments)


def test_what_is_found_is_kept_and_not_found_again(own, tmp_path, monkeypatch):
    root, truth = own
    first, folder = keep(root, truth, tmp_path / "cache")
    assert folder.is_relative_to(tmp_path / "cache")
    monkeypatch.delattr(DS003020, "anatomy")
    again, same_folder = keep(root, truth, tmp_path / "cache")
    assert same_folder == folder
    assert_array_equal(again.regions["late_language"], truth.voxels("late_language"))
    assert_array_equal(again.surface.voxels, first.surface.voxels)


@pytest.mark.parametrize("change", ["atlas", "transform", "spheres", "regions", "no atlas"])
def test_it_is_found_anew_when_something_changes(own, tmp_path, change):
    root, truth = own
    _, folder = keep(root, truth, tmp_path)
    arguments = {}
    if change == "spheres":
        arguments["atlas_spheres"] = truth.spheres
    elif change == "no atlas":
        arguments["atlas"] = None
    elif change == "regions":
        path = root / "derivative/regions/UTS05.json"
        path.parent.mkdir()
        path.write_text("{}")
    else:
        os.utime(truth.files["transform"] if change == "transform" else truth.atlas[0], (1, 1))
    assert keep(root, truth, tmp_path, **arguments)[1] != folder


def test_nothing_is_written_to_the_recordings(own, tmp_path):
    root, truth = own
    before = sorted(root.rglob("*"))
    keep(root, truth, tmp_path / "cache")
    assert sorted(root.rglob("*")) == before


def test_nothing_is_kept_of_what_fails(own, tmp_path):
    root, truth = own
    truth.files["wm_lh"].write_bytes(b"")
    with pytest.raises(ValueError, match=r"wm_lh\.gii"):
        keep(root, truth, tmp_path / "cache")
    left = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.suffix for path in left} <= {".lock"}


def test_what_is_written_is_what_a_folder_of_recordings_is_read_from(own, tmp_path):
    root, truth = own
    found, _ = keep(root, truth, tmp_path / "cache")
    paths = write_anatomy(found, "UTS05", root / "derivative")
    assert [str(path.relative_to(root / "derivative")) for path in paths] == [
        "regions/UTS05.json",
        "masks/UTS05.nii.gz",
        "anatomy/UTS05.npz",
    ]
    # Without an atlas now, and without anything that the voxels' places were derived from
    (root / "derivative/subject_xfms.json").unlink()
    read, _ = keep(root, truth, tmp_path / "cache", atlas=None)
    assert_array_equal(read.regions["late_language"], truth.voxels("late_language"))
    zyx = np.argwhere(np.asarray(read.mask.dataobj))
    assert_array_equal(zyx[:, ::-1], truth.xyz)
    np.testing.assert_allclose(read.mask.affine, found.mask.affine)


def test_region_files_of_a_laboratory_win(own, tmp_path):
    root, truth = own
    path = root / "derivative/regions/UTS05.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"late_language": [3, 5]}))
    found, _ = keep(root, truth, tmp_path)
    assert found.regions.keys() == {"late_language"} and found.atlas == {}
    assert found.regions["late_language"].tolist() == [3, 5]
    assert found.surface.regions == {}


def test_a_mask_of_a_laboratory_wins(own, tmp_path):
    root, truth = own
    inside = np.zeros((truth.n_voxels, 1, 1), dtype=np.uint8)
    inside[:] = 1
    path = root / "derivative/masks/UTS05.nii.gz"
    path.parent.mkdir()
    nibabel.save(nibabel.Nifti1Image(inside, np.eye(4)), path)
    assert keep(root, truth, tmp_path)[0].mask.shape == inside.shape


def test_a_damaged_file_is_named(own, tmp_path):
    root, truth = own
    _, folder = keep(root, truth, tmp_path)
    (folder / "anatomy/UTS05.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"anatomy/UTS05\.npz: not a readable anatomy"):
        keep(root, truth, tmp_path)


def test_of_an_unknown_anatomy_that_is_written(tmp_path):
    paths = write_anatomy(Anatomy(n_voxels=3), "sub-01", tmp_path)
    assert [path.name for path in paths] == ["sub-01.npz"]
