from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.freesurfer import write_annot

from datasets_scripts import read_regions
from datasets_scripts.cortex.atlas import (
    LATE_LANGUAGE,
    REGIONS,
    project_regions,
    regions_from_annot,
    regions_from_labels,
    regions_on_fsaverage,
    write_regions,
)

LISTENING_MINI = Path(__file__).resolve().parents[3].parent / "shared/data/listening-mini"
# An atlas with all labels of the regions, V1 beside them, and number 0 for no label.
LABELS = ["???", *sorted(REGIONS["late_language"] | REGIONS["early_auditory"]), "V1"]
NUMBER = {label: number for number, label in enumerate(LABELS)}
SMALL = {"auditory": {"A1", "RI"}, "frontal": {"44"}}
AFFINE = np.array([[-2.0, 0, 0, 9], [0, 2, 0, -12], [0, 0, 3, -7], [0, 0, 0, 1]])


def annot(path, labels, prefix, names=LABELS):
    """Write a hemisphere whose vertices have these labels."""
    colours = np.array([[i, 2 * i, 3 * i, 0] for i in range(1, len(names) + 1)])
    numbers = np.array([names.index(label) for label in labels])
    written = [name if name == "???" else f"{prefix}{name}_ROI" for name in names]
    write_annot(path, numbers, colours, written, fill_ctab=True)
    return path


def gifti(path, labels, prefix, names=LABELS):
    """Write a hemisphere whose vertices have these labels, numbered in tens."""
    table = nibabel.gifti.GiftiLabelTable()
    for number, name in enumerate(names):
        table.labels.append(nibabel.gifti.GiftiLabel(key=10 * number))
        table.labels[-1].label = f"{prefix}{name}_ROI" if number else name
    numbers = np.array([10 * names.index(label) for label in labels], dtype=np.int32)
    array = nibabel.gifti.GiftiDataArray(numbers, intent="NIFTI_INTENT_LABEL")
    nibabel.save(nibabel.GiftiImage(labeltable=table, darrays=[array]), path)
    return path


def hemispheres(folder, write, left, right, **names):
    suffix = ".annot" if write is annot else ".label.gii"
    return (
        write(folder / f"lh{suffix}", left, "L_", **names),
        write(folder / f"rh{suffix}", right, "R_", **names),
    )


def image(values, affine=AFFINE):
    return nibabel.Nifti1Image(np.asarray(values, dtype=np.float32), affine)


# The 180 areas of a hemisphere, in the order of Glasser et al. 2016, Supplementary
# Neuroanatomical Results, table 1: the standard that the regions' labels are held against.
HCP_MMP1 = """
V1 MST V6 V2 V3 V4 V8 4 3b FEF PEF 55b V3A RSC POS2 V7 IPS1 FFC V3B LO1 LO2 PIT MT A1 PSL SFL PCV
STV 7Pm 7m POS1 23d v23ab d23ab 31pv 5m 5mv 23c 5L 24dd 24dv 7AL SCEF 6ma 7Am 7PL 7PC LIPv VIP MIP
1 2 3a 6d 6mp 6v p24pr 33pr a24pr p32pr a24 d32 8BM p32 10r 47m 8Av 8Ad 9m 8BL 9p 10d 8C 44 45 47l
a47r 6r IFJa IFJp IFSp IFSa p9-46v 46 a9-46v 9-46d 9a 10v a10p 10pp 11l 13l OFC 47s LIPd 6a i6-8
s6-8 43 OP4 OP1 OP2-3 52 RI PFcm PoI2 TA2 FOP4 MI Pir AVI AAIC FOP1 FOP3 FOP2 PFt AIP EC PreS H
ProS PeEc STGa PBelt A5 PHA1 PHA3 STSda STSdp STSvp TGd TE1a TE1p TE2a TF TE2p PHT PH TPOJ1 TPOJ2
TPOJ3 DVT PGp IP2 IP1 IP0 PFop PF PFm PGi PGs V6A VMV1 VMV3 PHA2 V4t FST V3CD LO3 VMV2 31pd 31a VVC
25 s32 pOFC PoI1 Ig FOP5 p10p p47r TGv MBelt LBelt A4 STSva TE1m PI a32pr p24
""".split()


