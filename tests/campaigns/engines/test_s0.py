"""Stage `s0`: dynamics with a real method, killed and resumed, blown up, and its statistics; and an uploaded set."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from campaigns.engines import bounded, labellers, s0, startup
from campaigns.engines.job import EngineFailed, Progress, from_json, read_json, write_spec
from campaigns.engines.specs import LabellerSpec, S0Result, S0Spec
from campaigns.science.frames import Frames, write_deepmd_system

pytestmark = pytest.mark.engine

LENNARD_JONES = LabellerSpec("lammps", {"pair_style": "lj/smooth 5.0 6.0", "pair_coeff": "Ar Ar 0.0104 3.40"})


def argon():
    """A face-centred crystal of 32 atoms, at low density so that it stays soft."""
    return Atoms("Ar4", scaled_positions=[[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], cell=5.3 * np.eye(3), pbc=True).repeat(2)


def li3n():
    a, c = 3.65, 3.88
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]]
    fractional = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0], [0, 0, 0.5], [0, 0, 0]]
    return Atoms("Li3N", scaled_positions=fractional, cell=cell, pbc=True)


def spec_for(folder, atoms, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "cell.extxyz", atoms)
    spec = S0Spec(
        "fpmd",
        LENNARD_JONES,
        cell_file=str(folder / "cell.extxyz"),
        temperature_K=60.0,
        timestep_fs=5.0,
        equilibration_steps=20,
        n_frames=5,
        sample_every_steps=10,
        seed=7,
    )
    return replace(spec, **changes)


def run(folder, spec):
    return s0.run(folder, spec, Progress(folder))


def test_frames_carry_the_methods_own_labels(tmp_path):
    result = run(tmp_path, spec_for(tmp_path, argon()))
    frames = Frames.load(tmp_path / result.frames_files[0])
    assert result.n_frames == [len(frames)] == [5]
    assert result.labels_computed == 1 + 20 + 5 * 10
    (distances_A,) = result.frame_min_distances_A
    assert len(distances_A) == 5
    assert result.min_distance_A <= min(distances_A)
    assert frames.time_ps == pytest.approx(0.005 * np.array([30, 40, 50, 60, 70]))
    labeller = labellers.build(LENNARD_JONES, tmp_path, 1)
    for row in range(5):
        label = labeller.label(Atoms(list(frames.symbols), positions=frames.positions_A[row], cell=frames.cell_A[row], pbc=True))
        assert frames.energy_eV[row] == pytest.approx(label.energy_eV, abs=1e-10)
        assert frames.forces_eV_A[row] == pytest.approx(label.forces_eV_A, abs=1e-10)
        assert frames.virial_eV[row] == pytest.approx(label.virial_eV, abs=1e-10)


def test_it_tells_how_many_of_its_frames_are_worth_an_independent_one(tmp_path):
    """Argon changes in some hundred femtoseconds."""
    dense = run(tmp_path / "dense", spec_for(tmp_path / "dense", argon(), n_frames=12, sample_every_steps=4))
    sparse = run(tmp_path / "sparse", spec_for(tmp_path / "sparse", argon(), n_frames=12, sample_every_steps=60))
    assert dense.samples_each > 1.5
    assert 1 <= sparse.samples_each < dense.samples_each


def test_the_loading_of_the_method_counts_as_start_up(tmp_path):
    before_s = startup.loadings_s()
    run(tmp_path, spec_for(tmp_path, argon(), n_frames=1, equilibration_steps=0, sample_every_steps=1))
    assert startup.loadings_s() > before_s


def test_the_seed_decides_the_dynamics(tmp_path):
    positions = []
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        spec = spec_for(tmp_path / name, argon(), seed=seed, n_frames=1)
        positions.append(Frames.load(tmp_path / name / run(tmp_path / name, spec).frames_files[0]).positions_A)
    assert np.array_equal(positions[0], positions[1])
    assert not np.allclose(positions[0], positions[2])


def test_the_temperature_is_that_of_3n_minus_3_degrees_of_freedom(tmp_path):
    """Four atoms show a wrong count: 3N/(3N-3) is 1.33. The standard error of the mean is about 3 %."""
    atoms = Atoms("Ar4", scaled_positions=[[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], cell=5.6 * np.eye(3), pbc=True)
    spec = spec_for(tmp_path, atoms, temperature_K=20.0, equilibration_steps=200, n_frames=20, sample_every_steps=200)
    result = run(tmp_path, spec)
    assert result.mean_temperature_K == pytest.approx(20.0, rel=0.12)
    last = json.loads((tmp_path / s0.JOURNAL).read_text().splitlines()[-1])
    assert np.abs(np.sum(last["velocities_A_fs"], axis=0)).max() < 1e-12


def test_dynamics_that_blow_up_say_what_to_do(tmp_path):
    squeezed = argon()
    squeezed.set_cell(squeezed.cell * 0.5, scale_atoms=True)
    with pytest.raises(EngineFailed, match=r"blew up at step \d+: .* smaller time step") as caught:
        run(tmp_path, spec_for(tmp_path, squeezed, timestep_fs=20.0))
    assert caught.value.cause == "unphysical"
    step = int(re.search(r"at step (\d+)", str(caught.value))[1])
    assert caught.value.labels_computed in (step + 1, step + 2)  # the start; where the method itself gave up, what it was asked last


def test_labels_of_a_path_that_was_left_are_counted_by_the_next_try(tmp_path, monkeypatch):
    spec, limit = spec_for(tmp_path, argon()), s0._watch

    def stumble(spec, atoms, temperature_K, step, *rest):
        limit(spec, atoms, temperature_K, step, *rest)
        if step == 57:  # seven steps behind the last checkpoint
            raise EngineFailed("The machine stumbled.", cause="engine_error", permanent=False)

    monkeypatch.setattr(s0, "_watch", stumble)
    with pytest.raises(EngineFailed) as caught:
        run(tmp_path, spec)
    assert caught.value.labels_computed == 1 + 57
    monkeypatch.undo()
    assert run(tmp_path, spec).labels_computed == 1 + 20 + 5 * 10 + (57 - 30)


UNSURE = '''
from ase.calculators.lj import LennardJones

class Unsure(LennardJones):
    """Its SCF does not converge any more after fifty configurations."""
    asked = 0

    def calculate(self, *arguments, **keywords):
        self.asked += 1
        self.converged = self.asked <= 50
        super().calculate(*arguments, **keywords)
'''


def test_each_try_after_an_scf_that_did_not_converge_begins_farther_back(tmp_path, monkeypatch):
    (tmp_path / "unsure_dynamics.py").write_text(UNSURE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SSEWEB_ASE_CALCULATORS", "unsure_dynamics.Unsure")
    monkeypatch.setattr(s0, "CHECKPOINT_EVERY_S", 0.0)  # as with labels that take minutes: a checkpoint after each step
    keywords = {"epsilon": 0.0104, "sigma": 3.4, "rc": 6.0, "smooth": True}
    spec = spec_for(tmp_path, argon(), labeller=LabellerSpec("ase", {"calculator": "unsure_dynamics.Unsure", "keywords": keywords}))
    spec = replace(spec, equilibration_steps=100)
    began, spent = [], []
    for _ in range(3):
        with pytest.raises(EngineFailed, match="did not converge") as caught:
            run(tmp_path, spec)
        assert not caught.value.permanent
        spent.append(caught.value.labels_computed)
        failed_at = int(re.search(r"at step (\d+)", str(caught.value))[1])
        began.append(failed_at - s0.journal.read(tmp_path / s0.JOURNAL)[-1]["step"])
    assert began == [20, 40, 60]
    assert spent == [51, 102, 153]


def test_a_cell_of_one_atom_is_refused(tmp_path):
    with pytest.raises(EngineFailed, match="one atom"):
        run(tmp_path, spec_for(tmp_path, Atoms("Ar", cell=5 * np.eye(3), pbc=True)))


def test_an_unknown_element_is_refused_before_the_method_is_loaded(tmp_path):
    with pytest.raises(EngineFailed, match="does not know the element Rn"):
        run(
            tmp_path,
            spec_for(
                tmp_path, Atoms("Rn2", positions=[[0, 0, 0], [3, 0, 0]], cell=6 * np.eye(3), pbc=True), labeller=LabellerSpec("chgnet")
            ),
        )


@pytest.mark.parametrize("atoms_and_labeller", ["chgnet", "lammps"])
def test_killed_in_the_middle_it_goes_on_to_the_same_frames(tmp_path, atoms_and_labeller):
    if atoms_and_labeller == "chgnet":
        changes = {
            "atoms": li3n(),
            "labeller": LabellerSpec("chgnet"),
            "temperature_K": 400.0,
            "timestep_fs": 1.0,
            "sample_every_steps": 5,
            "n_frames": 8,
            "equilibration_steps": 10,
        }
    else:
        changes = {"atoms": argon(), "n_frames": 40, "sample_every_steps": 20}
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    undisturbed = run(whole, spec_for(whole, **changes))
    spec = spec_for(folder, **changes)
    write_spec(folder, "s0", spec)
    command = [sys.executable, "-m", "campaigns.engines.s0", str(folder)]
    for lines in (2, 4):  # in the equilibration, and among the frames
        kill_when_lines(command, folder / s0.JOURNAL, lines)
        assert not (folder / "result.json").exists()
    subprocess.run(command, check=True, capture_output=True)
    resumed = from_json(S0Result, read_json(folder / "result.json"))
    assert replace(resumed, seconds=0) == replace(undisturbed, seconds=0)
    expected, found = (Frames.load(place / s0.FRAMES_FILE) for place in (whole, folder))
    for name in ("positions_A", "energy_eV", "forces_eV_A", "virial_eV", "time_ps"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


def kill_when_lines(command, path, lines):
    """Start, wait until a file has that many lines, SIGKILL."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 120
        while not (path.exists() and path.read_bytes().count(b"\n") >= lines):
            assert child.poll() is None, "the stage ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(child.pid, signal.SIGKILL)


