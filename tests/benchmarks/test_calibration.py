"""How often the errors of D cover the truth, over walks whose D is known. Prints the table that the documentation quotes.

    python -m pytest -s tests/benchmarks/test_calibration.py

Lengths are in lattice edges and times in frames. `GLS` is the fraction of walks where generalized least squares was kept.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from analysis.science import diffusion, msd, verdict
from analysis.science.evidence import Evidence, as_passed
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


def walk(n_frames: int, n_ions: int, probability: float, vibration: float = 0.0, n_dimensions: int = 3):
    return (lambda rng: walks.lattice_walk(rng, n_frames, n_ions, probability, vibration, n_dimensions=n_dimensions),
            lambda: probability / 6)  # fmt: skip


def cages(n_frames: int, n_ions: int, escape: float, inside: float):
    """In units of the distance between sites: cages 7/3 apart."""
    return lambda rng: walks.cage_walk(rng, n_frames, n_ions, escape, inside, 7 / 3, 1.0), lambda: escape * (7 / 3) ** 2 / 6


def concerted(n_frames: int, n_groups: int, group: int, probability: float):
    return lambda rng: walks.concerted_walk(rng, n_frames, n_groups, group, probability), lambda: probability / 6


def exclusion(n_frames: int, side: int, n_ions: int):
    return lambda rng: walks.exclusion_walk(rng, n_frames, side, n_ions), lambda: exclusion_truth(side, n_ions)


@cache
def channel_truth(cross: float) -> float:
    """D in channels between which ions hop rarely, from long runs; its own error is about 1 %."""
    rng, found = np.random.default_rng(99), []
    for _ in range(40):
        path = walks.channel_walk(rng, 4000, 3, 8, 44, cross)
        found.append(diffusion.estimate(walks.as_paths(path), walks.EDGE_A).diffusivity_cm2_s / A2_FRAME)
    return float(np.mean(found))


def blocking(n_frames: int, cross: float):
    return lambda rng: walks.channel_walk(rng, n_frames, 3, 8, 44, cross), lambda: channel_truth(cross)


def rings(n_frames: int, n_rings: int, n_sites: int, n_ions: int):
    """All ions of a ring move as one in the end: D is that of their centre."""
    return (lambda rng: walks.file_walk(rng, n_frames, n_rings, n_sites, n_ions),
            lambda: (n_sites - n_ions) / (n_sites - 1) / n_ions / 6)  # fmt: skip


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
    "planes, hops 0.3, 20 ions, 400 frames": walk(400, 20, 0.3, n_dimensions=2),
    "channels, hops 0.3, 20 ions, 400 frames": walk(400, 20, 0.3, n_dimensions=1),
    "channels, hops 0.3, 3 ions, 400 frames": walk(400, 3, 0.3, n_dimensions=1),
    "hops 0.3, 1 ion, 1000 frames": walk(1000, 1, 0.3),
    "hops 0.3, 2 ions, 1000 frames": walk(1000, 2, 0.3),
    "hops 0.3, 3 ions, 1000 frames": walk(1000, 3, 0.3),
    "cages, quick inside, 20 ions, 600 frames": cages(600, 20, 0.005, 0.3),
    "cages, slow inside, 20 ions, 600 frames": cages(600, 20, 0.005, 0.1),
    "cages, slower inside, 20 ions, 600 frames": cages(600, 20, 0.005, 0.05),
    "exclusion, 48 ions on 64 sites, 300 frames": exclusion(300, 4, 48),
    "exclusion, 150 ions on 216 sites, 200 frames": exclusion(200, 6, 150),
    "hops 0.2, vibration, 80 ions, 1500 frames": walk(1500, 80, 0.2, 0.1),
    "channels that block, cross hops 2 %, 800 frames": blocking(800, 0.02),
    "channels that block, cross hops 10 %, 800 frames": blocking(800, 0.1),
    "12 rings of 8 sites with 4 ions, 800 frames": rings(800, 12, 8, 4),
    "6 rings of 20 sites with 10 ions, 1500 frames": rings(1500, 6, 20, 10),
}


def estimates(make: Callable, n_walks: int) -> list[diffusion.Diffusivity]:
    rng = np.random.default_rng(2024)
    found = []
    for _ in range(n_walks):
        found.append(diffusion.estimate(walks.as_paths(make(rng)), walks.EDGE_A))
    return found


DENSE = "exclusion, 150 ions on 216 sites, 200 frames"
N_DENSE_WALKS = 1000  # its two-sigma fraction is so near the limit that 300 walks, known to 0.015, do not decide


def print_row(name: str, found: list[diffusion.Diffusivity], exact_cm2_s: float) -> tuple[float, float, float]:
    """Fractions within one and two errors, and the bias in units of the scatter."""
    values, errors = (np.array([getattr(one, field) for one in found]) for field in ("diffusivity_cm2_s", "error_cm2_s"))
    exact = exact_cm2_s
    z = (values - exact) / errors
    one, two, bias = np.mean(np.abs(z) < 1), np.mean(np.abs(z) < 2), (values.mean() - exact) / values.std()
    kept = np.mean([each.method == "GLS" for each in found])
    print(f"\n{name:50s} mean {values.mean() / exact:.3f} sd {values.std() / exact:.3f} claimed {np.median(errors) / exact:.3f} "
          f"1 sigma {one:.2f} 2 sigma {two:.2f} bias {bias:+.2f} sd  GLS {kept:.2f}")  # fmt: skip
    return one, two, bias


# The MSD still bends within the fit by less than a run of this length can show.
MISSED = ("cages, slower inside, 20 ions, 600 frames", "channels that block, cross hops 2 %, 800 frames")
COUPLED = tuple(name for name in CASES if "block" in name or "rings" in name)  # how many move as one is known to 17 % at best
FEW = ("hops 0.3, 1 ion, 1000 frames", "hops 0.3, 2 ions, 1000 frames")  # Student's factor, there for two sigma, is too wide at one


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.xfail(strict=True)) if name in MISSED else name for name in CASES])
def test_the_error_covers_the_truth(name):
    make, truth = CASES[name]
    found = estimates(make, N_DENSE_WALKS if name == DENSE else N_WALKS)
    one, two, bias = print_row(name, found, truth() * A2_FRAME)
    assert (0.56 if name in COUPLED else 0.62) <= one <= (0.86 if name in FEW else 0.8 if name in COUPLED else 0.78)
    assert (0.86 if name in COUPLED else 0.92) <= two <= 0.98
    assert abs(bias) < 0.2


def accepted(n_frames: int, n_ions: int, probability: float, n_walks: int) -> list[diffusion.Diffusivity]:
    """The estimates that the verdict lets pass, with the error that it gives them."""
    rng, passed = np.random.default_rng(2024), []
    for _ in range(n_walks):
        paths = walks.as_paths(walks.lattice_walk(rng, n_frames, n_ions, probability))
        moved = float((msd.net_displacement(paths.paths_A) > walks.EDGE_A).mean())
        evidence = Evidence("completed", "", None, 1.0, 600.0, None, None, 10.0, float(n_frames), n_ions,
                                    diffusion.estimate(paths, walks.EDGE_A), walks.EDGE_A, None, None, moved)  # fmt: skip
        if verdict.judge(evidence).name == "diffusive":
            passed.append(as_passed(evidence))
    return passed


@pytest.mark.parametrize(("probability", "n_walks"), [(0.02, 2500), (0.024, 600), (0.028, 300), (0.033, 300)])
def test_the_error_covers_the_truth_of_the_runs_that_pass(probability, n_walks):
    """Hops so rare that the run nearly is too short: who passes is lucky, and D comes from the MSD that made it pass."""
    found = accepted(400, 20, probability, n_walks)
    share = len(found) / n_walks
    one, two, _ = print_row(f"hops {probability:g}, 20 ions, 400 frames: {100 * share:.0f} % pass", found, probability / 6 * A2_FRAME)
    assert 0.5 <= one <= 0.82
    assert two >= 0.92


def relaxing(n_sites: int, edge_A: float, run_over_relaxation: float):
    """A ring whose own relaxation takes the run over this."""
    probability = run_over_relaxation / (400 * (1 - np.cos(2 * np.pi / n_sites)))
    return edge_A, lambda rng: walks.ring_walk(rng, 400, 24, n_sites, probability, edge_A)


def cavity(radius_A: float, hop_A: float, run_over_relaxation: float):
    """The same in a hollow sphere: it relaxes in R^2/(4.33 D)."""
    step_A = np.sqrt(2 * run_over_relaxation * radius_A**2 / (4.333 * 400))
    return hop_A, lambda rng: walks.cavity_walk(rng, 400, 24, radius_A, step_A)


N_WIDE_CAGES = 100
WIDE_CAGES = {
    f"{name}, run over relaxation time {ratio:g}": (make(ratio), most)
    for name, make, mosts in (
        ("ring of 12 sites 2.4 Angstrom apart", lambda ratio: relaxing(12, 2.4, ratio), (0.25, 0.75, 0.15, 0.0)),
        ("ring of 16 sites 2.4 Angstrom apart", lambda ratio: relaxing(16, 2.4, ratio), (0.9, 0.7, 0.35, 0.0)),
        ("cavity of 4 Angstrom, hop length 2", lambda ratio: cavity(4.0, 2.0, ratio), (0.1, 0.3, 0.1, 0.0)),
        ("cavity of 6 Angstrom, hop length 2.4", lambda ratio: cavity(6.0, 2.4, ratio), (0.9, 0.6, 0.1, 0.0)),
        ("cavity of 8 Angstrom, hop length 3", lambda ratio: cavity(8.0, 3.0, ratio), (0.9, 0.6, 0.1, 0.0)),
    )
    for ratio, most in zip((0.5, 1.0, 2.0, 4.0), mosts, strict=True)
}


@pytest.mark.parametrize("name", WIDE_CAGES)
def test_how_often_a_wide_cage_is_called_diffusive(name):
    """A run that is about as long as the cage takes to explore cannot tell; one four times as long must."""
    (hop_A, make), most = WIDE_CAGES[name]
    rng, passed = np.random.default_rng(2024), []
    for _ in range(N_WIDE_CAGES):
        found = of_cage(walks.as_paths(make(rng), 0.1), hop_A)
        if verdict.judge(found).name == "diffusive":
            passed.append(as_passed(found))
    error = np.median([one.error_cm2_s / one.diffusivity_cm2_s for one in passed]) if passed else 0.0
    print(f"\n{name:65s} diffusive {100 * len(passed) / N_WIDE_CAGES:.0f} %, their relative error {error:.2f}")
    assert len(passed) <= most * N_WIDE_CAGES


def of_cage(paths: diffusion.Paths, hop_A: float) -> Evidence:
    moved = float((msd.net_displacement(paths.paths_A) > hop_A).mean())
    return Evidence("completed", "", None, 1.0, 600.0, None, None, 10.0, 40.0, 24,
                            diffusion.estimate(paths, hop_A), hop_A, None, None, moved)  # fmt: skip


N_CAGES = 300
CAGES = {
    "8 sites in a ring, 2.4 Angstrom apart": (2.4, lambda rng: walks.ring_walk(rng, 400, 24, 8, 0.03, 2.4)),
    "8 sites in a ring, 3 Angstrom apart": (3.0, lambda rng: walks.ring_walk(rng, 400, 24, 8, 0.03, 3.0)),
    "two sites 5 Angstrom apart, hop length 2": (2.0, lambda rng: walks.ring_walk(rng, 400, 24, 2, 0.004, 5.0)),
}


@pytest.mark.parametrize("name", CAGES)
def test_a_cage_is_not_called_diffusive(name):
    hop_A, make = CAGES[name]
    rng, names = np.random.default_rng(2024), []
    for _ in range(N_CAGES):
        names.append(verdict.judge(of_cage(walks.as_paths(make(rng), 0.1), hop_A)).name)
    print(f"\n{name:50s} " + ", ".join(f"{one} {names.count(one)}" for one in sorted(set(names))))
    assert names.count("diffusive") <= 0.02 * N_CAGES  # two sites, where the hop length is given far too short; none in the rings
