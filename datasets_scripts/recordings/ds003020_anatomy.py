"""The anatomy that ds003020 ships: pycortex's and FreeSurfer's files of a participant.

Nothing in the folder says where voxels lie in words that this package reads; all of it follows from
pycortex's mask, transform and surfaces and from FreeSurfer's registration to fsaverage.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.affines import apply_affine

from ..cortex import read_mask, regions_on_fsaverage
from ..cortex.anatomy import (
    SHAPES,
    Anatomy,
    Surface,
    vertices_in_regions,
    voxels_in_regions,
    voxels_of_vertices,
    voxels_on_fsaverage5,
)
from ..cortex.surfaces import (
    HEMISPHERES,
    Mesh,
    fsaverage5_spheres,
    fsaverage_spheres,
    read_mesh,
    read_sphere,
)
from .annex import check_plain, check_there, unfetched

TRANSFORMS = "derivative/subject_xfms.json"
# Which a laboratory may write
REGIONS_FILE = "derivative/regions/{}.json"
ANATOMY_FILE = "derivative/anatomy/{}.npz"
MOST = 0.5  # share of the vertices that lie in voxels, if transform and mask belong to the surfaces


def anatomy_files(root: str | PathLike[str], participant: str) -> dict[str, Path]:
    """Name the files that a participant's anatomy follows from.

    Parameters
    ----------
    root : path-like
    participant : str

    Returns
    -------
    dict of {str: Path}
        "mask", "transform" and, for `lh` and `rh`, "wm_lh", "pia_lh", "inflated_lh", "flat_lh" and
        "sphere_lh", whether or not they are there. Empty where the data set has no transform of
        this participant.

    Raises
    ------
    ValueError
        `subject_xfms.json` is no JSON object of names.
    """
    derivative = Path(root) / "derivative"
    table = Path(root) / TRANSFORMS
    if not table.is_file() or unfetched(table):
        return {}
    name = read_json(table).get(participant)
    if name is None:
        return {}
    if not isinstance(name, str):
        raise ValueError(f"{table}: expected the name of {participant}'s transform, got {name!r}")
    pycortex = derivative / "pycortex-db" / participant
    transform = pycortex / "transforms" / name
    files = {"mask": transform / "mask_thick.nii.gz", "transform": transform / "matrices.xfm"}
    for side in HEMISPHERES:
        for shape in ("wm", "pia", *SHAPES):
            stem = pycortex / "surfaces" / f"{shape}_{side}"
            arrays = stem.with_suffix(".npz")  # of one participant
            found = arrays.is_symlink() or arrays.exists()
            files[f"{shape}_{side}"] = arrays if found else stem.with_suffix(".gii")
        surf = derivative / "freesurfer_subjdir" / participant / "surf"
        files[f"sphere_{side}"] = surf / f"{side}.sphere.reg"
    return files


def needed_by_an_atlas(files: Mapping[str, Path]) -> list[Path]:
    """Those of `anatomy_files` without which an atlas cannot be laid onto the voxels."""
    return [path for name, path in files.items() if not name.startswith(SHAPES)]


def pycortex_mask(path: str | PathLike[str], n_voxels: int | None = None) -> nibabel.Nifti1Image:
    """Read pycortex's mask so that its voxels, in C order, are the columns of the responses.

    pycortex reads volumes transposed, (z, y, x), and the columns are the C order of that.

    Parameters
    ----------
    path : path-like
        `mask_thick.nii.gz`.
    n_voxels : int, optional
        Voxels of the responses, to be checked.

    Returns
    -------
    nibabel.Nifti1Image of shape (z, y, x)
        With the affine's columns in that order too, so that voxels stay where they are in mm.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_mask`.
    """
    inside, affine = read_mask(path, n_voxels)
    return nibabel.Nifti1Image(inside.T.astype(np.uint8), affine[:, [2, 1, 0, 3]])


def derive_anatomy(
    root: str | PathLike[str],
    participant: str,
    n_voxels: int | None = None,
    atlas: Sequence[str | PathLike[str]] | None = None,
    atlas_spheres: Sequence[str | PathLike[str]] | None = None,
) -> Anatomy:
    """Find where a participant's voxels lie, from what the data set ships.

    A voxel belongs to the region of the nearest vertex of the mid-surface, the mean of the white
    and the pial one. A vertex belongs to the region of the atlas's vertex that is nearest to it on
    the sphere.

    Parameters
    ----------
    root : path-like
    participant : str
    n_voxels : int, optional
        Of the responses; by default the mask's.
    atlas : left and right path-like, optional
        Annotations of fsaverage, as for `regions_from_annot`. Without them no region is found.
    atlas_spheres : left and right path-like, optional
        FreeSurfer's `lh.sphere.reg` and `rh.sphere.reg` of fsaverage. Only fsaverage5's vertices
        of the atlas are used by default, with which 8 % of vertices get a neighbour's label.

    Returns
    -------
    Anatomy
        Without an atlas, what can be derived from the files that are there and fetched.

    Raises
    ------
    FileNotFoundError
        An atlas is given, and files that it needs are missing or not fetched; the message lists
        them. So is the mask, and `n_voxels` is not given.
    ValueError
        A damaged file, or files that do not belong together. The message names them.
    """
    if atlas is not None and len(atlas) != 2:
        raise ValueError(
            "atlas must be two annotations of fsaverage, the left one and the right one, "
            f"got {' '.join(map(str, atlas))}"
        )
    files = anatomy_files(root, participant)
    if atlas is not None or n_voxels is None:
        table = Path(root) / TRANSFORMS
        check_there([table], participant, root)
        if not files:
            raise FileNotFoundError(
                f"{table} has no transform of {participant}, without which an atlas cannot be laid "
                f"onto the voxels: write those of each region to {REGIONS_FILE.format(participant)}"
            )
        needed = [files["mask"]] if atlas is None else needed_by_an_atlas(files)
        check_there(needed, participant, root)
    files = {name: path for name, path in files.items() if path.is_file() and not unfetched(path)}
    if "mask" not in files and n_voxels is not None:
        return Anatomy(n_voxels=n_voxels)
    mask = pycortex_mask(files["mask"], n_voxels)
    n_voxels = np.count_nonzero(mask.dataobj)
    anatomy = Anatomy(n_voxels=n_voxels, mask=mask)
    if not {"transform", *_of_both("wm"), *_of_both("pia")} <= files.keys():
        return anatomy

    cortices = [_mid_surface(files, side) for side in HEMISPHERES]
    n_left = len(cortices[0])
    if cortices[0][:, 0].mean() > cortices[1][:, 0].mean():
        raise ValueError(
            f"{files['wm_lh']}: the left hemisphere lies to the right of {files['wm_rh']}; are "
            "they exchanged?"
        )
    places = apply_affine(_transform(files["transform"]), np.concatenate(cortices))
    voxels = np.argwhere(np.asarray(mask.dataobj))  # in the order of the responses
    index = np.full(mask.shape, -1)
    index[tuple(voxels.T)] = np.arange(n_voxels)
    own = Surface(
        voxels=voxels_of_vertices(places, index.T), n_left=n_left, shapes=_shapes(files, cortices)
    )
    _check_inside(files, places, own.voxels, index.T.shape)
    anatomy.surface = own
    if not set(_of_both("sphere")) <= files.keys():
        return anatomy

    spheres = tuple(
        read_sphere(files[f"sphere_{side}"], len(cortex))
        for side, cortex in zip(HEMISPHERES, cortices, strict=True)
    )
    anatomy.fsaverage5 = voxels_on_fsaverage5(own.voxels, spheres, fsaverage5_spheres())
    if atlas is not None:
        left, right = atlas
        labelled, n_atlas = regions_on_fsaverage(left, right)
        atlas_directions = fsaverage_spheres(n_atlas, atlas_spheres)
        own.regions = vertices_in_regions(labelled, atlas_directions, n_atlas, spheres)
        anatomy.regions = voxels_in_regions(own.regions, places, voxels[:, ::-1])
        anatomy.atlas = atlas_facts(atlas)
    return anatomy


def atlas_facts(atlas: Sequence[str | PathLike[str]]) -> dict[str, str]:
    """Return what is told of an atlas: the names of its files, and a hash of what they hold.

    Parameters
    ----------
    atlas : list of path-like

    Returns
    -------
    dict with "name" and "sha256"
    """
    paths = [Path(path) for path in atlas]
    content = hashlib.sha256()
    for path in paths:
        content.update(path.read_bytes())
    return {"name": " ".join(path.name for path in paths), "sha256": content.hexdigest()}


def _of_both(name):
    return [f"{name}_{side}" for side in HEMISPHERES]


def _mid_surface(files, side):
    """Coordinates halfway between the white and the pial surface, (n_vertices, 3)."""
    white, pial = (read_mesh(files[f"{name}_{side}"]).coordinates for name in ("wm", "pia"))
    if len(white) != len(pial):
        raise ValueError(
            f"{files[f'pia_{side}']}: {len(pial)} vertices, but {files[f'wm_{side}']} has "
            f"{len(white)}"
        )
    return (white + pial) / 2


def _transform(path):
    """From a surface's mm to voxel indices (x, y, z), (4, 4)."""
    try:
        matrix = np.array(read_json(path).get("coord"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: 'coord' must be a matrix of numbers ({error})") from error
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"{path}: 'coord' must be a finite matrix (4, 4), got {matrix.tolist()}")
    return matrix


def _shapes(files, cortices):
    """Both hemispheres' meshes of each shape whose files are there."""
    meshes = {}
    for shape in SHAPES:
        if not set(_of_both(shape)) <= files.keys():
            continue
        left, right = sides = [read_mesh(files[name]) for name in _of_both(shape)]
        for name, mesh, cortex in zip(_of_both(shape), sides, cortices, strict=True):
            if len(mesh.coordinates) != len(cortex):
                raise ValueError(
                    f"{files[name]}: {len(mesh.coordinates)} vertices, but the participant's "
                    f"other surfaces have {len(cortex)}"
                )
        meshes[shape] = Mesh(
            np.concatenate([left.coordinates, right.coordinates]),
            np.concatenate([left.faces, right.faces + len(left.coordinates)]),
        )
    return meshes


def _check_inside(files, places, voxels, shape):
    in_volume = ((np.rint(places) >= 0) & (np.rint(places) < shape)).all(axis=1).mean()
    if in_volume < MOST:
        raise ValueError(
            f"{files['transform']}: 'coord' puts {1 - in_volume:.0%} of the vertices outside the "
            f"volume of {files['mask']}, of shape {shape}; it must lead from the surfaces' mm to "
            "voxel indices (x, y, z)"
        )
    in_mask = (voxels >= 0).mean()
    if in_mask < MOST:
        raise ValueError(
            f"{files['transform']}: 'coord' puts only {in_mask:.0%} of the vertices into voxels of "
            f"{files['mask']}; transform, mask and surfaces are not of one functional space"
        )


def read_json(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a file that holds a JSON object.

    Raises
    ------
    ValueError
        It holds no JSON, or another value.
    """
    check_plain(path)
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got a {type(content).__name__}")
    return content
