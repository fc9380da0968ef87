"""CIFs from strangers: good ones give facts, the others a sentence that says what to do, in bounded time."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from campaigns.engines.cif_scan import Unusable, the_block
from campaigns.engines.read_cif import CifNotRead, CifRejected, decode, read_cif
from campaigns.science.structures import structure_from_cif

EXAMPLES = Path(__file__).resolve().parents[3] / "campaigns" / "examples" / "cifs"
LI3N = (EXAMPLES / "li3n_P6mmm.cif").read_text()

GOOD = """data_good
_cell_length_a 5.0(1)
_cell_length_b 5.0
_cell_length_c 5.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90.0
loop_
_space_group_symop_operation_xyz
 'x, y, z'
 '-x, -y, -z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li+ 0 0 0 1
Cl1 Cl1- 0.5 0.5 0.5 1.00(2)
"""


FM3M = GOOD.replace("loop_\n_space_group_symop_operation_xyz\n 'x, y, z'\n '-x, -y, -z'\n", "_symmetry_space_group_name_H-M 'F m -3 m'\n")


def test_an_example_gives_text_and_facts():
    text, facts = read_cif((EXAMPLES / "lgps_kamaya2011.cif").read_bytes())
    assert text.startswith("# source: Kamaya 2011")
    assert facts["elements"] == ["Ge", "Li", "P", "S"]
    assert facts["oxidation_states"] == {"Ge": 4, "Li": 1, "P": 5, "S": -2}
    assert facts["proposed_cells"]["evaluation"]["supercell"] == [2, 2, 1]
    assert facts["mobile_ion"] == "Li"
    assert facts["is_disordered"] is True
    assert {"symbol": "Li", "occupancy": 0.691} in [share for site in facts["sites"] for share in site["species"]]


def test_the_child_refuses_with_a_sentence():
    with pytest.raises(CifRejected, match="no line that begins with data_"):
        read_cif(b"<!DOCTYPE html><html>cif</html>")


def test_a_cif_that_needs_too_much_processor_time_is_refused():
    """4,800 positions, whose comparison takes some seconds."""
    places = ((0.03 + 0.018 * n, 0.011 + 0.0177 * n, 0.017 + 0.0163 * n) for n in range(25))
    rows = "".join(f"Li{n} Li+ {x:.5f} {y:.5f} {z:.5f} 1\n" for n, (x, y, z) in enumerate(places))
    large = FM3M.replace("5.0(1)", "36.0").replace("5.0\n", "36.0\n").replace("Li1 Li+ 0 0 0 1\n", rows)
    with pytest.raises(CifRejected, match="more than 1 s of processor time") as refused:
        read_cif(large.encode(), cpu_s=1)
    assert not isinstance(refused.value, CifNotRead)


def test_a_busy_machine_says_nothing_of_the_cif():
    began = time.monotonic()
    with pytest.raises(CifNotRead, match=r"This machine is busy.*says nothing of the file: try again"):
        read_cif(LI3N.encode(), wall_s=0.2)
    assert time.monotonic() - began < 10


def test_the_module_loads_nothing_heavy():
    code = "import sys, campaigns.engines.read_cif; print(sorted({'pymatgen', 'ase', 'numpy', 'scipy', 'spglib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("cif", "words"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (b"data_x\n" + b"# padding\n" * 120_000, r"1\.2 MB"),
        (LI3N.encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04 a zip", "archive"),
        (b"\x1f\x8b a gzip", "archive"),
        (bytes(range(256)), "not text"),
        (b"data_x\n\x00_cell", "not text"),
    ],
)
def test_what_is_no_text_is_refused_before_a_child_starts(cif, words):
    with pytest.raises(CifRejected, match=words):
        decode(cif)


def test_line_ends_and_old_encodings():
    assert decode(b"\xef\xbb\xbfdata_x\r\n_y '90\xc2\xb0'\r") == "data_x\n_y '90°'\n"
    assert decode(b"data_x\n_y '90\xb0'\n") == "data_x\n_y '90°'\n"


def test_a_good_one_passes_the_scan():
    assert the_block(GOOD) == GOOD
    assert the_block("# by hand\ndata_global\n_audit_author me\n" + GOOD) == GOOD


@pytest.mark.parametrize(("symbol", "n_sites"), [("P 1 21/c 1", 1250), ("C 1 2/c 1", 626), ("R -3 c :H", 139)])
def test_the_operations_of_a_space_group_are_counted(symbol, n_sites):
    """One site more than 5000 positions allow; a table of 1000 sites is too long in any group."""
    cif = FM3M.replace("F m -3 m", symbol)
    assert the_block(cif) == cif
    rows = "".join(f"Li{i} Li 0.{i:04} 0.1 0.2 1\n" for i in range(n_sites))
    with pytest.raises(Unusable, match=r"up to \d+ positions|sites; at most 1000"):
        the_block(cif[: cif.index("Li1 ")] + rows)


def at_angles(alpha, beta, gamma):
    return GOOD.replace("alpha 90", f"alpha {alpha}").replace("beta 90", f"beta {beta}").replace("gamma 90.0", f"gamma {gamma}")


def table(rows):
    return GOOD[: GOOD.index("Li1 ")] + rows


ONE_OPERATION = GOOD.replace(" '-x, -y, -z'\n", "")


@pytest.mark.parametrize(
    ("cif", "words"),
    [
        ("Li 0 0 0", "not a CIF"),
        (GOOD + GOOD.replace("data_good", "data_again"), "2 structures"),
        (GOOD[: GOOD.index("_atom_site_fract_x")], "no atoms"),
        (GOOD.replace("_cell_length_b 5.0\n", ""), "no cell: _cell_length_b"),
        (GOOD.replace("5.0(1)", "?"), "no cell: _cell_length_a"),
        (GOOD.replace("5.0(1)", "9**9**9**9"), "no cell: _cell_length_a"),
        (GOOD.replace("5.0(1)", "-5"), "between 0 and 200"),
        (GOOD.replace("5.0(1)", "1e9"), "between 0 and 200"),
        (table("Li1 Li 0 0 0 1\nCl1 Cl 0.5"), "truncated"),
        (table("Li1 Li 0"), "truncated"),
        (table("Li1 Li ? 0 0 1\n"), r"Li1 has no x coordinate \('\?'\)"),
        (table("Li1 Li 0 0 nan 1\n"), "Li1 has no z coordinate"),
        (table("Li1 Li 0 0 0 ?\n"), "occupancy of site Li1"),
        (table("Li1 Li 0 0 0 .\n"), "occupancy of site Li1"),
        (table("Li1 Li 0 0 0 -0.5\n"), "occupancy of site Li1"),
        (table("Li1 Li 0 0 0 7\n"), "occupancy of site Li1"),
        (table("Li1 Li 0 0 0 0\nCl1 Cl 0.5 0.5 0.5 0.0\n"), "cell is empty"),
        (at_angles(120, 120, 120), "The cell is flat"),
        (at_angles(60, 60, 170), "The cell is flat"),
        (at_angles(90, 90, 1), "The cell is flat"),
        (table("D1 D 0 0 0 1\n"), "isotope D: write H"),
        (table("X1 Qq 0 0 0 1\n"), "not an element"),
        (table("W1 Wat 0 0 0 1\n"), "which is not an element"),
        (table("".join(f"Li{i} Li 0.{i:04} 0 0 1\n" for i in range(1001))), "1001 sites"),
        (FM3M[: FM3M.index("Li1 ")] + "".join(f"Li{i} Li 0.{i:04} 0.1 0.2 1\n" for i in range(50)), "up to 9600 positions"),
        (GOOD.replace("'-x, -y, -z'", "'9**9**9*x, y, z'"), "not understood"),
        (GOOD.replace("'-x, -y, -z'", "'x+1/0, y, z'"), "not understood"),
        (GOOD.replace("'-x, -y, -z'", "'x, y'"), "not understood"),
        (GOOD.replace(" '-x, -y, -z'\n", " 'x, y, z'\n" * 300), "301 symmetry operations"),
        (FM3M.replace("F m -3 m", "Q 9 m"), "space group 'Q 9 m' is not understood"),
        (GOOD + '_space_group_magn.transform_BNS_Pp_abc  "9**9**9**9*a,b,c;0,0,0"\n_space_group_magn.number_BNS 62.448\n', "magnetic"),
        (GOOD + "_cell_modulation_dimension 1\n", "modulated"),
    ],
)
def test_hostile_and_broken_ones_are_refused(cif, words):
    began = time.process_time()
    with pytest.raises(Unusable, match=words):
        the_block(cif)
    assert time.process_time() - began < 5


def test_by_hand_it_prints_json_or_the_reason():
    def run(text):
        return subprocess.run([sys.executable, "-m", "campaigns.engines.read_cif"], input=text.encode(), capture_output=True, timeout=60)

    good, bad = run(ONE_OPERATION), run(GOOD + "Cl2 Cl 0.5 0.5 0.45 1\n")
    assert good.returncode == 0
    assert json.loads(good.stdout)["reduced_formula"] == "LiCl"
    assert bad.returncode == 3
    assert b"overlap" in bad.stdout


def with_symbol(symbol):
    return GOOD.replace("Cl1 Cl1-", f"A1 {symbol}")


def with_label(label):
    """Of a CIF that has labels alone."""
    return GOOD.replace("_atom_site_type_symbol\n", "").replace("Li1 Li+", "Li1").replace("Cl1 Cl1-", label)


GROUPS = ["NH4", "BH4", "PO4", "CO3", "SO4", "NO3", "OH", "OH-", "O-H", "H2O", "Wat", "Va", "Vac", "Ion", "Cat", "LiNa", "NH41+", "Q", "?"]


@pytest.mark.parametrize("symbol", GROUPS)
def test_groups_vacancies_and_dummies_are_not_taken_for_an_element_that_begins_alike(symbol):
    with pytest.raises(Unusable, match="which is not an element"):
        the_block(with_symbol(symbol))


@pytest.mark.parametrize("label", ["NH41", "PO4", "CO3", "SO4", "OH1", "H2O1", "Wat1", "Va1", "Cat1", "LiNa", "OS1"])
def test_nor_in_labels(label):
    with pytest.raises(Unusable, match="_atom_site_type_symbol"):
        the_block(with_label(label))


@pytest.mark.parametrize("symbol", ["O", "O2-", "O-2", "O-", "O1", "o2-", "Cl", "CL1-", "Co3+", "Li0.5+"])
def test_symbols_with_charges_and_numbers_are_read(symbol):
    assert the_block(with_symbol(symbol)) == with_symbol(symbol)


@pytest.mark.parametrize(
    ("label", "element"), [("O1W", "O"), ("OW1", "O"), ("Li1A", "Li"), ("LiB", "Li"), ("Cl1a", "Cl"), ("NA(1)", "Na"), ("S_2'", "S")]
)
def test_labels_with_their_suffixes_are_read_as_their_element(label, element):
    structure, _ = structure_from_cif(the_block(with_label(label)))
    assert {site.specie.symbol for site in structure} == {"Li", element}


def test_elements_that_no_method_knows_are_refused():
    with pytest.raises(Unusable, match="up to lawrencium"):
        the_block(with_symbol("Og"))