def test_frames_know_how_far_their_framework_bonds_are_from_the_cell(tmp_path):
    result = run(tmp_path, spec_for(tmp_path, argon()))
    assert result.frame_bond_variations == [[None] * 5]  # no bonds between atoms of one element
    atoms = argon()
    atoms.symbols[::2] = "O"
    atoms.set_cell(atoms.cell * 0.4, scale_atoms=True)  # close enough for bonds
    pairs = LabellerSpec("lammps", {"pair_style": "lj/smooth 2.6 3.0", "pair_coeff": "* * 0.0104 1.36", "elements": "Ar O"})
    result = run(tmp_path / "two", spec_for(tmp_path / "two", atoms, labeller=pairs, framework_elements=["Ar", "O"], timestep_fs=1.0))
    (variations,) = result.frame_bond_variations
    assert len(variations) == 5
    assert all(0 < value < 0.5 for value in variations)


def test_an_uploaded_set_becomes_frames(tmp_path):
    made = run(tmp_path / "made", spec_for(tmp_path / "made", argon()))
    frames = Frames.load(tmp_path / "made" / made.frames_files[0])
    write_deepmd_system(frames, ["Ar"], tmp_path / "set")
    result = run(tmp_path, S0Spec("upload", LENNARD_JONES, upload_path=str(tmp_path / "set"), elements=["Ar"]))
    found = Frames.load(tmp_path / result.frames_files[0])
    assert result.labels_computed == 0
    assert result.min_distance_A == pytest.approx(made.min_distance_A, rel=0.1)
    assert np.array_equal(found.virial_eV, frames.virial_eV)


