"""Stage `s0`: the starting training set. Route `fpmd`: NVT dynamics with the reference method itself; `upload`: the user's data set.

The labels of fpmd's frames are the dynamics' own energies and forces: no configuration is calculated twice. Each sampling interval ends
with a checkpoint (`md.jsonl`): a kill loses one interval at most, and the frames are the same ones, bit for bit, as without it.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read as read_atoms
from numpy.typing import NDArray

from campaigns.engines import bounded, journal, labellers, upload_formats
from campaigns.engines.job import EngineFailed, Progress, main
from campaigns.engines.labellers import LabelFailed, wavefunctions
from campaigns.engines.labellers.base import GEOMETRY_CAUSES, read_label
from campaigns.engines.labellers.known import n_found
from campaigns.engines.specs import S0Result, S0Spec
from campaigns.science.decorrelation import inefficiency
from campaigns.science.frames import Frames
from campaigns.science.langevin import baoab_step, kinetic_temperature_K, maxwell_velocities_A_fs
from campaigns.science.selection import framework_bonds, max_bond_variation, min_distance_A, root_mean_square

FRAMES_FILE = "frames.npz"
JOURNAL = "md.jsonl"
DISTANCE_CHECK_EVERY_STEPS = 10
MAX_TEMPERATURE_RATIO = 10.0  # kinetic over target temperature, above which nothing physical is left
MIN_MAX_TEMPERATURE_K = 5000.0
CHECKPOINT_EVERY_S = 60.0
BACK_STEPS = 20  # about the time in which the thermostat's noise makes a path of its own
LIMIT_CAUSES = ("out_of_memory", "walltime")  # of a failed label that ask for another limit, and not for another path
READ_CPU_S, READ_WALL_S = 2 * upload_formats.READ_CPU_S, 1800.0  # it was read once, maybe on a faster machine that had less to do
TRY_AGAIN_CAUSES = ("engine_error", "scf_not_converged")  # of a failed label: another try takes another path


def run(folder: Path, spec: S0Spec, progress: Progress) -> S0Result:
    if spec.route == "upload":
        return _upload(folder, spec, progress)
    if spec.route != "fpmd":
        raise EngineFailed(f"There is no route {spec.route!r} to the starting set: fpmd or upload.", cause="bad_input", permanent=True)
    return _fpmd(folder, spec, progress)


# --- upload -------------------------------------------------------------------------------------------------------------------------------


def _upload(folder: Path, spec: S0Spec, progress: Progress) -> S0Result:
    started = time.perf_counter()
    progress(0, 1, "data set", "reading")
    files = _read_bounded(folder, spec)
    parts = [Frames.load(folder / name) for name in files]
    check = _agreement(folder, spec, parts, progress)
    distances_A = [_distances_A(frames) for frames in parts]
    return S0Result(
        frames_files=files,
        n_frames=[len(frames) for frames in parts],
        mean_temperature_K=None,
        labels_computed=check["n_frames"] - check["n_found"] if check else 0,
        labels_found=check["n_found"] if check else 0,
        check=check,
        versions=labellers.versions(folder),
        seconds=time.perf_counter() - started,
        min_distance_A=min(map(min, distances_A)),
        frame_min_distances_A=distances_A,
    )


def _distances_A(frames: Frames) -> list[float]:
    return [min_distance_A(positions_A, cell_A) for positions_A, cell_A in zip(frames.positions_A, frames.cell_A, strict=True)]


def _read_bounded(folder: Path, spec: S0Spec) -> list[str]:
    """The files that a child has made of the data set: an engine has no limits, within which what a user wrote is to be read."""
    arguments = ["--into", str(folder), spec.upload_path or "", spec.upload_format, *spec.elements]
    try:
        return bounded.run_json(
            "campaigns.engines.upload", arguments, cpu_s=2 * READ_CPU_S, wall_s=READ_WALL_S
        )  # it was read once, maybe faster
    except bounded.ChildBusy as error:
        raise EngineFailed(str(error), cause="timeout", permanent=False) from error
    except bounded.ChildRefused as error:
        raise EngineFailed(str(error), cause="bad_input", permanent=True) from error


def _agreement(folder: Path, spec: S0Spec, parts: list[Frames], progress: Progress) -> dict[str, float] | None:
    """Label some uploaded configurations again: a training set of two reference methods teaches neither. Raises EngineFailed."""
    chosen = [(part, row) for part in parts for row in range(len(part))]
    if spec.check_frames < 1:
        return None
    count = min(spec.check_frames, len(chosen))
    chosen = [chosen[index] for index in np.linspace(0, len(chosen) - 1, count).round().astype(int)]
    labeller = labellers.build(spec.labeller, folder, spec.cores)
    forces_eV_A, energies_meV_atom, virials_meV_atom, found = [], [], [], 0
    for number, (part, row) in enumerate(chosen):
        progress(number, count, "configurations", "compared with the reference method")
        atoms = Atoms(list(part.symbols), positions=part.positions_A[row], cell=part.cell_A[row], pbc=True)
        try:
            label = labeller.label(atoms, f"check-{number:03d}")
        except LabelFailed as error:
            raise _not_alike(f"cannot label configuration {row}: {error.message}", number + 1 - found) from error
        found += label.found
        forces_eV_A.append((label.forces_eV_A - part.forces_eV_A[row]).ravel())
        energies_meV_atom.append(1000 * (label.energy_eV - float(part.energy_eV[row])) / len(part.symbols))
        virials_meV_atom.append(1000 * (label.virial_eV - part.virial_eV[row]).ravel() / len(part.symbols))
    force, energy = root_mean_square(np.concatenate(forces_eV_A)), root_mean_square(energies_meV_atom)
    virial = root_mean_square(np.concatenate(virials_meV_atom))
    if force > spec.check_force_rmse_eV_A or energy > spec.check_energy_meV_atom or virial > spec.check_virial_meV_atom:
        raise _not_alike(
            f"differs on {count} of its configurations by {force:.3g} eV/Å in the forces (at most {spec.check_force_rmse_eV_A:g}), by "
            f"{energy:.3g} meV/atom in the energy (at most {spec.check_energy_meV_atom:g}) and by {virial:.3g} meV/atom in the virial "
            f"(at most {spec.check_virial_meV_atom:g}; another sign or unit of the stress?)",
            count - found,
        )
    return {"n_frames": count, "n_found": found, "force_rmse_eV_A": force, "energy_rmse_meV_atom": energy, "virial_rmse_meV_atom": virial}


def _not_alike(what: str, labels_computed: int) -> EngineFailed:
    failure = EngineFailed(
        f"The reference method of this campaign {what.rstrip('.')}: its labels and the uploaded ones must not be mixed. Choose the method "
        "and the settings that made the data set, label it again, or raise the limits in the campaign's settings (S0).",
        cause="bad_input",
        permanent=True,
    )
    failure.labels_computed = labels_computed
    return failure


def _bond_variations(spec: S0Spec, frames: Frames) -> list[float | None]:
    reference = read_atoms(spec.cell_file, format="extxyz")
    bonds = framework_bonds(list(reference.symbols), reference.positions, reference.cell.array, spec.framework_elements)
    return [
        max_bond_variation(bonds, reference.positions, reference.cell.array, positions_A, cell_A)
        for positions_A, cell_A in zip(frames.positions_A, frames.cell_A, strict=True)
    ]


# --- fpmd ---------------------------------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What is summed up along the dynamics; goes into every checkpoint."""

    min_distance_A: float  # begins with that of the start: the first checkpoint may come before the first look at it
    labels_computed: int = 0
    labels_found: int = 0
    temperature_sum_K: float = 0.0
    temperature_count: int = 0
    seconds: float = 0.0


