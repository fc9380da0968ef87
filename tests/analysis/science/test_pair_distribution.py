"""Ideal gas, crystal, random walk: what the functions must be there."""

import numpy as np
import pytest

from analysis.science import density, pair_distribution
from tests.analysis.science import walks

CELL_A = np.array([[9.0, 0, 0], [1.5, 8.0, 0], [-1.0, 2.0, 10.0]])


def test_an_ideal_gas_is_one_everywhere():
    rng = np.random.default_rng(0)
    positions_A = rng.random((60, 90, 3)) @ CELL_A
    symbols = np.array(["Li"] * 60 + ["S"] * 30)
    r_A, found = pair_distribution.rdf(positions_A, CELL_A, symbols)
    assert set(found) == {"Li-Li", "Li-S", "S-S"}
    for g in found.values():
        assert g[r_A > 2].mean() == pytest.approx(1, abs=0.02)


def test_a_crystal_has_its_neighbours():
    """Simple cubic, a = 3 Å: 6, 12 and 8 neighbours at a, a sqrt 2, a sqrt 3; the cell of 3 x 3 x 3 is smaller than twice the reach."""
    sites = 3.0 * np.stack(np.meshgrid(*[np.arange(3)] * 3), -1).reshape(1, -1, 3)
    cell_A = 9.0 * np.eye(3)
    r_A, found = pair_distribution.rdf(sites, cell_A, np.array(["Li"] * 27))
    shell = 4 * np.pi * r_A**2 * (r_A[1] - r_A[0]) * found["Li-Li"] * 26 / 729
    for distance_A, neighbours in ((3.0, 6), (3 * 2**0.5, 12), (3 * 3**0.5, 8)):
        assert shell[abs(r_A - distance_A) < 0.2].sum() == pytest.approx(neighbours, rel=0.01)


def test_the_self_part_is_a_distribution_and_spreads():
    rng = np.random.default_rng(1)
    path = np.cumsum(rng.normal(scale=0.2, size=(400, 30, 3)), axis=0)
    r_A, own, others = pair_distribution.van_hove(path + rng.uniform(0, 9, (1, 30, 3)), 20 * np.eye(3), np.array([5, 50]))
    width_A = r_A[1] - r_A[0]
    assert own.sum(axis=1) * width_A == pytest.approx([1, 1], abs=1e-3)
    # Gaussian displacements: <r^2> = 3 sigma^2 lag
    assert (own * r_A**2).sum(axis=1) * width_A == pytest.approx(3 * 0.04 * np.array([5, 50]), rel=0.1)
    assert others.shape == own.shape


def test_the_distinct_part_fills_with_time():
    """Ions on a lattice that exchange sites: at long times another one stands where an ion stood."""
    path = 3.0 * walks.exclusion_walk(np.random.default_rng(2), 600, 4, 48).astype(float)
    r_A, _, others = pair_distribution.van_hove(path, 12.0 * np.eye(3), np.array([1, 300]))
    here = r_A < 0.5
    assert others[0, here].sum() < 0.5 * others[1, here].sum()


def test_the_density_holds_every_ion_and_knows_channels():
    rng = np.random.default_rng(3)
    path = np.zeros((500, 6, 3))
    path[:, :, 2] = rng.uniform(0, 10, (500, 6))  # along c at the origin of a and b
    found = density.projections(path @ np.eye(3), 10 * np.eye(3))
    assert found.sum(axis=(1, 2)) == pytest.approx([6, 6, 6])
    along_c = found[2]
    assert along_c[0, 0] == pytest.approx(6)
    assert found[:2].max() < 1


def test_nothing_depends_on_wrapping():
    rng = np.random.default_rng(4)
    positions_A = rng.random((5, 20, 3)) @ CELL_A
    moved = positions_A + rng.integers(-2, 3, (5, 20, 3)) @ CELL_A
    symbols = np.array(["Li"] * 20)
    one, other = (pair_distribution.rdf(where, CELL_A, symbols)[1]["Li-Li"] for where in (positions_A, moved))
    assert np.abs(one - other).max() < 1e-6 + 2 * np.abs(one).max() / 20
    assert density.projections(positions_A, CELL_A).sum() == pytest.approx(density.projections(moved, CELL_A).sum())


@pytest.mark.parametrize("cell_A", [np.diag([4.0, 8.0, 12.0]), CELL_A, np.array([[9.0, 0, 0], [-4.5, 7.8, 0], [0, 0, 23.0]])])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_picture_is_to_scale_and_holds_every_ion(cell_A, axis):
    rng = np.random.default_rng(7)
    seen = density.picture(density.projections(rng.random((400, 5, 3)) @ cell_A, cell_A)[axis], cell_A, axis)
    pixel_A2 = seen.size_A.prod() / seen.ions_A2.size
    assert np.nansum(seen.ions_A2) * pixel_A2 == pytest.approx(5, rel=0.03)
    others = [index for index in range(3) if index != axis]
    shadow_A2 = abs(np.linalg.det(cell_A)) / np.linalg.norm(cell_A[axis])
    assert np.isfinite(seen.ions_A2).sum() * pixel_A2 == pytest.approx(shadow_A2, rel=0.03)
    edges_A = np.linalg.norm(np.diff(seen.corners_A, axis=0), axis=1)
    assert np.all(edges_A[:2] <= np.linalg.norm(cell_A[others], axis=1) + 1e-9)
