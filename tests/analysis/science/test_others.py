"""Agreement with other people's programs where they are right; skipped where they are not installed (extra `reference`)."""

import numpy as np
import pytest

from analysis.science import msd

from .walks import lattice_walk


def test_the_msd_is_that_of_tidynamics():
    tidynamics = pytest.importorskip("tidynamics")
    path = lattice_walk(np.random.default_rng(11), 700, 5, 0.3, 0.2).astype(float)
    expected = np.stack([tidynamics.msd(path[:, ion]) for ion in range(5)], axis=1)
    assert np.allclose(msd.ion_msd(msd.paths_of(path, np.arange(5)), np.arange(700)), expected, rtol=1e-9, atol=1e-9)


def test_the_collective_msd_is_that_of_tidynamics():
    tidynamics = pytest.importorskip("tidynamics")
    path = lattice_walk(np.random.default_rng(12), 300, 8, 0.3).astype(float)
    lags = np.arange(1, 150)
    expected = tidynamics.msd(path.sum(axis=1))[lags] / 8
    assert np.allclose(msd.collective_msd(msd.paths_of(path, np.arange(8)), lags), expected, rtol=1e-9, atol=1e-9)
