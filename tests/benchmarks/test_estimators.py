"""Time and memory of the MSDs and D with its error, beside other people's programs on the same arrays (`make benchmark` installs them)."""

import time
import tracemalloc

import numpy as np

from analysis.engines import judge
from analysis.science import diffusion, msd
from tests.analysis.science.walks import lattice_walk

N_MOBILE, N_FRAMEWORK = 80, 120
CELL_A = 24.0
INTERVAL_PS = 0.1


def arrays(n_frames, multiple=1):
    """(n_frames, 200 times `multiple`, 3) float32: ions that hop, two species of framework that shake."""
    rng = np.random.default_rng(1)
    n_mobile, n_framework = N_MOBILE * multiple, N_FRAMEWORK * multiple
    ions = lattice_walk(rng, n_frames, n_mobile, 0.2, 0.1) + rng.uniform(0, CELL_A, (1, n_mobile, 3))
    still = rng.uniform(0, CELL_A, (1, n_framework, 3)) + 0.1 * rng.normal(size=(n_frames, n_framework, 3))
    return np.concatenate([ions, still], axis=1).astype(np.float32)


def ours(path):
    """Seconds for D with its error and the MSD of every species, as the judgement of a run finds them."""
    fifth = path.shape[1] // 5
    symbols = np.array(["Li"] * (2 * fifth) + ["P"] * fifth + ["S"] * (2 * fifth))
    began = time.perf_counter()
    drift_A = msd.drift(path, symbols == "Li").displacement_A
    paths = diffusion.Paths(msd.paths_of(path, np.flatnonzero(symbols == "Li"), drift_A), INTERVAL_PS)
    found = diffusion.estimate(paths, 1.0)
    judge.species_msd(path, drift_A, symbols, "Li", found)
    return time.perf_counter() - began, found


def test_five_times_faster_than_pymatgen():
    from pymatgen.analysis.diffusion.analyzer import DiffusionAnalyzer
    from pymatgen.core import Lattice, Structure

    path = arrays(20_000)
    ours_s, found = min((ours(path) for _ in range(3)), key=lambda one: one[0])
    tracemalloc.start()
    ours(path)
    added_MB = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    structure = Structure(Lattice.cubic(CELL_A), ["Li"] * 80 + ["P"] * 40 + ["S"] * 80, path[0], coords_are_cartesian=True)
    displacements = (path - path[:1]).transpose(1, 0, 2).astype(float)
    theirs_s = np.inf
    for _ in range(3):  # the first call of either pays for what it imports and plans
        began = time.perf_counter()
        theirs = DiffusionAnalyzer(structure, displacements, "Li", 600, 1, 100, smoothed="max")
        theirs_s = min(theirs_s, time.perf_counter() - began)
    print(f"\n20,000 frames x 200 atoms: ours {ours_s:.2f} s (and {added_MB:.0f} MB beside the array), pymatgen {theirs_s:.2f} s, "
          f"{theirs_s / ours_s:.1f} times")  # fmt: skip
    print(f"D {found.diffusivity_cm2_s:.3e} ± {found.error_cm2_s:.1e} against {theirs.diffusivity:.3e} ± {theirs.diffusivity_std_dev:.1e}")
    assert added_MB < 500
    assert theirs_s > 5 * ours_s


def test_fifty_times_faster_than_kinisi():
    import scipp as sc
    from ase import Atoms
    from kinisi.analyze import DiffusionAnalyzer

    path = arrays(2_000)
    frames = [Atoms("Li80P40S80", positions=one, cell=CELL_A * np.eye(3), pbc=True) for one in path]
    ours_s, found = ours(path)
    began = time.perf_counter()
    theirs = DiffusionAnalyzer.from_ase(frames, specie="Li", time_step=INTERVAL_PS * sc.Unit("ps"), step_skip=1 * sc.Unit("dimensionless"),
                                        progress=False)  # fmt: skip
    theirs.diffusion(2.0 * sc.Unit("ps"), progress=False)
    theirs_s = time.perf_counter() - began
    print(f"\n2,000 frames x 200 atoms: ours {ours_s:.2f} s, kinisi {theirs_s:.1f} s, {theirs_s / ours_s:.0f} times; "
          f"D {found.diffusivity_cm2_s:.3e} against {sc.to_unit(theirs.D, 'cm^2/s').values.mean():.3e} cm2/s")  # fmt: skip
    assert theirs_s > 50 * ours_s


def test_time_grows_with_frames_no_faster_than_n_log_n_and_linearly_with_atoms():
    def seconds(path):
        return min(ours(path)[0] for _ in range(3))

    one, frames, atoms = seconds(arrays(5_000)), seconds(arrays(20_000)), seconds(arrays(5_000, multiple=4))
    expected = 4 * np.log(20_000) / np.log(5_000)
    print(f"\n200 atoms: 5,000 frames {one:.2f} s, 20,000 frames {frames:.2f} s: {frames / one:.1f} times (n log n: {expected:.1f}); "
          f"800 atoms, 5,000 frames {atoms:.2f} s: {atoms / one:.1f} times (linear: 4)")  # fmt: skip
    assert frames < 1.2 * expected * one
    assert atoms < 1.2 * 4 * one
