"""Regions of the cortex, by the labels of the HCP-MMP1 atlas."""

import json
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from nibabel.freesurfer import read_annot

from ..names import check_name
from ..whole_files import written_whole
from .surfaces import MESHES, read_gifti
from .volumes import Volume, load_volume, read_mask

LATE_LANGUAGE = {
    "angular gyrus": frozenset("PFm PGs PGi TPOJ2 TPOJ3".split()),
    "lateral temporal": frozenset(
        "STSda STSva STGa TE1a TE2a TGv TGd A5 STSdp STSvp PSL STV TPOJ1".split()
    ),
    "inferior frontal": frozenset("44 45 IFJa IFSp".split()),
    "middle frontal": frozenset({"55b"}),
}
REGIONS = {
    "late_language": frozenset().union(*LATE_LANGUAGE.values()),
    "primary_auditory": frozenset({"A1"}),
    "early_auditory": frozenset("A1 PBelt MBelt LBelt RI A4".split()),
}
Regions = dict[str, np.ndarray]
Labels = Mapping[str, Collection[str]]
# What label images hold where there is no label, and what .annot files do.
UNLABELLED = 0


def regions_from_annot(
    left: str | PathLike[str],
    right: str | PathLike[str],
    regions: Labels = REGIONS,
    n_vertices: tuple[int, int] | None = None,
    nested: bool = False,
) -> Regions:
    """Vertices of each region, from an atlas on the surface.

    Labels are compared without the prefix `L_` or `R_` and without the suffix `_ROI`.

    Parameters
    ----------
    left, right : path-like
        FreeSurfer annotations (`.annot`) or GIFTI label files (`.label.gii`).
    regions : dict of str to set of str
        The atlas's labels by region. Those of Moussa et al. 2025, appendix A.1, in HCP-MMP1
        (Glasser et al. 2016) by default.
    n_vertices : tuple of int, optional
        Of the left and the right hemisphere that vertices are wanted of, to be checked.
    nested : bool
        Whether these are hemispheres of fsaverage, fsaverage6 or fsaverage5: then the atlas may be
        on a finer one of these meshes, whose first vertices are those of a coarser one.

    Returns
    -------
    dict of str to int64 array of shape (n_region_vertices,)
        Sorted; the right hemisphere's vertices are counted on from the left one's. Empty where a
        region's labels hold no vertex.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        An unreadable file, hemispheres in the wrong order, another mesh, or a label of a region
        that the atlas does not have; the message suggests the nearest.
    """
    hemispheres = _read_hemispheres(left, right)
    if n_vertices is not None:
        hemispheres = [
            _on_mesh(hemisphere, n, nested)
            for hemisphere, n in zip(hemispheres, n_vertices, strict=True)
        ]
    return _regions(hemispheres, regions, f"{left} and {right}")


def regions_on_fsaverage(
    left: str | PathLike[str], right: str | PathLike[str], regions: Labels = REGIONS
) -> tuple[Regions, int]:
    """Vertices of each region, from an atlas on one of fsaverage's meshes.

    Parameters
    ----------
    left, right, regions
        As `regions_from_annot`.

    Returns
    -------
    regions : dict of str to int64 array of shape (n_region_vertices,)
        As `regions_from_annot`.
    n_vertices : int
        Of the mesh, a hemisphere: 10242, 40962 or 163842. They are nested: each begins with the
        vertices of the one before it.

    Raises
    ------
    FileNotFoundError, ValueError
        As `regions_from_annot`; the atlas is on another mesh.
    """
    hemispheres = _read_hemispheres(left, right)
    for path, (values, _, _) in zip((left, right), hemispheres, strict=True):
        if len(values) not in MESHES or len(values) != len(hemispheres[0][0]):
            meshes = ", ".join(f"{name} ({n})" for n, name in MESHES.items())
            raise ValueError(
                f"{path}: {len(values)} vertices; expected an atlas of which both hemispheres are "
                f"on one of {meshes}"
            )
    return _regions(hemispheres, regions, f"{left} and {right}"), len(hemispheres[0][0])


