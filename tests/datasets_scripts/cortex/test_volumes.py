from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from datasets_scripts.cortex.volumes import load_volume, read_mask, write_surface, write_volume

LISTENING_MINI = Path(__file__).resolve().parents[3].parent / "shared/data/listening-mini"
AFFINE = np.array([[-2.6, 0, 0, 90], [0, 2.6, 0.5, -120], [0, -0.5, 2.6, -70], [0, 0, 0, 1]])
INSIDE = np.zeros((3, 4, 5), dtype=bool)
INSIDE[0, 1, 2] = INSIDE[0, 3, 0] = INSIDE[2, 0, 4] = True


def mask_file(folder, values=INSIDE, name="mask.nii.gz"):
    nibabel.save(nibabel.Nifti1Image(values.astype(np.uint8), AFFINE), folder / name)
    return folder / name


def test_a_mask_is_read_with_its_affine(tmp_path):
    path = mask_file(tmp_path)
    for mask in (path, str(path), nibabel.load(path)):
        inside, affine = read_mask(mask, n_voxels=3)
        assert inside.dtype == bool
        np.testing.assert_array_equal(inside, INSIDE)
        np.testing.assert_allclose(affine, AFFINE, atol=1e-5)


def test_a_mask_of_another_value_than_one_or_without_a_file_is_read(tmp_path):
    np.save(tmp_path / "mask.npy", INSIDE)
    for mask in (tmp_path / "mask.npy", INSIDE, INSIDE * 255.0):
        inside, affine = read_mask(mask)
        np.testing.assert_array_equal(inside, INSIDE)
        assert affine is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 4, 5)), r"holds 0 and one other value, got \[\] beside 0"),
        (np.arange(60).reshape(3, 4, 5), r"got \[1 2 3 4 5\] beside 0"),
        (np.where(INSIDE, np.nan, 0), r"got \[nan\] beside 0"),
        (np.ones((3, 4)), r"has three dimensions, got shape \(3, 4\)"),
        (np.full((3, 4, 5), "in"), "expected a volume of real numbers, got <U2"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path, values, message):
    np.save(tmp_path / "mask.npy", values)
    with pytest.raises(ValueError, match=rf"mask\.npy: .*{message}"):
        read_mask(tmp_path / "mask.npy")


def test_a_mask_that_fits_no_response_names_itself_and_both_numbers(tmp_path):
    path = mask_file(tmp_path)
    for mask in (path, nibabel.load(path)):
        with pytest.raises(ValueError, match=r"mask\.nii\.gz: .* 3 true voxels, .* values for 7;"):
            read_mask(mask, n_voxels=7)
    with pytest.raises(ValueError, match="^mask: the mask has 3 true voxels"):
        read_mask(INSIDE, n_voxels=7)


@pytest.mark.parametrize("name", ["mask.nii", "mask.nii.gz"])
@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: b""])
def test_a_damaged_volume_is_named(tmp_path, name, damage):
    noise = np.random.default_rng(0).integers(0, 99, (20, 20, 20))
    path = mask_file(tmp_path, noise, name)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"{name}: not a readable mask"):
        read_mask(path)


def test_a_surface_is_no_volume(tmp_path):
    left, _ = write_surface(tmp_path / "scores", np.arange(5), 2)
    with pytest.raises(ValueError, match=r"hemi-L\.func\.gii: not a readable label array"):
        load_volume(left, "label array")


def test_a_missing_mask_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.nii: there is no such mask"):
        read_mask(tmp_path / "none.nii")


@pytest.mark.parametrize("name", ["scores.nii", "scores.nii.gz"])
def test_one_value_per_voxel_becomes_a_volume(tmp_path, name):
    write_volume(tmp_path / name, [1.5, np.nan, -2.0], mask_file(tmp_path))
    image = nibabel.load(tmp_path / name)
    assert image.get_data_dtype() == np.float32
    assert image.header.get_xyzt_units() == ("mm", "unknown")
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)
    volume = image.get_fdata()
    # C order: the first axis changes slowest.
    np.testing.assert_array_equal(
        [volume[0, 1, 2], volume[0, 3, 0], volume[2, 0, 4]], [1.5, np.nan, -2]
    )
    assert np.count_nonzero(volume) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mask.nii.gz", name]


def test_trs_become_the_fourth_axis_with_their_spacing(tmp_path):
    values = np.arange(12.0).reshape(4, 3)
    write_volume(tmp_path / "bold.nii.gz", values, nibabel.load(mask_file(tmp_path)), tr=2.0045)
    image = nibabel.load(tmp_path / "bold.nii.gz")
    assert image.shape == (3, 4, 5, 4)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    lengths = np.linalg.norm(AFFINE[:3, :3], axis=0)
    np.testing.assert_allclose(image.header.get_zooms(), [*lengths, 2.0045], rtol=1e-6)
    np.testing.assert_array_equal(image.get_fdata()[0, 3, 0], [1, 4, 7, 10])


