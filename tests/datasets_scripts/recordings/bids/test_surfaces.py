"""Scans in GIFTI: vertices in place of voxels, the left hemisphere's first."""

import shutil

import nibabel
import numpy as np
import pytest
from nibabel.freesurfer import write_annot

from datasets_scripts import open_participant, read_bids
from datasets_scripts.recordings.bids import bids_anatomy, bids_source_files
from datasets_scripts.recordings.layouts import find_layout

NAME = "sub-001_task-tale_hemi-{}_space-{}_bold.func.gii"
N = 10242


@pytest.fixture
def of_mesh(func, waves, write_gifti):
    """Function that writes both hemispheres of a space, whose waves are all different."""

    def write(space="fsaverage5", n=N, name=NAME):
        sides = waves(n), waves(n, first=n)
        for side, values in zip("LR", sides, strict=True):
            structure = {"L": "CortexLeft", "R": "CortexRight"}[side]
            write_gifti(func / name.format(side, space), values, structure)
        return np.concatenate(sides, axis=1)

    return write


@pytest.fixture
def annot(tmp_path, label_names):
    """Function that writes an atlas whose n vertices bear A1 at `a1`, right ones at a1 + 1."""

    def write(n, a1, names=label_names, prefixed=True):
        paths = []
        for side, vertex in zip("LR", (np.array(a1), np.array(a1) + 1), strict=True):
            numbers = np.zeros(n, dtype=int)
            numbers[vertex] = names.index("A1")
            table = np.array([[i, 2 * i, 3 * i, 0] for i in range(1, len(names) + 1)])
            written = [f"{side}_{x}_ROI" if prefixed and x != "???" else x for x in names]
            paths.append(tmp_path / f"{side.lower()}h.made-{n}.annot")
            write_annot(paths[-1], numbers, table, written, fill_ctab=True)
        return paths

    return write


def test_vertices_are_read_left_first(root, of_mesh, zscored):
    values = of_mesh()
    (story,) = read_bids(root, "001")
    assert story.responses.shape == (33, 2 * N) and story.tr == 1.5
    np.testing.assert_allclose(story.responses, zscored(values), atol=3e-3)


def test_names_of_older_pipelines_are_read_alike(root, of_mesh, zscored):
    """fMRIPrep 20 leaves `_bold` out and puts the hemisphere last; cleaned copies have a desc."""
    values = of_mesh(name="sub-001_task-tale_space-{1}_hemi-{0}.func.gii")
    np.testing.assert_allclose(next(read_bids(root, "001")).responses, zscored(values), atol=3e-3)
    for path in root.glob("derivatives/fmriprep/**/*.gii"):
        path.rename(path.with_name(path.name.replace(".func", "_desc-clean.func")))
    np.testing.assert_allclose(next(read_bids(root, "001")).responses, zscored(values), atol=3e-3)


def test_other_measures_on_a_surface_are_no_scans(root, func, of_mesh):
    of_mesh()
    other = func / "sub-001_task-tale_hemi-L_space-fsaverage5_stat-t_statmap.func.gii"
    other.write_bytes(b"")
    assert next(read_bids(root, "001")).responses.shape[1] == 2 * N


def test_exchanged_hemispheres_are_noticed(root, func, of_mesh, tmp_path):
    of_mesh()
    left, right = (func / NAME.format(side, "fsaverage5") for side in "LR")
    left.rename(tmp_path / "kept"), right.rename(left), (tmp_path / "kept").rename(right)
    with pytest.raises(
        ValueError, match="hemi-L.*expected CortexLeft by its name, got CortexRight"
    ):
        next(read_bids(root, "001"))


def test_a_missing_hemisphere_is_named(root, func, of_mesh):
    of_mesh()
    left, right = (func / NAME.format(side, "fsaverage5") for side in "LR")
    content = left.read_bytes()
    left.unlink()
    with pytest.raises(FileNotFoundError, match=f"files of 001 are missing: {left}"):
        read_bids(root, "001")
    left.write_bytes(content)
    right.unlink()
    with pytest.raises(FileNotFoundError, match=f"files of 001 are missing: {right}"):
        read_bids(root, "001")


