"""One molecular dynamics run with a trained model, from its files to how it ended. Exploration, evaluation and the probe share it."""

import importlib.metadata
import math
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from campaigns.engines import backends, disk, lammps_frames, process
from campaigns.engines.job import EngineFailed, Progress, read_json, write_json
from campaigns.engines.lammps_environment import lmp_environment, lmp_program
from campaigns.engines.specs import LaunchChoice
from campaigns.science import lammps_input
from campaigns.science.lammps_input import Box, Dynamics
from campaigns.science.plain_numbers import plain
from campaigns.science.selection import min_distance_A

LOG = "log.lammps"
LOG_COLUMNS = 5  # step temp pe etotal cpu
# What LAMMPS says when the physics is lost. It is a verdict on the model, not a failure of the engine.
UNPHYSICAL = ("Lost atoms", "Non-numeric", "Out of range atoms", "Neighbor list overflow", "simulation unstable", "Too many neighbor bins")
_LOOP = re.compile(r"^Loop time of ([0-9.eE+-]+) on .* for (\d+) steps", re.MULTILINE)
_HALT = re.compile(r"Fix halt condition for fix-id (\w+) met on step (\d+) with value (\S+)")
_VERSION = re.compile(r"^LAMMPS \((.+)\)", re.MULTILINE)
_RESTART_READ = re.compile(r"^pair_style", re.MULTILINE)  # LAMMPS echoes its commands: it came past read_restart
_ERROR = re.compile(r"ERROR.*")


@dataclass(frozen=True)
class RunFacts:
    """How a run ended: `completed`, `min_distance` or `blown_up` with a reason; `step` counts the production part.

    `peak_steps_per_s` is the rate between two rows of the log at its highest: what a machine that others use too could do undisturbed.
    `end_min_distance_A`: in the configuration it ended with, which of a stopped run is the one that stopped it.
    """

    outcome: str
    reason: str
    step: int
    steps_per_s: float
    startup_seconds: float
    peak_steps_per_s: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    end_min_distance_A: float | None = None


def launch_argv(launch: LaunchChoice) -> list[str]:
    """lmp, under mpiexec where there is more than one rank."""
    lmp = lmp_program()
    return [lmp] if launch.ranks == 1 else [process.program("mpiexec"), "-n", str(launch.ranks), lmp]


def environment(launch: LaunchChoice) -> dict[str, str]:
    return lmp_environment() | {
        "OMP_NUM_THREADS": str(launch.threads),
        "DP_INTRA_OP_PARALLELISM_THREADS": str(launch.threads),
        "DP_INTER_OP_PARALLELISM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # its kernels are for larger networks: 1.2 times slower with ours
    }


def read_cell(path: str) -> tuple[Atoms, Box]:
    atoms = ase.io.read(path)
    if len(atoms) < 2:
        raise EngineFailed(f"The cell has {len(atoms)} atom: dynamics needs at least 2.", cause="bad_input", permanent=True)
    return atoms, Box.of(atoms.cell.array)


def run(folder: Path, dynamics: Dynamics, cell_file: str, launch: LaunchChoice, progress: Progress) -> RunFacts:
    """Run to the end, from the last restart file that can be read, else from the start. A run that ended before is not run again."""
    known = read_json(folder / "run.json")
    if known:
        return RunFacts(**known)
    backends.require(backends.of_model(dynamics.model_file))
    while True:
        try:
            facts = _run_once(folder, dynamics, cell_file, launch, progress)
        except EngineFailed:
            if not _set_aside_unreadable_restart(folder):
                raise
            continue
        write_json(folder / "run.json", asdict(facts))
        return facts


