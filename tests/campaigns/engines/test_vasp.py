"""VASP as the reference method: the inputs that are written, and stored outputs that are read. The program is licensed and never run.

The outputs are real ones that the package ase ships for its own tests (LGPL; not copied here): vasprun.xml of VASP 6.3.0 on diamond, and an
OUTCAR of another run for what it says about the electronic loop. A stand-in for VASP checks that its inputs are there and writes them.
"""

import stat
import sys
from pathlib import Path

import ase.io
import ase.test
import numpy as np
import pytest
from ase import Atoms
from ase.units import GPa

from campaigns.engines import labellers
from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers import LabelFailed, vasp_files
from campaigns.engines.specs import LabellerSpec

pytestmark = pytest.mark.engine

STORED = Path(ase.test.__file__).parent / "testdata" / "vasp"
VASPRUN = STORED / "vasprun_pstress.xml"  # VASP 6.3.0, diamond, with PSTRESS 1 kB
OUTCAR = STORED / "OUTCAR_example_1"
POTCAR = " PAW_PBE {symbol} 08Apr2002\n parameters from PSCTR are:\n   VRHFIN ={symbol}: s2p2\n   LEXCH  = {functional}\n End of Dataset\n"
STAND_IN = f"""#!{sys.executable}
import os, pathlib, shutil, sys
assert all(pathlib.Path(name).stat().st_size for name in ("INCAR", "POSCAR", "POTCAR", "KPOINTS"))
print("running on 1 total cores")
{{act}}
"""
ACT = f"""
shutil.copy({str(VASPRUN)!r}, "vasprun.xml")
pathlib.Path("OUTCAR").write_text(pathlib.Path({str(OUTCAR)!r}).read_text(errors="replace"))
pathlib.Path("WAVECAR").write_bytes(b"wavefunctions")
"""
UNCONVERGED = (
    ACT
    + """
text = pathlib.Path("OUTCAR").read_text()
pathlib.Path("OUTCAR").write_text(text.replace("loop because EDIFF is reached", "loop EDIFF was not reached (unconverged)"))
"""
)


def diamond():
    (atoms,) = ase.io.read(VASPRUN, index=":")
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


@pytest.fixture
def potcars(tmp_path, monkeypatch):
    for name, symbol, functional in (("C", "C", "PE"), ("Li_sv", "Li", "PE"), ("O", "O", "PE"), ("S", "S", "CA"), ("P", "Si", "PE")):
        place = tmp_path / "potcars" / "potpaw_PBE" / name
        place.mkdir(parents=True)
        (place / "POTCAR").write_text(POTCAR.format(symbol=symbol, functional=functional))
    monkeypatch.setenv("VASP_PP_PATH", str(tmp_path / "potcars"))


@pytest.fixture
def vasp_that(tmp_path, monkeypatch, potcars):
    def installed(act):
        program = tmp_path / "vasp_std"
        program.write_text(STAND_IN.replace("{act}", act))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("VASP_COMMAND", str(program))

    return installed


def vasp_with(folder, **options):
    return labellers.build(LabellerSpec("vasp", options), folder, 1)


def test_the_label_is_what_vasprun_xml_says(tmp_path, vasp_that):
    """The free energy without the term p V of PSTRESS; the stress in kB is the negative of ase's; VASP's file has 10 kB to the GPa."""
    vasp_that(ACT)
    atoms = diamond()
    label = vasp_with(tmp_path).label(atoms, "label-000001")
    text = VASPRUN.read_text().rpartition('<varray name="stress" >')[2]
    rows = [[float(word) for word in line.split()[1:4]] for line in text.splitlines()[1:4]]
    assert label.virial_eV == pytest.approx(np.array(rows) * 0.1 * GPa * atoms.get_volume())
    assert label.energy_eV == pytest.approx(-20.24695937, abs=1e-6)
    assert label.forces_eV_A.shape == (2, 3)
    assert {path.name for path in (tmp_path / "vasp").iterdir()} >= {
        "label-000001.INCAR", "label-000001.OUTCAR", "label-000001.vasprun.xml", "label-000001.out",
    }  # fmt: skip


def test_the_wavecar_is_the_start_of_the_same_configuration_and_not_of_a_far_one(tmp_path, vasp_that):
    vasp_that(ACT)
    labeller = vasp_with(tmp_path)
    labeller.label(diamond(), "first")
    labeller.label(diamond(), "again")
    far = diamond()
    far.positions[1] += 0.3
    labeller.label(far, "far")
    starts = {name: _incar((tmp_path / "vasp" / f"{name}.INCAR").read_text())["ISTART"] for name in ("first", "again", "far")}
    assert starts == {"first": "0", "again": "1", "far": "0"}


