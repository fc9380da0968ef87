"""The judgement of an NVE run, for a trajectory that another program made: D with its error, conductivity, verdict.

python -m analysis.engines.trajectory FOLDER
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.engines import blow_up, file_order, judge, quoted, trajectory_files
from analysis.engines.trajectory_files import UNEVEN, Trajectory, TrajectoryRefused
from analysis.science import msd
from campaigns.engines.job import EngineFailed, Progress, main
from campaigns.engines.judge_specs import JudgedRun, JudgeSpec, RunDiffusion
from campaigns.engines.specs import EvaluateResult
from campaigns.science.elements import ELEMENTS
from campaigns.science.mobile_ions import known_charge_e

RUN_ID = 1
MAX_CHARGE_E = 8
SHORTEST_INTERVAL_FS = 0.5  # a whole time step for the lightest atoms
POSITIONS = "positions.f32"
TRAJECTORY = "trajectory.npz"


@dataclass(frozen=True)
class TrajectorySpec:
    """Either `frame_interval_fs` or, where the files say MD steps, `timestep_fs` is needed; neither where they say their time."""

    files: list[str]
    mobile_ion: str
    temperature_K: float
    frame_interval_fs: float | None = None
    timestep_fs: float | None = None
    elements: list[str] | None = None  # of LAMMPS's types 1, 2, ...
    charge: float | None = None  # of the mobile ion, in units of e; None: the usual one
    hop_length_A: float = 3.0  # between neighbouring sites of the mobile ion
    file_names: list[str] | None = None  # what their owner calls the files, where they lie under names of ours
    seed: int = 1  # not used: a spec of an earlier release may have one


@dataclass(frozen=True)
class TrajectoryResult:
    run: RunDiffusion
    n_frames: int
    n_atoms: int
    n_mobile: int
    duration_ps: float
    frame_interval_fs: float
    msd_file: str  # as JudgeResult.msd_file, of run 1


def run(folder: Path, spec: TrajectorySpec, progress: Progress) -> TrajectoryResult:
    """Raises EngineFailed with cause `bad_input` for files that hold no run that can be analysed."""
    spec = _checked(spec)
    progress(0, 3, "steps", "reading")
    try:
        files = [Path(name) for name in spec.files]
        files, names = file_order.by_first_frame(files, spec.file_names or [path.name for path in files])
        found = trajectory_files.read(files, names, spec.elements or [], folder / POSITIONS)
        interval_fs = _frame_interval_fs(spec, found)
        positions_A, flags = _unwrapped(found)
    except TrajectoryRefused as error:
        raise _refused(str(error)) from error
    if spec.mobile_ion not in found.symbols:
        raise _refused(f"There is no {spec.mobile_ion} in the trajectory; it holds {', '.join(sorted(set(found.symbols.tolist())))}.")
    progress(1, 3, "steps", "unwrapped")
    n_frames, n_atoms = positions_A.shape[:2]
    lost = blow_up.find(positions_A, found.symbols, spec.temperature_K, interval_fs)
    np.savez(
        folder / TRAJECTORY, positions_A=positions_A, cell_A=found.cell_A, symbols=found.symbols, time_fs=interval_fs * np.arange(n_frames)
    )
    del positions_A
    (folder / POSITIONS).unlink()
    progress(2, 3, "steps", "mean square displacements")
    curves: dict[str, Any] = {}
    judged = judge.judge_run(_as_run(folder, spec, n_frames, interval_fs, lost), _as_judge_spec(spec), curves)
    judged.details["flags"] = flags + judged.details["flags"]
    judged = quoted.as_quoted(replace(judged, details=judged.details | {"charge_e": spec.charge}))
    np.savez(folder / judge.MSD_FILE, **curves)
    n_mobile = int((found.symbols == spec.mobile_ion).sum())
    return TrajectoryResult(judged, n_frames, n_atoms, n_mobile, n_frames * interval_fs / 1000, interval_fs, judge.MSD_FILE)


def _refused(message: str) -> EngineFailed:
    return EngineFailed(message, cause="bad_input", permanent=True)


def _checked(spec: TrajectorySpec) -> TrajectorySpec:
    """With the charge of the ion, where none is given."""
    if spec.charge is None:
        spec = replace(spec, charge=known_charge_e(spec.mobile_ion))
    if spec.charge is None:
        raise _refused(f"What charge {spec.mobile_ion} carries is not usual knowledge here: give it (charge, in units of e).")
    if strange := [word for word in spec.elements or [] if word not in ELEMENTS]:
        raise _refused(f"{', '.join(strange)} {'is not an element' if len(strange) == 1 else 'are not elements'}: give the symbols of "
                       "LAMMPS's types in their order, such as Li,P,S.")  # fmt: skip
    given = {"temperature": spec.temperature_K, "frame interval": spec.frame_interval_fs, "time step": spec.timestep_fs,
             "hop length": spec.hop_length_A}  # fmt: skip
    if not 0 < abs(spec.charge) <= MAX_CHARGE_E:
        raise _refused(f"The charge of the mobile ion must be between -{MAX_CHARGE_E} and {MAX_CHARGE_E} e and not 0, not {spec.charge:g}.")
    for name, value in given.items():
        if value is not None and not 0 < value < 1e9:
            raise _refused(f"The {name} must be a positive number, not {value:g}.")
    return spec


def _frame_interval_fs(spec: TrajectorySpec, found: Trajectory) -> float:
    """Time between frames; evenly spaced, or frames are missing."""
    between = np.diff(found.steps)
    if len(between) and (between <= 0).any():
        at = int(np.argmax(between <= 0))
        raise TrajectoryRefused(f"MD step {found.steps[at + 1]} comes after {found.steps[at]}: give the files in the order of the run.")
    if len(between) and (between != between[0]).any():
        at = int(np.argmax(between != between[0]))
        raise TrajectoryRefused(f"Frames are missing between MD steps {found.steps[at]} and {found.steps[at + 1]} (they are {between[0]} "
                                "apart elsewhere): analyse a part without a gap.")  # fmt: skip
    if not len(between) and found.interval_fs is None:
        found.flags.append("the files count neither steps nor time: that frames are missing cannot be excluded, and D would be too large")
    if spec.frame_interval_fs is not None:
        _flag_another_time(spec.frame_interval_fs, found)
        return _agreeing_interval_fs(spec.frame_interval_fs, spec.timestep_fs, between)
    if spec.timestep_fs is None and found.interval_fs is not None:
        if found.interval_fs < SHORTEST_INTERVAL_FS:
            raise TrajectoryRefused(f"The files count {found.interval_fs:g} of Time between frames, which is no time between frames in fs: "
                                    "its unit is not known. Give the frame interval (fs; --frame-interval-fs in a shell).")  # fmt: skip
        found.flags.append(f"the time between frames, {found.interval_fs:g} fs, was taken from the files, where Time is in fs")
        return found.interval_fs
    if spec.timestep_fs is None:
        step = "the time step (--timestep-fs in a shell), for they count MD steps, or " if len(between) else ""
        raise TrajectoryRefused(f"The files do not say the time between their frames: give {step}the time between frames "
                                "(--frame-interval-fs in a shell), in fs.")  # fmt: skip
    if not len(between):
        raise TrajectoryRefused("The files do not say MD steps, so a time step does not help: give the time between frames "
                                "(fs; --frame-interval-fs in a shell).")  # fmt: skip
    return float(between[0]) * spec.timestep_fs


def _flag_another_time(interval_fs: float, found: Trajectory) -> None:
    """Time in a file is in fs by convention; in ps by others, and in whatever unit by some: so what is given counts."""
    counted = found.interval_fs
    if counted is not None and all(abs(unit_fs * counted / interval_fs - 1) > UNEVEN for unit_fs in (1, 1000)):
        found.flags.append(f"the files count {counted:g} of Time between frames, neither in fs nor in ps the given {interval_fs:g} fs, "
                           "which was used: check it, D is inversely proportional to it")  # fmt: skip


def _agreeing_interval_fs(interval_fs: float, timestep_fs: float | None, between: np.ndarray) -> float:
    if timestep_fs is not None and len(between) and abs(between[0] * timestep_fs / interval_fs - 1) > UNEVEN:
        derived_fs = between[0] * timestep_fs
        raise TrajectoryRefused(f"Frames are {between[0]} MD steps apart, which is {derived_fs:g} fs at {timestep_fs:g} fs a step, but the "
                                f"frame interval is given as {interval_fs:g} fs: give one of the two.")  # fmt: skip
    return interval_fs


def _unwrapped(found: Trajectory) -> tuple[np.ndarray, list[str]]:
    """Paths without jumps by a lattice vector: of a run that is wrapped, or of a part that a restart has wrapped again.

    Where a file says that it is unwrapped, so it is: a step of half a cell is one. Only from one file to the next it may have been wrapped.
    """
    if not msd.has_long_steps(found.positions_A, found.cell_A):
        return found.positions_A, found.flags
    if found.is_unwrapped and not len(found.joins):
        return found.positions_A, found.flags
    try:
        positions_A = msd.unwrap(found.positions_A, found.cell_A, found.joins if found.is_unwrapped else None)
        return positions_A, [*found.flags, "wrapped coordinates were unwrapped by the nearest image"
                             + (", where one file follows another" if found.is_unwrapped else "")]  # fmt: skip
    except msd.AmbiguousStep as error:
        if not msd.is_wrapped(found.positions_A, found.cell_A):
            return found.positions_A, [
                *found.flags,
                "atoms move by more than half of the cell between frames: coordinates were taken as unwrapped",
            ]
        raise TrajectoryRefused(f"The coordinates are wrapped into the cell and cannot be unwrapped. {error}, or store unwrapped ones "
                                "(LAMMPS: xu yu zu).") from error  # fmt: skip


def _as_run(folder: Path, spec: TrajectorySpec, n_frames: int, interval_fs: float, lost: blow_up.BlowUp | None) -> JudgedRun:
    """What an evaluation says of its run, as far as it is known here: nothing of its energy."""
    outcome, reason, n_good = ("completed", "", n_frames) if lost is None else ("blown_up", lost.reason, lost.frame)
    result = EvaluateResult(outcome, reason, TRAJECTORY, None, interval_fs, n_good * interval_fs / 1000, None, None, None, None, 0.0, 0.0)
    return JudgedRun(RUN_ID, str(folder), spec.temperature_K, result)


def _as_judge_spec(spec: TrajectorySpec) -> JudgeSpec:
    return JudgeSpec([], spec.mobile_ion, spec.charge, 0, 0, [], 0.1, float("inf"), float("inf"), spec.hop_length_A)


if __name__ == "__main__":
    main(run, TrajectorySpec)
