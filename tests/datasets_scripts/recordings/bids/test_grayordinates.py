"""Scans in CIFTI: grayordinates of the two cortices in place of voxels."""

import nibabel
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, LabelAxis, SeriesAxis

from datasets_scripts import read_bids
from datasets_scripts.recordings.bids import bids_anatomy

NAME = "sub-001_task-tale_space-fsLR_den-91k_bold.dtseries.nii"
MESH = 12
LEFT, RIGHT = [0, 2, 3, 5, 7], [1, 2, 3, 11]  # vertices beside the medial wall


def models(left=LEFT, right=RIGHT, mesh=MESH, order="LSR"):
    """Grayordinates of both cortices with those of a subcortical structure between them."""
    parts = {
        "L": BrainModelAxis.from_surface(left, mesh, "CortexLeft"),
        "R": BrainModelAxis.from_surface(right, mesh, "CortexRight"),
        "S": BrainModelAxis.from_mask(np.ones((1, 1, 3)), "thalamus_left", np.eye(4)),
    }
    return sum((parts[part] for part in order[1:]), start=parts[order[0]])


def write_series(path, values, axis, unit="second", step=1.5):
    series = SeriesAxis(0, step, len(values), unit)
    nibabel.save(Cifti2Image(values.astype(np.float32), (series, axis)), path)


def write_labels(path, axis, label_names, numbers):
    """A map in which grayordinates bear labels by their numbers in the list of names."""
    table = {i: (name, (0, 0, 0, 1)) for i, name in enumerate(label_names)}
    values = np.asarray(numbers, dtype=np.float32)[None]
    nibabel.save(Cifti2Image(values, (LabelAxis(["parcels"], table), axis)), path)
    return path


@pytest.fixture
def scan(func, waves):
    """A scan of the left cortex, the thalamus, and the right cortex."""
    write_series(func / NAME, waves(12), models())
    return func / NAME


def test_the_cortices_are_read_left_first_without_what_lies_below_them(root, scan, waves, zscored):
    (story,) = read_bids(root, "001")
    cortices = [0, 1, 2, 3, 4, 8, 9, 10, 11]
    np.testing.assert_allclose(story.responses, zscored(waves(12)[:, cortices]), atol=1e-4)
    write_series(scan, waves(12), models(order="RSL"))
    (story,) = read_bids(root, "001")
    cortices = [7, 8, 9, 10, 11, 0, 1, 2, 3]
    np.testing.assert_allclose(story.responses, zscored(waves(12)[:, cortices]), atol=1e-4)


def test_the_header_gives_the_tr(root, scan, waves):
    (root / "sub-001/func/sub-001_task-tale_bold.json").unlink()
    assert next(read_bids(root, "001")).tr == 1.5
    write_series(scan, waves(12), models(), unit="hertz")
    with pytest.raises(ValueError, match="neither a sidecar nor its header gives a TR"):
        next(read_bids(root, "001"))


def test_regions_follow_the_vertices_of_a_dlabel(root, scan, tmp_path, label_names):
    # The atlas covers the whole mesh: its rows are other than the scan's.
    whole = models(left=range(MESH), right=range(MESH), order="LR")
    numbers = np.zeros(2 * MESH, dtype=int)
    numbers[[3, 4, 7, MESH + 2]] = label_names.index("A1")
    numbers[MESH + 11] = label_names.index("55b")
    names = [name if name == "???" else f"L_{name}_ROI" for name in label_names]
    path = write_labels(tmp_path / "made.dlabel.nii", whole, names, numbers)
    anatomy = bids_anatomy(root, "001", [path])
    assert (anatomy.n_voxels, anatomy.mask, anatomy.fsaverage5) == (9, None, None)
    # Vertices 3 and 7 of the left are its third and fifth; 2 of the right its second.
    np.testing.assert_array_equal(anatomy.regions["primary_auditory"], [2, 4, 6])
    np.testing.assert_array_equal(anatomy.regions["late_language"], [8])
    assert anatomy.atlas["name"] == "made.dlabel.nii"


def test_an_atlas_that_does_not_fit_is_refused(root, scan, tmp_path, label_names):
    path = tmp_path / "made.dlabel.nii"
    write_labels(path, models(mesh=20, order="LR"), label_names, np.zeros(9))
    with pytest.raises(ValueError, match=r"labels of 20 vertices of .*LEFT, but .* mesh of 12"):
        bids_anatomy(root, "001", [path])
    write_labels(path, models(order="LS"), label_names, np.zeros(8))
    with pytest.raises(ValueError, match="labels of no vertices of CIFTI_STRUCTURE_CORTEX_RIGHT"):
        bids_anatomy(root, "001", [path])
    misspelt = ["PBel" if name == "PBelt" else name for name in label_names]
    write_labels(path, models(order="LR"), misspelt, np.zeros(9))
    with pytest.raises(ValueError, match=f"{path}: unknown label.*'PBelt'.*Did you mean 'PBel'"):
        bids_anatomy(root, "001", [path])
    with pytest.raises(ValueError, match=r"atlas of CIFTI images is one \.dlabel\.nii, got lh"):
        bids_anatomy(root, "001", ["lh.annot", "rh.annot"])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        bids_anatomy(root, "001", ["nowhere.dlabel.nii"])
    path.write_bytes(scan.read_bytes())
    with pytest.raises(ValueError, match=f"{path}: truncated, or not a CIFTI image.*SeriesAxis"):
        bids_anatomy(root, "001", [path])


def test_a_scan_holds_both_cortices_alike_in_all_runs(root, scan, func, waves):
    (root / "task-lucy_events.tsv").write_text("onset\tstim_file\n0.0\ttale_audio.wav\n")
    other = func / NAME.replace("tale", "lucy")
    write_series(other, waves(12), models(right=[1, 2, 3, 10]))
    with pytest.raises(ValueError, match="its grayordinates are not those of"):
        read_bids(root, "001")
    other.unlink()
    write_series(scan, waves(8), models(order="LS"))
    with pytest.raises(ValueError, match="of both cortices are needed, got .*CORTEX_LEFT"):
        read_bids(root, "001")


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_truncated_files_are_named(root, scan, share):
    content = scan.read_bytes()
    scan.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=f"{scan}: truncated, or not a CIFTI image"):
        next(read_bids(root, "001"))
