"""More people who heard the phantom's stories, so that listeners can be compared."""

import shutil

import h5py
import numpy as np
from scipy.stats import zscore


def add_listeners(root, names=("P03", "P04")):
    """Have more people in a phantom's folder, who answer as P01 does, but for noise.

    Parameters
    ----------
    root : Path
        Of a phantom that P01 and P02 heard; P02 becomes one of those who answer so. All get the
        places of P01's voxels.
    names : list of str
    """
    own, masks = root / "derivative/preprocessed_data", root / "derivative/masks"
    rng = np.random.default_rng(0)
    shutil.rmtree(own / "P02")
    for name in ("P02", *names):
        shutil.copytree(own / "P01", own / name)
        for path in sorted((own / name).glob("story*.hf5")):
            with h5py.File(path, "r+") as file:
                values = file["data"][()]
                file["data"][...] = zscore(values + 0.3 * rng.standard_normal(values.shape))
        shutil.copy(masks / "P01.nii.gz", masks / f"{name}.nii.gz")
