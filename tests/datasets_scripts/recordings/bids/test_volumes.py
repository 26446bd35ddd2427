"""Regions of volumes, from a label image in their space; their scans are read in test_stories."""

import nibabel
import numpy as np
import pytest
from nibabel.affines import apply_affine

from datasets_scripts.recordings.bids import bids_anatomy

SHAPE = (4, 5, 3)
AFFINE = np.array([[-3.0, 0, 0, 6], [0, 3, 0, -9], [0, 0, 4, 2], [0, 0, 0, 1]])
NAME = "sub-001_task-tale_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"


@pytest.fixture
def scan(func, waves, write_scan):
    """A scan of 60 voxels, of which the mask leaves the first 15 out."""
    write_scan(func / NAME, waves(60).T.reshape(*SHAPE, -1), AFFINE)
    mask = np.ones(SHAPE, np.uint8)
    mask[0] = 0
    path = func / NAME.replace("preproc_bold", "brain_mask")
    nibabel.save(nibabel.Nifti1Image(mask, AFFINE), path)
    return func / NAME


@pytest.fixture
def atlas(tmp_path, label_names):
    """Function that writes a label image, and its names in a file of that suffix."""

    def write(labels, affine=AFFINE, name="made", table=".tsv", names=label_names):
        path = tmp_path / f"{name}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(np.asarray(labels, dtype=np.int16), affine), path)
        lines = [f"{i}\t{name}\t1 2 3 0" for i, name in enumerate(names) if i]
        header = {".tsv": "index\tname\tcolour", ".txt": "# No. Label Name: R G B A\n"}
        if table:
            tmp_path.joinpath(name + table).write_text("\n".join([header[table], *lines]))
        return path

    return write


def labelled(places, label_names, shape=SHAPE):
    labels = np.zeros(shape, dtype=int)
    for place in places:
        labels[place] = label_names.index("A1")
    return labels


@pytest.mark.parametrize("table", [".tsv", ".txt"])
def test_a_label_image_on_the_masks_grid(root, scan, atlas, label_names, table):
    labels = labelled([(0, 0, 0), (1, 0, 0), (3, 4, 2)], label_names)
    anatomy = bids_anatomy(root, "001", [atlas(labels, table=table)])
    assert anatomy.n_voxels == 45 and anatomy.fsaverage5 is None
    np.testing.assert_array_equal(np.asarray(anatomy.mask.dataobj)[0], 0)
    # The first labelled place is outside the mask; the second is its first voxel.
    np.testing.assert_array_equal(anatomy.regions["primary_auditory"], [0, 44])
    assert anatomy.atlas["name"] == "made.nii.gz"


def test_a_finer_grid_is_read_at_the_centres_of_the_voxels(root, scan, atlas, label_names):
    """Half the size of a voxel, turned about, and starting elsewhere; off the centres by 0.2 mm."""
    fine = np.diag([1.5, 1.5, 2, 1])
    fine[:3, 3] = [-6.2, -11.8, -1.8]
    shape = (12, 12, 10)
    grid = np.stack(np.meshgrid(*map(range, shape), indexing="ij"), axis=-1)
    places = np.rint(apply_affine(np.linalg.inv(AFFINE), apply_affine(fine, grid)))
    wanted = [(1, 2, 1), (3, 0, 0)]
    labels = np.zeros(shape, dtype=int)
    for place in wanted:
        labels[(places == place).all(axis=-1)] = label_names.index("A1")
    found = bids_anatomy(root, "001", [atlas(labels, fine)]).regions["primary_auditory"]
    whole = np.full(SHAPE, -1)
    whole[1:] = np.arange(45).reshape(3, 5, 3)
    np.testing.assert_array_equal(found, sorted(whole[place] for place in wanted))


def test_the_table_of_names_may_lie_elsewhere(root, scan, atlas, tmp_path, label_names):
    path = atlas(labelled([(1, 0, 0)], label_names))
    table = (tmp_path / "made.tsv").rename(tmp_path / "names.tsv")
    with pytest.raises(FileNotFoundError, match=r"names of its labels are needed, in .*made\.tsv"):
        bids_anatomy(root, "001", [path])
    anatomy = bids_anatomy(root, "001", [path, table])
    assert anatomy.regions["primary_auditory"].tolist() == [0]
    assert anatomy.atlas["name"] == "made.nii.gz names.tsv"


def test_an_atlas_that_does_not_fit_is_refused(root, scan, atlas, tmp_path, label_names):
    labels = labelled([(1, 0, 0)], label_names)
    other = atlas(labels, name="tpl-MNI152NLin6Asym_res-02_atlas-made_dseg")
    with pytest.raises(ValueError, match="in the space MNI152NLin6Asym, but the scans are in MNI"):
        bids_anatomy(root, "001", [other])
    with pytest.raises(ValueError, match="no label lies in a voxel"):
        bids_anatomy(root, "001", [atlas(labelled([(0, 0, 0)], label_names))])
    with pytest.raises(ValueError, match="one label image in NIfTI.*got lh.annot rh.annot"):
        bids_anatomy(root, "001", ["lh.annot", "rh.annot"])
    with pytest.raises(ValueError, match=r"three dimensions, got \(4, 5, 3, 2\)"):
        bids_anatomy(root, "001", [atlas(np.ones((*SHAPE, 2)))])
    with pytest.raises(FileNotFoundError, match="no such label image"):
        bids_anatomy(root, "001", [tmp_path / "nowhere.nii", tmp_path / "made.tsv"])
    misspelt = ["PBel" if name == "PBelt" else name for name in label_names]
    with pytest.raises(ValueError, match=r"made.nii.gz with made.tsv: .*Did you mean 'PBel'"):
        bids_anatomy(root, "001", [atlas(labels, names=misspelt)])
    with pytest.raises(ValueError, match="2 label numbers have no name"):
        bids_anatomy(root, "001", [atlas(labels + 100)])
    path = atlas(labels)
    (tmp_path / "made.tsv").write_text("number\tname\n1\tA1\n")
    with pytest.raises(ValueError, match=r"columns index and name are needed, got \['number'"):
        bids_anatomy(root, "001", [path])
    (tmp_path / "made.tsv").write_text("index\tname\none\tA1\n")
    with pytest.raises(ValueError, match="made.tsv: expected a number and a name a line"):
        bids_anatomy(root, "001", [path])