def regions_from_labels(
    labels: Volume,
    names: Mapping[int, str] | Sequence[str],
    mask: Volume | None = None,
    regions: Labels = REGIONS,
    n_voxels: int | None = None,
) -> Regions:
    """Voxels of each region, from an atlas in the functional space.

    Labels are compared without the prefix `L_` or `R_` and without the suffix `_ROI`.

    Parameters
    ----------
    labels : path-like, nibabel image or array
        A whole number per voxel, of shape (n_voxels,), or one per place of the functional space,
        of shape (x, y, z). 0 stands for no label unless `names` has it.
    names : dict of int to str, or list of str
        The label that each number stands for; in a list, the number is the place.
    mask : path-like, nibabel image or array of shape (x, y, z), optional
        The participant's voxels, as for `read_mask`. Every number of `labels`, in C order, is a
        voxel by default.
    regions : dict of str to set of str
        The atlas's labels by region, as for `regions_from_annot`.
    n_voxels : int, optional
        Voxels of the participant's responses, to be checked.

    Returns
    -------
    dict of str to int64 array of shape (n_region_voxels,)
        Sorted; empty where a region's labels hold no voxel.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        An unreadable file, labels and mask or responses that do not fit, numbers that are not
        whole or have no name, or a label of a region that the atlas does not have; the message
        suggests the nearest.
    """
    values, affine, origin = load_volume(labels, "label array")
    if mask is not None:
        inside, mask_affine = read_mask(mask, n_voxels)
        n_voxels = int(np.count_nonzero(inside))
        if values.ndim > 1:
            _check_same_space(origin, values, affine, inside, mask_affine)
            values = values[inside]
    if n_voxels is not None and values.size != n_voxels:
        raise ValueError(
            f"{origin}: {values.size} labels, but the participant has {n_voxels} voxels"
        )
    values = values.ravel()
    with np.errstate(invalid="ignore"):
        numbers = values.astype(np.int64)
    wrong = values[numbers != values]
    if len(wrong):
        raise ValueError(f"{origin}: labels must be whole numbers, got {wrong[:3]}")
    names = dict(names if isinstance(names, Mapping) else enumerate(names))
    return _regions([(numbers, names, origin)], regions, "names")


def voxels_at(
    coordinates: np.ndarray, mask: Volume, affine: np.ndarray | None = None
) -> np.ndarray:
    """The voxel that each place in the functional space lies in.

    Parameters
    ----------
    coordinates : array of shape (n_places, 3)
        In mm of the functional space, such as those of a surface's vertices.
    mask : path-like, nibabel image or array of shape (x, y, z)
        The participant's voxels, as for `read_mask`.
    affine : array of shape (4, 4), optional
        From voxel indices to mm. That of the mask by default.

    Returns
    -------
    int64 array of shape (n_places,)
        Index among the mask's voxels of the one whose centre is nearest along the axes of the
        grid; -1 outside the mask.

    Raises
    ------
    FileNotFoundError
        There is no such mask.
    ValueError
        Coordinates of another shape or not finite, or no affine.
    """
    coordinates = np.asarray(coordinates, dtype=np.float64)
    if coordinates.ndim != 2 or coordinates.shape[1] != 3 or not np.isfinite(coordinates).all():
        raise ValueError(
            f"coordinates must be finite, of shape (n_vertices, 3), got {coordinates.shape}"
        )
    inside, mask_affine = read_mask(mask)
    affine = mask_affine if affine is None else affine
    if affine is None:
        raise ValueError("affine is needed where the mask is an array, which has none")
    places = apply_affine(np.linalg.inv(affine), coordinates)
    places = np.rint(places).astype(np.int64)
    on_grid = ((places >= 0) & (places < inside.shape)).all(axis=1)
    index = np.full(inside.shape, -1)
    index[inside] = np.arange(np.count_nonzero(inside))
    voxels = np.full(len(places), -1)
    voxels[on_grid] = index[tuple(places[on_grid].T)]
    return voxels


def project_regions(
    vertex_regions: Mapping[str, np.ndarray],
    coordinates: np.ndarray,
    mask: Volume,
    affine: np.ndarray | None = None,
) -> Regions:
    """Voxels of each region, from its vertices and where these lie in the functional space.

    A vertex belongs to the voxel whose centre is nearest along the axes of the grid. Vertices
    outside the mask have no voxel: they are dropped, with a warning that counts them by region.

    Parameters
    ----------
    vertex_regions : dict of str to array of int
        From `regions_from_annot`.
    coordinates : array of shape (n_vertices, 3)
        Of the left hemisphere's vertices, then the right one's, in mm of the functional space
        (which the coordinates of a FreeSurfer surface are only after registration).
    mask : path-like, nibabel image or array of shape (x, y, z)
        The participant's voxels, as for `read_mask`.
    affine : array of shape (4, 4), optional
        From voxel indices to mm. That of the mask by default.

    Returns
    -------
    dict of str to int64 array of shape (n_region_voxels,)
        Sorted, each voxel once. Empty where a region has no vertices.

    Raises
    ------
    FileNotFoundError
        There is no such mask.
    ValueError
        Coordinates of another shape or not finite, a vertex without coordinates, no affine, or a
        region whose vertices all lie outside the mask.
    """
    voxels = voxels_at(coordinates, mask, affine)
    projected, dropped = {}, []
    for region, vertices in vertex_regions.items():
        vertices = _checked_indices(region, vertices, len(voxels))
        found = voxels[vertices]
        n_outside = np.count_nonzero(found < 0)
        if n_outside == len(vertices) > 0:
            raise ValueError(
                f"region {region!r}: all {len(vertices)} vertices lie outside the mask; "
                "are the coordinates in mm of the functional space?"
            )
        if n_outside:
            dropped.append(f"{region} {n_outside} of {len(vertices)}")
        projected[region] = np.unique(found[found >= 0])
    if dropped:
        warnings.warn(f"vertices outside the mask: {', '.join(dropped)}", stacklevel=2)
    return projected


