import numpy as np
import pytest

from analysis.science import msd
from analysis.science.steadiness import change_in_time

from .walks import ageing_walk, as_paths, concerted_walk, lattice_walk


def sigmas(make, n_independent, n_walks=200):
    rng = np.random.default_rng(5)
    return np.array([change_in_time(as_paths(make(rng)).paths_A, n_independent).sigmas for _ in range(n_walks)])


@pytest.mark.parametrize(("make", "n_independent"), [
    (lambda rng: lattice_walk(rng, 400, 24, 0.1, 0.2, 3.0), 24), (lambda rng: lattice_walk(rng, 100, 5, 0.3), 5),
    (lambda rng: lattice_walk(rng, 200, 2, 0.3), 2), (lambda rng: concerted_walk(rng, 300, 8, 4, 0.3), 8),
])  # fmt: skip
def test_a_steady_walk_is_rarely_called_changing(make, n_independent):
    """Two of 200 are beyond three sigma by chance in one of 60 such tests."""
    found = sigmas(make, n_independent)
    assert np.std(found) == pytest.approx(1, abs=0.2)
    assert np.count_nonzero(np.abs(found) > 3) <= 2


def test_the_ratio_is_that_of_the_hops():
    paths = as_paths(ageing_walk(np.random.default_rng(1), 2000, 200, 0.3, 0.25, 3.0, 0.0))
    found = change_in_time(paths.paths_A, 200)
    assert found.late_over_early == pytest.approx(0.5, rel=0.05)
    assert found.sigmas < -15


@pytest.mark.parametrize("path", [np.zeros((100, 4, 3)), np.cumsum(np.ones((100, 1, 3)), axis=0)])
def test_no_motion_and_a_single_ion_say_nothing(path):
    found = change_in_time(as_paths(path).paths_A, path.shape[1])
    assert (found.late_over_early, found.sigmas) == (1, 0)


@pytest.mark.parametrize("falls_to", [0.5, 0.2, 0.05])
def test_ions_that_all_slow_down_do_not_move_together(falls_to):
    paths = as_paths(ageing_walk(np.random.default_rng(2), 600, 24, 0.3, falls_to, 3.0))
    assert msd.move_together(paths.paths_A, 10) < 1.5
