"""Quantum ESPRESSO as the reference method: its pseudopotentials, its input, its output, and the real program on a crystal of two atoms."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from campaigns.engines import journal, label, labellers
from campaigns.engines.job import EngineFailed, Progress
from campaigns.engines.labellers import LabelFailed, cp2k_data, espresso_input, espresso_output, gth
from campaigns.engines.specs import FrameSelection, LabellerSpec, LabelSpec
from campaigns.science.frames import Frames

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("pw.x") is None, reason="Quantum ESPRESSO is not installed: apt-get install quantum-espresso"),
    pytest.mark.skipif(not gth.names("Li"), reason="CP2K's pseudopotentials are not installed: apt-get install cp2k-data"),
]

GOEDECKER = {"pseudopotentials": ["Li GTH-PBE-q3", "H GTH-PBE-q1"]}
LOOSE = GOEDECKER | {"cutoff_Ry": 60}
UPF_FOLDER = Path("/usr/share/espresso/pseudo")  # Debian: quantum-espresso-data
with_upf = pytest.mark.skipif(not UPF_FOLDER.is_dir(), reason="There are no UPF files: apt-get install quantum-espresso-data")


def lih():
    cell = [[4.2, 0, 0], [0.3, 4.4, 0], [0, -0.2, 4.45]]
    return Atoms("LiH", positions=[[0.0, 0.1, 0.0], [0.2, 0.0, 1.7]], cell=cell, pbc=True)


def espresso_with(folder, **options):
    return labellers.build(LabellerSpec("espresso", LOOSE | options), folder, 1)


def output(folder, name):
    return (folder / "espresso" / f"{name}.out").read_text()


def n_steps(text):
    return int(text.partition("convergence has been achieved in")[2].split()[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("espresso")


@pytest.fixture(scope="module")
def loose(folder):
    return espresso_with(folder)


@pytest.fixture(scope="module")
def lih_label(loose):
    return loose.label(lih(), "lih")


def numerical_force(labeller, atoms, atom, axis, step_A):
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[atom, axis] += sign * step_A
        energies.append(labeller.label(moved).energy_eV)
    return -(energies[0] - energies[1]) / (2 * step_A)


def test_forces_are_minus_the_gradient_of_the_energy(loose, lih_label):
    assert lih_label.forces_eV_A.shape == (2, 3)
    assert lih_label.forces_eV_A[1, 2] == pytest.approx(numerical_force(loose, lih(), 1, 2, 0.01), abs=1e-3)


def test_virial_is_minus_the_derivative_by_the_strain(tmp_path, lih_label):
    """By ever the same number of plane waves, which stretch with the cell: the cut-off goes with the inverse square of the strain."""
    step, energies = 0.004, []
    for sign in (1, -1):
        strained = lih()
        strained.set_cell(strained.cell.array * (1 + sign * step), scale_atoms=True)
        cutoff_Ry = LOOSE["cutoff_Ry"] / (1 + sign * step) ** 2
        energies.append(espresso_with(tmp_path, cutoff_Ry=cutoff_Ry).label(strained).energy_eV)
    assert np.trace(lih_label.virial_eV) == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=1e-2)


@pytest.mark.skipif(shutil.which("cp2k.psmp") is None, reason="CP2K is not installed: apt-get install cp2k")
def test_two_programs_agree_on_the_dispersion_correction(tmp_path, lih_label):
    """It knows nothing of basis sets; what it adds to energy, forces and virial tells signs, units and axes."""
    small = {"cutoff_Ry": 300, "basis": "SZV-MOLOPT-SR-GTH", "scf_eps": 1e-7}
    gaussians = [
        labellers.build(LabellerSpec("cp2k", small | {"dispersion": dispersion}), tmp_path, 1).label(lih()) for dispersion in ("d2", "none")
    ]
    waves = [lih_label, espresso_with(tmp_path, dispersion="none").label(lih())]
    for name, tolerance in (("energy_eV", 1e-3), ("forces_eV_A", 2e-3), ("virial_eV", 5e-3)):
        added = [getattr(with_it, name) - getattr(without, name) for with_it, without in (gaussians, waves)]
        assert added[1] == pytest.approx(added[0], abs=tolerance)


def test_goedeckers_projectors_with_k_points_give_forces_that_are_derivatives(tmp_path):
    silicon = bulk("Si", a=5.43)
    silicon.positions[1] += [0.1, 0.05, 0]
    options = {"cutoff_Ry": 25, "k_points": "2 2 2", "pseudopotentials": ["Si GTH-PBE-q4"]}
    labeller = labellers.build(LabellerSpec("espresso", options), tmp_path, 1)
    found = labeller.label(silicon, "si")
    assert found.forces_eV_A[1, 0] < -1
    assert found.forces_eV_A[1, 0] == pytest.approx(numerical_force(labeller, silicon, 1, 0, 0.01), abs=1e-3)


def test_the_dispersion_correction_is_in_the_label(tmp_path, lih_label):
    without = espresso_with(tmp_path, dispersion="none").label(lih(), "lih")
    assert 0.01 < without.energy_eV - lih_label.energy_eV < 1.0
    assert not np.allclose(without.virial_eV, lih_label.virial_eV, atol=1e-3)


@with_upf
def test_a_paw_file_with_k_points_and_smearing_gives_forces_that_are_derivatives(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPRESSO_PSEUDO", str(UPF_FOLDER))
    germanium = bulk("Ge", a=5.76)
    germanium.positions[1] += [0.1, 0.05, 0]
    options = {"cutoff_Ry": 25, "k_points": "2 2 2", "smearing_K": 3000, "pseudopotentials": []}
    labeller = labellers.build(LabellerSpec("espresso", options), tmp_path, 1)
    found = labeller.label(germanium, "ge")
    assert found.forces_eV_A[1, 0] == pytest.approx(numerical_force(labeller, germanium, 1, 0, 0.01), abs=1e-3)
    assert "ecutrho          = 200.0" in (tmp_path / "espresso" / "ge.in").read_text()  # PAW: eight times


def test_axes_may_be_left_handed(loose, lih_label):
    turned = lih()
    turned.set_cell(turned.cell.array * [[1], [1], [-1]])
    found = loose.label(turned)
    assert found.energy_eV == pytest.approx(lih_label.energy_eV, abs=1e-5)
    assert found.forces_eV_A == pytest.approx(lih_label.forces_eV_A, abs=1e-3)
    assert found.virial_eV == pytest.approx(lih_label.virial_eV, abs=1e-2)


def test_unrestricted_spin_gives_the_same_closed_shell(tmp_path, lih_label):
    found = espresso_with(tmp_path, spin="unrestricted", magnetization={"H": 0.5}).label(lih(), "lih")
    assert "starting_magnetization(2) = 0.5" in (tmp_path / "espresso" / "lih.in").read_text()
    assert found.energy_eV == pytest.approx(lih_label.energy_eV, abs=1e-3)


def test_an_odd_number_of_electrons_asks_for_spin(loose):
    with pytest.raises(EngineFailed, match="odd number of electrons"):
        loose.label(Atoms("Li", cell=4 * np.eye(3), pbc=True))


def test_the_wavefunction_of_a_near_configuration_is_the_next_guess_and_that_of_a_far_one_is_not(tmp_path):
    """Eight atoms, steps of dynamics: 9 SCF steps instead of 14."""
    first = bulk("LiH", "rocksalt", a=4.08, cubic=True)
    near, far = first.copy(), first.copy()
    near.rattle(0.01, seed=1)
    far.rattle(0.2, seed=1)
    labeller = espresso_with(tmp_path, cutoff_Ry=50)
    energies = [labeller.label(atoms, name).energy_eV for atoms, name in ((first, "first"), (near, "near"), (far, "far"))]
    asked = [line for line in (tmp_path / "espresso" / "near.in").read_text().splitlines() if "starting" in line]
    assert [line.split("=")[1].strip() for line in asked] == ["'file'", "'file'"]
    assert "startingpot" not in (tmp_path / "espresso" / "far.in").read_text()
    assert n_steps(output(tmp_path, "near")) < n_steps(output(tmp_path, "first"))
    fresh = espresso_with(tmp_path / "fresh", cutoff_Ry=50).label(near)
    assert energies[1] == pytest.approx(fresh.energy_eV, abs=1e-5)


def test_a_run_that_was_killed_leaves_no_wavefunction_to_the_next(tmp_path, lih_label):
    labeller = espresso_with(tmp_path)
    labeller.label(lih(), "whole")
    kept = next((tmp_path / "espresso" / "wavefunctions").glob("[0-9]*"))
    kept.rename(tmp_path / "espresso" / espresso_input.SCRATCH)  # as the next run takes it, before it is killed
    half_written = tmp_path / "espresso" / espresso_input.SCRATCH / "label.save" / "charge-density.dat"
    half_written.write_bytes(half_written.read_bytes()[:1000])
    found = labeller.label(lih(), "after")
    assert "startingpot" not in (tmp_path / "espresso" / "after.in").read_text()
    assert found.energy_eV == pytest.approx(lih_label.energy_eV, abs=1e-5)


@pytest.mark.parametrize("name", ["charge-density.dat", "wfc1.dat"])
def test_a_wavefunction_that_a_full_disk_cut_short_does_not_change_the_label(tmp_path, lih_label, name):
    """pw.x goes on from what it could read, or stops, and is then started from atoms."""
    labeller = espresso_with(tmp_path)
    labeller.label(lih(), "whole")
    broken = next((tmp_path / "espresso" / "wavefunctions").glob(f"*/label.save/{name}"))
    broken.write_bytes(broken.read_bytes()[:1000])
    found = labeller.label(lih(), "after")
    assert "startingpot" in (tmp_path / "espresso" / "after.in").read_text() or len(found.attempts) == 2
    assert found.energy_eV == pytest.approx(lih_label.energy_eV, abs=1e-5)


def test_an_scf_that_does_not_converge_is_a_failed_label_with_its_attempts(tmp_path):
    atoms = lih()
    frames = Frames(np.array(["Li", "H"]), atoms.positions[None], atoms.cell.array[None])
    frames.save(tmp_path / "snapshots.npz")
    atoms.write(tmp_path / "cell.extxyz")
    method = LabellerSpec("espresso", LOOSE | {"scf_steps": 1, "retries": 2})
    spec = LabelSpec(FrameSelection(str(tmp_path / "snapshots.npz"), [0]), method, str(tmp_path / "cell.extxyz"), [], 0.6)
    with pytest.raises(EngineFailed, match="1 scf_not_converged"):
        label.run(tmp_path, spec, Progress(tmp_path))
    (entry,) = journal.read(tmp_path / label.JOURNAL)
    attempts = entry["record"]["attempts"]
    assert [attempt["settings"] for attempt in attempts] == ["as set", espresso_input.FRESH, espresso_input.SLOW]
    assert {attempt["cause"] for attempt in attempts} == {"scf_not_converged"}
    assert "JOB DONE" in (tmp_path / "espresso" / "label-000000.failed-1.out").read_text()  # pw.x says so all the same
    assert not list((tmp_path / "espresso" / "wavefunctions").glob("[0-9]*"))


def test_two_ranks_give_the_same_label(tmp_path, lih_label):
    parallel = labellers.build(LabellerSpec("espresso", LOOSE), tmp_path, 2).label(lih(), "lih")
    assert "running on     2 processors" in output(tmp_path, "lih")
    assert parallel.energy_eV == pytest.approx(lih_label.energy_eV, abs=1e-5)
    assert parallel.forces_eV_A == pytest.approx(lih_label.forces_eV_A, abs=1e-3)


def test_the_time_limit_of_a_label_ends_it(tmp_path):
    with pytest.raises(LabelFailed, match="limit") as failure:
        espresso_with(tmp_path, walltime_h=0.001, retries=0, scf_eps_Ry_atom=1e-14, cutoff_Ry=300).label(lih())
    assert failure.value.cause == "walltime"


def test_atoms_on_top_of_each_other_are_a_bad_geometry(loose):
    atoms = lih()
    atoms.positions[1] = atoms.positions[0]
    with pytest.raises(LabelFailed) as failure:
        loose.label(atoms)
    assert failure.value.cause == "bad_geometry"


def test_words_that_pw_x_does_not_know_fail_the_stage_and_not_the_label(tmp_path):
    with pytest.raises(EngineFailed, match="refuses its input"):
        espresso_with(tmp_path, further=["system.no_such_word = 4"]).label(lih())


def test_further_words_reach_the_input(tmp_path):
    labeller = espresso_with(tmp_path, further=["electrons.mixing_ndim = 4", "system nbnd = 6"])
    labeller.label(lih(), "lih")
    text = (tmp_path / "espresso" / "lih.in").read_text()
    assert "mixing_ndim      = 4" in text
    assert "nbnd             = 6" in text


def test_an_output_that_was_cut_off_is_no_label(loose, lih_label, folder):
    text = output(folder, "lih")
    whole = espresso_output.read_label(text, 2)
    assert whole.energy_eV == pytest.approx(lih_label.energy_eV)
    for upto in ("Forces acting", "total   stress", "!    total energy", "JOB DONE"):
        with pytest.raises(LabelFailed) as failure:
            espresso_output.read_label(text[: text.index(upto)], 2)
        assert failure.value.cause == "engine_error"
    for word in ("Total force", "total   stress"):
        with pytest.raises(LabelFailed, match="lacks"):
            espresso_output.read_label(text.replace(word, "nothing").replace("Forces acting", "Nothing"), 2)


@pytest.mark.parametrize(
    ("box", "cause"),
    [
        ("     Error in routine c_bands (1):\n     too many bands are not converged", "scf_not_converged"),
        ("     Error in routine allocate_fft (1):\n     cannot allocate psic", "out_of_memory"),
        ("     Error in routine davcio (10):\n     error while writing", "engine_error"),
        ("     Error in routine check_atoms (1):\n     atoms #   1 and #   2 overlap!", "bad_geometry"),
    ],
)
def test_an_error_of_pw_x_has_its_cause(box, cause):
    line = " " + 78 * "%"
    with pytest.raises(LabelFailed) as failure:
        espresso_output.read_label(f"Program PWSCF\n{line}\n{box}\n{line}\n\n     stopping ...\n", 2)
    assert failure.value.cause == cause


UPF = '<UPF version="2.0.1"><PP_HEADER element="{element}" pseudo_type="NC" functional="{functional}" z_valence="3.0"/></UPF>'


@pytest.mark.parametrize(
    ("options", "symbols", "words"),
    [
        ({"pseudopotentials": [f"{s} GTH-PBE-q{n}" for s, n in (("Li", 3), ("Ge", 4), ("P", 5), ("S", 6))]}, ["Li", "Ge", "P", "S"], None),
        ({"files": {"Li.upf": UPF.format(element="Li", functional="PBE")}}, ["Li"], None),
        ({"files": {"Li.upf": UPF.format(element="Li", functional="SLA PW PBX PBC")}, "pseudopotentials": ["Li Li.upf"]}, ["Li"], None),
        ({}, ["Li"], "Say which pseudopotential Li has, one of GTH-PBE-q3"),
        ({}, ["Pu"], "no PBE pseudopotential for Pu"),
        ({"pseudopotentials": ["Li GTH-PBE-q1"]}, ["Li"], "no GTH-PBE-q1 for Li: CP2K's table has GTH-PBE-q3"),
        ({"pseudopotentials": ["Li there-is-none.UPF"]}, ["Li"], "no pseudopotential file there-is-none.UPF"),
        ({"pseudopotentials": ["Li ../../etc/passwd"]}, ["Li"], "is not an element and the name"),
        (
            {"files": {"Li.upf": UPF.format(element="Li", functional="PBESOL")}, "pseudopotentials": ["Li Li.upf"]},
            ["Li"],
            "made for the fu",
        ),
        ({"files": {"Li.upf": UPF.format(element="Na", functional="PBE")}, "pseudopotentials": ["Li Li.upf"]}, ["Li"], "of Na, not of Li"),
        ({"files": {"Li.psp8": "numbers"}, "pseudopotentials": ["Li Li.psp8"]}, ["Li"], "not a pseudopotential in the format UPF"),
        ({"pseudopotentials": ["La GTH-PBE-q11"]}, ["La"], "D2 has no parameters for La"),
        ({"cutoff_Ry": 5}, ["Li"], "5 is not between 10"),
        ({"k_points": "2 2"}, ["Li"], "three whole numbers"),
        ({"further": ["control.outdir = '/tmp'"]}, ["Li"], "is not of the form"),
        ({"further": ["system.ecutwfc = 40"]}, ["Li"], "is set by another option"),
    ],
)
def test_what_cannot_be_labelled_is_said_before_the_campaign_starts(options, symbols, words):
    problems = labellers.check(LabellerSpec("espresso", options), symbols)
    assert words in " ".join(problems) if words else problems == []


@with_upf
def test_a_file_of_another_functional_on_this_installation_is_refused(monkeypatch):
    monkeypatch.setenv("ESPRESSO_PSEUDO", str(UPF_FOLDER))
    method = LabellerSpec("espresso", {"pseudopotentials": ["Li Li.pbesol-s-kjpaw_psl.0.2.1.UPF"]})
    assert "made for the functional SLA  PW   PSX  PSC" in " ".join(labellers.check(method, ["Li"]))


def test_a_pseudopotential_is_proposed_for_each_element():
    assert labellers.module("espresso").propose(["Li", "S"], {})["pseudopotentials"] == ["Li GTH-PBE-q3", "S GTH-PBE-q6"]


def test_every_entry_of_the_table_can_be_written():
    """Counts of numbers as pw.x reads them: a channel of n projectors has n (n + 1) / 2 coefficients, and from p on twice as many."""
    for symbol, known in cp2k_data.entries(cp2k_data.folder() / cp2k_data.POTENTIAL_FILE).items():
        for name in gth.names(symbol):
            assert any(name in names for names in known)
            lines = [line.split() for line in gth.for_espresso(symbol, name).splitlines()[3:]]
            (_, n_local, *local), (n_channels,), *rest = lines
            assert len(local) == int(n_local)
            for momentum in range(int(n_channels)):
                count = int(rest[0][1])
                used = max(count, 1) + (count if momentum else 0)
                assert [len(row) for row in rest[1 : max(count, 1)]] == list(range(count - 1, 0, -1))
                assert len(rest[0]) == 2 + count
                rest = rest[used:]
            assert rest == [] or int(n_channels) == 0


def test_a_machine_without_quantum_espresso_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    problems = " ".join(labellers.check(LabellerSpec("espresso", GOEDECKER), ["Li"]))
    assert "apt-get install quantum-espresso" in problems
    with pytest.raises(EngineFailed, match="not installed"):
        labellers.build(LabellerSpec("espresso", GOEDECKER), tmp_path, 1)
