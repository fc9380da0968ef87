"""A break between frames is told by the jump of all atoms, a hop is none."""

import numpy as np
import pytest

from analysis.engines import continuity
from tests.analysis.science import walks

CELL_A = 15 * np.eye(3)


def with_framework(rng, ions_A, n_framework=12):
    framework_A = rng.uniform(0, 15, (1, n_framework, 3)) + 0.1 * rng.normal(size=(len(ions_A), n_framework, 3))
    return np.concatenate([ions_A, framework_A], axis=1), np.array(["Li"] * ions_A.shape[1] + ["S"] * n_framework)


def breaks(positions_A, symbols):
    return continuity.breaks(positions_A, CELL_A, symbols)


@pytest.mark.parametrize("kind", ["walk", "concerted", "ring", "cage"])
def test_no_walk_is_broken(kind):
    rng = np.random.default_rng(11)
    for _ in range(30):
        n_frames, n_ions, hop_probability = int(rng.choice([60, 400])), int(rng.choice([1, 5, 10, 20])), min(10 ** rng.uniform(-3, 0), 0.99)
        ions_A = {
            "walk": lambda n, ions, p: walks.lattice_walk(rng, n, ions, p, 0.1 * rng.integers(0, 3), edge_A=3.0),
            "concerted": lambda n, ions, p: walks.concerted_walk(rng, n, max(1, ions // 5), 5, p, edge_A=3.0),
            "ring": lambda n, ions, p: walks.ring_walk(rng, n, ions, 4, p, 3.0),
            "cage": lambda n, ions, p: walks.cage_walk(rng, n, ions, p / 10),
        }[kind](n_frames, n_ions, hop_probability)
        assert breaks(*with_framework(rng, ions_A)) == []


def test_gaps_are_found_where_they_are():
    rng = np.random.default_rng(5)
    positions_A, symbols = with_framework(rng, walks.lattice_walk(rng, 800, 20, 0.1, 0.15, edge_A=3.0))
    kept = np.r_[0:200, 240:500, 560:800]
    found = breaks(positions_A[kept], symbols)
    assert [one.index for one in found] == [199, 459]
    assert all(one.jump_A > 1.5 * one.elsewhere_A for one in found)


def test_a_cell_that_is_moved_as_a_whole_is_no_gap():
    rng = np.random.default_rng(5)
    positions_A, symbols = with_framework(rng, walks.lattice_walk(rng, 400, 20, 0.1, 0.15, edge_A=3.0))
    positions_A[200:] += np.float32(4.0)
    assert breaks(positions_A, symbols) == []
