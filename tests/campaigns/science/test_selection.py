import numpy as np
import pytest
from ase.build import bulk

from campaigns.science.selection import (
    force_statistics,
    framework_bonds,
    geometry_key,
    max_bond_variation,
    min_distance_A,
    root_mean_square,
)

CUBE = np.eye(3) * 4.0
SKEW = np.array([[1, 0, 0], [5, 1, 0], [-7, 3, 1]])


def brute_force_min_distance_A(positions_A, cell_A, reach=12):
    shifts = np.array(np.meshgrid(*[range(-reach, reach + 1)] * 3)).reshape(3, -1).T @ cell_A
    difference = positions_A[:, None] - positions_A[None, :]
    distances = np.linalg.norm(difference[:, :, None, :] + shifts, axis=-1)
    return distances[distances > 1e-9].min()


def test_min_distance_sees_across_the_boundary():
    assert min_distance_A(np.array([[0.1, 2, 2], [3.9, 2, 2]]), CUBE) == pytest.approx(0.2)


def test_min_distance_counts_an_atoms_own_images():
    assert min_distance_A(np.zeros((1, 3)), np.diag([9.0, 2.5, 7.0])) == pytest.approx(2.5)


def test_min_distance_of_atoms_on_one_place_is_zero():
    assert min_distance_A(np.array([[1.0, 1, 1], [5.0, 1, 1]]), CUBE) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_min_distance_does_not_depend_on_axes_or_wrapping(seed):
    rng = np.random.default_rng(seed)
    cell = CUBE + rng.normal(scale=0.5, size=(3, 3))
    positions = rng.random((6, 3)) @ cell
    expected = brute_force_min_distance_A(positions, cell, reach=2)
    assert min_distance_A(positions, cell) == pytest.approx(expected)
    moved = positions + rng.integers(-3, 4, (6, 3)) @ cell
    assert min_distance_A(moved, SKEW @ cell) == pytest.approx(expected)


def test_min_distance_in_a_needle_needs_more_than_the_nearest_images():
    cell = np.array([[1.0, 0, 0], [0.48, 0.3, 0], [0, 0, 10]])
    positions = np.array([[0.0, 0, 0], [0.2, 0.1, 5.0]])
    assert min_distance_A(positions, cell) == pytest.approx(brute_force_min_distance_A(positions, cell))


@pytest.mark.parametrize(("positions", "cell"), [([[np.nan, 0, 0]], CUBE), ([[0, 0, 0]], np.zeros((3, 3))), (np.zeros((0, 3)), CUBE)])
def test_min_distance_refuses_what_is_no_crystal(positions, cell):
    with pytest.raises(ValueError, match=r"not finite|no volume"):
        min_distance_A(np.array(positions, dtype=float).reshape(-1, 3), cell)


def test_force_statistics():
    found = force_statistics(np.array([[3.0, 0, 4.0], [0, 0, 0]]))
    assert found.max_force_eV_A == pytest.approx(5.0)
    assert found.rms_force_eV_A == pytest.approx(np.sqrt(25 / 6))


@pytest.fixture
def rocksalt():
    return bulk("LiCl", "rocksalt", a=4.0, cubic=True)  # small enough that Li-Cl counts as bonded


def test_bonds_join_unlike_framework_atoms(rocksalt):
    symbols = rocksalt.get_chemical_symbols()
    bonds = framework_bonds(symbols, rocksalt.positions, rocksalt.cell.array, ["Li", "Cl"])
    assert len(bonds) == 4 * 6
    assert bonds.length_A == pytest.approx(2.0)
    assert {symbols[bonds.first[0]], symbols[bonds.second[0]]} == {"Li", "Cl"}


def test_a_framework_of_one_element_has_no_bonds(rocksalt):
    bonds = framework_bonds(rocksalt.get_chemical_symbols(), rocksalt.positions, rocksalt.cell.array, ["Cl"])
    assert len(bonds) == 0
    assert max_bond_variation(bonds, rocksalt.positions, rocksalt.cell.array, rocksalt.positions, rocksalt.cell.array) is None


def test_network_formers_bind_to_their_like_and_to_hydrogen():
    cell_A = 6 * np.eye(3)
    diamond = framework_bonds(["Li", "C", "C"], np.array([[3, 3, 3], [0, 0, 0], [0.9, 0.9, 0.9]]), cell_A, ["C"])
    assert len(diamond) == 1
    np.testing.assert_allclose(diamond.length_A, 0.9 * 3**0.5)
    hydride = framework_bonds(["Li", "B", "H", "H"], np.array([[3, 3, 3], [0, 0, 0], [1.2, 0, 0], [0, 1.2, 0]]), cell_A, ["B", "H"])
    assert len(hydride) == 2  # B-H, not H-H
    assert len(framework_bonds(["O", "Zr", "Zr"], np.array([[1.2, 1.2, 1.2], [0, 0, 0], [2.4, 2.4, 0]]), cell_A, ["Zr"])) == 0


def test_bond_variation_is_the_largest_relative_change(rocksalt):
    cell = rocksalt.cell.array
    bonds = framework_bonds(rocksalt.get_chemical_symbols(), rocksalt.positions, cell, ["Li", "Cl"])
    moved = rocksalt.positions.copy()
    moved[0, 0] += 0.3
    drifted = moved + np.array([7.7, -3.3, 12.1])
    hopped = drifted + np.random.default_rng(0).integers(-2, 3, (len(moved), 3)) @ cell
    for positions in (moved, drifted, hopped):
        assert max_bond_variation(bonds, rocksalt.positions, cell, positions, cell) == pytest.approx(0.15)
    assert max_bond_variation(bonds, rocksalt.positions, cell, 1.1 * rocksalt.positions, 1.1 * cell) == pytest.approx(0.1)


def test_geometry_key_knows_the_same_configuration_wrapped_or_not():
    symbols, positions = ["Li", "N"], np.array([[0.0, 0, 0], [1.0, 2.0, 3.0]])
    key = geometry_key(symbols, positions, CUBE)
    assert geometry_key(symbols, positions + np.array([[4.0, -8.0, 0], [0, 0, 4.0]]), CUBE) == key
    assert geometry_key(symbols, positions - 1e-12, CUBE) == key
    assert geometry_key(symbols, positions + np.array([[0.01, 0, 0], [0, 0, 0]]), CUBE) != key
    assert geometry_key(["N", "Li"], positions, CUBE) != key
    assert geometry_key(symbols, positions, 1.01 * CUBE) != key


def test_root_mean_square():
    assert root_mean_square([3.0, -4.0]) == pytest.approx(np.sqrt(12.5))
    assert np.isnan(root_mean_square([]))
