"""Ewald sums: Madelung constants, invariances, agreement with another program."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.core.ewald import EwaldSummation

from campaigns.science.electrostatics import COULOMB_EV_A, coulomb_kernel_eV, ewald_energy_eV, potential_eV

FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
HALF = np.array([0.5, 0, 0])


def rock_salt(a_A):
    return a_A * np.eye(3), a_A * np.concatenate([FCC, FCC + HALF]), np.repeat([1.0, -1.0], 4)


def test_madelung_constant_of_rock_salt():
    cell_A, positions_A, charges_e = rock_salt(5.64)
    energy_eV = ewald_energy_eV(cell_A, positions_A, charges_e) / 4
    assert -energy_eV * 2.82 / COULOMB_EV_A == pytest.approx(1.747564594633, abs=1e-7)


def test_it_depends_neither_on_the_origin_nor_on_the_choice_of_the_cell():
    cell_A, positions_A, charges_e = rock_salt(5.0)
    energy_eV = ewald_energy_eV(cell_A, positions_A, charges_e)
    assert ewald_energy_eV(cell_A, positions_A + np.array([1.3, -7.7, 0.4]), charges_e) == pytest.approx(energy_eV, abs=1e-5)
    skewed_A = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1.0]]) @ cell_A
    assert ewald_energy_eV(skewed_A, positions_A, charges_e) == pytest.approx(energy_eV, abs=1e-5)
    doubled = np.concatenate([positions_A, positions_A + cell_A[2]])
    assert ewald_energy_eV(np.diag([1, 1, 2.0]) @ cell_A, doubled, np.tile(charges_e, 2)) == pytest.approx(2 * energy_eV, abs=1e-5)


@pytest.mark.parametrize("charges_e", [[1.0, 1, 1, -3], [1.0, 1, 1, -2.5]])
def test_it_agrees_with_pymatgen_charged_cells_included(charges_e):
    lattice = Lattice.hexagonal(3.648, 3.875)
    sites = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0], [0, 0, 0.5], [0, 0, 0]]
    structure = Structure(lattice, ["Li", "Li", "Li", "N"], sites, site_properties={"charge": charges_e})
    expected_eV = EwaldSummation(structure).total_energy
    assert ewald_energy_eV(np.array(lattice.matrix), structure.cart_coords, np.array(charges_e)) == pytest.approx(expected_eV, abs=1e-5)


def test_the_kernel_is_symmetric_and_made_of_its_parts():
    rng = np.random.default_rng(2)
    cell_A, positions_A = 7 * np.eye(3) + rng.normal(0, 0.5, (3, 3)), rng.uniform(0, 7, (9, 3))
    kernel = coulomb_kernel_eV(cell_A, positions_A, positions_A)
    assert kernel == pytest.approx(kernel.T, abs=1e-10)
    assert coulomb_kernel_eV(cell_A, positions_A[:4], positions_A[4:]) == pytest.approx(kernel[:4, 4:], abs=1e-10)
    assert potential_eV(cell_A, positions_A[:2], positions_A, np.ones(9)) == pytest.approx(kernel[:2].sum(axis=1), abs=1e-9)
