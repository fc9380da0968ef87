from pathlib import Path

import numpy as np
import pytest
from scipy import constants

from analysis.science import diffusion, msd, transport

from .walks import as_paths, concerted_walk, lattice_walk

GOLDENS = Path(__file__).parents[2] / "data" / "goldens"


def test_d_of_latp_as_published():
    table = np.loadtxt(GOLDENS / "latp_md_msd-t.csv", delimiter=",", skiprows=1)
    half = table[: len(table) // 2]
    assert transport.half_squared_hop_slope(half[:, 0] / 1000, half[:, 1], 3.2) == pytest.approx(7.60175023e-5, rel=5e-9)
    events = transport.effective_events(8, table[:, 1].max(), 3.2)
    assert events == pytest.approx(100.488, abs=6e-4)
    assert transport.planned_relative_error(events) == pytest.approx(0.382165, abs=1e-6)


def test_an_msd_that_does_not_grow_gives_no_d():
    with pytest.raises(ValueError, match="does not grow"):
        transport.half_squared_hop_slope(np.arange(1.0, 50), np.full(49, 5.0), 3.0)


def test_d_after_he_is_a_result_of_every_run_and_near_ours():
    path = lattice_walk(np.random.default_rng(3), 2000, 40, 0.3)
    estimate = diffusion.estimate(as_paths(path, 0.1), 1.0)
    theirs = transport.after_he_cm2_s(estimate, 0.1, 1.0)
    lags = np.arange(1, 1001)
    exact = transport.half_squared_hop_slope(lags * 0.1, msd.ion_msd(as_paths(path).paths_A, lags).mean(axis=1), 1.0)
    assert theirs == pytest.approx(exact, rel=2e-3)  # of the lags that are drawn, between which it is straight
    assert abs(theirs - estimate.diffusivity_cm2_s) < 3 * estimate.ols_error_cm2_s
    frozen = diffusion.estimate(as_paths(np.zeros((100, 4, 3))), 1.0)
    assert transport.after_he_cm2_s(frozen, 0.1, 1.0) is None


def test_nernst_einstein_by_hand():
    expected = 56 * constants.e**2 * 1e-4 * 1e-5 / (2000e-30 * constants.k * 700) / 100  # SI: S/m, then S/cm
    assert transport.nernst_einstein_S_cm(1e-5, 56, 1.0, 2000.0, 700.0) == pytest.approx(expected, rel=1e-9)
    assert transport.nernst_einstein_S_cm(1e-5, 56, 2.0, 2000.0, 700.0) == pytest.approx(4 * expected, rel=1e-9)


def test_the_planned_error_is_that_of_he_2018():
    events = transport.effective_events(20, (3.43 / 0.16) ** 2 * 3.0**2 / 20, 3.0)
    assert transport.planned_relative_error(events) == pytest.approx(0.2, rel=1e-12)


def test_the_run_length_follows_from_the_error_that_was_measured():
    assert transport.length_for_error_ps(60.0, 0.4, 0.2) == pytest.approx(240.0, rel=1e-12)
    for reached_or_unknown in (0.06, 0.2, np.inf, np.nan):
        assert transport.length_for_error_ps(60.0, reached_or_unknown, 0.2) is None


@pytest.mark.parametrize(("make", "expected"), [(lambda rng: lattice_walk(rng, 1500, 16, 0.3), 1.0),
                                                (lambda rng: concerted_walk(rng, 1500, 4, 4, 0.3), 0.25)])  # fmt: skip
def test_haven_ratio_is_one_over_how_many_move_together(make, expected):
    """Of D_sigma, whose error from five blocks has Student's t: 1 error holds it in 68 %, 2.5 in 93 % of runs."""
    z, values = [], []
    for seed in range(60):
        path = make(np.random.default_rng(seed))
        found = transport.haven(as_paths(path), 15, 5e-6, 2e-7)
        z.append((1 / found.haven_ratio - 1 / expected) / (found.haven_ratio_error / found.haven_ratio**2))
        values.append(found.charge_diffusivity_cm2_s)
    assert 0.5 < np.mean(np.abs(z) < 1) < 0.85
    assert np.mean(np.abs(z) < 2.5) >= 0.88
    assert np.mean(values) == pytest.approx(5e-6 / expected, rel=0.15)


def test_the_limit_of_few_hops_holds_the_truth():
    """Of 24 ions in 600 frames, where hops are so rare that most runs see none or one."""
    rng, held, hop_A = np.random.default_rng(5), [], 3.0
    truth_cm2_s = hop_A**2 * 1e-4 / 6 / 0.1 * diffusion.CM2_S_PER_A2_PS
    for _ in range(60):
        paths = as_paths(lattice_walk(rng, 600, 24, 1e-4, 0.15, hop_A), 0.1)
        n_left = msd.few_left(msd.net_displacement(paths.paths_A), hop_A)
        held.append(transport.rare_hops_limit_cm2_s(n_left, 24, 60.0, hop_A) > truth_cm2_s)
    assert np.mean(held) > 0.88
