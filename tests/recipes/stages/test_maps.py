"""From an anatomy to the cortex that maps are drawn on."""

import nibabel
import numpy as np
import pytest

from datasets_scripts.cortex.anatomy import Anatomy, Surface
from datasets_scripts.cortex.surfaces import Mesh
from recipes.stages.maps import common_cortex, own_cortex

TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
COORDINATES = np.concatenate([np.eye(4, 3) - [5, 0, 0], np.eye(4, 3) + [5, 0, 0]])
ATLAS = {"name": "lh.annot rh.annot", "sha256": "0"}


def anatomy(**known):
    return Anatomy(n_voxels=6, **known)


def surface(**changes):
    inflated = Mesh(COORDINATES, np.concatenate([TETRAHEDRON, TETRAHEDRON + 4]))
    voxels = np.array([0, 0, 1, 2, -1, 3, 4, 5])
    given = dict(voxels=voxels, n_left=4, shapes={"inflated": inflated})
    return Surface(**given | changes)


@pytest.fixture
def on_fsaverage5():
    """Voxels 0 to 5 at the first vertices but one, none elsewhere."""
    voxels = np.full(20484, -1)
    voxels[:7] = [0, 1, 1, -1, 3, 4, 5]
    return voxels


def test_maps_are_on_the_own_surface_with_the_atlas_s_regions(on_fsaverage5):
    of_atlas = surface(regions={"language": np.array([0, 1])})
    cortex = own_cortex(
        "P01",
        anatomy(
            surface=of_atlas,
            fsaverage5=on_fsaverage5,
            atlas=ATLAS,
            regions={"language": np.array([1])},
        ),
    )
    assert cortex.name == "P01's own cortex" and cortex.n_left == 4
    np.testing.assert_array_equal(cortex.voxels, of_atlas.voxels)
    np.testing.assert_array_equal(cortex.regions["language"], [0, 1])
    np.testing.assert_array_equal(cortex.shapes["inflated"][0], COORDINATES)
    assert len(cortex.inflated) == 4


def test_regions_of_no_atlas_are_where_their_voxels_are():
    cortex = own_cortex(
        "P01",
        anatomy(
            surface=surface(regions={"language": np.array([7])}),
            regions={"language": np.array([0, 3])},
        ),
    )
    np.testing.assert_array_equal(cortex.regions["language"], [0, 1, 5])


@pytest.mark.parametrize("own", [None, surface(shapes={})])
def test_maps_are_on_fsaverage5_where_no_own_surface_is_known(on_fsaverage5, own):
    cortex = own_cortex(
        "P01",
        anatomy(surface=own, fsaverage5=on_fsaverage5, regions={"auditory": np.array([1, 5])}),
    )
    assert cortex.name == "fsaverage5"
    np.testing.assert_array_equal(cortex.voxels, on_fsaverage5)
    np.testing.assert_array_equal(cortex.regions["auditory"], [1, 2, 6])


def test_without_any_surface_there_is_no_cortex():
    assert own_cortex("P01", anatomy()) is None is common_cortex("P01", anatomy())


def test_places_that_are_given_say_which_voxels_vertices_lie_in():
    mask = nibabel.Nifti1Image(np.ones((1, 2, 3), np.uint8), np.eye(4))
    places = np.full((20484, 3), 50.0)
    places[:2] = [[0, 0, 2], [0, 1, 0]]
    for cortex in (own_cortex, common_cortex):
        found = cortex("P01", anatomy(mask=mask, surface=surface()), places)
        assert found.name == "fsaverage5"
        np.testing.assert_array_equal(found.voxels[:3], [2, 3, -1])
    with pytest.raises(ValueError, match="the voxels of P01 lie is not known; .*masks/P01.nii.gz"):
        own_cortex("P01", anatomy(), places)
