"""CP2K as the reference method: its input, its output, and the real program on a crystal of two atoms."""

import re
import shutil

import numpy as np
import pytest
from ase import Atoms

from campaigns.engines import journal, label, labellers, s0
from campaigns.engines.job import EngineFailed, Progress
from campaigns.engines.labellers import LabelFailed, cp2k_input
from campaigns.engines.specs import FrameSelection, LabellerSpec, LabelSpec, S0Spec
from campaigns.science.frames import Frames

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("cp2k.psmp") is None, reason="CP2K is not installed: apt-get install cp2k"),
]

# A dilute crystal, few basis functions, loose numbers: seconds a label.
LOOSE = {
    "cutoff_Ry": 300,
    "basis": "SZV-MOLOPT-SR-GTH",
    "scf_eps": 1e-7,
    "eps_default": 1e-11,
}


def lih():
    """Sides for which a small strain leaves the numbers of points of the plane-wave grid as they are: where one jumps, so does E."""
    cell = [[4.2, 0, 0], [0.3, 4.4, 0], [0, -0.2, 4.45]]
    return Atoms("LiH", positions=[[0.0, 0.1, 0.0], [0.2, 0.0, 1.7]], cell=cell, pbc=True)


def cp2k_with(folder, **options):
    return labellers.build(LabellerSpec("cp2k", LOOSE | options), folder, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cp2k")


@pytest.fixture(scope="module")
def loose(folder):
    return cp2k_with(folder)


@pytest.fixture(scope="module")
def lih_label(loose):
    return loose.label(lih(), "lih")


def test_forces_are_minus_the_gradient_of_the_energy(loose, lih_label):
    energies = []
    for sign in (1, -1):
        moved = lih()
        moved.positions[1, 2] += sign * 0.01
        energies.append(loose.label(moved).energy_eV)
    assert lih_label.forces_eV_A.shape == (2, 3)
    assert lih_label.forces_eV_A[1, 2] == pytest.approx(-(energies[0] - energies[1]) / 0.02, abs=1e-3)


@pytest.mark.parametrize(("one", "other"), [(2, 2), (1, 2)])
def test_virial_is_minus_the_derivative_by_the_strain(loose, lih_label, one, other):
    step, energies = 0.004, []
    for sign in (1, -1):
        strain = np.zeros((3, 3))
        strain[one, other] += sign * step / 2
        strain[other, one] += sign * step / 2
        strained = lih()
        strained.set_cell(strained.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        energies.append(loose.label(strained).energy_eV)
    assert lih_label.virial_eV[one, other] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=5e-3)


def test_the_dispersion_correction_is_in_the_label(tmp_path, lih_label):
    without = cp2k_with(tmp_path, dispersion="none").label(lih(), "lih")
    assert 0.01 < without.energy_eV - lih_label.energy_eV < 1.0
    assert not np.allclose(without.virial_eV, lih_label.virial_eV, atol=1e-3)


def test_the_wavefunction_of_the_nearest_configuration_before_is_the_next_guess(loose, lih_label, folder):
    loose.label(lih(), "before")
    again = loose.label(lih(), "again")
    steps = {name: (folder / "cp2k" / f"{name}.out").read_text().count("OT DIIS ") for name in ("lih", "again")}
    assert steps["again"] < steps["lih"] / 2
    assert again.energy_eV == pytest.approx(lih_label.energy_eV, abs=1e-4)


def test_a_wavefunction_that_is_not_whole_does_not_change_the_label(tmp_path, lih_label):
    """The one that a killed run leaves is not looked at; one that a full disk cut short costs an attempt."""
    labeller = cp2k_with(tmp_path)
    labeller.label(lih(), "whole")
    (kept,) = (tmp_path / "cp2k" / "wavefunctions").glob("[0-9]*/label-RESTART.wfn")
    half = kept.read_bytes()[: kept.stat().st_size // 2]
    (tmp_path / "cp2k" / kept.name).write_bytes(half)
    kept.write_bytes(half)
    found = labeller.label(lih(), "after")
    assert [attempt.settings for attempt in found.attempts] == ["as set", cp2k_input.FRESH]
    assert found.energy_eV == pytest.approx(lih_label.energy_eV, abs=1e-5)


def test_dynamics_go_on_from_wavefunction_to_wavefunction_and_after_a_kill(tmp_path):
    atoms = lih()
    atoms.write(tmp_path / "cell.extxyz")
    spec = S0Spec(
        "fpmd", LabellerSpec("cp2k", LOOSE), temperature_K=300, cell_file=str(tmp_path / "cell.extxyz"), n_frames=2,
        sample_every_steps=2, timestep_fs=1,
    )  # fmt: skip
    place = tmp_path / "cp2k"
    result = s0.run(tmp_path, spec, Progress(tmp_path))
    assert result.labels_computed == 5
    assert "WFN_RESTART_FILE_NAME wavefunctions/000004/label-RESTART.wfn" in (place / "configuration.inp").read_text()
    whole = Frames.load(tmp_path / "frames.npz")
    lines = (tmp_path / s0.JOURNAL).read_text().splitlines()
    (tmp_path / s0.JOURNAL).write_text(f"{lines[0]}\n")  # killed after the first frame, in the middle of a step
    (place / "label-RESTART.wfn").write_bytes(b"half")
    s0.run(tmp_path, spec, Progress(tmp_path))
    again = Frames.load(tmp_path / "frames.npz")
    assert again.energy_eV == pytest.approx(whole.energy_eV, abs=1e-3)
    assert again.positions_A == pytest.approx(whole.positions_A, abs=1e-4)


def test_an_scf_that_does_not_converge_is_a_failed_label_with_its_attempts(tmp_path):
    atoms = lih()
    frames = Frames(np.array(["Li", "H"]), atoms.positions[None], atoms.cell.array[None])
    frames.save(tmp_path / "snapshots.npz")
    atoms.write(tmp_path / "cell.extxyz")
    method = LabellerSpec("cp2k", LOOSE | {"scf_steps": 2, "retries": 1})
    spec = LabelSpec(FrameSelection(str(tmp_path / "snapshots.npz"), [0]), method, str(tmp_path / "cell.extxyz"), [], 0.6)
    with pytest.raises(EngineFailed, match="1 scf_not_converged"):
        label.run(tmp_path, spec, Progress(tmp_path))
    (entry,) = journal.read(tmp_path / label.JOURNAL)
    attempts = entry["record"]["attempts"]
    assert [attempt["settings"] for attempt in attempts] == ["as set", cp2k_input.FRESH]
    assert {attempt["cause"] for attempt in attempts} == {"scf_not_converged"}
    assert "ENERGY| Total FORCE_EVAL" in (tmp_path / "cp2k" / "label-000000.failed-1.out").read_text()  # CP2K prints one all the same
    assert not list((tmp_path / "cp2k").rglob("label-RESTART.wfn"))


def test_two_ranks_give_the_same_label(tmp_path, lih_label):
    parallel = labellers.build(LabellerSpec("cp2k", LOOSE), tmp_path, 2).label(lih(), "lih")
    assert "Total number of message passing processes                             2" in (tmp_path / "cp2k" / "lih.out").read_text()
    assert parallel.energy_eV == pytest.approx(lih_label.energy_eV, abs=1e-5)
    assert parallel.forces_eV_A == pytest.approx(lih_label.forces_eV_A, abs=1e-4)


def test_the_time_limit_of_a_label_ends_it(tmp_path):
    with pytest.raises(LabelFailed, match=r"limit|early") as failure:
        cp2k_with(tmp_path, walltime_h=0.001, retries=0, scf_eps=1e-12, cutoff_Ry=1000).label(lih())
    assert failure.value.cause == "walltime"


def test_atoms_on_top_of_each_other_are_a_bad_geometry(loose):
    atoms = lih()
    atoms.positions[1] = atoms.positions[0]
    with pytest.raises(LabelFailed) as failure:
        loose.label(atoms)
    assert failure.value.cause == "bad_geometry"


def test_a_word_that_cp2k_does_not_know_fails_the_stage_and_not_the_label(tmp_path):
    with pytest.raises(EngineFailed, match="unknown keyword CUTOF"):
        cp2k_with(tmp_path, template=cp2k_input.TEMPLATE.replace("    CUTOFF", "    CUTOF")).label(lih())


@pytest.mark.parametrize(
    ("options", "symbols", "words"),
    [
        ({}, ["Li", "Ge", "P", "S"], None),
        ({}, ["Na", "Zr", "Si", "P", "O"], None),
        ({"dispersion": "d3bj"}, ["Li", "La", "Zr", "O"], None),
        ({}, ["Li", "La", "Zr", "O"], "D2 has no parameters for La"),
        ({}, ["Li", "U"], "no basis set DZVP-MOLOPT-SR-GTH for U"),
        ({"kinds": ["Li DZVP-MOLOPT-SR-GTH-q3 GTH-PBE-q1"]}, ["Li"], "no pseudopotential GTH-PBE-q1"),
        ({"kinds": ["In DZVP-MOLOPT-SR-GTH-q13 GTH-PBE-q13"]}, ["In"], None),
        ({"cutoff_Ry": 5}, ["Li"], "5 is not between 50"),
        ({"k_points": "2 2"}, ["Li"], "three whole numbers"),
        ({"template": cp2k_input.TEMPLATE.replace("  STRESS_TENSOR ANALYTICAL\n", "")}, ["Li"], "must keep STRESS_TENSOR"),
        ({"template": cp2k_input.TEMPLATE.replace("&FORCES ON", "&FORCES OFF")}, ["Li"], "must print them: &FORCES"),
        ({"template": cp2k_input.TEMPLATE.replace("{scf}", "")}, ["Li"], "lacks the placeholder {scf}"),
        ({"template": cp2k_input.TEMPLATE + "&MOTION\n&END\n"}, ["Li"], "not &MOTION"),
        ({"template": cp2k_input.TEMPLATE.replace("&END XC\n", "")}, ["Li"], "not well formed"),
        ({"template": "@INCLUDE '/etc/passwd'\n" + cp2k_input.TEMPLATE}, ["Li"], "may not include files"),
        ({"template": cp2k_input.TEMPLATE.replace("&FORCES ON", "&FORCES ON\n FILENAME =/tmp/forces")}, ["Li"], "name a path"),
    ],
)
def test_what_cannot_be_labelled_is_said_before_the_campaign_starts(options, symbols, words):
    problems = labellers.check(LabellerSpec("cp2k", options), symbols)
    assert words in " ".join(problems) if words else problems == []


def test_a_machine_without_cp2k_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CP2K_DATA_DIR", str(tmp_path))
    problems = " ".join(labellers.check(LabellerSpec("cp2k"), ["Li"]))
    assert "apt-get install cp2k" in problems
    assert f"not in {tmp_path}" in problems
    with pytest.raises(EngineFailed, match="not installed"):
        labellers.build(LabellerSpec("cp2k"), tmp_path, 1)


def test_options_behind_the_program_are_none_of_its_names(tmp_path, monkeypatch):
    monkeypatch.setenv("SSEWEB_CP2K_COMMAND", "cp2k.psmp -i")
    assert labellers.check(LabellerSpec("cp2k"), ["Li"]) == []
    assert cp2k_with(tmp_path).describe()["versions"]["cp2k"][0].isdigit()


def test_an_edited_template_is_described_by_what_is_left_of_the_options(tmp_path):
    assert ", PBE + D2, SZV-MOLOPT-SR-GTH, 300 Ry" in cp2k_with(tmp_path).describe()["method"]
    template = cp2k_input.TEMPLATE.replace("&XC_FUNCTIONAL PBE", "&XC_FUNCTIONAL BLYP")
    assert re.search(r"edited input template \(sha256 \w+\) \+ D2, SZV-MOLOPT-SR-GTH, 300 Ry$", _method_of(tmp_path, template))
    bare = template.replace("{dispersion}", "").replace("{cutoff_Ry}", "120")
    assert re.search(r"edited input template \(sha256 \w+\), SZV-MOLOPT-SR-GTH$", _method_of(tmp_path, bare))


def _method_of(folder, template):
    return cp2k_with(folder, template=template).describe()["method"]