def _incar(text):
    return dict(line.split(" = ", 1) for line in text.splitlines())


def test_a_loop_that_did_not_converge_is_a_failed_label_with_its_attempts(tmp_path, vasp_that):
    vasp_that(UNCONVERGED)
    with pytest.raises(LabelFailed) as failure:
        vasp_with(tmp_path, scf_steps=60).label(diamond(), "label")
    assert failure.value.cause == "scf_not_converged"
    assert [attempt.settings for attempt in failure.value.attempts] == ["as set", vasp_files.FRESH, vasp_files.SLOW]
    last = _incar((tmp_path / "vasp" / "label.INCAR").read_text())
    assert (last["NELM"], last["ALGO"], last["ISTART"]) == ("240", "Damped", "0")
    assert (tmp_path / "vasp" / "label.failed-3.out").is_file()


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        ("print('forrtl: severe (41): insufficient virtual memory')", "out_of_memory"),
        ("print('| The distance between some ions is very small. |')", "bad_geometry"),
        ("print('Error EDDDAV: Call to ZHEGV failed. Returncode = 7')", "scf_not_converged"),
        ("print('bye')", "engine_error"),
        (ACT + "pathlib.Path('vasprun.xml').write_text(pathlib.Path('vasprun.xml').read_text()[:5000])", "engine_error"),
        (ACT + "os.remove('vasprun.xml')", "engine_error"),
        ("import time; time.sleep(120)", "walltime"),
    ],
)
def test_a_run_that_ends_otherwise_has_its_cause(tmp_path, vasp_that, monkeypatch, act, cause):
    monkeypatch.setattr("campaigns.engines.labellers.program.POLITE_END_S", 0.0)
    vasp_that(act)
    with pytest.raises(LabelFailed) as failure:
        vasp_with(tmp_path, retries=0, walltime_h=0.001 if cause == "walltime" else 1).label(diamond())
    assert failure.value.cause == cause


def test_a_label_that_runs_out_of_time_gets_twice_as_much_once(tmp_path, vasp_that, monkeypatch):
    monkeypatch.setattr("campaigns.engines.labellers.program.POLITE_END_S", 0.0)
    vasp_that("import time; time.sleep(120)")
    with pytest.raises(LabelFailed, match=r"longer than the limit of 0\.002 h") as failure:
        vasp_with(tmp_path, walltime_h=0.001).label(diamond())
    assert [attempt.settings for attempt in failure.value.attempts] == ["as set", "twice the time"]
    first, second = (attempt.seconds for attempt in failure.value.attempts)
    assert second > 1.3 * first


# As VASP 6 begins every run, well or not (https://www.vasp.at/wiki).
HEAD = """ vasp.6.4.2 20Jul23 complex
 POSCAR found type information on POSCAR LiGeP S
 POSCAR found :  4 types and      50 ions
 Reading from existing POTCAR
 scaLAPACK will be used
 entering main loop
"""


def test_a_crash_of_vasp_6_is_no_refused_input(tmp_path, vasp_that):
    vasp_that(f"print({HEAD + 'rank 3 exited on signal 11 (Segmentation fault); unknown reason'!r})")
    with pytest.raises(LabelFailed, match="signal 11") as failure:
        vasp_with(tmp_path, retries=0).label(diamond())
    assert failure.value.cause == "engine_error"


@pytest.mark.parametrize(
    "sentence",
    [
        "Error reading item NCORE from file INCAR.",
        "|     Error reading item 'NCORE' from file INCAR.                   |",
        " ERROR: the type information on POSCAR and POTCAR are incompatible",
        "|     number of potentials on File POTCAR incompatible with number of species |",
        " Your license has expired",
    ],
)
def test_an_input_that_vasp_refuses_fails_the_stage(tmp_path, vasp_that, sentence):
    vasp_that(f"print({HEAD + sentence!r})")
    with pytest.raises(EngineFailed, match="refuses its input"):
        vasp_with(tmp_path, further=["NCORE = x"]).label(diamond())


def test_the_output_of_another_cell_is_no_label(tmp_path, vasp_that):
    vasp_that(ACT)
    with pytest.raises(LabelFailed, match="another cell"):
        vasp_with(tmp_path, potcars=["Li Li_sv"]).label(Atoms("LiO", positions=[[0, 0, 0], [2, 0, 0]], cell=4 * np.eye(3), pbc=True))


