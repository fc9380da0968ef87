"""A CIF without symmetry operations is read in the setting that it names: formula and distances are those of known structures."""

import re

import numpy as np
import pytest

from campaigns.engines.cif_scan import Unusable, the_block
from campaigns.science.space_group_settings import split_setting, with_operations
from campaigns.science.structures import StructureRefused, structure_from_cif

ANATASE = ((3.785, 3.785, 9.514), (90, 90, 90), 141, ("Ti 0 0.25 0.375", "O 0 0.25 0.1666"))
SPINEL = ((11.11,) * 3, (90, 90, 90), 227, ("Mg 0.125 0.125 0.125", "Sc 0.5 0.5 0.5", "Se 0.2555 0.2555 0.2555"))
SPINEL_1 = (*SPINEL[:3], ("Mg 0 0 0", "Sc 0.625 0.625 0.625", "Se 0.3805 0.3805 0.3805"))
ZIRCON = ((6.607, 6.607, 5.982), (90, 90, 90), 141, ("Zr 0 0.75 0.125", "Si 0 0.25 0.375", "O 0 0.0661 0.1953"))
# LiCoO2 on both kinds of axes.
LAYERED_H = ((2.816, 2.816, 14.054), (90, 90, 120), 166, ("Li 0 0 0.5", "Co 0 0 0", "O 0 0 0.2605"))
LAYERED_R = ((4.9586,) * 3, (32.985,) * 3, 166, ("Li 0.5 0.5 0.5", "Co 0 0 0", "O 0.2605 0.2605 0.2605"))

CASES = [
    ("I 41/a m d :2", ANATASE, "Ti4 O8", 1.933),
    ("I41/amdZ", ANATASE, "Ti4 O8", 1.933),
    ("I 41/a m d (origin choice 2)", ANATASE, "Ti4 O8", 1.933),
    ("I 41/a m d :2", ZIRCON, "Zr4 Si4 O16", 1.625),
    ("F d -3 m :2", SPINEL, "Mg8 Sc16 Se32", 2.511),
    ("F d -3 m Z", SPINEL, "Mg8 Sc16 Se32", 2.511),
    ("Fd-3m:2", SPINEL, "Mg8 Sc16 Se32", 2.511),
    ("F d 3 m :2", SPINEL, "Mg8 Sc16 Se32", 2.511),
    ("F d -3 m :1", SPINEL_1, "Mg8 Sc16 Se32", 2.511),
    ("F d -3 m S", SPINEL_1, "Mg8 Sc16 Se32", 2.511),
    ("R -3 m :H", LAYERED_H, "Li3 Co3 O6", 1.923),
    ("R -3 m", LAYERED_H, "Li3 Co3 O6", 1.923),
    ("R -3 m R", LAYERED_R, "Li1 Co1 O2", 1.923),
    ("R -3 m", LAYERED_R, "Li1 Co1 O2", 1.923),
]  # fmt: skip


def cif(symbol, lengths_A, angles_deg, number, sites, name="_symmetry_space_group_name_H-M"):
    cell = [f"_cell_length_{axis} {value}" for axis, value in zip("abc", lengths_A, strict=True)]
    cell += [f"_cell_angle_{axis} {value}" for axis, value in zip(("alpha", "beta", "gamma"), angles_deg, strict=True)]
    group = [f"{name} '{symbol}'"] if symbol else []
    group += [f"_symmetry_Int_Tables_number {number}"] if number else []
    columns = [
        "loop_",
        "_atom_site_label",
        "_atom_site_type_symbol",
        *(f"_atom_site_fract_{axis}" for axis in "xyz"),
        "_atom_site_occupancy",
    ]
    rows = [f"{site.split()[0]}{index} {site} 1" for index, site in enumerate(sites)]
    return "\n".join(["data_x", *group, *cell, *columns, *rows, ""])


def shortest_A(structure):
    return (structure.distance_matrix + 99 * np.eye(len(structure))).min()


@pytest.mark.parametrize(("symbol", "crystal", "formula", "bond_A"), CASES)
@pytest.mark.parametrize("numbered", [True, False])
def test_the_setting_that_is_named_is_taken(symbol, crystal, formula, bond_A, numbered):
    lengths_A, angles_deg, number, sites = crystal
    structure, notes = structure_from_cif(the_block(cif(symbol, lengths_A, angles_deg, number if numbered else None, sites)))
    assert structure.composition.formula == formula
    assert shortest_A(structure) == pytest.approx(bond_A, abs=0.01)
    assert notes == []


def test_a_hall_symbol_names_its_setting_too():
    structure, notes = structure_from_cif(the_block(cif("-F 4vw 2vw 3", *SPINEL, name="_space_group_name_Hall")))
    assert (structure.composition.formula, notes) == ("Mg8 Sc16 Se32", [])


def test_where_no_origin_is_named_it_is_said_which_was_taken():
    _, notes = structure_from_cif(cif("F d -3 m", *SPINEL_1))
    assert [note for note in notes if "origin choice 1" in note]
    with pytest.raises(StructureRefused, match=r"overlap.*origin choice 1\. If it is 2"):
        structure_from_cif(cif("F d -3 m", *SPINEL))
    with pytest.raises(StructureRefused, match="The space group number 227 has two origin choices"):
        structure_from_cif(cif("?", *SPINEL))


def test_a_setting_that_is_not_known_is_refused():
    with pytest.raises(Unusable, match="give the symmetry operations"):
        the_block(cif("F d -3 m :3", *SPINEL))
    with pytest.raises(Unusable, match="is not known here"):
        the_block(cif("Q d -3 m :2", *SPINEL[:2], None, SPINEL[3]))


def test_axes_that_are_not_those_of_the_cell_are_pointed_out():
    _, notes = with_operations(cif("R -3 m :H", *LAYERED_R))
    assert notes == ["The space group R -3 m :H is given on hexagonal axes, and the cell has others: check both."]


def test_operations_that_the_cif_lists_are_left_alone():
    text = cif("F d -3 m :2", *SPINEL) + "loop_\n_space_group_symop_operation_xyz\n'x, y, z'\n"
    assert with_operations(text) == (text, [])
    empty = cif("F d -3 m :2", *SPINEL) + "_symmetry_equiv_pos_as_xyz ?\n"
    assert len(structure_from_cif(empty)[0]) == 56


@pytest.mark.parametrize("symbol", ["P n n n", "F d d d", "P 4/n", "P 42/n", "I 41/a", "P 4/n m m", "P 42/n c m", "I 41/a c d",
                                    "P n -3", "F d -3", "P n -3 n", "P n -3 m", "F d -3 c"])  # fmt: skip
def test_choice_2_has_its_centre_of_symmetry_at_the_origin_and_choice_1_elsewhere(symbol):
    lists = [with_operations(cif(f"{symbol} :{choice}", (9, 9, 9), (90, 90, 90), None, ("Li 0.1 0.2 0.3",)))[0] for choice in "12"]
    first, second = ({re.sub(r"\s", "", row) for row in re.findall(r"'([^']*,[^']*)'", text)} for text in lists)
    assert len(first) == len(second) > 4
    assert "-x,-y,-z" not in first
    assert "-x,-y,-z" in second


@pytest.mark.parametrize(("symbol", "expected"), [("F d -3 m :2", ("Fd-3m", "2")), ("R -3 c H", ("R-3c", "H")), ("P 21/c", ("P21/c", "")),
                                                  ("I 41/a m d S", ("I41/amd", "1")), ("R -3 m :R", ("R-3m", "R"))])  # fmt: skip
def test_symbols_are_split(symbol, expected):
    assert split_setting(symbol) == expected
