"""Stage `evaluate`: NVT equilibration, then NVE dynamics with the model; trajectory and thermo table, from which D is computed.

The gate's facts are measured here: energy drift, mean kinetic temperature with its error, smallest distance. A run that
blows up is a verdict.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from campaigns.engines import lammps_frames, lammps_run, outputs
from campaigns.engines.job import Progress, main
from campaigns.engines.specs import EvaluateResult, EvaluateSpec
from campaigns.science.lammps_input import Box, Dynamics
from campaigns.science.selection import min_distance_A

DISTANCE_SAMPLES = 50
ROTATED_FRAMES = 256
KEPT = ("trajectory.npz", "thermo.npz")
MIN_FRAMES = 2


def run(folder: Path, spec: EvaluateSpec, progress: Progress) -> EvaluateResult:
    dynamics = Dynamics(
        ensemble="nve",
        type_map=spec.type_map,
        model_file=spec.model_file,
        temperature_K=spec.temperature_K,
        timestep_fs=spec.timestep_fs,
        equilibration_steps=spec.equilibration_steps,
        n_steps=spec.n_steps,
        dump_every_steps=spec.dump_every_steps,
        thermostat_damping_fs=spec.thermostat_damping_fs,
        min_distance_A=spec.min_distance_A,
        seed=spec.seed,
        with_forces=False,
    )
    facts = lammps_run.run(folder, dynamics, spec.cell_file, spec.launch, progress)
    atoms, box = lammps_run.read_cell(spec.cell_file)
    if outputs.lost(folder, KEPT):
        _keep(folder, dynamics, facts.outcome == "completed", atoms.get_chemical_symbols(), box)
    with np.load(folder / "trajectory.npz") as trajectory, np.load(folder / "thermo.npz") as thermo:
        measured = _measured(
            trajectory["positions_A"], atoms.cell.array, thermo["time_fs"], thermo["temperature_K"], thermo["total_energy_eV"]
        )
        n_frames = len(trajectory["positions_A"])
    closest = (measured["min_distance_A"], facts.end_min_distance_A)
    measured["min_distance_A"] = min((one for one in closest if one is not None), default=None)
    (folder / "frames.dump").unlink(missing_ok=True)  # the same numbers as the trajectory, ten times the size
    return EvaluateResult(
        outcome=facts.outcome,
        reason=facts.reason,
        trajectory_file="trajectory.npz" if n_frames >= MIN_FRAMES else None,
        thermo_file="thermo.npz",
        frame_interval_fs=spec.dump_every_steps * spec.timestep_fs,
        completed_ps=facts.step * spec.timestep_fs / 1000,
        steps_per_s=facts.steps_per_s,
        startup_seconds=facts.startup_seconds,
        versions=facts.versions,
        **measured,
    )


def _keep(folder: Path, dynamics: Dynamics, completed: bool, symbols: list[str], box: Box) -> None:
    """Turn dump and table into two npz files, which are on the disk before the dump is removed."""
    steps, positions_A, table = lammps_frames.frames_with_thermo(folder, dynamics, len(symbols), completed)
    for start in range(0, len(positions_A), ROTATED_FRAMES):  # in place: a long trajectory is not in memory twice
        positions_A[start : start + ROTATED_FRAMES] = box.to_caller(positions_A[start : start + ROTATED_FRAMES])
    time_fs = steps * dynamics.timestep_fs
    np.savez(
        folder / "trajectory.npz",
        positions_A=positions_A,
        cell_A=box.lower_A @ box.rotation,
        symbols=np.array(symbols),
        time_fs=time_fs,
    )
    columns = ("temperature_K", "potential_energy_eV", "total_energy_eV", "pxx", "pyy", "pzz")
    np.savez(folder / "thermo.part.npz", time_fs=time_fs, **{name: table[name] for name in columns})
    (folder / "thermo.part.npz").replace(folder / "thermo.npz")
    outputs.make_durable(folder, KEPT)


def _measured(
    positions_A: NDArray[np.floating],
    cell_A: NDArray[np.floating],
    time_fs: NDArray[np.floating],
    temperature_K: NDArray[np.floating],
    total_energy_eV: NDArray[np.floating],
) -> dict[str, float | None]:
    """What the gate asks for, of the part before a number was lost; None where that is too short to say."""
    whole = np.isfinite(positions_A).all(axis=(1, 2)) & np.isfinite(temperature_K) & np.isfinite(total_energy_eV)
    if not whole.all():  # a run that blew up: a verdict, not a failure
        end = int(np.argmin(whole))
        positions_A, time_fs, temperature_K, total_energy_eV = (
            column[:end] for column in (positions_A, time_fs, temperature_K, total_energy_eV)
        )
    nothing = dict.fromkeys(("mean_kinetic_temperature_K", "kinetic_temperature_error_K", "energy_drift_meV_atom_ns",
                             "energy_drift_error_meV_atom_ns", "min_distance_A"))  # fmt: skip
    if len(positions_A) < MIN_FRAMES:
        return nothing
    chosen = np.unique(np.linspace(0, len(positions_A) - 1, DISTANCE_SAMPLES).astype(int))
    slope_eV_fs = np.polyfit(time_fs - time_fs.mean(), total_energy_eV - total_energy_eV.mean(), 1)[0]
    slope_error_eV_fs = slope_error(time_fs, total_energy_eV)
    to_meV_atom_ns = 1e3 * 1e6 / positions_A.shape[1]
    return {
        "mean_kinetic_temperature_K": float(temperature_K.mean()),
        "kinetic_temperature_error_K": blocked_error(temperature_K),
        "energy_drift_meV_atom_ns": float(slope_eV_fs * to_meV_atom_ns),
        "energy_drift_error_meV_atom_ns": None if slope_error_eV_fs is None else slope_error_eV_fs * to_meV_atom_ns,
        "min_distance_A": min(min_distance_A(positions_A[index].astype(float), cell_A) for index in chosen),
    }


def blocked_error(values: NDArray[np.floating], n_blocks: int = 8) -> float | None:
    """Standard error of the mean of a correlated series (n,), from the scatter of block means."""
    if len(values) < 2 * n_blocks:
        return None
    blocks = values[: len(values) // n_blocks * n_blocks].reshape(n_blocks, -1).mean(axis=1)
    return float(blocks.std(ddof=1) / np.sqrt(n_blocks))


def slope_error(times: NDArray[np.floating], values: NDArray[np.floating], n_blocks: int = 8) -> float | None:
    """Standard error of the slope of a correlated series (n,), from the scatter of block means about a line through them."""
    if len(values) < 2 * n_blocks:
        return None
    t, y = (one[: len(one) // n_blocks * n_blocks].reshape(n_blocks, -1).mean(axis=1) for one in (times, values - values.mean()))
    t = t - t.mean()
    residuals = y - np.polyval(np.polyfit(t, y, 1), t)
    return float(np.sqrt(residuals @ residuals / (n_blocks - 2) / (t @ t)))


if __name__ == "__main__":
    main(run, EvaluateSpec)
