"""Reference methods that are a program with an input and an output file: found, run, tried again with other settings, and called by ase."""

import os
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from campaigns.engines import process
from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers.base import Label, LabelFailed, Labeller, require_finite
from campaigns.engines.specs import LabelAttempt

FIRST_TRY = "as set"
LONGER = "twice the time"
LADDER: Mapping[str, tuple[str, ...]] = {"walltime": (LONGER,)}  # of every program, beside its own
POLITE_END_S = 60.0  # a program that watches its own wall time gets so much longer to end by itself

# Open MPI refuses root without these. Unbound, two programs side by side do not end up on the same core.
OPENMPI = ("mpiexec.openmpi", "--bind-to", "none", "--oversubscribe", "-n")
ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1"}

Compute = Callable[[Atoms, str, str], Label]  # atoms, name of the files, settings in a few words


def command(variable: str, names: Sequence[str], cores: int) -> list[str] | None:
    """How to start a program: as the environment variable says, else the first of `names` that is installed, on `cores` ranks.

    None where it is not installed.
    """
    if given := os.environ.get(variable):
        words = shlex.split(given)
        return words if shutil.which(words[0]) else None
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        return None
    return [*OPENMPI, str(cores), found] if cores > 1 and shutil.which(OPENMPI[0]) else [found]


def executable(argv: Sequence[str]) -> str:
    """The path of the program itself: the last word that is one. `mpirun` may stand before it, and options behind."""
    return next(path for word in reversed(argv) if (path := shutil.which(word)))


def run(name: str, argv: list[str], folder: Path, log_name: str, walltime_s: float) -> None:
    """Run with one thread a rank, the log written anew. How it ended is for the reader of its output.

    Raises LabelFailed where it ran too long or was killed.
    """
    (folder / log_name).unlink(missing_ok=True)
    deadline = time.monotonic() + walltime_s + POLITE_END_S

    def watch() -> None:
        if time.monotonic() > deadline:
            raise LabelFailed("walltime", _too_long(walltime_s))

    try:
        silence_limit_s = walltime_s + 2 * POLITE_END_S
        process.run(argv, folder, log_name, environment=ENVIRONMENT, watch=watch, silence_limit_s=silence_limit_s, name=name)
    except EngineFailed as error:
        if error.cause not in ("engine_died", "out_of_memory"):
            raise
        if error.cause == "out_of_memory" or "SIGKILL" in str(error):
            raise LabelFailed("out_of_memory", str(error)) from error


def with_time(values: dict[str, Any], settings: str) -> dict[str, Any]:
    """The options of a try with `settings`."""
    return values | {"walltime_h": 2 * values["walltime_h"]} if settings == LONGER else values


def set_aside(folder: Path, name: str) -> None:
    """Keep the output of a failed run under a name of its own."""
    (folder / f"{name}.out").rename(folder / f"{name}.failed-{len(list(folder.glob(f'{name}.failed-*.out'))) + 1}.out")


def mesh(text: str) -> tuple[int, int, int]:
    """`2 2 1`, numbers of k-points. Raises ValueError."""
    words = text.replace("x", " ").replace("×", " ").split()
    if len(words) != 3 or not all(word.isdigit() and 1 <= int(word) <= 50 for word in words):
        raise ValueError(f"{text!r} is not three whole numbers from 1 to 50, such as 2 2 1")
    return int(words[0]), int(words[1]), int(words[2])


def _too_long(walltime_s: float) -> str:
    return f"One label took longer than the limit of {walltime_s / 3600:g} h: raise the limit, or use more cores."


def with_retries(compute: Callable[[str], Label], ladder: Mapping[str, Sequence[str]], limit: int) -> Label:
    """`compute(FIRST_TRY)`; where it fails, again with the next settings that the ladder has for the cause, at most `limit` times.

    Every attempt is told in the label, or in the LabelFailed that is raised.
    """
    attempts: list[LabelAttempt] = []
    settings: str | None = FIRST_TRY
    while settings is not None:
        started = time.perf_counter()
        try:
            label = compute(settings)
        except LabelFailed as error:
            attempts.append(LabelAttempt(settings, error.cause, error.message, time.perf_counter() - started))
            failure = error
            tried = {attempt.settings for attempt in attempts}
            left = [name for name in ladder.get(error.cause, ()) if name not in tried]
            settings = left[0] if left and len(attempts) <= limit else None
        else:
            attempts.append(LabelAttempt(settings, "", "", time.perf_counter() - started))
            return replace(label, attempts=tuple(attempts) if len(attempts) > 1 else ())
    raise LabelFailed(failure.cause, failure.message, tuple(attempts) if len(attempts) > 1 else ()) from failure


class ProgramLabeller(Labeller):
    """`compute` writes the input `name`, runs, and reads; its ladder of other settings is tried by cause."""

    def __init__(self, compute: Compute, ladder: Mapping[str, Sequence[str]], retries: int, method: str, versions: dict[str, str]) -> None:
        super().__init__(_ProgramCalculator(self), method, versions)
        self._compute = compute
        self._ladder = {**LADDER, **ladder}
        self._retries = retries

    def label(self, atoms: Atoms, name: str = "") -> Label:
        require_finite(atoms)
        return with_retries(lambda settings: self._compute(atoms, name or "configuration", settings), self._ladder, self._retries)


class _ProgramCalculator(Calculator):
    """Energy, forces and stress (Voigt, eV/A^3), one run of the program each time."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, labeller: ProgramLabeller) -> None:
        super().__init__()
        self._labeller = labeller

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        label = self._labeller.label(self.atoms)
        stress = full_3x3_to_voigt_6_stress(-label.virial_eV / self.atoms.get_volume())
        self.results = {"energy": label.energy_eV, "free_energy": label.energy_eV, "forces": label.forces_eV_A, "stress": stress}
