"""How often the errors of D cover the truth, over walks whose D is known. Prints the table that the documentation quotes.

    python -m pytest -s tests/benchmarks/test_calibration.py

Lengths are in lattice edges and times in frames. `GLS` is the fraction of walks where generalized least squares was kept.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from analysis.science import diffusion, msd
from tests.analysis.science import walks

N_WALKS = 300
A2_FRAME = 1e-4


@cache
def exclusion_truth(side: int, n_ions: int) -> float:
    """D of the exclusion walk from long runs, where the MSD has become straight; its own error is about 0.4 %."""
    rng, found = np.random.default_rng(99), []
    for _ in range(40):
        path = walks.exclusion_walk(rng, 3000, side, n_ions)
        early, late = msd.ion_msd(walks.as_paths(path).paths_A, np.array([40, 200])).mean(axis=1)
        found.append((late - early) / 160 / 6)
    return float(np.mean(found))


def walk(n_frames: int, n_ions: int, probability: float, vibration: float = 0.0):
    return lambda rng: walks.lattice_walk(rng, n_frames, n_ions, probability, vibration), lambda: probability / 6


def concerted(n_frames: int, n_groups: int, group: int, probability: float):
    return lambda rng: walks.concerted_walk(rng, n_frames, n_groups, group, probability), lambda: probability / 6


def exclusion(n_frames: int, side: int, n_ions: int):
    return lambda rng: walks.exclusion_walk(rng, n_frames, side, n_ions), lambda: exclusion_truth(side, n_ions)


CASES = {
    "every ion hops in every frame, 20 ions, 400 frames": walk(400, 20, 1.0),
    "hops 0.3, 20 ions, 400 frames": walk(400, 20, 0.3),
    "rare hops 0.05, 20 ions, 400 frames": walk(400, 20, 0.05),
    "hops 0.1, vibration, 24 ions, 300 frames": walk(300, 24, 0.1, 0.1),
    "hops 0.1, strong vibration, 40 ions, 2000 frames": walk(2000, 40, 0.1, 0.2),
    "hops 0.1, vibration, 12 ions, 150 frames": walk(150, 12, 0.1, 0.1),
    "hops 0.3, 5 ions, 100 frames": walk(100, 5, 0.3),
    "hops 0.3, 8 ions, 50 frames": walk(50, 8, 0.3),
    "32 ions hop by fours, 300 frames": concerted(300, 8, 4, 0.3),
    "20 ions hop in pairs, 400 frames": concerted(400, 10, 2, 0.1),
    "exclusion, 48 ions on 64 sites, 300 frames": exclusion(300, 4, 48),
    "exclusion, 150 ions on 216 sites, 200 frames": exclusion(200, 6, 150),
}


def estimates(make: Callable, n_walks: int) -> list[diffusion.Diffusivity]:
    rng = np.random.default_rng(2024)
    found = []
    for _ in range(n_walks):
        found.append(diffusion.estimate(walks.as_paths(make(rng)), walks.EDGE_A))
    return found


DENSE = "exclusion, 150 ions on 216 sites, 200 frames"
N_DENSE_WALKS = 1000  # its two-sigma fraction is so near the limit that 300 walks, known to 0.015, do not decide


@pytest.mark.parametrize("name", CASES)
def test_the_error_covers_the_truth(name):
    make, truth = CASES[name]
    found = estimates(make, N_DENSE_WALKS if name == DENSE else N_WALKS)
    exact = truth() * A2_FRAME
    values, errors = (np.array([getattr(one, field) for one in found]) for field in ("diffusivity_cm2_s", "error_cm2_s"))
    z = (values - exact) / errors
    one, two, bias = np.mean(np.abs(z) < 1), np.mean(np.abs(z) < 2), (values.mean() - exact) / values.std()
    kept = np.mean([each.method == "GLS" for each in found])
    print(f"\n{name:50s} mean {values.mean() / exact:.3f} sd {values.std() / exact:.3f} claimed {np.median(errors) / exact:.3f} "
          f"1 sigma {one:.2f} 2 sigma {two:.2f} bias {bias:+.2f} sd  GLS {kept:.2f}")  # fmt: skip
    assert 0.62 <= one <= 0.74
    assert 0.92 <= two <= 0.98
    assert abs(bias) < 0.2
