"""A participant's anatomy as ds003020 ships it, with planted regions, for tests of its readers.

The cortex is fsaverage5's with its vertices in another order, laid into a functional space by a
turned transform. Regions are discs on the sphere, at other places in either hemisphere. What is
right follows from the planted discs by brute force, not from the code under test.
"""

import json
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
from nibabel.freesurfer import write_annot, write_geometry
from nilearn.datasets import load_fsaverage

from datasets_scripts import REGIONS

VOXEL, SHAPE = 12.0, (18, 21, 16)
N_ATLAS = 40962  # vertices of fsaverage6, which begin with fsaverage5's
# Directions of the discs, their radius in radians, and the label within
DISCS = {
    "lh": [((-0.6, -0.4, 0.7), 0.5, "PGi"), ((-0.3, 0.9, -0.3), 0.4, "A1")],
    "rh": [((0.7, 0.7, 0.1), 0.5, "TPOJ1"), ((0.5, -0.8, -0.4), 0.4, "A1")],
}
LABELS = ["???", *sorted(REGIONS["late_language"] | REGIONS["early_auditory"]), "V1"]


@dataclass
class Planted:
    """What was written, and what is right.

    Parameters
    ----------
    atlas, spheres : left and right path
    labels : str array of shape (n_voxels,)
        Of the voxels, in the order of the responses; "" outside the discs.
    xyz : int array of shape (n_voxels, 3)
        Voxel indices in pycortex's volumes.
    labels_of_vertices : str array of shape (20484,)
    voxel_of_vertex, fsaverage5 : int array of shape (20484,)
        The voxel of each of the participant's and of fsaverage5's vertices.
    files : dict of {str: Path}
    """

    atlas: list[str]
    spheres: list[str]
    labels: np.ndarray
    xyz: np.ndarray
    labels_of_vertices: np.ndarray
    voxel_of_vertex: np.ndarray
    fsaverage5: np.ndarray
    files: dict[str, Path]

    def copied(self, old: Path, new: Path) -> "Planted":
        """Copy all files from one root to another, where a test may damage them."""
        shutil.copytree(old, new, dirs_exist_ok=True)

        def moved(path):
            return new / Path(path).relative_to(old)

        return replace(
            self,
            atlas=[str(moved(path)) for path in self.atlas],
            spheres=[str(moved(path)) for path in self.spheres],
            files={name: moved(path) for name, path in self.files.items()},
        )

    @property
    def n_voxels(self) -> int:
        return len(self.xyz)

    def voxels(self, region: str) -> np.ndarray:
        return np.flatnonzero(np.isin(self.labels, sorted(REGIONS[region])))

    def vertices(self, region: str) -> np.ndarray:
        return np.flatnonzero(np.isin(self.labels_of_vertices, sorted(REGIONS[region])))


MESH_NAMES = ("white_matter", "pial", "inflated", "flat", "sphere")


@cache
def cortex():
    meshes = {kind: load_fsaverage("fsaverage5")[kind].parts for kind in MESH_NAMES}
    return {
        kind: {
            side: (np.asarray(parts[name].coordinates), np.asarray(parts[name].faces))
            for side, name in (("lh", "left"), ("rh", "right"))
        }
        for kind, parts in meshes.items()
    }


