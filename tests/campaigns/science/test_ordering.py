"""Ordering: every disordered example, neutrality, distances, seeds, ranking, and what cannot be ordered."""

from collections import Counter
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from campaigns.science.electrostatics import ewald_energy_eV
from campaigns.science.ordering import NoRoom, OxidationStatesNeeded, order
from campaigns.science.ordering_anneal import Lattice as Problem
from campaigns.science.ordering_anneal import anneal
from campaigns.science.ordering_composition import CannotBeNeutral, PartialSite, neutral_composition, pools_of
from campaigns.science.selection import min_distance_A
from campaigns.science.structures import structure_from_cif

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "campaigns" / "examples" / "cifs"
DATA = ROOT / "tests" / "data" / "cifs"

# file, supercell, atoms of the ordered cell, smallest distance that two mobile ions may have
DISORDERED = [
    (EXAMPLES / "lgps_kamaya2011.cif", "Li", {"Li": 20, "Ge": 2, "P": 4, "S": 24}, 1.8),
    (EXAMPLES / "cllzo_awaka2011_feasible.cif", "Li", {"Li": 56, "La": 24, "Zr": 16, "O": 96}, 2.3),
    (EXAMPLES / "nasicon_x2_C2c80_model.cif", "Na", {"Na": 12, "Zr": 8, "Si": 8, "P": 4, "O": 48}, 2.3),
    (EXAMPLES / "nasicon_x2_R-3c_model.cif", "Na", {"Na": 18, "Zr": 12, "Si": 12, "P": 6, "O": 72}, 2.3),
    (DATA / "cllzo_awaka2011.cif", "Li", {"Li": 56, "La": 24, "Zr": 16, "O": 96}, 2.3),
    (DATA / "lgps_kuhn2013_composite.cif", "Li", {"Li": 20, "Ge": 2, "P": 4, "S": 24}, 1.8),
    (DATA / "lgps_stoich_obelix_mtn.cif", "Li", {"Li": 20, "Ge": 2, "P": 4, "S": 24}, 1.8),
    (DATA / "li3ps4_beta_obelix_nhq_noised.cif", "Li", {"Li": 12, "P": 4, "S": 16}, 2.3),
    (DATA / "li3ycl6_obelix_ei3_noised.cif", "Li", {"Li": 9, "Y": 3, "Cl": 18}, 2.3),
    (DATA / "li6ps5cl_neutron.cif", "Li", {"Li": 24, "P": 4, "S": 20, "Cl": 4}, 1.96),
]


def read(path):
    return structure_from_cif(path.read_text())[0]


# Short runs: most tests ask for cells that are right, not for the lowest energy.
SHORT = {"runs": 2, "sweeps": 15}


@pytest.mark.parametrize(("path", "mobile", "atoms", "distance_A"), DISORDERED, ids=lambda value: getattr(value, "stem", None))
def test_every_disordered_example_is_ordered(path, mobile, atoms, distance_A):
    cell = order(read(path), (1, 1, 1), mobile, seed=1, **SHORT)[0]
    states = cell.provenance.oxidation_states
    assert Counter(cell.symbols) == atoms == cell.provenance.composition
    assert sum(states[symbol] for symbol in cell.symbols) == pytest.approx(0)
    ions = [position for symbol, position in zip(cell.symbols, cell.positions_A, strict=True) if symbol == mobile]
    assert min_distance_A(np.array(ions), cell.cell_A) > distance_A
    assert list(cell.symbols) == sorted(cell.symbols)
    charges_e = np.array([states[symbol] for symbol in cell.symbols])
    assert cell.electrostatic_energy_eV == pytest.approx(ewald_energy_eV(cell.cell_A, cell.positions_A, charges_e), abs=1e-6)


def test_a_supercell_keeps_the_composition_of_the_protocol():
    cell = order(read(EXAMPLES / "lgps_kamaya2011.cif"), (2, 2, 1), "Li", seed=1, **SHORT)[0]
    assert Counter(cell.symbols) == {"Li": 80, "Ge": 8, "P": 16, "S": 96}
    assert cell.cell_A == pytest.approx(np.diag([17.38814, 17.38814, 12.5994]))
    assert "Li 80.8 → 80" in cell.provenance.composition_reason


