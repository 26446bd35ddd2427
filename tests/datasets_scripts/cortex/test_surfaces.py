import re

import nibabel
import numpy as np
import pytest
from nibabel.freesurfer import write_geometry

from datasets_scripts.cortex.surfaces import (
    FSAVERAGE5,
    fsaverage5_spheres,
    fsaverage_spheres,
    nearest_vertices,
    read_mesh,
    read_sphere,
)
from tests.planted_anatomy import write_gifti

POINTS = np.array([[0, 0, 2], [0, 2, 0], [2, 0, 0], [-2, 0, 0.0]])
FACES = np.array([[0, 1, 2], [0, 1, 3]])


def write(path, points=POINTS, faces=FACES):
    if path.suffix == ".gii":
        write_gifti(path, points, faces)
    elif path.suffix == ".npz":
        np.savez(path, pts=points, polys=faces)
    else:
        write_geometry(path, points, faces)
    return path


@pytest.mark.parametrize("name", ["wm_lh.gii", "wm_lh.npz", "lh.white"])
def test_every_format_gives_the_same_mesh(tmp_path, name):
    mesh = read_mesh(write(tmp_path / name))
    np.testing.assert_allclose(mesh.coordinates, POINTS)
    assert np.array_equal(mesh.faces, FACES)


@pytest.mark.parametrize("name", ["wm_lh.gii", "wm_lh.npz", "lh.white"])
@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[: len(c) // 2], lambda c: b"no" * 9])
def test_a_damaged_surface_is_named(tmp_path, name, damage):
    path = write(tmp_path / name)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{name}: not a readable surface"):
        read_mesh(path)


def test_values_in_another_file_are_not_read(tmp_path):
    path, secret = write(tmp_path / "wm_lh.gii"), tmp_path / "secret"
    POINTS.astype(np.float32).tofile(secret)
    elsewhere = 'Encoding="ExternalFileBinary" ExternalFileName="secret" ExternalFileOffset="0"'
    text = re.sub('Encoding="[^"]*"', elsewhere, path.read_text(), count=1)
    path.write_text(re.sub('ExternalFileName="" *ExternalFileOffset="[^"]*"', "", text))
    assert np.array_equal(nibabel.load(path).agg_data("pointset"), POINTS)  # as nibabel does it
    with pytest.raises(ValueError, match=r"wm_lh\.gii: .*values stand in another file"):
        read_mesh(path)


def test_a_missing_surface_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"wm_lh\.gii: there is no such surface"):
        read_mesh(tmp_path / "wm_lh.gii")


def test_a_file_that_is_no_surface_is_named(tmp_path):
    np.savez(tmp_path / "flat.npz", pts=POINTS[:, :2], polys=FACES)
    with pytest.raises(ValueError, match=r"flat\.npz: .* got \(4, 2\) and \(2, 3\)"):
        read_mesh(tmp_path / "flat.npz")
    write(tmp_path / "cut.npz", POINTS[:3])
    with pytest.raises(ValueError, match=r"cut\.npz: faces name vertices 0 to 3, but there are 3"):
        read_mesh(tmp_path / "cut.npz")
    nibabel.save(nibabel.GiftiImage(), tmp_path / "empty.gii")
    with pytest.raises(ValueError, match=r"empty\.gii: "):
        read_mesh(tmp_path / "empty.gii")


def test_a_sphere_gives_directions(tmp_path):
    sphere = read_sphere(write(tmp_path / "lh.sphere.reg"), n_vertices=4)
    np.testing.assert_allclose(sphere, POINTS / 2)
    with pytest.raises(ValueError, match=r"lh\.sphere\.reg: the sphere has 4 vertices, but .* 5"):
        read_sphere(tmp_path / "lh.sphere.reg", n_vertices=5)
    write(tmp_path / "lh.white", POINTS * [[1], [1], [1], [1.1]])
    with pytest.raises(ValueError, match=r"lh\.white: not a sphere .* radii from 2\.0 to 2\.2"):
        read_sphere(tmp_path / "lh.white")


def test_spheres_of_the_atlas_begin_with_those_of_fsaverage5(tmp_path):
    known = fsaverage5_spheres()
    assert [sphere.shape for sphere in known] == [(FSAVERAGE5, 3)] * 2
    assert all(map(np.array_equal, fsaverage_spheres(163842), known))
    further = np.random.default_rng(0).standard_normal((3, 3))
    whole = np.concatenate([known[0], further / np.linalg.norm(further, axis=1, keepdims=True)])
    paths = [write(tmp_path / name, 100 * whole) for name in ("lh.sphere", "rh.sphere")]
    for sphere in fsaverage_spheres(FSAVERAGE5 + 3, paths):
        np.testing.assert_allclose(sphere, whole, atol=1e-5)
    write(paths[1], 100 * whole[::-1])
    with pytest.raises(ValueError, match=r"rh\.sphere: its first 10242 vertices are not"):
        fsaverage_spheres(FSAVERAGE5 + 3, paths)
    with pytest.raises(ValueError, match=r"lh\.sphere: the sphere has 10245 vertices.* 163842"):
        fsaverage_spheres(163842, paths)


def test_the_nearest_vertex_is_the_one_at_the_smallest_distance():
    rng = np.random.default_rng(0)
    places, vertices = rng.standard_normal((50, 3)), rng.standard_normal((30, 3))
    distances = np.linalg.norm(places[:, None] - vertices, axis=2)
    assert np.array_equal(nearest_vertices(places, vertices), distances.argmin(axis=1))
