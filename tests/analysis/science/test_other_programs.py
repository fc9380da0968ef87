"""D and its error beside those of other people's programs, where these are right (extra `reference`)."""

import numpy as np
import pytest

from analysis.science import diffusion, msd
from tests.analysis.science.walks import lattice_walk


def walk_with_framework(n_frames=400, n_ions=20, seed=13):
    """Unwrapped (n_frames, n_ions + 4, 3) in a cube of 20 Å: hops of 1 Å, a framework at rest."""
    rng = np.random.default_rng(seed)
    ions = lattice_walk(rng, n_frames, n_ions, 0.5) + rng.uniform(0, 20, (1, n_ions, 3))
    return np.concatenate([ions, np.repeat(rng.uniform(0, 20, (1, 4, 3)), n_frames, axis=0)], axis=1)


def our_estimate(path, n_ions, interval_ps):
    mobile = np.arange(path.shape[1]) < n_ions
    drift_A = msd.drift(path, mobile).displacement_A
    return diffusion.estimate(diffusion.Paths(msd.paths_of(path, np.flatnonzero(mobile), drift_A), interval_ps), 1.0)


def test_d_is_that_of_kinisi_within_the_errors():
    """Both fit generalized least squares; kinisi samples D and gives an error of its own, of the same size as ours."""
    pytest.importorskip("kinisi")
    import scipp as sc
    from ase import Atoms
    from kinisi.analyze import DiffusionAnalyzer

    path, interval_ps = walk_with_framework(), 0.1
    frames = [Atoms("Li20S4", positions=one, cell=20 * np.eye(3), pbc=True) for one in path]
    theirs = DiffusionAnalyzer.from_ase(frames, specie="Li", time_step=interval_ps * sc.Unit("ps"), step_skip=1 * sc.Unit("dimensionless"),
                                        progress=False)  # fmt: skip
    theirs.diffusion(1.0 * sc.Unit("ps"), progress=False, random_state=np.random.RandomState(1))
    samples_cm2_s = sc.to_unit(theirs.D, "cm^2/s").values
    ours = our_estimate(path, 20, interval_ps)
    assert abs(samples_cm2_s.mean() - ours.diffusivity_cm2_s) < 2 * np.hypot(samples_cm2_s.std(), ours.error_cm2_s)
    assert 0.3 < samples_cm2_s.std() / ours.error_cm2_s < 3


def test_d_is_near_that_of_pymatgen_whose_error_is_too_small():
    """pymatgen's DiffusionAnalyzer fits an ordinary line; its error is the textbook one, which takes lags for independent."""
    pytest.importorskip("pymatgen.analysis.diffusion.analyzer")
    from pymatgen.analysis.diffusion.analyzer import DiffusionAnalyzer
    from pymatgen.core import Lattice, Structure

    path = walk_with_framework(1000)
    structure = Structure(Lattice.cubic(20), ["Li"] * 20 + ["S"] * 4, path[0], coords_are_cartesian=True)
    displacements = (path - path[:1]).transpose(1, 0, 2)
    theirs = DiffusionAnalyzer(structure, displacements, "Li", 600, 1, 100, smoothed="max")
    ours = our_estimate(path, 20, 0.1)
    assert theirs.diffusivity == pytest.approx(ours.diffusivity_cm2_s, rel=0.3)
    assert theirs.diffusivity_std_dev < 0.2 * ours.error_cm2_s
