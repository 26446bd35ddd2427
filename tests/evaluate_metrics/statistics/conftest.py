"""Simulated responses: noise like that of fMRI, and models that see part of the signal."""

import numpy as np
import pytest
from scipy.signal import lfilter


def _drifting(rng, *shape):
    innovations = rng.standard_normal((50 + shape[0], *shape[1:])) * np.sqrt(1 - 0.7**2)
    return lfilter([1], [1, -0.7], innovations, axis=0)[50:]


def _simulate(n_trs=150, n_voxels=20, seed=0):
    rng = np.random.default_rng(seed)
    signal = _drifting(rng, n_trs, n_voxels)
    references = signal + _drifting(rng, n_trs, n_voxels)
    layers = [signal + noise * _drifting(rng, n_trs, n_voxels) for noise in (0.5, 1.0)]
    return layers, references, rng.uniform(0.5, 0.9, n_voxels)


@pytest.fixture(scope="session")
def drifting():
    """Draws noise of unit variance whose neighbouring TRs (axis 0) correlate by 0.7, like fMRI."""
    return _drifting


@pytest.fixture(scope="session")
def simulate():
    """Makes a story's responses, two layers that see part of it, and noise ceilings."""
    return _simulate
