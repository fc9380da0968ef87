"""What a CIF says: facts of the examples, proposed cells, mobile ions, warnings."""

import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Composition, Lattice, Structure

from campaigns.science.ordering import order
from campaigns.science.oxidation import guess_oxidation_states
from campaigns.science.structures import StructureRefused, material_facts, mobile_ion_of, structure_from_cif

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "campaigns" / "examples" / "cifs"
DATA = ROOT / "tests" / "data" / "cifs"


def facts(path):
    return material_facts(*structure_from_cif(path.read_text()))


# formula, space group, atoms, density, atoms of the training and evaluation cells with their repetitions
KNOWN = {
    "lgps_kamaya2011": ("Li20.2Ge2.06P3.94S24", "P4_2/nmc", 50.2, 2.060, (50, (1, 1, 1)), (200, (2, 2, 1))),
    "cllzo_awaka2011_feasible": ("Li56La24Zr16O96", "Ia-3d", 192, 5.098, (192, (1, 1, 1)), (192, (1, 1, 1))),
    "nasicon_x2_C2c80_model": ("Na12Zr8Si8P4O48", "C2/c", 80, 3.270, (80, (1, 1, 1)), (320, (1, 2, 2))),
    "nasicon_x2_R-3c_model": ("Na18Zr12Si12P6O72", "R-3c", 120, 3.270, (120, (1, 1, 1)), (480, (2, 2, 1))),
    "li3n_P6mmm": ("Li3N1", "P6/mmm", 4, 1.295, (72, (3, 3, 2)), (256, (4, 4, 4))),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_examples(name):
    formula, space_group, n_atoms, density_g_cm3, training, evaluation = KNOWN[name]
    found = facts(EXAMPLES / f"{name}.cif")
    assert (found.formula, found.space_group, found.n_atoms) == (formula, space_group, n_atoms)
    assert found.density_g_cm3 == pytest.approx(density_g_cm3, abs=6e-4)
    assert found.mobile_ion == formula[:2]
    assert found.is_disordered == bool(found.disorder) == (name != "li3n_P6mmm")
    assert [(cell.n_atoms, cell.supercell) for cell in (found.proposed_cells.training, found.proposed_cells.evaluation)] == [
        training,
        evaluation,
    ]


def test_the_sites_of_lgps():
    found = facts(EXAMPLES / "lgps_kamaya2011.cif")
    by_label = {site.label: site for site in found.sites}
    assert by_label["Li0"].multiplicity == len(by_label["Li0"].positions) == 16
    assert by_label["Li0"].disordered
    assert not by_label["Li2"].disordered
    assert {share.symbol: share.occupancy for share in by_label["P4"].species} == {"Ge": 0.515, "P": 0.485}
    assert sum(site.multiplicity * share.occupancy for site in found.sites for share in site.species) == pytest.approx(50.2)
    assert found.net_charge_e == pytest.approx(0.14)
    assert any("+0.14" in warning for warning in found.warnings)
    assert found.disorder == "Disordered: Li on sites that are partly empty and Ge/P sharing sites."


def test_split_and_short_sites_are_pointed_out():
    split, noised = (" ".join(facts(DATA / f"{name}.cif").warnings) for name in ("lgps_stoich_obelix_mtn", "li3ps4_beta_obelix_nhq_noised"))
    assert "Two symmetry copies of the partly occupied site Li2 are 0.42 Å apart. That is harmless" in split
    assert "1.49 Å apart: check the CIF, and relax the cell" in noised
    assert facts(EXAMPLES / "li3n_P6mmm.cif").warnings == ()


def of(species, coordinates, a_A=5.0):
    return material_facts(Structure(Lattice.cubic(a_A), species, coordinates), [])


SITES = [[0, 0, 0], [0.5, 0.5, 0.5]]


@pytest.mark.parametrize(
    ("species", "ion", "words"),
    [
        (["Ag", "I"], "Ag", "only mobile cation"),
        (["Zr", {"O": 0.9}], "O", "anion"),
        (["La", "F"], "F", "only mobile anion"),
        ([{"Ca": 0.15, "Zr": 0.85}, {"O": 0.92}], "O", "partly empty"),
        (["Mg", "O"], "Mg", "only mobile cation"),
        (["Li", "Na"], "Li", "likeliest"),
        (["Li", {"Na": 0.5}], "Na", "partly empty"),
        (["Cu", "I"], "Cu", "only mobile cation"),
        (["Cu", "O"], "Cu", "No ion is likely to move"),
        (["Cu", {"O": 0.95}], "O", "partly empty"),
        (["Cs", "I"], "Cs", "not sure: Cs is large, and beside it I often moves"),
    ],
)
def test_the_mobile_ion_is_proposed_with_a_reason(species, ion, words):
    found = of(species, SITES)
    assert found.mobile_ion == ion
    assert words in found.mobile_ion_reason
    assert ("not sure" in found.mobile_ion_reason) == ("not sure" in words)


@pytest.mark.parametrize(
    ("formula", "ion"),
    [
        *(("Bi4V1.8Cu0.2O10.7", "O"), ("Bi2V0.9Cu0.1O5.35", "O"), ("La2CuO4", "O"), ("YBa2Cu3O7", "O"), ("CuFe2O4", "O")),
        *(("BaCuSi2O6", "O"), ("Cu1.8S", "Cu"), ("RbAg4I5", "Ag"), ("MgB12H12", "Mg"), ("Mg3Bi2", "Mg"), ("LiCB11H12", "Li")),
    ],
)
def test_the_mobile_ion_of_a_composition(formula, ion):
    amounts = Composition(formula).get_el_amt_dict()
    assert mobile_ion_of((), amounts, guess_oxidation_states(amounts) or {})[0] == ion


def test_cages_of_boron_are_read_without_a_doubt_and_ordered():
    golden = (1 + 5**0.5) / 2
    corners = np.array([[0, x, y * golden] for x in (1, -1) for y in (1, -1)])
    corners = np.vstack([np.roll(corners, shift, axis=1) for shift in range(3)]) / np.hypot(1, golden)
    species = [{"B": 11 / 12, "C": 1 / 12}] * 12 + ["H"] * 12 + ["Li"]
    cage = Structure(Lattice.cubic(8.5), species, np.vstack([corners * 0.2, corners * 0.339, [[0.5, 0.5, 0.5]]]))
    found = material_facts(cage, [])
    assert (found.charge_doubt, found.warnings, found.mobile_ion) == ("", (), "Li")
    assert order(cage, (1, 1, 2), "Li", seed=1, runs=2, sweeps=5)[0].provenance.composition == {"B": 22, "C": 2, "H": 24, "Li": 2}


def test_a_material_without_a_mobile_ion_is_warned_of():
    found = of(["La", "N"], SITES)
    assert any("No ion is likely to move here" in text and "D will most likely be zero" in text for text in found.warnings)
    assert not any("No ion is likely" in text for text in of(["Ag", "I"], SITES).warnings)


def test_unknown_oxidation_states_are_said():
    found = of(["Cu", "Au"], SITES)
    assert found.oxidation_states == {}
    assert found.net_charge_e is None
    assert "oxidation states could not be guessed" in found.warnings[0]


@pytest.mark.parametrize(
    ("species", "words"),
    [
        (["Li", "Li", "Li", "S", "O"], ["unusual oxidation state: S -1", "Li +1, O -2, S -2", "a charge of -1 e", "H is often left out"]),
        (["Li", "Li", "Li", "O"], ["is not neutral", "Li +1, O -2", "a charge of +1 e", "anions missing", "is not refused"]),
        (["Li", "Li", "Li", {"Cl": 0.8}, "O"], ["is not neutral", "a charge of +0.2 e", "To order it, give the oxidation states"]),
    ],
)
def test_a_composition_that_is_not_neutral_is_told_with_what_to_check(species, words):
    found = of(species, [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]][: len(species)])
    assert found.charge_doubt in found.warnings
    assert [word for word in words if word not in found.charge_doubt] == []