@pytest.mark.parametrize(
    ("space", "n", "message"),
    [
        ("fsaverage5", 40962, "fsaverage5 has 10242 vertices a hemisphere, got 40962"),
        ("fsaverage", 500, "has 10242 or 40962 or 163842 vertices a hemisphere, got 500"),
    ],
)
def test_a_space_has_its_mesh(root, of_mesh, space, n, message):
    of_mesh(space, n)
    with pytest.raises(ValueError, match=message):
        read_bids(root, "001")


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
@pytest.mark.parametrize("side", "LR")
def test_truncated_files_are_named(root, func, write_gifti, waves, share, side):
    for each in "LR":
        write_gifti(func / NAME.format(each, "fsnative"), waves(50))
    path = func / NAME.format(side, "fsnative")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=f"{path}: truncated, or not a GIFTI file"):
        next(read_bids(root, "001"))


def test_hemispheres_have_one_number_of_trs(root, func, waves, write_gifti):
    write_gifti(func / NAME.format("L", "fsnative"), waves(50))
    write_gifti(func / NAME.format("R", "fsnative"), waves(60)[:30])
    with pytest.raises(ValueError, match=r"hemi-R.*60 vertices for each of 40 TRs, got 30"):
        next(read_bids(root, "001"))


def test_runs_are_on_one_mesh(root, func, waves, write_gifti):
    (root / "task-lucy_events.tsv").write_text("onset\tstim_file\n0.0\ttale_audio.wav\n")
    sizes = {("lucy", "L"): 50, ("lucy", "R"): 60, ("tale", "L"): 50, ("tale", "R"): 61}
    for (task, side), n in sizes.items():
        write_gifti(func / NAME.format(side, "fsnative").replace("tale", task), waves(n))
    with pytest.raises(ValueError, match="task-tale_hemi-R.*61 vertices, but 60 in another run"):
        read_bids(root, "001")


@pytest.mark.parametrize(
    ("space", "n"), [("fsaverage5", N), ("fsaverage6", 40962), ("fsaverage", 163842)]
)
def test_anatomy_of_fsaverage_by_its_nested_meshes(root, func, write_gifti, annot, space, n):
    for side in "LR":
        write_gifti(func / NAME.format(side, space), np.zeros((3, n)))
    anatomy = bids_anatomy(root, "001", annot(163842, a1=[5, 10241]))
    assert (anatomy.n_voxels, anatomy.mask, anatomy.surface) == (2 * n, None, None)
    np.testing.assert_array_equal(anatomy.fsaverage5, np.r_[:N, n : n + N])
    expected = [5, 10241, n + 6] + ([n + 10242] if n > N else [])
    np.testing.assert_array_equal(anatomy.regions["primary_auditory"], expected)
    assert anatomy.regions["late_language"].size == 0
    assert anatomy.atlas["name"] == "lh.made-163842.annot rh.made-163842.annot"
    assert bids_anatomy(root, "001").regions == {} == bids_anatomy(root, "001").atlas


def test_an_atlas_of_the_very_mesh_serves_any_surface(root, func, waves, write_gifti, annot):
    for side in "LR":
        write_gifti(func / NAME.format(side, "fsnative"), waves(50))
    anatomy = bids_anatomy(root, "001", annot(50, a1=3))
    assert anatomy.fsaverage5 is None
    np.testing.assert_array_equal(anatomy.regions["early_auditory"], [3, 54])


def test_an_atlas_that_does_not_fit_is_refused(root, of_mesh, annot, label_names):
    of_mesh()
    left, right = annot(N, a1=3)
    assert bids_anatomy(root, "001", [left, right]).regions["primary_auditory"].tolist() == [
        3,
        N + 4,
    ]
    with pytest.raises(ValueError, match="left and right are exchanged"):
        bids_anatomy(root, "001", [right, left])
    with pytest.raises(ValueError, match="labels of 2562 vertices; expected 10242 or 40962"):
        bids_anatomy(root, "001", annot(2562, a1=3))
    with pytest.raises(ValueError, match=r"atlas of fsaverage5 is two \.annot.*got .*lh\.made"):
        bids_anatomy(root, "001", [left])
    misspelt = ["PBel" if name == "PBelt" else name for name in label_names]
    with pytest.raises(ValueError, match="early_auditory.*'PBelt'.*Did you mean 'PBel'"):
        bids_anatomy(root, "001", annot(N, a1=3, names=misspelt))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        bids_anatomy(root, "001", ["nowhere.annot", "nowhere.annot"])


