"""DeePMD-kit's two backends: what each calls its files, and whether this environment can run it.

A model belongs to the backend that trained it, and the end of its name says which: LAMMPS loads it by that, and no training goes on from
a model of the other.
"""

import configparser
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from campaigns.engines.job import EngineFailed


@dataclass(frozen=True)
class Backend:
    """`flag` chooses it for `dp`; `suffix` ends the name of a frozen model; `packages`: names that it is installed by."""

    name: str
    title: str
    flag: str
    suffix: str
    packages: tuple[str, ...]


TENSORFLOW = Backend("tensorflow", "TensorFlow", "--tf", ".pb", ("tensorflow-cpu", "tensorflow"))
PYTORCH = Backend("pytorch", "PyTorch", "--pt", ".pth", ("torch",))
BACKENDS = {one.name: one for one in (TENSORFLOW, PYTORCH)}
DEFAULT = TENSORFLOW.name  # the faster one on a CPU


def of_model(file: str | Path) -> Backend:
    return PYTORCH if Path(file).suffix == PYTORCH.suffix else TENSORFLOW


def missing(backend: Backend) -> str:
    """What of a backend this environment lacks, in a few words; none where it is there. Asks metadata alone: imports take seconds."""
    found = next((found for package in backend.packages if (found := version(package))), "")
    problem = f"{backend.packages[0]} is not installed"
    if found:
        problem = _unfit(found.partition("+")[0]) if backend is PYTORCH else ""
    return f"DeePMD-kit's {backend.title} backend ({problem})" if problem else ""


def _unfit(torch: str) -> str:
    """Why DeePMD-kit will not load this release of torch: it was compiled for another, or lacks what it loads beside it."""
    build = _build()
    wanted = build.get("pt_version", "none")
    if torch != wanted:
        return f"torch {torch} is installed, it works with {wanted} alone"
    # LAMMPS dies where the wheel finds no CUDA runtime, on a machine without a GPU too.
    needs = ("e3nn", "nvidia-cuda-runtime-cu12") if build.get("cibuildwheel") == "1" else ("e3nn",)
    return next((f"{name} is not installed" for name in needs if not version(name)), "")


def require(backend: Backend) -> None:
    """Raises EngineFailed where it is missing: said at once, not by a traceback in a log."""
    if lacking := missing(backend):
        raise EngineFailed(f"This environment lacks {lacking}: docs/deployment.md says how it is installed.", cause="engine_missing",
                           permanent=True)  # fmt: skip


def version(package: str) -> str:
    """Installed version; empty where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _build() -> Mapping[str, str]:
    """What the installed DeePMD-kit was compiled with, as it writes it down."""
    spec = find_spec("deepmd")
    config = configparser.ConfigParser()
    if spec is not None and spec.origin:
        config.read(Path(spec.origin).parent / "lib" / "run_config.ini")
    return config["CONFIG"] if config.has_section("CONFIG") else {}