def test_every_label_of_a_region_is_an_area_of_the_published_atlas():
    assert len(set(HCP_MMP1)) == len(HCP_MMP1) == 180
    assert REGIONS["late_language"] | REGIONS["early_auditory"] < set(HCP_MMP1)


def test_regions_are_those_of_the_paper():
    assert set(REGIONS) == {"late_language", "primary_auditory", "early_auditory"}
    assert REGIONS["primary_auditory"] == {"A1"} < REGIONS["early_auditory"]
    assert REGIONS["early_auditory"] == {"A1", "PBelt", "MBelt", "LBelt", "RI", "A4"}
    assert len(REGIONS["late_language"]) == 23 == sum(map(len, LATE_LANGUAGE.values()))
    assert {"PGi", "A5", "TPOJ1", "IFSp", "55b"} < REGIONS["late_language"]
    assert not REGIONS["late_language"] & REGIONS["early_auditory"]


@pytest.mark.parametrize("write", [annot, gifti])
def test_vertices_of_both_hemispheres_are_found(tmp_path, write):
    left = ["V1", "A1", "???", "44", "PBelt"]
    right = ["A1", "V1", "55b", "A1"]
    regions = regions_from_annot(*hemispheres(tmp_path, write, left, right))
    assert {region: vertices.tolist() for region, vertices in regions.items()} == {
        "late_language": [3, 5 + 2],
        "primary_auditory": [1, 5 + 0, 5 + 3],
        "early_auditory": [1, 4, 5 + 0, 5 + 3],
    }


@pytest.mark.parametrize("write", [annot, gifti])
def test_a_region_without_vertices_is_empty(tmp_path, write):
    paths = hemispheres(tmp_path, write, ["A1", "V1"], ["V1"])
    assert regions_from_annot(*paths)["late_language"].shape == (0,)
    assert regions_from_annot(*map(str, paths), regions={"visual": {"V1"}})["visual"].tolist() == [
        1,
        2,
    ]


@pytest.mark.parametrize("write", [annot, gifti])
def test_a_label_that_the_atlas_lacks_is_answered_with_the_nearest(tmp_path, write):
    names = [name.replace("PBelt", "P_Belt") for name in LABELS]
    paths = hemispheres(tmp_path, write, ["A1"], ["A1"], names=names)
    message = r"label of early_auditory in .*lh.* and .*rh.*: got 'PBelt'. Did you mean 'P_Belt'"
    with pytest.raises(ValueError, match=message):
        regions_from_annot(*paths)


def test_hemispheres_without_a_side_in_their_labels_are_known_by_their_files(tmp_path):
    left = annot(tmp_path / "lh.copy.annot", ["A1", "V1"], "")
    right = annot(tmp_path / "rh.copy.annot", ["V1", "A1"], "")
    assert regions_from_annot(left, right)["primary_auditory"].tolist() == [0, 3]
    with pytest.raises(ValueError, match=r"exchanged: got .*rh\.copy\.annot as left"):
        regions_from_annot(right, left)


def test_an_atlas_on_fsaverage_says_on_which_mesh(tmp_path):
    labels = ["A1"] + ["V1"] * 10241
    regions, n_vertices = regions_on_fsaverage(*hemispheres(tmp_path, annot, labels, labels))
    assert n_vertices == 10242
    assert regions["primary_auditory"].tolist() == [0, 10242]
    hemispheres(tmp_path, annot, labels, labels[:-1])
    with pytest.raises(ValueError, match=r"rh\.annot: 10241 vertices; expected .*\(10242"):
        regions_on_fsaverage(tmp_path / "lh.annot", tmp_path / "rh.annot")