def plant_anatomy(root: Path, participant: str = "UTS05", seed: int = 0) -> Planted:
    """Write the files below `root/derivative`, and an atlas below `root/atlas`."""
    rng = np.random.default_rng(seed)
    pycortex = root / "derivative/pycortex-db" / participant
    transform = pycortex / f"transforms/{participant}_auto"
    surf = root / "derivative/freesurfer_subjdir" / participant / "surf"
    for folder in (pycortex / "surfaces", transform, surf, root / "atlas"):
        folder.mkdir(parents=True)
    (root / "derivative/subject_xfms.json").write_text(
        json.dumps({participant: f"{participant}_auto"})
    )
    files = {"mask": transform / "mask_thick.nii.gz", "transform": transform / "matrices.xfm"}

    angle = 0.2
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0.1], [np.sin(angle), np.cos(angle), 0], [0, 0.1, 1]]
    )
    coord = np.eye(4)
    coord[:3, :3] = turn / VOXEL
    coord[:3, 3] = (np.array(SHAPE) - 1) / 2 + (0.3, 1.2, 0.1)
    files["transform"].write_text(json.dumps({"coord": coord.tolist(), "magnet": None}))

    places, spheres, atlas_paths, sphere_paths, fsaverage5 = [], [], [], [], []
    for side in ("lh", "rh"):
        order = rng.permutation(10242)  # new vertex i is fsaverage5's vertex order[i]
        new = np.argsort(order)
        fsaverage5.append(new + 10242 * len(fsaverage5))
        for kind, name in zip(MESH_NAMES[:4], ("wm", "pia", "inflated", "flat"), strict=True):
            points, faces = cortex()[kind][side]
            files[f"{name}_{side}"] = pycortex / f"surfaces/{name}_{side}.gii"
            write_gifti(files[f"{name}_{side}"], points[order], new[faces])
        mid = (cortex()["white_matter"][side][0] + cortex()["pial"][side][0]) / 2
        places.append(mid[order] @ coord[:3, :3].T + coord[:3, 3])
        sphere, faces = cortex()["sphere"][side]
        files[f"sphere_{side}"] = surf / f"{side}.sphere.reg"
        write_geometry(files[f"sphere_{side}"], 100 * sphere[order], new[faces])
        spheres.append((sphere / np.linalg.norm(sphere, axis=1, keepdims=True))[order])

        further = rng.standard_normal((N_ATLAS - len(sphere), 3))
        whole = np.concatenate([sphere, further])
        whole /= np.linalg.norm(whole, axis=1, keepdims=True)
        sphere_paths.append(str(root / f"atlas/{side}.sphere.reg"))
        write_geometry(sphere_paths[-1], 100 * whole, faces)
        atlas_paths.append(str(root / f"atlas/{side}.HCP-MMP1.annot"))
        write_atlas(atlas_paths[-1], side, labels_at(whole, side))

    places = np.concatenate(places)
    rounded = np.rint(places).astype(int)
    inside_zyx = np.zeros(SHAPE[::-1], dtype=bool)
    for step in np.argwhere(np.ones((3, 3, 3))) - 1:  # a thick mask
        inside_zyx[tuple((rounded + step)[:, ::-1].T)] = True
    # The image's own affine is of no use for the surfaces.
    affine = np.diag([-VOXEL, VOXEL, VOXEL, 1])
    nibabel.save(nibabel.Nifti1Image(inside_zyx.T.astype(np.uint8), affine), files["mask"])

    xyz = np.argwhere(inside_zyx)[:, ::-1]
    of_vertex = np.concatenate(
        [labels_at(of_side, side) for side, of_side in zip(("lh", "rh"), spheres, strict=True)]
    )
    nearest = np.array([((places - voxel) ** 2).sum(axis=1).argmin() for voxel in xyz])
    number = {tuple(voxel): i for i, voxel in enumerate(xyz.tolist())}
    voxel_of_vertex = np.array([number[tuple(voxel)] for voxel in rounded.tolist()])
    return Planted(
        atlas=atlas_paths,
        spheres=sphere_paths,
        labels=of_vertex[nearest],
        xyz=xyz,
        labels_of_vertices=of_vertex,
        voxel_of_vertex=voxel_of_vertex,
        fsaverage5=voxel_of_vertex[np.concatenate(fsaverage5)],
        files=files,
    )


def labels_at(directions, side):
    labels = np.full(len(directions), "", dtype="<U8")
    for centre, radius, label in DISCS[side]:
        cosine = directions @ centre / np.linalg.norm(centre)
        labels[cosine > np.cos(radius)] = label
    return labels


def write_gifti(path, points, faces):
    arrays = [
        nibabel.gifti.GiftiDataArray(points.astype(np.float32), "NIFTI_INTENT_POINTSET"),
        nibabel.gifti.GiftiDataArray(faces.astype(np.int32), "NIFTI_INTENT_TRIANGLE"),
    ]
    nibabel.save(nibabel.GiftiImage(darrays=arrays), path)


def write_atlas(path, side, labels, names=LABELS):
    colours = np.array([[i, 2 * i, 3 * i, 0] for i in range(1, len(names) + 1)])
    written = [name if name == "???" else f"{side[0].upper()}_{name}_ROI" for name in names]
    numbers = np.array([names.index(label or "???") for label in labels])
    write_annot(path, numbers, colours, written, fill_ctab=True)
