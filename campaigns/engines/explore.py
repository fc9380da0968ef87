"""Stage `explore`: NVT dynamics with the model at a temperature of the ramp; equidistant snapshots with the model's own energy and forces.

A trajectory in which two atoms come too close, or that blows up, is a result with a reason: the protocol repeats the training step then.
"""

from pathlib import Path

import numpy as np

from campaigns.engines import lammps_frames, lammps_run
from campaigns.engines.job import Progress, main
from campaigns.engines.specs import ExploreResult, ExploreSpec
from campaigns.science.frames import Frames
from campaigns.science.lammps_input import Dynamics
from campaigns.science.selection import min_distance_A


def run(folder: Path, spec: ExploreSpec, progress: Progress) -> ExploreResult:
    dynamics = Dynamics(
        ensemble="nvt",
        type_map=spec.type_map,
        model_file=spec.model_file,
        temperature_K=spec.temperature_K,
        timestep_fs=spec.timestep_fs,
        equilibration_steps=spec.equilibration_steps,
        n_steps=spec.n_snapshots * spec.snapshot_every_steps,
        dump_every_steps=spec.snapshot_every_steps,
        thermostat_damping_fs=spec.thermostat_damping_fs,
        min_distance_A=spec.min_distance_A,
        seed=spec.seed,
        with_forces=True,
    )
    facts = lammps_run.run(folder, dynamics, spec.cell_file, spec.launch, progress)
    frames, temperatures_K = _snapshots(folder, spec, dynamics, facts.outcome == "completed")
    distances_A = [min_distance_A(frames.positions_A[i], frames.cell_A[i]) for i in range(len(frames))
                   if np.isfinite(frames.positions_A[i]).all()]  # fmt: skip
    closest = min((one for one in (*distances_A, facts.end_min_distance_A) if one is not None), default=None)
    outcome, reason = facts.outcome, facts.reason
    if outcome == "completed" and closest is not None and closest < spec.min_distance_A:  # between two of LAMMPS's own checks
        outcome, reason = "min_distance", f"Two atoms of a snapshot are {closest:.2f} Å apart, closer than {spec.min_distance_A:g} Å."
    completed = outcome == "completed"
    if completed:
        frames.save(folder / "snapshots.npz")
    return ExploreResult(
        outcome=outcome,
        reason=reason,
        min_distance_A=closest,
        mean_temperature_K=float(np.mean(temperatures_K)) if len(temperatures_K) else None,
        frames_file="snapshots.npz" if completed else None,
        n_snapshots=len(frames) if completed else 0,
        steps_done=facts.step,
        steps_per_s=facts.steps_per_s,
        startup_seconds=facts.startup_seconds,
        versions=facts.versions,
    )


def _snapshots(folder: Path, spec: ExploreSpec, dynamics: Dynamics, completed: bool) -> tuple[Frames, np.ndarray]:
    """Snapshots in the axes of the cell file, and their kinetic temperatures."""
    atoms, box = lammps_run.read_cell(spec.cell_file)
    steps, values, thermo = lammps_frames.frames_with_thermo(folder, dynamics, len(atoms), completed)
    n = len(steps)
    virial_bar = np.stack([thermo[name] for name in ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")], -1)
    frames = Frames(
        symbols=np.array(atoms.get_chemical_symbols()),
        positions_A=box.to_caller(values[:, :, :3]),
        cell_A=np.repeat(atoms.cell.array[None], n, axis=0),
        model_energy_eV=thermo["potential_energy_eV"],
        model_forces_eV_A=box.to_caller(values[:, :, 3:]),
        model_virial_eV=box.virial_to_caller(virial_bar),
        time_ps=steps * spec.timestep_fs / 1000,
        temperature_K=np.full(n, spec.temperature_K),
    )
    return frames, thermo["temperature_K"]


if __name__ == "__main__":
    main(run, ExploreSpec)
