import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.affines import apply_affine
from numpy.testing import assert_array_equal

from datasets_scripts import REGIONS
from datasets_scripts.cortex import check_voxel_order
from datasets_scripts.recordings.ds003020_anatomy import (
    anatomy_files,
    derive_anatomy,
    pycortex_mask,
)
from tests.planted_anatomy import LABELS, cortex, plant_anatomy, write_atlas, write_gifti

TWIN = Path(__file__).resolve().parents[3].parent / "shared/data/ds003020-twin.tar.xz"


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    root = tmp_path_factory.mktemp("ds003020")
    return root, plant_anatomy(root)


@pytest.fixture
def own(planted, tmp_path):
    """An anatomy that a test may damage."""
    root, truth = planted
    return tmp_path, truth.copied(root, tmp_path)


def derive(root, truth, atlas=None, spheres=None):
    return derive_anatomy(root, "UTS05", truth.n_voxels, atlas or truth.atlas, spheres)


@pytest.mark.parametrize("whole_sphere", [True, False])
def test_regions_lie_where_they_were_planted(planted, whole_sphere):
    root, truth = planted
    anatomy = derive(root, truth, spheres=truth.spheres if whole_sphere else None)
    assert anatomy.regions.keys() == REGIONS.keys()
    for region, voxels in anatomy.regions.items():
        assert len(voxels) > 50
        assert_array_equal(voxels, truth.voxels(region))


def test_every_vertex_lies_in_its_voxel(planted):
    root, truth = planted
    anatomy = derive(root, truth)
    assert_array_equal(anatomy.surface.voxels, truth.voxel_of_vertex)
    assert_array_equal(anatomy.fsaverage5, truth.fsaverage5)
    assert anatomy.surface.n_left == 10242


def test_voxels_are_in_the_order_of_the_responses_and_stay_in_place(planted):
    root, truth = planted
    mask = derive(root, truth).mask
    zyx = np.argwhere(np.asarray(mask.dataobj))
    assert_array_equal(zyx[:, ::-1], truth.xyz)
    source = nibabel.load(truth.files["mask"])
    np.testing.assert_allclose(
        apply_affine(mask.affine, zyx), apply_affine(source.affine, truth.xyz)
    )


def test_the_mask_as_pycortex_stores_it_is_in_another_order(planted):
    _, truth = planted
    smooth = np.cos(truth.xyz / [3, 5, 4]).sum(axis=1)
    check_voxel_order(pycortex_mask(truth.files["mask"]), smooth, "mask")
    with pytest.raises(ValueError, match=r"mask_thick.* transposed to \(z, y, x\)"):
        check_voxel_order(truth.files["mask"], smooth, "mask_thick.nii.gz")


def test_the_surfaces_are_those_of_the_files(planted):
    root, truth = planted
    surface = derive(root, truth).surface
    for shape, kind in (("inflated", "inflated"), ("flat", "flat")):
        mesh = surface.shapes[shape]
        left, right = (len(cortex()[kind][side][1]) for side in ("lh", "rh"))
        assert mesh.coordinates.shape == (20484, 3) and mesh.faces.shape == (left + right, 3)
        assert mesh.faces[:left].max() < 10242 <= mesh.faces[left:].min()
        written = nibabel.load(truth.files[f"{shape}_rh"]).darrays[0].data
        np.testing.assert_allclose(mesh.coordinates[10242:], written)
    for region, vertices in surface.regions.items():
        assert_array_equal(vertices, truth.vertices(region))


def test_without_an_atlas_everything_else_is_found(planted):
    root, truth = planted
    anatomy = derive_anatomy(root, "UTS05", truth.n_voxels)
    assert anatomy.regions == {} == anatomy.atlas
    assert_array_equal(anatomy.fsaverage5, truth.fsaverage5)


