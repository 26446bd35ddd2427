"""Where a phantom participant's voxels lie: patches of the cortex, as fsaverage5 has it."""

from collections.abc import Mapping
from functools import cache

import nibabel
import numpy as np
from scipy.spatial import cKDTree

from ..cortex import Anatomy

VOXEL_MM = 5.0
N_WAVES = 200  # of which a smooth field is the sum
MAP_MM = 12.0  # over which what voxels respond to changes
WARP_MM, WARP_SCALE_MM = 3.0, 25.0  # how far a participant's maps are moved, and how smoothly
# Around which places of the left hemisphere, in mm of MNI305, the voxels of each kind lie; those of
# the right one mirror them. Kinds take their voxels in this order.
CENTRES = {
    "auditory": [(-50, -20, 6)],  # Heschl's gyrus
    "language": [
        *((-58, -40, 4), (-56, -8, -14)),  # superior temporal sulcus
        (-46, -62, 32),  # angular gyrus
        (-50, 20, 14),  # inferior frontal gyrus
        (-46, 4, 48),  # middle frontal gyrus
    ],
    "noise": [(-8, -90, 4)],  # calcarine sulcus
    "dead": [(-10, 60, -12)],  # frontal pole, where the sinuses take the signal
}


@cache
def _fsaverage5():
    """Vertices of the mid-surface, left ones first, (20484, 3) in mm."""
    from nilearn.datasets import load_fsaverage  # takes seconds to import

    meshes = load_fsaverage("fsaverage5")
    white, pial = (
        np.concatenate([meshes[name].parts[side].coordinates for side in ("left", "right")])
        for name in ("white_matter", "pial")
    )
    return (white + pial) / 2


def smooth_fields(
    places: np.ndarray, n_fields: int, scale: float, rng: np.random.Generator
) -> np.ndarray:
    """Gaussian random fields over space, of unit variance, that any place can be asked for.

    Sums of random waves, whose covariance falls with the distance as a Gaussian does (Rahimi &
    Recht 2007, random Fourier features).

    Parameters
    ----------
    places : array of shape (n_places, 3)
        In mm.
    n_fields : int
    scale : float
        Standard deviation of that Gaussian, in mm.
    rng : numpy.random.Generator
        Its state, and not the places, determines the fields.

    Returns
    -------
    float64 array of shape (n_fields, n_places)
    """
    waves = rng.standard_normal((n_fields, N_WAVES, 3)) / scale
    phases = rng.uniform(0, 2 * np.pi, (n_fields, N_WAVES, 1))
    return np.sqrt(2 / N_WAVES) * np.cos(waves @ places.T + phases).sum(axis=1)


def lay_out(
    counts: Mapping[str, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Anatomy]:
    """Lay a participant's voxels onto the cortex.

    Parameters
    ----------
    counts : dict of {kind: number of voxels}
        Of the kinds of `CENTRES`.
    rng : numpy.random.Generator
        Warps the cortex: the patches and the maps in them are all participants' own, moved.

    Returns
    -------
    kinds : str array of shape (n_voxels,)
        In the order of the voxels, the C order of the mask.
    places : float64 array of shape (n_voxels, 3)
        Of the voxels' centres, in mm.
    origins : float64 array of shape (n_voxels, 3)
        The places of the common maps that the warp brings there.
    anatomy : Anatomy
        Mask, and the voxel of each vertex of fsaverage5.

    Raises
    ------
    ValueError
        There are more voxels than fit into the cortex.
    """
    vertices = np.rint(_fsaverage5() / VOXEL_MM).astype(int)
    corner = vertices.min(axis=0) - 1
    cells, cell_of_vertex = np.unique(vertices - corner, axis=0, return_inverse=True)
    n_voxels = sum(counts.values())
    if n_voxels > len(cells):
        raise ValueError(f"{n_voxels} voxels were asked for, but the cortex holds {len(cells)}")
    places = (cells + corner) * VOXEL_MM
    origins = places + WARP_MM * smooth_fields(places, 3, WARP_SCALE_MM, rng).T
    kind_of_cell = np.full(len(cells), "", dtype="<U8")
    for kind, centres in CENTRES.items():
        left = np.array(centres)
        away, _ = cKDTree(np.concatenate([left, left * (-1, 1, 1)])).query(origins)
        away[kind_of_cell != ""] = np.inf
        kind_of_cell[np.argsort(away, kind="stable")[: counts[kind]]] = kind
    taken = kind_of_cell != ""
    voxel_of_cell = np.where(taken, np.cumsum(taken) - 1, -1)  # cells are sorted as C order is

    mask = np.zeros(cells.max(axis=0) + 2, dtype=np.uint8)
    mask[tuple(cells[taken].T)] = 1
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = corner * VOXEL_MM
    kinds = kind_of_cell[taken]
    anatomy = Anatomy(
        n_voxels=n_voxels,
        mask=nibabel.Nifti1Image(mask, affine),
        fsaverage5=voxel_of_cell[cell_of_vertex],
    )
    return kinds, places[taken], origins[taken], anatomy
