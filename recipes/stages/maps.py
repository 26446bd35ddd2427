"""Where maps are drawn: from a participant's anatomy to the cortex that figures take."""

import numpy as np

from datasets_scripts import voxels_at
from datasets_scripts.cortex import Anatomy
from evaluate_metrics import Cortex, fsaverage5


def own_cortex(
    participant: str, anatomy: Anatomy, places: np.ndarray | None = None
) -> Cortex | None:
    """Return the participant's own surface, or else fsaverage5.

    Parameters
    ----------
    participant : str
    anatomy : Anatomy
    places : array of shape (20484, 3), optional
        As `common_cortex`; they are asked for, so maps are on fsaverage5.

    Returns
    -------
    Cortex or None
        None where no surface is known: maps are slices, if there is a mask.

    Raises
    ------
    ValueError
        As `common_cortex`.
    """
    surface = anatomy.surface
    if places is not None or surface is None or not surface.shapes:
        return common_cortex(participant, anatomy, places)
    return Cortex(
        name=f"{participant}'s own cortex",
        voxels=surface.voxels,
        n_left=surface.n_left,
        shapes=surface.shapes,
        # an atlas has smooth borders; regions of a user's own are known by their voxels
        regions=surface.regions if anatomy.atlas else _vertices_of(anatomy.regions, surface.voxels),
    )


def common_cortex(
    participant: str, anatomy: Anatomy, places: np.ndarray | None = None
) -> Cortex | None:
    """Return fsaverage5 with the participant's voxels and regions.

    Parameters
    ----------
    participant : str
    anatomy : Anatomy
    places : array of shape (20484, 3), optional
        Of fsaverage5's vertices in the participant's functional space, in mm; by default the
        anatomy says which voxels they lie in.

    Returns
    -------
    Cortex or None
        None where that is not known.

    Raises
    ------
    ValueError
        Places are given, but where the voxels lie is not known.
    """
    voxels = anatomy.fsaverage5
    if places is not None:
        if anatomy.mask is None:
            raise ValueError(
                f"surface: where the voxels of {participant} lie is not known; the "
                f"recordings need derivative/masks/{participant}.nii.gz"
            )
        voxels = voxels_at(places, anatomy.mask)
    if voxels is None:
        return None
    return fsaverage5(voxels, _vertices_of(anatomy.regions, voxels))


def _vertices_of(regions, voxels):
    """The vertices whose voxel is in each region."""
    return {name: np.flatnonzero(np.isin(voxels, found)) for name, found in regions.items()}