def test_inputs_keep_elements_together_and_forces_find_their_atoms_again(tmp_path, potcars):
    atoms = Atoms("LiOLi", positions=[[0, 0, 0], [2, 0, 0], [0, 2, 0]], cell=[[4, 0, 0], [0.5, 5, 0], [0, 0.5, 6]], pbc=True)
    method = vasp_files.Method(
        cutoff_eV=520, k_points=(2, 1, 1), dispersion="d2", smearing_eV=0.05, unrestricted=True, magnetization={"O": 1},
        scf_eps_eV_atom=1e-7, potcars={symbol: vasp_files.potcar(symbol, name) for symbol, name in (("Li", "Li_sv"), ("O", None))},
        more=vasp_files.further_words(["ncore = 4"]),
    )  # fmt: skip
    vasp_files.write_inputs(tmp_path, method, vasp_files.Scf(80), atoms, restart=False)
    written = ase.io.read(tmp_path / "POSCAR")
    assert list(written.symbols) == ["Li", "Li", "O"]
    assert written.positions == pytest.approx(atoms.positions[[0, 2, 1]])
    assert written.cell.array == pytest.approx(atoms.cell.array)
    assert [line.split()[1] for line in (tmp_path / "POTCAR").read_text().splitlines() if "PAW_PBE" in line] == ["Li", "O"]
    assert "\nGamma\n2 1 1\n" in (tmp_path / "KPOINTS").read_text()
    incar = _incar((tmp_path / "INCAR").read_text())
    expected = {
        "GGA": "PE",
        "IVDW": "10",
        "ENCUT": "520",
        "EDIFF": "3e-07",
        "NELM": "80",
        "NSW": "0",
        "ISIF": "2",
        "NCORE": "4",
        "ISPIN": "2",
    }
    assert {name: incar[name] for name in expected} == expected
    assert incar["MAGMOM"] == "0 0 1"


def test_a_left_handed_cell_is_written_with_its_axes_reversed(tmp_path, potcars):
    left = [[0, 4, 0], [4, 0, 0], [0, 0, 5]]
    atoms = Atoms("C2", positions=[[0, 0, 0], [1, 2, 3]], cell=left, pbc=True)
    method = vasp_files.Method(520, (1, 1, 1), "none", 0.05, False, {}, 1e-7, {"C": vasp_files.potcar("C", None)}, {})
    vasp_files.write_inputs(tmp_path, method, vasp_files.Scf(80), atoms, restart=False)
    written = ase.io.read(tmp_path / "POSCAR")
    assert written.cell.array == pytest.approx(-np.array(left))
    assert written.positions == pytest.approx(atoms.positions)


def test_forces_come_back_in_the_order_of_the_atoms():
    symbols = ["Li", "O", "Li", "S", "O"]
    order = vasp_files.order_by_element(symbols)
    assert [symbols[index] for index in order] == ["Li", "Li", "O", "O", "S"]
    assert list(order) == [0, 2, 1, 4, 3]


@pytest.mark.parametrize(
    ("options", "symbols", "words"),
    [
        ({}, ["C"], None),
        ({"potcars": ["Li Li_sv"]}, ["Li", "O"], None),
        ({}, ["Li"], "There is no Li/POTCAR"),
        ({"potcars": ["S S"]}, ["S"], "was not made for PBE (LEXCH is CA)"),
        ({}, ["P"], "is not a POTCAR of P"),
        ({"potcars": ["Li ../../x"]}, ["Li"], "is not an element and the name of its folder"),
        ({"potcars": ["La C"]}, ["La"], "D2 has no parameters for La"),
        ({"further": ["NSW = 100"]}, ["C"], "NSW is set by another option"),
        ({"further": ["NCORE: 4"]}, ["C"], "is not of the form"),
        ({"cutoff_eV": 5}, ["C"], "5 is not between 50"),
        ({"k_points": "a"}, ["C"], "three whole numbers"),
    ],
)
def test_what_cannot_be_labelled_is_said_before_the_campaign_starts(vasp_that, options, symbols, words):
    vasp_that(ACT)
    problems = labellers.check(LabellerSpec("vasp", options), symbols)
    assert words in " ".join(problems) if words else problems == []


def test_without_a_licence_it_is_said_what_is_needed(monkeypatch, tmp_path):
    monkeypatch.delenv("VASP_COMMAND", raising=False)
    monkeypatch.delenv("VASP_PP_PATH", raising=False)
    problems = " ".join(labellers.check(LabellerSpec("vasp"), ["Li"]))
    assert "VASP is licensed and not part of this installation" in problems
    assert "VASP_PP_PATH" in problems
    with pytest.raises(EngineFailed, match="licensed"):
        labellers.build(LabellerSpec("vasp"), tmp_path, 1)