def test_exchanged_hemispheres_are_noticed(tmp_path):
    left, right = hemispheres(tmp_path, annot, ["A1", "V1"], ["V1", "???"])
    with pytest.raises(ValueError, match=r"exchanged: got .*rh\.annot as left and .*lh\.annot as"):
        regions_from_annot(right, left)


@pytest.mark.parametrize("write", [annot, gifti])
@pytest.mark.parametrize(
    "damage", [lambda content: b"", lambda content: content[:-30], lambda content: b"no labels" * 9]
)
def test_a_damaged_surface_file_is_named(tmp_path, write, damage):
    left, right = hemispheres(tmp_path, write, ["A1"], ["A1"])
    right.write_bytes(damage(right.read_bytes()))
    with pytest.raises(ValueError, match=r"rh\.(annot|label\.gii): not one readable"):
        regions_from_annot(left, right)


def test_a_missing_surface_file_is_named(tmp_path):
    left = annot(tmp_path / "lh.annot", ["A1"], "L_")
    with pytest.raises(FileNotFoundError, match=r"rh\.annot: there is no such label file"):
        regions_from_annot(left, tmp_path / "rh.annot")


def test_a_colour_that_the_table_lacks_is_no_other_label(tmp_path):
    left, right = hemispheres(tmp_path, annot, ["A1", "V1"], ["V1"])
    content = bytearray(left.read_bytes())
    # Number of vertices, then pairs of vertex and colour code: the colour of vertex 0.
    content[8:12] = (123456).to_bytes(4, "big")
    left.write_bytes(content)
    with pytest.raises(ValueError, match=r"lh\.annot: 1 label numbers have no name: \[123456\]"):
        regions_from_annot(left, right)


@pytest.mark.parametrize("kind", ["list", "array", "npy"])
@pytest.mark.parametrize("by_number", [True, False])
def test_voxels_are_found_in_one_label_per_voxel(tmp_path, kind, by_number):
    labels = [NUMBER[label] for label in ("V1", "A1", "???", "44", "PBelt", "A1")]
    np.save(tmp_path / "labels.npy", np.array(labels))
    given_as = {"list": labels, "array": np.array(labels, float), "npy": tmp_path / "labels.npy"}
    names = {number: f"L_{label}_ROI" for label, number in NUMBER.items()} if by_number else LABELS
    regions = regions_from_labels(given_as[kind], names, n_voxels=6)
    assert {region: voxels.tolist() for region, voxels in regions.items()} == {
        "late_language": [3],
        "primary_auditory": [1, 5],
        "early_auditory": [1, 4, 5],
    }


NAMES = {1: "L_A1_ROI", 2: "L_RI_ROI", 3: "L_44_ROI", 201: "R_A1_ROI"}


def test_voxels_of_a_label_volume_are_counted_through_the_mask(tmp_path):
    labels = np.zeros((3, 4, 5))
    inside = np.zeros((3, 4, 5), dtype=bool)
    inside[0, 1, 2] = inside[0, 3, 0] = inside[2, 0, 4] = inside[2, 3, 4] = True
    labels[0, 3, 0], labels[2, 3, 4], labels[1, 1, 1], labels[0, 1, 2] = 1, 201, 1, 3
    nibabel.save(image(labels), tmp_path / "labels.nii.gz")
    nibabel.save(image(inside), tmp_path / "mask.nii.gz")
    for volume in (tmp_path / "labels.nii.gz", image(labels), labels):
        for mask in (tmp_path / "mask.nii.gz", image(inside), inside):
            regions = regions_from_labels(volume, NAMES, mask, SMALL, n_voxels=4)
            assert regions["auditory"].tolist() == [1, 3]
            assert regions["frontal"].tolist() == [0]