def test_candidates_are_distinct_and_ranked_and_the_seed_decides():
    structure = read(EXAMPLES / "lgps_kamaya2011.cif")
    cells = order(structure, (1, 1, 1), "Li", seed=3, n_candidates=4, runs=8, sweeps=15)
    energies_eV = [cell.electrostatic_energy_eV for cell in cells]
    assert [cell.provenance.rank for cell in cells] == [0, 1, 2, 3]
    assert (np.diff(energies_eV) > 1e-3).all()
    again = order(structure, (1, 1, 1), "Li", seed=3, n_candidates=4, runs=8, sweeps=15)
    assert all(np.array_equal(one.positions_A, other.positions_A) for one, other in zip(cells, again, strict=True))


@pytest.mark.parametrize("runs", [2, 3, 5])
def test_a_number_means_the_same_cell_however_many_are_wanted(runs):
    structure = read(EXAMPLES / "nasicon_x2_C2c80_model.cif")
    many = order(structure, (1, 1, 1), "Na", seed=1, n_candidates=12, runs=runs, sweeps=15)
    energies_eV = sorted(cell.electrostatic_energy_eV for cell in many)
    assert len(many) == 12
    assert (np.diff(energies_eV) > 1e-3).all()
    for wanted in (1, 2, 4, 7):
        few = order(structure, (1, 1, 1), "Na", seed=1, n_candidates=wanted, runs=runs, sweeps=15)
        assert len(few) == wanted
        assert all(np.array_equal(one.positions_A, other.positions_A) for one, other in zip(few, many, strict=False))


def test_a_split_site_is_filled_once():
    cell = order(read(DATA / "lgps_stoich_obelix_mtn.cif"), (1, 1, 1), "Li", seed=2, **SHORT)[0]
    filled = {label: count for label, _, count, _ in cell.provenance.site_counts}
    assert filled["Li2"] <= 4  # eight positions in pairs of 0.42 A


def test_a_measured_site_inversion_is_kept():
    cell = order(read(DATA / "li6ps5cl_neutron.cif"), (1, 1, 1), "Li", seed=2, **SHORT)[0]
    counts = {(label, symbol): count for label, symbol, count, _ in cell.provenance.site_counts}
    assert counts["S4", "S"] == counts["S4", "Cl"] == counts["Cl6", "S"] == counts["Cl6", "Cl"] == 2