def test_an_atlas_is_known_by_its_name_and_content(own):
    root, truth = own
    facts = derive(root, truth).atlas
    assert facts["name"] == "lh.HCP-MMP1.annot rh.HCP-MMP1.annot"
    Path(truth.atlas[0]).write_bytes(Path(truth.atlas[0]).read_bytes() + b"\0")
    assert derive(root, truth).atlas["sha256"] != facts["sha256"]


def test_a_participant_without_a_transform_is_named_only_if_an_atlas_is_asked_for(own):
    root, truth = own
    assert anatomy_files(root, "UTS09") == {}
    assert derive_anatomy(root, "UTS09", 9).mask is None
    with pytest.raises(FileNotFoundError, match=r"subject_xfms\.json has no transform of UTS09"):
        derive_anatomy(root, "UTS09", 9, truth.atlas)


def test_files_that_are_not_there_are_all_named_if_an_atlas_is_asked_for(own):
    root, truth = own
    for name in ("wm_rh", "sphere_lh", "flat_lh", "inflated_rh"):
        truth.files[name].unlink()
    with pytest.raises(FileNotFoundError, match=r"lh\.sphere\.reg.*wm_rh\.gii") as error:
        derive(root, truth)
    assert "flat_lh" not in str(error.value)  # which no region needs
    anatomy = derive_anatomy(root, "UTS05", truth.n_voxels)
    assert anatomy.mask is not None and anatomy.surface is None


def test_shapes_are_drawn_from_what_is_there(own):
    root, truth = own
    truth.files["flat_lh"].unlink()
    assert derive(root, truth).surface.shapes.keys() == {"inflated"}


def test_arrays_of_pycortex_are_read_where_there_is_no_gifti(own):
    root, truth = own
    for path in truth.files.values():
        if path.suffix == ".gii":
            points, faces = (array.data for array in nibabel.load(path).darrays)
            np.savez(path.with_suffix(".npz"), pts=points, polys=faces)
            path.unlink()
    assert_array_equal(derive(root, truth).surface.voxels, truth.voxel_of_vertex)


@pytest.mark.parametrize(
    ("coord", "message"),
    [
        (np.diag([1, 1, 1, 1]).tolist(), r"matrices\.xfm: 'coord' puts \d+% .* outside the volume"),
        ([[1, 2], [3, 4]], r"matrices\.xfm: 'coord' must be a finite matrix \(4, 4\)"),
        ("none", r"matrices\.xfm: 'coord' must be a matrix of numbers"),
        (None, r"matrices\.xfm: 'coord' must be a finite matrix"),
    ],
)
def test_a_transform_of_other_surfaces_is_refused(own, coord, message):
    root, truth = own
    truth.files["transform"].write_text(json.dumps({"coord": coord}))
    with pytest.raises(ValueError, match=message):
        derive(root, truth)


def test_a_transform_that_misses_the_mask_is_refused(own):
    root, truth = own
    corner = np.zeros(nibabel.load(truth.files["mask"]).shape, dtype=np.uint8)
    corner[:5, :5, :5] = 1
    nibabel.save(nibabel.Nifti1Image(corner, np.eye(4)), truth.files["mask"])
    with pytest.raises(ValueError, match=r"'coord' puts only \d+% of the vertices into voxels"):
        derive_anatomy(root, "UTS05", 125, truth.atlas)


def test_a_mask_of_other_voxels_is_refused(own):
    root, truth = own
    with pytest.raises(ValueError, match=rf"mask_thick.*{truth.n_voxels} true voxels.* for 12"):
        derive_anatomy(root, "UTS05", 12, truth.atlas)


def test_exchanged_annotations_and_half_an_atlas_are_refused(planted):
    root, truth = planted
    with pytest.raises(ValueError, match=r"atlas must be two annotations .* got .*lh\.HCP"):
        derive(root, truth, atlas=truth.atlas[:1])
    with pytest.raises(ValueError, match="left and right are exchanged"):
        derive(root, truth, atlas=truth.atlas[::-1])