def test_every_place_of_a_label_volume_is_a_voxel_without_a_mask():
    labels = np.zeros((3, 4, 5))
    labels[1, 0, 2] = 2
    assert regions_from_labels(image(labels), NAMES, regions=SMALL)["auditory"].tolist() == [22]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from([0, 1, 2, 3, 201]), min_size=1, max_size=60))
def test_every_voxel_is_in_the_regions_that_hold_its_label(labels):
    regions = regions_from_labels(labels, NAMES, regions=SMALL)
    for region, numbers in (("auditory", {1, 2, 201}), ("frontal", {3})):
        expected = [voxel for voxel, label in enumerate(labels) if label in numbers]
        assert regions[region].tolist() == expected


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([1, 2], {"n_voxels": 3}, "2 labels, but the participant has 3 voxels"),
        ([1, 2], {"mask": np.ones((1, 1, 3))}, "2 labels, but the participant has 3 voxels"),
        (
            np.ones((1, 2, 2)),
            {"mask": np.ones((1, 1, 3))},
            r"shape \(1, 2, 2\), but .* \(1, 1, 3\)",
        ),
        ([1, 2.5, np.nan, np.inf], {}, r"whole numbers, got \[2\.5 nan inf\]"),
        ([1, 2, 202, 181], {}, r"2 label numbers have no name: \[181, 202\]"),
        ([1], {"regions": {"mine": {"L_RI"}}}, "label of mine in names: got 'L_RI'"),
        ([1], {"regions": {"mine": {"44a"}}}, "got '44a'. Did you mean '44'"),
    ],
)
def test_labels_that_do_not_fit_are_named(tmp_path, labels, options, message):
    np.save(tmp_path / "labels.npy", np.array(labels))
    file = r"labels\.npy: " if "regions" not in options else ""
    with pytest.raises(ValueError, match=f"{file}.*{message}"):
        regions_from_labels(tmp_path / "labels.npy", NAMES, **{"regions": SMALL, **options})


def test_labels_of_another_space_are_refused():
    shifted = AFFINE.copy()
    shifted[0, 3] += 2
    with pytest.raises(ValueError, match="affine differs from the mask's; resample"):
        regions_from_labels(image(np.ones((1, 1, 3)), shifted), NAMES, image(np.ones((1, 1, 3))))


INSIDE = np.ones((3, 4, 5), dtype=bool)
INSIDE[0] = False


def millimetres(places):
    return np.asarray(places) @ AFFINE[:3, :3].T + AFFINE[:3, 3]


def test_vertices_are_projected_to_the_voxels_that_hold_them():
    # Half a voxel is 1, 1 and 1.5 mm: the second vertex shares the first one's voxel.
    places = np.array([[1, 0, 2], [1.4, -0.4, 2.4], [2, 3, 4], [1, 0, 0]])
    vertices = {"auditory": [2, 0, 1], "frontal": [3], "none": []}
    for mask, affine in ((image(INSIDE), None), (INSIDE, AFFINE)):
        regions = project_regions(vertices, millimetres(places), mask, affine)
        assert {region: voxels.tolist() for region, voxels in regions.items()} == {
            "auditory": [2, 39],
            "frontal": [0],
            "none": [],
        }


def test_vertices_outside_the_mask_are_dropped_and_counted():
    places = np.array([[1, 0, 0], [0, 0, 0], [-1, 0, 0], [1, 4, 0], [2, 0, 0]])
    vertices = {"auditory": [0, 1, 2, 3], "frontal": [4]}
    with pytest.warns(UserWarning, match="vertices outside the mask: auditory 3 of 4$"):
        regions = project_regions(vertices, millimetres(places), image(INSIDE))
    assert regions["auditory"].tolist() == [0]
    assert regions["frontal"].tolist() == [20]


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_a_vertex_at_a_voxel_centre_finds_that_voxel(data):
    voxels = data.draw(st.lists(st.integers(0, 39), min_size=1, max_size=50))
    centres = millimetres(np.argwhere(INSIDE)[voxels])
    found = project_regions({"all": np.arange(len(voxels))}, centres, image(INSIDE))["all"]
    assert found.tolist() == sorted(set(voxels))