def _run_once(folder: Path, dynamics: Dynamics, cell_file: str, launch: LaunchChoice, progress: Progress) -> RunFacts:
    script, done_before = _write_inputs(folder, dynamics, cell_file)
    for name in (LOG, lammps_frames.LAST):
        (folder / name).unlink(missing_ok=True)
    output_began = process.size(folder / "log")
    began = time.monotonic()
    argv = [*launch_argv(launch), "-in", script, "-log", LOG, "-nocite"]
    watch = _watcher(folder, dynamics, done_before, progress)
    process.run(argv, folder, "log", environment=environment(launch), watch=watch, accept=tuple(range(256)), name="LAMMPS")
    wall_s = time.monotonic() - began
    return _facts(folder, dynamics, cell_file, wall_s, process.tail(folder / "log", begin=output_began))


def _restarts(folder: Path) -> list[Path]:
    """LAMMPS writes two in turn after the one of the start of the production; the newest first."""
    found = [folder / name for name in lammps_frames.RESTARTS if (folder / name).exists()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _set_aside_unreadable_restart(folder: Path) -> bool:
    """A kill in the middle of its writing leaves half a restart file; LAMMPS then ends while it reads it. The one before is whole.

    So it ends where frames before the restart's step are missing (`resume_script`).
    """
    restarts = _restarts(folder)
    text = (folder / LOG).read_text(errors="replace") if (folder / LOG).exists() else ""
    if not restarts or "read_restart" not in text or _RESTART_READ.search(text):
        return False
    restarts[0].rename(restarts[0].with_suffix(f"{restarts[0].suffix}.unreadable"))
    return True


def _write_inputs(folder: Path, dynamics: Dynamics, cell_file: str) -> tuple[str, int]:
    """Write data file and script; returns the script's name, and how many steps were done before."""
    atoms, box = read_cell(cell_file)
    restarts = _restarts(folder)
    if restarts:
        lammps_frames.cut_half_a_row(folder)
        last_step = lammps_frames.last_step_without_gap(folder, dynamics, len(atoms))
        (folder / "in.resume").write_text(lammps_input.resume_script(dynamics, len(atoms), restarts[0].name, last_step))
        every = dynamics.restart_every_steps(len(atoms))
        return "in.resume", dynamics.equilibration_steps + last_step // every * every
    unknown = sorted(set(atoms.get_chemical_symbols()) - set(dynamics.type_map))
    if unknown:
        raise EngineFailed(f"The model knows no {', '.join(unknown)}; it was trained on {', '.join(dynamics.type_map)}.",
                           cause="bad_input", permanent=True)  # fmt: skip
    (folder / "cell.data").write_text(lammps_input.data_file(atoms.get_chemical_symbols(), atoms.positions, box, dynamics.type_map))
    (folder / "in.lammps").write_text(lammps_input.start_script(dynamics, len(atoms)))
    return "in.lammps", 0


def _watcher(folder: Path, dynamics: Dynamics, done_before: int, progress: Progress) -> Callable[[], None]:
    """Reports MD steps from the log while LAMMPS runs; those of a process before this one count as done, not as fast."""
    total = dynamics.equilibration_steps + dynamics.n_steps
    began = time.monotonic()

    def watch() -> None:
        log = folder / LOG
        text = log.read_text(errors="replace") if log.exists() else ""
        ended = _LOOP.findall(text)
        rows = _log_rows(text.rpartition("Loop time of")[2])
        if not rows and not ended:
            progress(done_before, total, "MD steps", "starting LAMMPS")
            return
        producing = done_before > 0 or dynamics.equilibration_steps == 0 or len(ended) >= 2
        reached = (rows[-1][0] if rows else 0) + (dynamics.equilibration_steps if producing else 0)
        done = max(reached, done_before + sum(int(steps) for _, steps in ended))
        phase = dynamics.ensemble.upper() if producing else "equilibration (NVT)"
        rate = (done - done_before) / max(time.monotonic() - began, 1e-3)
        progress(min(done, total), total, "MD steps", f"{phase} at {dynamics.temperature_K:g} K, {rate:.0f} steps/s")

    return watch


def _log_rows(text: str) -> list[tuple[int, float]]:
    """Step and last column, the seconds since its `run` began, of the table in LAMMPS's log."""
    return [(int(words[0]), float(words[-1])) for line in text.splitlines() if (words := line.split()) and words[0].isdigit()
            and len(words) == LOG_COLUMNS]  # fmt: skip


def _facts(folder: Path, dynamics: Dynamics, cell_file: str, wall_s: float, output: str) -> RunFacts:
    """Read from the log how the run ended. Raises EngineFailed where it is not the physics that ended it."""
    text = (folder / LOG).read_text(errors="replace") if (folder / LOG).exists() else ""
    loops = [(float(seconds), int(steps)) for seconds, steps in _LOOP.findall(text)]
    in_loops_s = sum(seconds for seconds, _ in loops)
    rate = sum(steps for _, steps in loops) / in_loops_s if in_loops_s > 0 else 0.0
    closest_A = _distance_at_the_end(folder, dynamics, cell_file)
    outcome, reason = _outcome(folder, dynamics, text, output, closest_A)
    startup_s = max(wall_s - in_loops_s, 0.0)
    return RunFacts(outcome, reason, _last_step(folder), rate, startup_s, _peak_rate(text), _versions(text), closest_A)


def _distance_at_the_end(folder: Path, dynamics: Dynamics, cell_file: str) -> float | None:
    """Smallest distance in Å where the run ended; None where LAMMPS died, or left no numbers."""
    atoms, box = read_cell(cell_file)
    positions_A = lammps_frames.last_configuration(folder, len(atoms))
    return None if positions_A is None or not np.isfinite(positions_A).all() else min_distance_A(positions_A, box.lower_A)


def _versions(text: str) -> dict[str, str]:
    """LAMMPS says its own in the first line of its log; DeePMD-kit, whose pair style it loads, is this environment's."""
    found = _VERSION.search(text)
    return {"lammps": found[1] if found else "unknown", "deepmd-kit": importlib.metadata.version("deepmd-kit")}


def _peak_rate(text: str) -> float:
    """Steps per second between two rows of LAMMPS's log. The first rows are left out: TensorFlow builds its graph there."""
    rates = [(step - before) / (seconds - earlier) for (before, earlier), (step, seconds) in pairwise(_log_rows(text)[1:])
             if step > before and seconds > earlier]  # fmt: skip
    return max(rates, default=0.0)


def _outcome(folder: Path, dynamics: Dynamics, text: str, output: str, closest_A: float | None) -> tuple[str, str]:
    halt = _HALT.search(text)
    if halt:
        at_ps = int(halt[2]) * dynamics.timestep_fs / 1000
        if halt[1] == "halt_close":
            distance = "" if closest_A is None else f": {closest_A:.2f} Å"
            return "min_distance", f"Two atoms came closer than {dynamics.min_distance_A:g} Å after {plain(at_ps, 3)} ps{distance}."
        return (
            "blown_up",
            f"The temperature rose to {float(halt[3]):.0f} K after {plain(at_ps, 3)} ps (target {dynamics.temperature_K:g} K).",
        )
    error = _ERROR.search(text) or _ERROR.search(output)
    if error and any(words in error[0] for words in UNPHYSICAL):
        return "blown_up", f"LAMMPS stopped: {error[0].removeprefix('ERROR').lstrip(': ')}"
    if error or "Total wall time" not in text:
        message = error[0] if error else "LAMMPS ended before its run was complete"
        if disk.is_full(folder, text + output):
            raise EngineFailed(f"LAMMPS failed. {disk.FREE_SOME}", cause="disk_full", permanent=False, log_tail=output)
        raise EngineFailed(f"LAMMPS failed: {message}", cause="engine_died", permanent=bool(error), log_tail=output)
    if any(not math.isfinite(value) for value in _last_row(folder)):
        return "blown_up", "The energy is not a number any more."
    return "completed", ""


def _last_row(folder: Path) -> list[float]:
    table = lammps_input.read_thermo(folder / lammps_frames.TABLE)
    return [float(column[-1]) for column in table.values() if len(column)]


def _last_step(folder: Path) -> int:
    return int(next(iter(_last_row(folder)), 0))