def test_exchanged_hemispheres_are_refused(own):
    root, truth = own
    for shape in ("wm", "pia"):
        left, right = truth.files[f"{shape}_lh"], truth.files[f"{shape}_rh"]
        content = left.read_bytes()
        left.write_bytes(right.read_bytes())
        right.write_bytes(content)
    with pytest.raises(ValueError, match=r"wm_lh\.gii: the left hemisphere lies to the right"):
        derive(root, truth)


def test_surfaces_of_another_number_of_vertices_are_refused(own):
    root, truth = own
    points, faces = cortex()["inflated"]["lh"]
    write_gifti(truth.files["inflated_lh"], points[:-1], faces[(faces < 10241).all(axis=1)])
    with pytest.raises(ValueError, match=r"inflated_lh\.gii: 10241 vertices, but .* have 10242"):
        derive(root, truth)
    for name in ("inflated_lh", "flat_lh"):
        truth.files[name].unlink()
    for name in ("wm_lh", "pia_lh"):
        write_gifti(truth.files[name], points[:-1], faces[(faces < 10241).all(axis=1)])
    with pytest.raises(ValueError, match=r"lh\.sphere\.reg: .*10242 vertices, but .* has 10241"):
        derive(root, truth)
    write_gifti(truth.files["pia_lh"], points, faces)
    with pytest.raises(ValueError, match=r"pia_lh\.gii: 10242 vertices, but .*wm_lh.* 10241"):
        derive(root, truth)


def test_an_atlas_of_another_mesh_is_refused(own):
    root, truth = own
    for path, side in zip(truth.atlas, ("lh", "rh"), strict=True):
        write_atlas(path, side, [""] * 2000)
    with pytest.raises(ValueError, match=r"lh\.HCP-MMP1\.annot: 2000 vertices; expected"):
        derive(root, truth)


def test_an_atlas_without_a_label_is_answered_with_the_nearest(own):
    root, truth = own
    names = [name.replace("STSva", "STva") for name in LABELS]
    for path, side in zip(truth.atlas, ("lh", "rh"), strict=True):
        write_atlas(path, side, [""] * 10242, names)
    with pytest.raises(ValueError, match=r"got 'STSva'. Did you mean 'STva'"):
        derive(root, truth)


def test_a_table_of_transforms_that_is_none_is_named(own):
    root, truth = own
    (root / "derivative/subject_xfms.json").write_text('{"UTS05": 3}')
    with pytest.raises(ValueError, match=r"subject_xfms\.json: expected the name .* got 3"):
        derive(root, truth)
    (root / "derivative/subject_xfms.json").write_text("[]")
    with pytest.raises(ValueError, match=r"subject_xfms\.json: expected a JSON object, got a list"):
        derive(root, truth)


@pytest.mark.skipif(not TWIN.exists(), reason="the twin of ds003020 is not here")
@pytest.mark.parametrize(("whole_sphere", "least"), [(True, 0.98), (False, 0.9)])
def test_regions_of_the_twin_agree_with_its_truth(tmp_path_factory, whole_sphere, least):
    import tarfile

    folder = tmp_path_factory.getbasetemp() / "twin"
    if not folder.exists():
        with tarfile.open(TWIN) as archive:
            archive.extractall(folder, filter=lambda member, _: member)
    truth = np.load(folder / "truth.npz")
    atlas, spheres = (
        [folder / f"atlas/{side}.{name}" for side in ("lh", "rh")]
        for name in ("HCP-MMP1.annot", "sphere.reg")
    )
    anatomy = derive_anatomy(
        folder / "ds003020", "UTS05", len(truth["xyz"]), atlas, spheres if whole_sphere else None
    )
    for region in ("late_language", "early_auditory"):
        planted, found = np.flatnonzero(truth["region"] == region), anatomy.regions[region]
        dice = 2 * len(np.intersect1d(planted, found)) / (len(planted) + len(found))
        assert dice > least
