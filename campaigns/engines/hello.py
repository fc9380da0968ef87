"""Stage `hello`: does this program run where a job runs? It says where it is and what is installed there, and computes nothing.

`manage.py resource check` sends it to a queue.
"""

import os
import platform
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from campaigns.engines import backends
from campaigns.engines.job import Progress, main

PROGRAMS = {"deepmd": "DeePMD-kit", "lammps": "LAMMPS", "chgnet": "CHGNet", "pymatgen": "pymatgen", "ase": "ASE"}


@dataclass(frozen=True)
class HelloSpec:
    backend: str = backends.DEFAULT  # that trains there


@dataclass(frozen=True)
class HelloResult:
    host: str
    python: str
    cores: int  # that the job may use
    missing: list[str] = field(default_factory=list)  # programs that stages need


def run(folder: Path, spec: HelloSpec, progress: Progress) -> HelloResult:
    missing = [name for module, name in PROGRAMS.items() if find_spec(module) is None]
    if PROGRAMS["deepmd"] not in missing and (lacking := backends.missing(backends.BACKENDS[spec.backend])):
        missing.append(lacking)
    return HelloResult(platform.node(), platform.python_version(), len(os.sched_getaffinity(0)), missing)


if __name__ == "__main__":
    main(run, HelloSpec)