def _fpmd(folder: Path, spec: S0Spec, progress: Progress) -> S0Result:
    atoms = _starting_cell(spec)
    total = spec.equilibration_steps + spec.n_frames * spec.sample_every_steps
    message = f"NVT at {spec.temperature_K:g} K"
    checkpoints = journal.read(folder / JOURNAL)
    step = checkpoints[-1]["step"] if checkpoints else 0
    if step < total:
        progress(step, total, "MD steps", f"{message}: loading the reference method")
        atoms.calc = labellers.build(spec.labeller, folder, spec.cores).calculator
        try:
            with journal.append_to(folder / JOURNAL) as append:
                for checkpoint in _dynamics(spec, atoms, checkpoints[-1] if checkpoints else None, total, progress, message):
                    append(checkpoint)
                    checkpoints.append(checkpoint)
        except EngineFailed as error:
            if checkpoints:
                journal.rewrite(folder / JOURNAL, _another_path(checkpoints, spec.seed, error))
            raise
    return _fpmd_result(folder, spec, atoms, checkpoints)


def _starting_cell(spec: S0Spec) -> Atoms:
    if spec.n_frames < 1 or spec.sample_every_steps < 1 or spec.temperature_K <= 0 or spec.timestep_fs <= 0:
        raise EngineFailed(
            "Dynamics need a temperature, a time step, at least one frame and a sampling interval of at least one step.",
            cause="bad_input",
            permanent=True,
        )
    atoms = read_atoms(spec.cell_file, format="extxyz")
    if len(atoms) < 2:
        raise EngineFailed("A cell of one atom has no dynamics: choose a larger supercell.", cause="bad_input", permanent=True)
    problems = labellers.check(spec.labeller, list(atoms.symbols))
    if problems:
        raise EngineFailed(" ".join(problems), cause="bad_input", permanent=True)
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