def test_usual_states_are_not_doubted():
    for name in ("lgps_kamaya2011", "cllzo_awaka2011_feasible", "nasicon_x2_C2c80_model", "li3n_P6mmm", "lih_rocksalt_model"):
        assert facts(EXAMPLES / f"{name}.cif").charge_doubt == ""


def test_facts_are_plain_data():
    def plain(value):
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(item) for key, item in value.items())
        if isinstance(value, list | tuple):
            return all(map(plain, value))
        return type(value) in (str, int, float, bool, type(None))

    assert plain(asdict(facts(DATA / "li6ps5cl_neutron.cif")))


CIF = """data_x
_cell_length_a 5.0
_cell_length_b 5.0
_cell_length_c 8.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120
_symmetry_space_group_name_H-M 'P -3'
loop_
_symmetry_equiv_pos_as_xyz
 'x, y, z'
 '-y, x-y, z'
 '-x+y, -x, z'
 '-x, -y, -z'
 'y, -x+y, -z'
 'x-y, x, -z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li 0.333 0.667 0.25 1
S1 S 0 0 0 {occupancy}
"""


def test_three_digits_of_a_third_are_understood():
    structure, notes = structure_from_cif(CIF.format(occupancy="1"))
    assert len(structure) == 3
    assert any("0.333 for 1/3" in note for note in notes)


def test_overlapping_sites_and_too_full_ones_are_refused():
    overlapping = CIF.format(occupancy="1") + "S2 S 0 0 0.05 1\n"
    with pytest.raises(StructureRefused, match=r"S1 and S2 overlap: 0\.40 Å|S2 and S1 overlap: 0\.40 Å"):
        structure_from_cif(overlapping)
    with pytest.raises(StructureRefused, match=r"sum to more than one: Se1 at 0, 0, 0 holds S 0\.7 and Se 0\.7, together 1\.4"):
        structure_from_cif(CIF.format(occupancy="0.7") + "Se1 Se 0 0 0 0.7\n")