@pytest.mark.parametrize(
    ("coordinates", "mask", "message"),
    [
        ([[0.0, 0, 0]], image(INSIDE), r"'a' has 1 indices outside 0 to 0, got \[1\]"),
        (np.full((2, 3), 500), image(INSIDE), "'a': all 2 vertices lie outside the mask"),
        (np.zeros((3, 2)), image(INSIDE), r"of shape \(n_vertices, 3\), got \(3, 2\)"),
        ([[0, 0, 0], [0, np.nan, 0]], image(INSIDE), r"must be finite, .* got \(2, 3\)"),
        (np.zeros((2, 3)), INSIDE, "affine is needed where the mask is an array"),
    ],
)
def test_what_cannot_be_projected_says_why(coordinates, mask, message):
    with pytest.raises(ValueError, match=message):
        project_regions({"a": [0, 1]}, coordinates, mask)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, 4], r"'a' has 1 indices outside 0 to 3, got \[4\]"),
        ([-1], r"outside 0 to 3, got \[-1\]"),
        ([True, False], r"whole-number indices, got bool of shape \(2,\)"),
        ([0.5], r"whole-number indices, got float64"),
    ],
)
def test_regions_that_are_no_voxels_are_not_written(tmp_path, indices, message):
    with pytest.raises(ValueError, match=message):
        write_regions(tmp_path, "UTS01", {"a": indices}, n_voxels=4)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not LISTENING_MINI.exists(), reason="listening-mini is not here")
@pytest.mark.parametrize("participant", ["UTS01", "UTS02"])
def test_written_regions_are_read_with_the_recordings(tmp_path, participant):
    (tmp_path / "derivative").mkdir()
    for part in ("preprocessed_data", "masks"):
        (tmp_path / "derivative" / part).symlink_to(LISTENING_MINI / "derivative" / part)
    mask = tmp_path / "derivative" / "masks" / f"{participant}.nii.gz"
    labels = np.ones((8, 8, 8))
    labels[4:] = 3
    regions = regions_from_labels(labels, NAMES, mask, SMALL, n_voxels=240)
    # Every voxel has one of the two labels.
    assert np.sort(np.concatenate(list(regions.values()))).tolist() == list(range(240))
    given_order = {region: voxels[::-1] for region, voxels in regions.items()} | {"none": []}
    path = write_regions(tmp_path, participant, given_order, n_voxels=240)
    assert path == tmp_path / "derivative" / "regions" / f"{participant}.json"
    read = read_regions(tmp_path, participant)
    assert {region: voxels.tolist() for region, voxels in read.items()} == {
        **{region: voxels.tolist() for region, voxels in regions.items()},
        "none": [],
    }


def test_labels_of_a_finer_mesh_of_fsaverage_serve_a_coarser_one(tmp_path):
    labels = ["???"] * 40962
    labels[7], labels[20000] = "A1", "A1"
    paths = hemispheres(tmp_path, gifti, labels, labels)
    of_a1 = {"auditory": {"A1"}}
    for n, expected in {10242: [7, 10249], 40962: [7, 20000, 40969, 60962]}.items():
        found = regions_from_annot(*paths, of_a1, n_vertices=(n, n), nested=True)
        np.testing.assert_array_equal(found["auditory"], expected)
    for n in (163842, 5000):
        with pytest.raises(ValueError, match=f"lh.*labels of 40962 vertices; expected {n}$"):
            regions_from_annot(*paths, of_a1, n_vertices=(n, n), nested=True)
    with pytest.raises(ValueError, match="lh.*labels of 40962 vertices; expected 10242$"):
        regions_from_annot(*paths, of_a1, n_vertices=(10242, 10242))  # a mesh of another family