def chain(occupancies, a_A=3.0, n=6):
    """Li on a row of sites, with sulphur between."""
    lattice = Lattice.orthorhombic(a_A * n, 5, 5)
    sites = [[i / n, 0, 0] for i in range(n)] + [[i / n, 0.5, 0.5] for i in range(n // 2)]
    return Structure(lattice, [occupancies] * n + ["S"] * (n // 2), sites)


def test_the_lowest_of_all_arrangements_is_found():
    lattice, n_ions = chain({"Li": 0.5}), 3
    cell = order(lattice, (1, 1, 1), "Li", seed=1, oxidation_states={"Li": 2, "S": -2})[0]
    charges_e = np.array([2.0] * n_ions + [-2.0] * 3)
    sulphur_A = lattice.cart_coords[6:]
    energies_eV = [
        ewald_energy_eV(cell.cell_A, np.concatenate([lattice.cart_coords[list(chosen)], sulphur_A]), charges_e)
        for chosen in combinations(range(6), n_ions)
    ]
    assert cell.electrostatic_energy_eV == pytest.approx(min(energies_eV), abs=1e-6)


def test_elements_of_equal_charge_are_told_apart():
    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.4), [{"Li": 0.5, "Na": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    cells = order(structure, (2, 1, 1), "Li", seed=1, n_candidates=3)
    assert len(cells) == 3
    assert [cell.electrostatic_energy_eV for cell in cells] == pytest.approx([cells[0].electrostatic_energy_eV] * 3, abs=1e-4)
    assert len(order(structure, (1, 1, 1), "Li", seed=1, n_candidates=3)) == 1  # all six are the same by symmetry


def test_an_ordered_structure_is_repeated_as_it_is():
    cells = order(read(EXAMPLES / "li3n_P6mmm.cif"), (3, 3, 2), "Li", seed=1, n_candidates=5)
    assert len(cells) == 1
    assert Counter(cells[0].symbols) == {"Li": 54, "N": 18}
    assert cells[0].electrostatic_energy_eV is None
    assert min_distance_A(cells[0].positions_A, cells[0].cell_A) == pytest.approx(1.9375)


def test_unknown_oxidation_states_are_asked_for():
    structure = chain({"Cu": 0.5, "Au": 0.5})
    structure.replace_species({"S": "Ag"})
    with pytest.raises(OxidationStatesNeeded, match=r"Ag, Au, Cu .* \{Li: 1"):
        order(structure, (1, 1, 1), "Cu", seed=1, **SHORT)
    with pytest.raises(OxidationStatesNeeded, match="for S too"):
        order(chain({"Li": 0.5}), (1, 1, 1), "Li", seed=1, oxidation_states={"Li": 1})


def test_a_composition_that_is_never_neutral_is_refused():
    with pytest.raises(CannotBeNeutral, match="larger supercell"):
        order(chain({"Li": 0.5}), (1, 1, 1), "Li", seed=1, oxidation_states={"Li": 1, "S": -2})
    with pytest.raises(CannotBeNeutral, match=r"net charge of \+4"):
        order(read(EXAMPLES / "li3n_P6mmm.cif"), (2, 1, 1), "Li", seed=1, oxidation_states={"Li": 1, "N": -1})


def test_ions_that_find_no_room_are_refused():
    with pytest.raises(NoRoom, match="closer than 1"):
        order(chain({"Li": 5 / 6}, a_A=0.9), (1, 1, 1), "Li", seed=1, oxidation_states={"Li": 1.2, "S": -2})


def test_a_mean_valence_takes_up_the_charge():
    lattice = Lattice.cubic(4.2)
    structure = Structure.from_spacegroup("Fm-3m", lattice, [{"Li": 0.3, "Mn": 0.7}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    cell = order(structure, (1, 1, 2), "Li", seed=1, **SHORT)[0]
    states = cell.provenance.oxidation_states
    assert Counter(cell.symbols) == {"Li": 2, "Mn": 6, "O": 8}
    assert states["Mn"] == pytest.approx(14 / 6)


def test_composition_prefers_the_totals_of_the_elements():
    sites = [PartialSite(label, {"S": share, "Cl": 1 - share}) for label, share in (("a", 0.4), ("b", 0.5), ("c", 0.3))]
    sites += [PartialSite("Li", {"Li": 0.9})] * 5
    composition = neutral_composition(sites, pools_of(sites, "Li"), {"Li": 1, "S": -2, "Cl": -1})
    assert composition.total == {"Cl": 2, "Li": 4, "S": 1}


def test_annealing_equals_enumeration_on_a_random_problem():
    rng = np.random.default_rng(7)
    n = 8
    couplings = rng.normal(size=(2 * n + 1, 2 * n + 1))
    couplings = couplings + couplings.T
    field = rng.normal(size=2 * n + 1)
    couplings[-1] = couplings[:, -1] = field[-1] = 0
    variable = np.column_stack([np.arange(n), np.arange(n, 2 * n), np.full(n, 2 * n)])  # two elements and a vacancy
    problem = Problem(variable, field, couplings, [np.arange(n)])
    start = np.array([0, 0, 0, 1, 1, 2, 2, 2])

    def energy(species):
        occupied = variable[np.arange(n), list(species)]
        return field[occupied].sum() + 0.5 * couplings[np.ix_(occupied, occupied)].sum()

    lowest = min(energy(species) for species in product(range(3), repeat=n) if Counter(species) == Counter(start.tolist()))
    found = [anneal(problem, rng.permutation(start), rng) for _ in range(4)]
    assert min(item.energy_eV for item in found) == pytest.approx(lowest)
    assert all(item.energy_eV == pytest.approx(energy(item.species)) for item in found)
