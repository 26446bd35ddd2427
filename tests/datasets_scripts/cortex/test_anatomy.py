import nibabel
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from datasets_scripts.cortex import Anatomy, Mesh, Surface
from datasets_scripts.cortex.anatomy import (
    vertices_in_regions,
    voxels_in_regions,
    voxels_of_vertices,
    voxels_on_fsaverage5,
)

AFFINE = np.array([[-2.0, 0, 0, 9], [0, 2, 0, -12], [0, 0, 3, -7], [0, 0, 0, 1]])
POLES = np.array([[0, 0, 1.0], [0, 0, -1]])  # two vertices of a sphere


def whole_anatomy():
    inside = np.zeros((2, 3, 4), dtype=np.uint8)
    inside[1, 0, 2:] = 1
    mesh = Mesh(np.arange(9, dtype=float).reshape(3, 3), np.array([[0, 1, 2]]))
    return Anatomy(
        n_voxels=2,
        regions={"late_language": np.array([1]), "none": np.array([], dtype=np.int64)},
        mask=nibabel.Nifti1Image(inside, AFFINE),
        fsaverage5=np.array([0, -1, 1]),
        surface=Surface(
            voxels=np.array([0, 1, -1]),
            n_left=2,
            shapes={"inflated": mesh, "flat": mesh},
            regions={"late_language": np.array([1])},
        ),
        atlas={"name": "lh.a.annot rh.a.annot", "sha256": "ab"},
    )


def test_what_is_saved_is_loaded(tmp_path):
    saved = whole_anatomy()
    saved.save(tmp_path / "UTS03.npz")
    loaded = Anatomy.load(tmp_path / "UTS03.npz")
    assert loaded.n_voxels == 2 and loaded.atlas == saved.atlas
    assert loaded.regions.keys() == saved.regions.keys()
    assert_array_equal(loaded.regions["late_language"], [1])
    assert_array_equal(loaded.mask.dataobj, saved.mask.dataobj)
    assert_array_equal(loaded.mask.affine, AFFINE)
    assert_array_equal(loaded.fsaverage5, saved.fsaverage5)
    assert_array_equal(loaded.surface.voxels, saved.surface.voxels)
    assert loaded.surface.n_left == 2
    assert_array_equal(loaded.surface.regions["late_language"], [1])
    for shape, mesh in saved.surface.shapes.items():
        assert_array_equal(loaded.surface.shapes[shape].coordinates, mesh.coordinates)
        assert_array_equal(loaded.surface.shapes[shape].faces, mesh.faces)


def test_what_is_not_known_stays_unknown(tmp_path):
    Anatomy(n_voxels=7).save(tmp_path / "UTS09.npz")
    assert vars(Anatomy.load(tmp_path / "UTS09.npz")) == vars(Anatomy(n_voxels=7))


def test_a_damaged_file_is_named(tmp_path):
    whole_anatomy().save(tmp_path / "UTS03.npz")
    content = (tmp_path / "UTS03.npz").read_bytes()
    (tmp_path / "UTS03.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"UTS03\.npz: not a readable anatomy"):
        Anatomy.load(tmp_path / "UTS03.npz")
    with pytest.raises(FileNotFoundError):
        Anatomy.load(tmp_path / "UTS04.npz")


def test_a_vertex_lies_in_the_voxel_whose_centre_is_nearest():
    index = np.array([[[5, -1], [7, 8]]])  # of shape (1, 2, 2)
    places = [[0.4, -0.4, 0.3], [0, 0, 1], [0, 0.6, 0.6], [0, 1.6, 0], [-0.6, 0, 0], [0, 0, -0.6]]
    assert voxels_of_vertices(np.array(places), index).tolist() == [5, -1, 8, -1, -1, -1]


def test_each_hemisphere_takes_its_own_side_of_the_atlas():
    # On the left the atlas's vertex 0 is in the region, on the right (counted from 2) vertex 1.
    atlas = {"region": np.array([0, 2 + 1])}
    tilted = np.array([[0.1, 0, 1], [0, 0.1, -1], [0.2, 0, 0.9]])
    found = vertices_in_regions(atlas, (POLES, POLES), 2, (tilted, tilted[:2]))
    assert found["region"].tolist() == [0, 2, 3 + 1]


def test_vertices_beyond_those_of_the_coarse_sphere_are_not_needed():
    # The atlas has five vertices a side, but only the directions of the first two are known.
    found = vertices_in_regions({"region": np.array([1, 5])}, (POLES, POLES), 5, (POLES, POLES))
    assert found["region"].tolist() == [1, 2]


def test_a_voxel_belongs_to_the_region_of_the_nearest_vertex():
    places = np.array([[0, 0, 0], [4, 0, 0], [4, 4, 0.0]])
    voxels = np.array([[0, 1, 0], [3, 1, 0], [4, 3, 1], [1, 0, 0]])
    regions = voxels_in_regions({"a": np.array([1, 2]), "b": np.array([0])}, places, voxels)
    assert {name: found.tolist() for name, found in regions.items()} == {"a": [1, 2], "b": [0, 3]}


def test_fsaverage5_takes_the_voxels_of_the_nearest_vertices():
    left, right = np.array([[0, 0.1, -1], [0.1, 0, 1]]), POLES
    voxels = np.array([10, 11, 12, -1])
    found = voxels_on_fsaverage5(voxels, (left, right), (POLES, POLES))
    assert found.tolist() == [11, 10, 12, -1]
