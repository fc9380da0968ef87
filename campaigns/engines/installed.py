"""Whether the programs that a campaign needs are there: asked before anything is paid for, at the cost of some file names."""

from collections.abc import Callable

from campaigns.engines import backends, process
from campaigns.engines.job import EngineFailed
from campaigns.engines.lammps_environment import lmp_program


def missing() -> list[str]:
    """What training and dynamics lack here and how it is installed; a sentence each."""
    return [*training_lacks(), *dynamics_lacks()]


def training_lacks() -> list[str]:
    """On this machine models are trained with the default backend."""
    return _refusals(lambda: process.program("dp"), lambda: backends.require(backends.BACKENDS[backends.DEFAULT]))


def dynamics_lacks() -> list[str]:
    return _refusals(lmp_program, lambda: process.program("mpiexec"))


def _refusals(*questions: Callable[[], object]) -> list[str]:
    found = []
    for question in questions:
        try:
            question()
        except EngineFailed as error:
            found.append(str(error))
    return found