def write_regions(
    root: str | PathLike[str],
    participant: str,
    regions: Mapping[str, np.ndarray | Sequence[int]],
    n_voxels: int,
) -> Path:
    """Write voxels of each region where `read_regions` finds them.

    Parameters
    ----------
    root : path-like
        A folder laid out as ds003020; the file is `derivative/regions/<participant>.json`.
    participant : str
    regions : dict of str to array of int
        Voxel indices by region; written sorted, each once.
    n_voxels : int
        Voxels of the participant's responses.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        Indices that are not whole numbers from 0 to `n_voxels` - 1.
    """
    path = Path(root) / "derivative" / "regions" / f"{participant}.json"
    write_voxels(path, regions, n_voxels)
    return path


def write_voxels(
    path: str | PathLike[str],
    regions: Mapping[str, np.ndarray | Sequence[int]],
    n_voxels: int,
) -> None:
    """Write voxels of each region to a file of any name, as `write_regions` does.

    Raises
    ------
    ValueError
        As `write_regions`.
    """
    voxels = {
        region: np.unique(_checked_indices(region, indices, n_voxels)).tolist()
        for region, indices in regions.items()
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        partial.write_text(json.dumps(voxels), encoding="utf-8")


def _read_hemispheres(left, right):
    hemispheres = [_read_surface_labels(Path(path)) for path in (left, right)]
    named = [Path(path).name.lower() for path in (left, right)]
    if all(map(_names_side, hemispheres, ("R_", "L_"))) or all(
        name.startswith(side) for name, side in zip(named, ("rh.", "lh."), strict=True)
    ):
        raise ValueError(f"left and right are exchanged: got {left} as left and {right} as right")
    return hemispheres


def _read_surface_labels(path):
    """A hemisphere's label numbers (n_vertices,), the names of the numbers, and the file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such label file")
    try:
        if path.suffix == ".gii":
            image = read_gifti(path)
            [array] = image.get_arrays_from_intent("NIFTI_INTENT_LABEL")
            return array.data, image.labeltable.get_labels_as_dict(), path
        # The codes as stored: nibabel would give those that the table lacks some other label.
        codes, table, names = read_annot(path, orig_ids=True)
        names = (name.decode() for name in names)
        return codes, dict(zip(table[:, -1].tolist(), names, strict=True)), path
    except Exception as error:  # Damage shows as whatever the parsers stumble over.
        raise ValueError(f"{path}: not one readable .annot or .label.gii map ({error})") from error


def _on_mesh(hemisphere, n_vertices, nested):
    """A hemisphere's labels at the vertices of its mesh, or of one that is nested in it."""
    values, names, path = hemisphere
    finer = [n for n in MESHES if nested and n_vertices in MESHES and n > n_vertices]
    if len(values) not in (n_vertices, *finer):
        expected = " or ".join(map(str, [n_vertices, *finer]))
        raise ValueError(f"{path}: labels of {len(values)} vertices; expected {expected}")
    return values[:n_vertices], names, path


def _names_side(hemisphere, prefix):
    values, names, _ = hemisphere
    return any(names.get(value, "").startswith(prefix) for value in np.unique(values).tolist())


def _regions(parts, regions, origin):
    """Indices by region, counted through parts of (label numbers, names of the numbers, file)."""
    for values, names, file in parts:
        unnamed = sorted(set(np.unique(values).tolist()) - names.keys() - {UNLABELLED})
        if unnamed:
            raise ValueError(f"{file}: {len(unnamed)} label numbers have no name: {unnamed[:5]}")
    known = {_plain(name) for _, names, _ in parts for name in names.values()}
    for region, labels in regions.items():
        for label in sorted(labels):
            check_name(f"label of {region} in {origin}", label, known)
    return {
        region: np.flatnonzero(
            np.concatenate([_within(values, names, labels) for values, names, _ in parts])
        )
        for region, labels in regions.items()
    }


def _within(values, names, labels):
    return np.isin(values, [value for value, name in names.items() if _plain(name) in labels])


def _plain(name):
    return re.sub("^[LR]_|_ROI$", "", name)


def _check_same_space(origin, labels, affine, inside, mask_affine):
    if labels.shape != inside.shape:
        raise ValueError(
            f"{origin}: labels of shape {labels.shape}, but the mask is {inside.shape}"
        )
    both = affine is not None and mask_affine is not None
    if both and not np.allclose(affine, mask_affine, atol=1e-3):
        raise ValueError(
            f"{origin}: its affine differs from the mask's; resample the labels into the "
            f"functional space, got {affine.tolist()} and {mask_affine.tolist()}"
        )


def _checked_indices(region, indices, n):
    indices = np.asarray(indices)
    if not indices.size:
        return np.empty(0, dtype=np.int64)
    if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(
            f"region {region!r} must be a list of whole-number indices, got {indices.dtype} of "
            f"shape {indices.shape}"
        )
    wrong = indices[(indices < 0) | (indices >= n)]
    if len(wrong):
        raise ValueError(
            f"region {region!r} has {len(wrong)} indices outside 0 to {n - 1}, got {wrong[:3]}"
        )
    return indices