def _dynamics(
    spec: S0Spec, atoms: Atoms, checkpoint: dict[str, Any] | None, total: int, progress: Progress, message: str
) -> Iterator[dict[str, Any]]:
    """Run to `total` steps; yield a checkpoint with the current label at the end of each sampling interval, and once a minute."""
    rng = np.random.default_rng(spec.seed)
    masses_u = atoms.get_masses()

    def forces_at(positions_A: NDArray[np.float64]) -> NDArray[np.float64]:
        atoms.positions = positions_A
        return atoms.get_forces()

    step, saved_at = 0, time.monotonic()
    try:
        if checkpoint is None:
            tally = Tally(min_distance_A(atoms.positions, atoms.cell.array))
            started = time.perf_counter()
            velocities_A_fs = maxwell_velocities_A_fs(masses_u, spec.initial_temperature_K or spec.temperature_K, rng)
            state = (atoms.positions.copy(), velocities_A_fs, atoms.get_forces())
            _count(tally, n_found(atoms))
        else:
            step, tally, state = _restored(checkpoint, rng)
            started = time.perf_counter() - tally.seconds
        while step < total:
            found_before = n_found(atoms)
            state = baoab_step(
                *state, masses_u, forces_at, timestep_fs=spec.timestep_fs, temperature_K=spec.temperature_K,
                damping_fs=spec.thermostat_damping_fs, rng=rng,
            )  # fmt: skip
            step += 1
            _count(tally, n_found(atoms) - found_before)
            sampled = (step - spec.equilibration_steps) % spec.sample_every_steps == 0
            check_distance = sampled or step % DISTANCE_CHECK_EVERY_STEPS == 0
            _watch(spec, atoms, kinetic_temperature_K(state[1], masses_u), step, tally, check_distance)
            progress(step, total, "MD steps", message)
            if sampled or time.monotonic() - saved_at > CHECKPOINT_EVERY_S:
                saved_at = time.monotonic()
                tally.seconds = time.perf_counter() - started
                yield _checkpoint(atoms, state[1], rng, step, tally)
    except LabelFailed as error:
        failure = _no_forces(spec, step, error)
        failure.labels_computed = tally.labels_computed + 1  # the one that failed was asked for too
        raise failure from error
    except EngineFailed as error:
        error.labels_computed = tally.labels_computed
        raise


def _no_forces(spec: S0Spec, step: int, error: LabelFailed) -> EngineFailed:
    if error.cause in GEOMETRY_CAUSES:
        return _unphysical(spec, step, error.message)
    return EngineFailed(
        f"The reference method gave no forces at step {step} of the dynamics at {spec.temperature_K:g} K: {error.message}",
        cause=error.cause,
        permanent=error.cause not in TRY_AGAIN_CAUSES,
    )


def _count(tally: Tally, found: int) -> None:
    """One more label, computed or found."""
    tally.labels_found += found
    tally.labels_computed += 1 - found


def _watch(spec: S0Spec, atoms: Atoms, temperature_K: float, step: int, tally: Tally, check_distance: bool) -> None:
    """Keep count of temperature and smallest distance; stop dynamics that are no longer physical."""
    limit_K = max(MAX_TEMPERATURE_RATIO * spec.temperature_K, MIN_MAX_TEMPERATURE_K)
    if not temperature_K < limit_K:  # true for NaN too
        raise _unphysical(spec, step, f"the kinetic temperature is {temperature_K:.3g} K")
    if step > spec.equilibration_steps:
        tally.temperature_sum_K += temperature_K
        tally.temperature_count += 1
    if check_distance:
        distance_A = min_distance_A(atoms.positions, atoms.cell.array)
        if distance_A < spec.min_distance_A:
            raise _unphysical(spec, step, f"two atoms are {distance_A:.2f} Å apart")
        tally.min_distance_A = min(tally.min_distance_A, distance_A)