def test_the_tr_is_that_of_a_sidecar_since_gifti_has_none(root, func, of_mesh):
    of_mesh("fsnative", 50)
    raw = root / "sub-001/func/sub-001_task-tale_bold.json"
    own = func / NAME.format("L", "fsnative").replace(".func.gii", ".json")
    assert raw in bids_source_files(root, "001")
    own.write_text('{"RepetitionTime": 2.0}')
    assert next(read_bids(root, "001")).tr == 2.0
    own.unlink()
    raw.rename(root / "task-tale_bold.json")
    assert next(read_bids(root, "001")).tr == 1.5
    (root / "task-tale_bold.json").unlink()
    with pytest.raises(
        ValueError, match=f"gives a TR; write RepetitionTime, in seconds, to {own.name}"
    ):
        next(read_bids(root, "001"))


def test_prepared_as_a_data_set_vertices_have_no_mask(root, of_mesh, tmp_path):
    of_mesh("fsnative", 50)
    participant = open_participant(root, "001", cache_dir=tmp_path / "cache")
    (expected,), (found,) = read_bids(root, "001"), participant.stories()
    np.testing.assert_array_equal(found.responses, expected.responses)
    assert participant.n_voxels == 100 and participant.mask is None


def test_a_participant_that_is_opened_with_an_atlas_has_its_regions(root, of_mesh, annot, tmp_path):
    of_mesh()
    atlas = annot(N, [3, 70])
    known = open_participant(root, "001", atlas=atlas, cache_dir=tmp_path / "cache")
    assert known.regions["primary_auditory"].tolist() == [3, 70, N + 4, N + 71]
    np.testing.assert_array_equal(known.anatomy.fsaverage5, np.arange(2 * N))
    assert open_participant(root, "001", cache_dir=tmp_path / "cache").regions == {}


def test_agrees_with_nilearn(root, func, of_mesh):
    from nilearn.surface import load_surf_data

    of_mesh("fsnative", 50)
    sides = [load_surf_data(func / NAME.format(side, "fsnative")) for side in "LR"]
    assert nibabel.load(func / NAME.format("L", "fsnative")).meta["AnatomicalStructurePrimary"]
    responses = next(read_bids(root, "001")).responses
    theirs = np.concatenate(sides).T[7:].astype(np.float64)
    np.testing.assert_allclose(
        responses, (theirs - theirs.mean(axis=0)) / theirs.std(axis=0), atol=1e-5
    )


def test_scans_of_other_stories_need_not_be_fetched(
    root, func, waves, write_gifti, unfetch, tmp_path
):
    (root / "task-lucy_events.tsv").write_text("onset\tstim_file\n0.0\tlucy.wav\n")
    (root / "task-lucy_bold.json").write_text('{"RepetitionTime": 1.5}')
    shutil.copy(root / "stimuli/tale_audio.wav", root / "stimuli/lucy.wav")
    others = [func / NAME.format(side, "fsnative").replace("tale", "lucy") for side in "LR"]
    for side, other in zip("LR", others, strict=True):
        write_gifti(func / NAME.format(side, "fsnative"), waves(50))
        write_gifti(other, waves(50))
        unfetch(other)
    layout = find_layout(root)
    assert layout.stories("001") == ["lucy", "tale_audio"]
    assert layout.n_voxels("001") == layout.anatomy("001").n_voxels == 100
    assert layout.shape("001", "tale_audio") == (33, 100, 0)
    assert not {*others} & {*layout.response_files("001", "tale_audio")}
    (story,) = open_participant(root, "001", ["tale_audio"], cache_dir=tmp_path).stories()
    assert story.responses.shape == (33, 100)
    with pytest.raises(FileNotFoundError, match="2 files of 001 are not fetched yet"):
        read_bids(root, "001", ["lucy"])