@settings(deadline=None, max_examples=30)
@given(data=st.data(), inside=arrays.arrays(bool, arrays.array_shapes(min_dims=3, max_dims=3)))
def test_values_through_a_volume_and_its_mask_are_the_same(tmp_path_factory, data, inside):
    inside.flat[0] = True
    shape = data.draw(st.sampled_from([(), (1,), (3,)])) + (int(inside.sum()),)
    values = data.draw(arrays.arrays(np.float32, shape, elements=st.floats(width=32)))
    folder = tmp_path_factory.mktemp("volumes")
    write_volume(folder / "v.nii", values, mask_file(folder, inside, "mask.nii"))
    volume = np.asarray(nibabel.load(folder / "v.nii").dataobj)
    np.testing.assert_array_equal(volume[inside].T, values)
    assert not volume[~inside].any()


@pytest.mark.parametrize(
    ("name", "values", "tr", "message"),
    [
        ("v.mgz", np.ones(3), None, r"v\.mgz: .* ends in \.nii or \.nii\.gz"),
        ("v.nii", np.ones(4), None, r"mask\.nii\.gz: .* 3 true voxels, .* values for 4;"),
        ("v.nii", np.ones((1, 2, 3)), None, r"\(n_voxels,\) or .*, got \(1, 2, 3\)"),
        ("v.nii", np.ones((0, 3)), None, r"none of them 0, got \(0, 3\)"),
        ("v.nii", np.ones(3), 2.0, r"belongs to values of shape .*, got 2\.0 for \(3,\)"),
        ("v.nii", np.ones((2, 3)), 0, r"tr must be positive seconds .*, got 0"),
    ],
)
def test_what_cannot_be_a_volume_is_not_written(tmp_path, name, values, tr, message):
    mask = mask_file(tmp_path)
    with pytest.raises(ValueError, match=message):
        write_volume(tmp_path / name, values, mask, tr)
    assert list(tmp_path.iterdir()) == [mask]


def test_a_volume_needs_an_affine(tmp_path):
    with pytest.raises(ValueError, match="mask must be an image .* an array has no affine"):
        write_volume(tmp_path / "v.nii", np.ones(3), INSIDE)


@pytest.mark.parametrize("values", [np.arange(5.0), np.arange(15.0).reshape(3, 5)])
def test_vertices_become_one_file_per_hemisphere(tmp_path, values):
    paths = write_surface(tmp_path / "UTS01_scores.v1", values, n_left=2)
    assert [path.name for path in paths] == [
        "UTS01_scores.v1_hemi-L.func.gii",
        "UTS01_scores.v1_hemi-R.func.gii",
    ]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    left, right = map(nibabel.load, paths)
    for image, structure in ((left, "CortexLeft"), (right, "CortexRight")):
        assert image.meta["AnatomicalStructurePrimary"] == structure
        assert {array.data.dtype for array in image.darrays} == {np.dtype(np.float32)}
    written = [[array.data for array in image.darrays] for image in (left, right)]
    np.testing.assert_array_equal(np.hstack(written), np.atleast_2d(values))
    assert len(left.darrays[0].data) == 2


@pytest.mark.parametrize("n_left", [0, 5])
def test_each_hemisphere_has_vertices(tmp_path, n_left):
    with pytest.raises(ValueError, match=f"n_left must lie in 1 to 4, got {n_left}"):
        write_surface(tmp_path / "scores", np.arange(5), n_left)


def test_what_fails_while_writing_leaves_what_was_there(tmp_path):
    left, right = write_surface(tmp_path / "scores", np.arange(5), 2)
    before = left.read_bytes()
    right.unlink()
    right.mkdir()  # no file can take its place
    with pytest.raises(OSError, match=r"hemi-R"):
        write_surface(tmp_path / "scores", np.zeros(5), 2)
    assert left.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [left, right]


@pytest.mark.skipif(not LISTENING_MINI.exists(), reason="listening-mini is not here")
@pytest.mark.parametrize("participant", ["UTS01", "UTS02"])
def test_masks_of_recordings_carry_their_voxels(tmp_path, participant):
    mask = LISTENING_MINI / "derivative" / "masks" / f"{participant}.nii.gz"
    inside, affine = read_mask(mask, n_voxels=240)
    write_volume(tmp_path / "v.nii.gz", np.arange(1, 241), mask)
    image = nibabel.load(tmp_path / "v.nii.gz")
    np.testing.assert_allclose(image.affine, affine)
    np.testing.assert_array_equal(image.get_fdata()[inside], np.arange(1, 241))