def _unphysical(spec: S0Spec, step: int, what: str) -> EngineFailed:
    return EngineFailed(
        f"The dynamics with the reference method at {spec.temperature_K:g} K blew up at step {step}: {what.rstrip('.')}. Use a smaller "
        f"time step than {spec.timestep_fs:g} fs, relax the cell before the dynamics, or choose another ordering of the cell.",
        cause="unphysical",
        permanent=True,
    )


def _checkpoint(atoms: Atoms, velocities_A_fs: NDArray[np.float64], rng: np.random.Generator, step: int, tally: Tally) -> dict[str, Any]:
    """Everything the dynamics go on from, and the label; JSON keeps every bit of a float."""
    label = read_label(atoms)
    return {
        "step": step,
        "positions_A": atoms.positions.tolist(),
        "velocities_A_fs": velocities_A_fs.tolist(),
        "energy_eV": label.energy_eV,
        "forces_eV_A": label.forces_eV_A.tolist(),
        "virial_eV": label.virial_eV.tolist(),
        "rng": rng.bit_generator.state,
        "tally": asdict(tally),
    }


def _another_path(checkpoints: list[dict[str, Any]], seed: int, error: EngineFailed) -> list[dict[str, Any]]:
    """The checkpoints of which the last is where the next try goes on. The same path would end in the same configuration, and so would
    another from just before: it begins the farther back, with other noise, the more were tried. What was spent on the path that is left
    stays counted.
    """
    latest = checkpoints[-1]
    spent = {name: latest["tally"][name] for name in ("labels_found", "seconds")} | {"labels_computed": error.labels_computed}
    if error.cause in LIMIT_CAUSES:
        return [*checkpoints, latest | {"tally": latest["tally"] | spent}]
    path = 1 + max(point.get("path", 0) for point in checkpoints)
    kept = [point for point in checkpoints if point["step"] <= latest["step"] - path * BACK_STEPS] or checkpoints[:1]
    noise = np.random.default_rng((seed, path)).bit_generator.state
    return [*kept, kept[-1] | {"path": path, "rng": noise, "tally": kept[-1]["tally"] | spent}]


def _restored(checkpoint: dict[str, Any], rng: np.random.Generator) -> tuple[int, Tally, tuple[NDArray[np.float64], ...]]:
    """Step, tally, and positions, velocities and forces; the random numbers go on where they were."""
    rng.bit_generator.state = checkpoint["rng"]
    state = tuple(np.array(checkpoint[name]) for name in ("positions_A", "velocities_A_fs", "forces_eV_A"))
    return checkpoint["step"], Tally(**checkpoint["tally"]), state


def _fpmd_result(folder: Path, spec: S0Spec, atoms: Atoms, checkpoints: list[dict[str, Any]]) -> S0Result:
    at_step = {point["step"]: point for point in checkpoints}
    first, every = spec.equilibration_steps, spec.sample_every_steps
    sampled = [point for step, point in sorted(at_step.items()) if step > first and (step - first) % every == 0]
    frames = Frames(
        symbols=np.array(atoms.get_chemical_symbols()),
        positions_A=np.array([point["positions_A"] for point in sampled]),
        cell_A=np.repeat(atoms.cell.array[None], len(sampled), axis=0),
        energy_eV=np.array([point["energy_eV"] for point in sampled]),
        forces_eV_A=np.array([point["forces_eV_A"] for point in sampled]),
        virial_eV=np.array([point["virial_eV"] for point in sampled]),
        time_ps=np.array([point["step"] for point in sampled]) * spec.timestep_fs / 1000,
        temperature_K=np.full(len(sampled), spec.temperature_K),
    )
    frames.save(folder / FRAMES_FILE)
    tally = Tally(**checkpoints[-1]["tally"])
    return S0Result(
        frames_files=[FRAMES_FILE],
        n_frames=[len(frames)],
        mean_temperature_K=tally.temperature_sum_K / tally.temperature_count,
        labels_computed=tally.labels_computed,
        labels_found=tally.labels_found,
        seconds=tally.seconds,
        min_distance_A=tally.min_distance_A,
        frame_min_distances_A=[_distances_A(frames)],
        frame_bond_variations=[_bond_variations(spec, frames)],
        versions=labellers.versions(folder),
        samples_each=inefficiency(frames.forces_eV_A),
    )


if __name__ == "__main__":
    main(run, S0Spec, tidy=wavefunctions.free)
