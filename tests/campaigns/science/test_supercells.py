"""Proposed supercells keep their promises for any cell."""

import numpy as np
import pytest

from campaigns.science.supercells import EVALUATION_ATOMS, propose_cells


def heights_A(cell_A, repeats):
    return (np.array(repeats) / np.linalg.norm(np.linalg.inv(cell_A), axis=0)).min()


@pytest.mark.parametrize("seed", range(8))
def test_heights_and_sizes(seed):
    rng = np.random.default_rng(seed)
    cell_A = np.diag(rng.uniform(3, 14, 3)) + rng.uniform(-1, 1, (3, 3))
    n_atoms = int(rng.integers(2, 120))
    proposed = propose_cells(cell_A, n_atoms)
    training, evaluation = proposed.training, proposed.evaluation
    assert training.n_atoms == n_atoms * np.prod(training.supercell)
    assert training.n_atoms >= 48
    assert heights_A(cell_A, training.supercell) >= 7.5
    assert evaluation.n_atoms >= training.n_atoms
    if heights_A(cell_A, evaluation.supercell) < 12:
        assert "most isotropic" in evaluation.reason or evaluation == training
    else:
        assert evaluation.n_atoms <= max(EVALUATION_ATOMS, training.n_atoms)


def test_a_large_cell_is_left_as_it_is():
    proposed = propose_cells(20 * np.eye(3), 700)
    assert proposed.training.supercell == proposed.evaluation.supercell == (1, 1, 1)


def test_a_small_cubic_cell_becomes_a_cube():
    assert propose_cells(4.0 * np.eye(3), 2).training.supercell == (3, 3, 3)
