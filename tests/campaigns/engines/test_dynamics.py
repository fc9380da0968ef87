"""Exploration, evaluation and probe with the real lmp and a model trained by the real dp."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import ase.io
import numpy as np
import pytest

from campaigns.engines import evaluate, job
from campaigns.engines.specs import EvaluateSpec, ExploreSpec, LaunchChoice, ProbeSpec
from campaigns.science.frames import Frames

pytestmark = pytest.mark.engine
ONE_CORE = LaunchChoice(1, 1, False)


def start(kind, folder, spec):
    job.write_spec(folder, kind, spec)
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", f"campaigns.engines.{kind}", str(folder)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def run(kind, folder, spec):
    status = start(kind, folder, spec).wait(timeout=180)
    assert status == 0, (folder / "log").read_text()[-3000:]
    return job.read_json(folder / "result.json")


@pytest.fixture(scope="module")
def skewed_cell(tmp_path_factory, tiny_model):
    """The model's crystal in a cell of other axes: another choice of lattice vectors, and the whole turned in space."""
    atoms = ase.io.read(tiny_model.cell_file).repeat((2, 2, 2))
    atoms.set_cell(np.array([[1, 0, 0], [1, 1, 0], [0, -1, 1]]) @ atoms.cell.array)
    atoms.rotate(37, (1, 2, 3), rotate_cell=True)
    path = tmp_path_factory.mktemp("cells") / "skewed.extxyz"
    ase.io.write(path, atoms)
    return path


def explore_spec(model, cell, **changes):
    values = {
        "model_file": str(model.model_file), "cell_file": str(cell), "type_map": model.type_map, "temperature_K": 100.0, "timestep_fs": 1.0,
        "equilibration_steps": 100, "n_snapshots": 5, "snapshot_every_steps": 20, "thermostat_damping_fs": 50.0, "min_distance_A": 0.6,
        "launch": ONE_CORE, "seed": 3,
    }  # fmt: skip
    return ExploreSpec(**values | changes)


def evaluate_spec(model, cell, **changes):
    values = {
        "model_file": str(model.model_file), "cell_file": str(cell), "type_map": model.type_map, "temperature_K": 100.0, "timestep_fs": 1.0,
        "equilibration_steps": 200, "n_steps": 400, "dump_every_steps": 10, "thermostat_damping_fs": 50.0, "min_distance_A": 0.6,
        "launch": ONE_CORE, "seed": 3,
    }  # fmt: skip
    return EvaluateSpec(**values | changes)


