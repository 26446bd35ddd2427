"""recipes/anatomy.py: where voxels lie, written, told and drawn."""

import json
import shutil
from pathlib import Path

import datasets
import nibabel
import numpy as np
import pytest

from recipes.anatomy import AnatomyOptions, anatomy
from tests.command_process import run_command


def run(root, **arguments):
    return anatomy(AnatomyOptions(data=str(root), participants=["UTS05"], **arguments))


def test_regions_and_mask_are_written_told_and_drawn(anatomical, tmp_path, capsys):
    root, truth = anatomical
    run(root, atlas=truth.atlas, atlas_spheres=truth.spheres, output_dir=str(tmp_path))
    regions = json.loads((tmp_path / "regions/UTS05.json").read_text())
    said = capsys.readouterr().out
    for region, voxels in regions.items():
        assert voxels == truth.voxels(region).tolist()
        assert f"{region}: {len(voxels)} voxels, " in said
    mask = np.asarray(nibabel.load(tmp_path / "masks/UTS05.nii.gz").dataobj)
    np.testing.assert_array_equal(np.argwhere(mask)[:, ::-1], truth.xyz)
    assert "regions follow from lh.HCP-MMP1.annot rh.HCP-MMP1.annot" in said
    assert f"UTS05: {truth.n_voxels} voxels\n" in said
    drawn = (tmp_path / "figures/UTS05.png").read_bytes()
    assert drawn.startswith(b"\x89PNG") and len(drawn) > 50_000


def test_without_a_folder_all_stands_beside_the_prepared_recordings(anatomical, capsys):
    root, truth = anatomical
    run(root)
    said = capsys.readouterr().out
    folder = Path(said.rsplit(" are in ", 1)[1].strip())
    assert folder.is_relative_to(datasets.config.HF_DATASETS_CACHE)
    assert (folder / "masks/UTS05.nii.gz").is_file() and not (folder / "regions").exists()
    assert "regions: none are known; give --atlas" in said


def test_a_mask_in_another_order_is_refused_before_anything_is_written(
    anatomical, tmp_path, unfetch
):
    root, truth = anatomical
    copy = shutil.copytree(root, tmp_path / "copy")
    masks = copy / "derivative/masks"
    masks.mkdir()
    shutil.copy(truth.files["mask"], masks / "UTS05.nii.gz")  # as pycortex stores it
    with pytest.raises(ValueError, match=r"masks/UTS05\.nii\.gz: .*transposed to \(z, y, x\)"):
        run(copy, atlas=truth.atlas, output_dir=str(tmp_path / "output"))
    assert not (tmp_path / "output").exists()


def test_nothing_but_the_anatomy_need_be_fetched(anatomical, tmp_path, unfetch, capsys):
    root, truth = anatomical
    copy = shutil.copytree(root, tmp_path / "copy")
    for path in (copy / "derivative/preprocessed_data/UTS05").iterdir():
        unfetch(path)
    run(copy, atlas=truth.atlas, output_dir=str(tmp_path / "output"))
    said = capsys.readouterr().out
    assert f"late_language: {len(truth.voxels('late_language'))} voxels\n" in said
    unfetch(copy / "derivative/pycortex-db/UTS05/surfaces/wm_lh.gii", 123)
    with pytest.raises(FileNotFoundError, match=r"123 bytes.*datalad get .*wm_lh\.gii"):
        run(copy, atlas=truth.atlas)


def test_the_command_takes_a_configuration_of_tuning(anatomical, configuration, tmp_path):
    root, truth = anatomical
    words = ["--config", configuration(atlas=truth.atlas), "--data", root]
    done = run_command("anatomy", *words, "--participants", "UTS05", "--output_dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "regions/UTS05.json").is_file()


def test_an_unknown_participant_is_answered_with_the_nearest(anatomical):
    root, _ = anatomical
    with pytest.raises(ValueError, match="got 'UTS9'. Did you mean 'UTS05'"):
        anatomy(AnatomyOptions(data=str(root), participants=["UTS9"]))