def test_a_site_that_is_too_full_may_be_so_by_the_origin_that_was_assumed():
    """Two sites of Li10SnP2S12 with the coordinates of origin 2, which its CIF does not name."""
    head, _, table = re.split(r"(_symmetry_space.*?)(?=loop_\n_atom)", CIF.replace("gamma 120", "gamma 90"), flags=re.DOTALL)
    cif = f"{head}_symmetry_space_group_name_H-M 'P 42/n m c'\n{table.partition('Li1')[0]}"
    with pytest.raises(StructureRefused, match=r"together 1\.618 .*two origin choices"):
        structure_from_cif(cif + "P2 P 0.75 0.25 0 1\nLi3 Li 0.25 0.25 0 0.618\n")


def test_a_metal_has_no_framework():
    metal = Structure(Lattice.cubic(3.5), ["Li", "Li"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    warnings = " ".join(material_facts(metal, []).warnings)
    assert "here is none" in warnings
    assert "Nothing is to be done" in warnings


def test_a_formula_that_is_not_that_of_the_sites_is_pointed_out():
    notes = structure_from_cif(CIF.format(occupancy="1").replace("_cell_length_a", "_chemical_formula_sum 'Li4 S1'\n_cell_length_a"))[1]
    assert any("part of the file missing" in note for note in notes)


@pytest.mark.parametrize(
    "formula", ["", "_chemical_formula_sum ?\n", "_chemical_formula_sum 'Li1 Cl1'\n", "_chemical_formula_sum 'x = 0.3'\n"]
)
def test_nothing_is_said_of_a_formula_that_is_not_there_or_that_is_right(formula):
    cell = "".join(f"_cell_length_{axis} 5\n" for axis in "abc") + "".join(
        f"_cell_angle_{name} 90\n" for name in ("alpha", "beta", "gamma")
    )
    ions = "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    _, notes = structure_from_cif(f"data_x\n{formula}{cell}{ions}Li1 Li1+ 0 0 0\nCl1 Cl1- 0.5 0.5 0.5\n")
    assert not [note for note in notes if "formula" in note]


def test_a_structure_without_symmetry_has_one_orbit_a_site():
    rng = np.random.default_rng(1)
    found = material_facts(Structure(Lattice.from_parameters(7, 8, 9, 80, 95, 100), ["Li"] * 6 + ["N"] * 2, rng.uniform(size=(8, 3))), [])
    assert (found.space_group, found.space_group_number, len(found.sites)) == ("P1", 1, 8)


def test_a_space_group_that_is_not_understood_is_not_taken_for_p1():
    without = re.sub(r"loop_\n_symmetry_equiv.*?(?=loop_)", "", CIF.format(occupancy="1"), flags=re.DOTALL)
    assert len(structure_from_cif(without)[0]) == 3
    with pytest.raises(StructureRefused, match="space group of the CIF is not understood"):
        structure_from_cif(without.replace("P -3", "Q 9"))
    alone, notes = structure_from_cif(without.replace("P -3", "P 1"))
    assert len(alone) == 2
    none, notes = structure_from_cif(without.replace("_symmetry_space_group_name_H-M 'P -3'\n", ""))
    assert len(none) == 2
    assert any("read as P1" in note for note in notes)


def test_a_pair_of_sites_that_holds_more_than_one_atom_is_not_harmless():
    sites = [{"Li": 0.7}, {"Li": 0.7}, "S"]
    found = material_facts(Structure(Lattice.cubic(5), sites, [[0, 0, 0], [0, 0, 0.16], [0.5, 0.5, 0.5]], labels=["Li1", "Li2", "S1"]), [])
    assert any("Li1 and Li2 are 0.80 Å apart, but together they hold 1.40 atoms" in note for note in found.warnings)


def test_many_pairs_of_sites_of_the_same_elements_are_one_sentence():
    rng = np.random.default_rng(2)
    cages = rng.permutation([[x, y, z] for x in range(3) for y in range(3) for z in range(3)]) / 3
    sites = np.vstack([cages, cages + np.array([0, 0, 0.06]), cages + np.full(3, 1 / 6)])
    species = [{"Cu": 0.4}] * 54 + ["S"] * 27
    found = material_facts(Structure(Lattice.cubic(15), species, sites, labels=[f"X{n}" for n in range(81)]), [])
    close = [note for note in found.warnings if "apart" in note]
    assert len(close) == 1
    assert "27 pairs of partly occupied sites of Cu are close" in close[0]
    assert "0.90 Å apart. That is harmless" in close[0]


@pytest.mark.parametrize(("a_A", "words"), [(1.9, "too many atoms"), (4.0, ""), (5.6, "atoms are missing")])
def test_an_implausible_volume_is_pointed_out(a_A, words):
    found = of(["Li", "F"], [[0, 0, 0], [0.5, 0.5, 0.5]], a_A)
    assert [note for note in found.warnings if "Å³ of the cell" in note and words in note] == [note for note in found.warnings if words]
    assert bool(words) == any("Å³ of the cell" in note for note in found.warnings)