def test_snapshots_carry_the_models_own_values_in_the_axes_of_the_cell(tmp_path, tiny_model, skewed_cell):
    """The model, asked through another program (deepmd's Python interface), gives the same energy, forces and virial."""
    result = run("explore", tmp_path, explore_spec(tiny_model, skewed_cell))
    assert result["outcome"] == "completed"
    assert result["n_snapshots"] == 5
    frames = Frames.load(tmp_path / result["frames_file"])
    code = (
        "import numpy as np, sys; from deepmd.infer import DeepPot; from campaigns.science.frames import Frames; "
        f"f = Frames.load(__import__('pathlib').Path({str(tmp_path / result['frames_file'])!r})); "
        f"types = [{tiny_model.type_map!r}.index(s) for s in f.symbols]; "
        f"e, g, v = DeepPot({str(tiny_model.model_file)!r}).eval(f.positions_A, f.cell_A.reshape(-1, 9), types)[:3]; "
        f"np.savez({str(tmp_path / 'own.npz')!r}, e=e, f=g, v=v)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, timeout=120)
    with np.load(tmp_path / "own.npz") as own:
        assert np.allclose(frames.model_energy_eV, own["e"].ravel(), atol=2e-4)
        assert np.allclose(frames.model_forces_eV_A, own["f"], atol=2e-4)
        assert np.allclose(frames.model_virial_eV, own["v"].reshape(-1, 3, 3), atol=2e-3)
    assert np.allclose(frames.cell_A, ase.io.read(skewed_cell).cell.array)


def test_atoms_that_come_too_close_reject_the_trajectory_whole(tmp_path, tiny_model):
    result = run("explore", tmp_path, explore_spec(tiny_model, tiny_model.cell_file, min_distance_A=2.54))
    assert result["outcome"] == "min_distance"
    assert "2.54 Å" in result["reason"]
    assert result["min_distance_A"] < 2.54
    assert f": {result['min_distance_A']:.2f} Å" in result["reason"]
    assert result["frames_file"] is None


def test_a_snapshot_with_atoms_too_close_rejects_the_trajectory_though_lammps_went_on(tmp_path, tiny_model):
    """LAMMPS does not look at every step: what it has dumped is looked at again."""
    spec = explore_spec(tiny_model, tiny_model.cell_file)
    closest_A = run("explore", tmp_path, spec)["min_distance_A"]
    (tmp_path / "result.json").unlink()
    result = run("explore", tmp_path, replace(spec, min_distance_A=closest_A + 0.01))
    assert result["outcome"] == "min_distance"
    assert f"{closest_A:.2f} Å apart" in result["reason"]
    assert result["frames_file"] is None


def test_a_run_that_blows_up_is_a_verdict_and_not_a_failure(tmp_path, tiny_model):
    spec = evaluate_spec(tiny_model, tiny_model.cell_file, temperature_K=20000.0, timestep_fs=9.0, min_distance_A=0.05)
    result = run("evaluate", tmp_path, spec)
    assert result["outcome"] in ("blown_up", "min_distance")
    assert result["reason"]


def test_an_element_that_the_model_does_not_know_is_said(tmp_path, tiny_model):
    atoms = ase.io.read(tiny_model.cell_file)
    atoms.symbols[0] = "K"
    ase.io.write(tmp_path / "other.extxyz", atoms)
    folder = tmp_path / "stage"
    process = start("explore", folder, explore_spec(tiny_model, tmp_path / "other.extxyz"))
    assert process.wait(timeout=60) == 1
    assert "knows no K" in job.read_json(folder / "failure.json")["message"]


def test_energy_is_conserved_and_the_trajectory_is_whole(tmp_path, tiny_model, skewed_cell):
    result = run("evaluate", tmp_path, evaluate_spec(tiny_model, skewed_cell))
    assert result["outcome"] == "completed"
    assert result["completed_ps"] == pytest.approx(0.4)
    with np.load(tmp_path / result["thermo_file"]) as thermo, np.load(tmp_path / result["trajectory_file"]) as trajectory:
        energy = thermo["total_energy_eV"]
        assert np.ptp(energy) < 0.05 * np.ptp(thermo["potential_energy_eV"]) + 1e-3
        assert np.array_equal(np.diff(trajectory["time_fs"]), np.full(39, 10.0))
        assert trajectory["positions_A"].dtype == np.float32
        assert np.allclose(trajectory["cell_A"], ase.io.read(skewed_cell).cell.array, atol=1e-6)
    assert 30 < result["mean_kinetic_temperature_K"] < 250
    assert result["min_distance_A"] > 1.5
    assert not (tmp_path / "frames.dump").exists()


def killed_when(path, spec):
    """An evaluation in the file's folder, killed as soon as the file is there."""
    process = start("evaluate", path.parent, spec)
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.exists()


def restart_every_steps(folder):
    return int(re.search(r"^restart (\d+)", (folder / "in.lammps").read_text(), re.MULTILINE)[1])


def test_a_killed_run_goes_on_from_its_restart_and_misses_no_frame(tmp_path, tiny_model, skewed_cell):
    spec = evaluate_spec(tiny_model, skewed_cell, n_steps=4000)
    killed_when(tmp_path / "restart.a", spec)
    assert not (tmp_path / "result.json").exists()

    result = run("evaluate", tmp_path, spec)
    assert (tmp_path / "in.resume").exists()
    with np.load(tmp_path / result["trajectory_file"]) as trajectory:
        time_fs = trajectory["time_fs"]
        jumps = np.abs(np.diff(trajectory["positions_A"], axis=0)).max()
    assert np.array_equal(time_fs, np.arange(10.0, 4001.0, 10.0))
    assert jumps < 1.0
    progress = job.read_json(tmp_path / "progress.json")
    done, every = progress["done_before"] - 200, restart_every_steps(tmp_path)  # without the equilibration
    assert done >= every
    assert done % every == 0


def test_a_run_killed_before_its_first_restart_keeps_its_equilibration(tmp_path, tiny_model, skewed_cell):
    spec = evaluate_spec(tiny_model, skewed_cell, n_steps=4000)
    killed_when(tmp_path / "restart.equilibrated", spec)
    for name in ("restart.a", "restart.b"):  # a fast machine may have come further
        (tmp_path / name).unlink(missing_ok=True)
    result = run("evaluate", tmp_path, spec)
    assert "read_restart restart.equilibrated" in (tmp_path / "in.resume").read_text()
    with np.load(tmp_path / result["trajectory_file"]) as trajectory:
        assert np.array_equal(trajectory["time_fs"], np.arange(10.0, 4001.0, 10.0))


def test_frames_that_a_power_cut_took_are_computed_again_from_the_restart_before_them(tmp_path, tiny_model, skewed_cell):
    """The restart files reached the disk, the end of the dump did not."""
    spec = evaluate_spec(tiny_model, skewed_cell, n_steps=4000)
    killed_when(tmp_path / "restart.b", spec)
    dump = (tmp_path / "frames.dump").read_bytes()
    lost = 10 * round(0.15 * restart_every_steps(tmp_path))  # between the two restarts
    (tmp_path / "frames.dump").write_bytes(dump[: dump.index(f"ITEM: TIMESTEP\n{lost}\n".encode()) + 100])

    result = run("evaluate", tmp_path, spec)
    assert (tmp_path / "restart.b.unreadable").exists()
    assert "read_restart restart.a" in (tmp_path / "in.resume").read_text()
    with np.load(tmp_path / result["trajectory_file"]) as trajectory:
        assert np.array_equal(trajectory["time_fs"], np.arange(10.0, 4001.0, 10.0))


@pytest.mark.parametrize("lost", ["thermo.npz", "trajectory.npz"])
def test_a_run_whose_frames_were_lost_starts_over_when_it_is_tried_again(tmp_path, tiny_model, skewed_cell, lost):
    """`fix print` says nothing of a full disk; a power cut leaves an empty file."""
    spec = evaluate_spec(tiny_model, skewed_cell)
    run("evaluate", tmp_path, spec)
    (tmp_path / "result.json").unlink()
    (tmp_path / lost).write_bytes(b"")
    assert start("evaluate", tmp_path, spec).wait(timeout=60) == 1  # the dump is gone
    failure = job.read_json(tmp_path / "failure.json")
    assert (failure["cause"], failure["permanent"]) == ("bad_output", False)
    assert "MD step 10 of 400" in failure["message"]
    result = run("evaluate", tmp_path, spec)
    with np.load(tmp_path / result["trajectory_file"]) as trajectory:
        assert len(trajectory["time_fs"]) == 40


def test_the_dump_is_removed_when_its_arrays_are_on_the_disk(tmp_path, tiny_model, skewed_cell, monkeypatch):
    synced, fsync = [], os.fsync

    def noted(descriptor):
        if (tmp_path / "frames.dump").exists():
            synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    evaluate.run(tmp_path, evaluate_spec(tiny_model, skewed_cell), job.Progress(tmp_path))
    assert {str(tmp_path / name) for name in ("trajectory.npz", "thermo.npz")} <= set(synced)
    assert not (tmp_path / "frames.dump").exists()


@pytest.mark.parametrize(("ranks", "share"), [(1, 0.0), (1, 0.98), (2, 0.5)])
def test_half_a_restart_file_is_set_aside_and_the_one_before_it_used(tmp_path, tiny_model, skewed_cell, share, ranks):
    """As a kill leaves it in the middle of its writing, with half a frame at the end of the dump."""
    spec = evaluate_spec(tiny_model, skewed_cell, n_steps=4000, launch=LaunchChoice(ranks, 1, False))
    killed_when(tmp_path / "restart.b", spec)
    newest = max((tmp_path / "restart.a", tmp_path / "restart.b"), key=lambda path: path.stat().st_mtime_ns)
    os.truncate(newest, int(share * newest.stat().st_size))
    with (tmp_path / "frames.dump").open("ab") as dump:
        dump.write(b"ITEM: TIMESTEP\n123456\nITEM: NUMBER OF ATOMS\n8\nITEM: BOX BOU")

    result = run("evaluate", tmp_path, spec)
    assert newest.with_suffix(f"{newest.suffix}.unreadable").exists()
    with np.load(tmp_path / result["trajectory_file"]) as trajectory:
        assert np.array_equal(trajectory["time_fs"], np.arange(10.0, 4001.0, 10.0))


def test_the_probe_measures_and_chooses_the_fastest(tmp_path, tiny_model, skewed_cell):
    spec = ProbeSpec(
        str(tiny_model.model_file), str(tiny_model.compressed_model_file), str(skewed_cell), tiny_model.type_map, 1.0, cores=2, n_steps=50
    )
    result = run("probe", tmp_path, spec)
    shapes = {(trial["choice"]["ranks"], trial["choice"]["threads"]) for trial in result["trials"]}
    assert shapes == {(1, 1), (2, 1), (1, 2)}
    fastest = max(result["trials"], key=lambda trial: trial["steps_per_s"])
    assert result["best"] == fastest["choice"]


def test_a_run_that_lost_its_numbers_is_measured_up_to_there():
    positions_A = np.random.default_rng(1).random((40, 4, 3)) * 5
    time_fs, temperature_K, energy_eV = np.arange(40.0), np.full(40, 600.0), np.full(40, -3.0)
    before = evaluate._measured(positions_A[:30], 5 * np.eye(3), time_fs[:30], temperature_K[:30], energy_eV[:30])
    positions_A[30:], temperature_K[33:] = np.nan, np.nan
    assert evaluate._measured(positions_A, 5 * np.eye(3), time_fs, temperature_K, energy_eV) == before
    positions_A[0] = np.nan
    assert set(evaluate._measured(positions_A, 5 * np.eye(3), time_fs, temperature_K, energy_eV).values()) == {None}


def test_the_error_of_an_energy_drift_is_that_of_many_runs():
    """A correlated energy without any drift: the slope scatters by as much as its error says."""
    rng = np.random.default_rng(5)
    time_fs = np.arange(4000) * 10.0
    slopes, errors = [], []
    for _ in range(100):
        noise = np.convolve(rng.normal(size=4019), np.ones(20) / 20, mode="valid")
        slopes.append(np.polyfit(time_fs - time_fs.mean(), noise, 1)[0])
        errors.append(evaluate.slope_error(time_fs, noise))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(slopes), rel=0.25)
    assert evaluate.slope_error(time_fs[:15], np.zeros(15)) is None
