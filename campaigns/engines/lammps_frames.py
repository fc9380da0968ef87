"""The frames that a molecular dynamics run has left, counted before they are trusted.

A power cut keeps a restart file and loses the end of the dump before it; a full disk loses rows of the thermo table without an error.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from campaigns.engines import disk
from campaigns.engines.job import EngineFailed
from campaigns.science import lammps_input
from campaigns.science.lammps_input import Dynamics

DUMP = "frames.dump"
TABLE = "thermo.txt"
LAST = "last.dump"
RESTARTS = ("restart.a", "restart.b", "restart.equilibrated")


def frames_with_thermo(
    folder: Path, dynamics: Dynamics, n_atoms: int, completed: bool
) -> tuple[NDArray[np.integer], NDArray[np.floating], dict[str, NDArray[np.floating]]]:
    """Steps (n,), dumped values (n, n_atoms, n_columns - 2), thermo table of the same steps, of which none is missing.

    Positions alone (a long trajectory) are float32, snapshots with forces float64. Of steps written twice (before a kill and after it) the
    later stands. A run that was stopped by its physics counts up to the first frame that is missing. Raises EngineFailed where one of a
    `completed` run is: the run is then forgotten, and starts over when it is tried again.
    """
    table = _table(folder)
    known = set(table["step"].astype(int))
    steps = _steps_without_gap(folder, dynamics, n_atoms, known)
    if completed and len(steps) < len(dynamics.dumped_steps(dynamics.n_steps)):
        _forget(folder)
        raise _missing(folder, dynamics, len(steps))
    rows = np.isin(table["step"].astype(int), steps)
    # Read once more rather than kept: a run of nanoseconds is in memory once.
    values = np.empty((len(steps), n_atoms, dynamics.n_columns - 2), np.float64 if dynamics.with_forces else np.float32)
    place = {int(step): index for index, step in enumerate(steps)}
    for step, one in _dumped(folder, dynamics, n_atoms):
        if step in place:
            values[place[step]] = one
    return steps, values, {name: column[rows] for name, column in table.items()}


def last_step_without_gap(folder: Path, dynamics: Dynamics, n_atoms: int) -> int:
    """The step up to which no frame is missing: beyond it nothing can be gone on with."""
    steps = _steps_without_gap(folder, dynamics, n_atoms, set(_table(folder)["step"].astype(int)))
    return int(steps[-1]) if len(steps) else 0


def cut_half_a_row(folder: Path) -> None:
    """Off the end of the thermo table: what goes on would be written behind it, and both be lost."""
    path = folder / TABLE
    if path.exists():
        content = path.read_bytes()
        with path.open("r+b") as stream:
            stream.truncate(content.rfind(b"\n") + 1)


def last_configuration(folder: Path, n_atoms: int) -> NDArray[np.floating] | None:
    """Positions (n_atoms, 3) where the run ended, in LAMMPS's axes: of one that was stopped, those that stopped it."""
    return next((positions_A for _, positions_A in lammps_input.read_frames(folder / LAST, n_atoms, 5)), None)


def _table(folder: Path) -> dict[str, NDArray[np.floating]]:
    return lammps_input.read_thermo(folder / TABLE)


def _dumped(folder: Path, dynamics: Dynamics, n_atoms: int) -> Iterator[tuple[int, NDArray[np.floating]]]:
    return lammps_input.read_frames(folder / DUMP, n_atoms, dynamics.n_columns)


def _steps_without_gap(folder: Path, dynamics: Dynamics, n_atoms: int, known: Collection[int]) -> NDArray[np.integer]:
    """Steps up to the first whose frame is missing, or whose row of the table is (`known`)."""
    expected = dynamics.dumped_steps(dynamics.n_steps)
    is_there = np.isin(expected, [step for step, _ in _dumped(folder, dynamics, n_atoms) if step in known])
    return expected if is_there.all() else expected[: int(np.argmin(is_there))]


def _forget(folder: Path) -> None:
    for name in (*RESTARTS, DUMP, TABLE, "run.json"):
        (folder / name).unlink(missing_ok=True)


def _missing(folder: Path, dynamics: Dynamics, n_there: int) -> EngineFailed:
    step = (n_there + 1) * dynamics.dump_every_steps
    return EngineFailed(
        f"A frame of the trajectory is missing (MD step {step} of {dynamics.n_steps}): the disk was full, or the power was cut while it "
        "was written. The run starts over.",
        cause="disk_full" if disk.is_full(folder) else "bad_output",
        permanent=False,
    )