def test_an_uploaded_set_with_problems_is_refused(tmp_path):
    made = run(tmp_path / "made", spec_for(tmp_path / "made", argon(), n_frames=1))
    write_deepmd_system(Frames.load(tmp_path / "made" / made.frames_files[0]), ["Ar"], tmp_path / "set")
    with pytest.raises(EngineFailed, match="holds Ar, which the material"):
        run(tmp_path, S0Spec("upload", LENNARD_JONES, upload_path=str(tmp_path / "set"), elements=["Li", "N"]))


def test_an_uploaded_set_is_read_within_limits(tmp_path, monkeypatch):
    """A parser of what a user wrote runs in a child that has limits, in the engine as well."""
    made = run(tmp_path / "made", spec_for(tmp_path / "made", argon(), n_frames=1))
    write_deepmd_system(Frames.load(tmp_path / "made" / made.frames_files[0]), ["Ar"], tmp_path / "set")
    monkeypatch.setattr(bounded, "FILE_LIMIT_BYTES", 100)  # less than its frames need
    with pytest.raises(EngineFailed, match="could not be read"):
        run(tmp_path, S0Spec("upload", LENNARD_JONES, upload_path=str(tmp_path / "set"), elements=["Ar"]))


def test_an_uploaded_set_of_another_method_is_refused(tmp_path):
    made = run(tmp_path / "made", spec_for(tmp_path / "made", argon()))
    frames = Frames.load(tmp_path / "made" / made.frames_files[0])
    write_deepmd_system(frames, ["Ar"], tmp_path / "set")
    for name in ("same", "other"):
        (tmp_path / name).mkdir()
    limits = {"check_frames": 3, "check_force_rmse_eV_A": 0.01, "check_energy_meV_atom": 1.0}
    spec = S0Spec("upload", LENNARD_JONES, upload_path=str(tmp_path / "set"), elements=["Ar"], **limits)
    same = run(tmp_path / "same", spec)
    assert same.check["n_frames"] == same.labels_computed == 3
    assert same.check["force_rmse_eV_A"] < 1e-4
    assert same.versions
    write_deepmd_system(replace(frames, energy_eV=frames.energy_eV + 0.1 * len(frames.symbols)), ["Ar"], tmp_path / "shifted")
    with pytest.raises(EngineFailed, match="100 meV/atom in the energy"):
        run(tmp_path / "other", replace(spec, upload_path=str(tmp_path / "shifted")))


def test_an_unknown_route_is_refused(tmp_path):
    with pytest.raises(EngineFailed, match="no route 'dream'"):
        run(tmp_path, S0Spec("dream", LENNARD_JONES))
