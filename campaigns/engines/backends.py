"""DeePMD-kit's two backends: what each calls its files, and whether this environment can run it.

A model belongs to the backend that trained it, and the end of its name says which: LAMMPS loads it by that, and no training goes on from
a model of the other.
"""

import configparser
import importlib.metadata
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from campaigns.engines.job import EngineFailed


@dataclass(frozen=True)
class Backend:
    """`flag` chooses it for `dp`; `suffix` ends the name of a frozen model; `packages`: names that it is installed by; `needs`: others
    that DeePMD-kit loads with it.
    """

    name: str
    title: str
    flag: str
    suffix: str
    packages: tuple[str, ...]
    needs: tuple[str, ...] = ()


TENSORFLOW = Backend("tensorflow", "TensorFlow", "--tf", ".pb", ("tensorflow-cpu", "tensorflow"))
PYTORCH = Backend("pytorch", "PyTorch", "--pt", ".pth", ("torch",), ("e3nn",))
BACKENDS = {one.name: one for one in (TENSORFLOW, PYTORCH)}
DEFAULT = TENSORFLOW.name  # the faster one on a CPU


def of_model(file: str | Path) -> Backend:
    return PYTORCH if Path(file).suffix == PYTORCH.suffix else TENSORFLOW


def missing(backend: Backend) -> str:
    """What of a backend this environment lacks, in a few words; none where it is there. Asks metadata alone: imports take seconds."""
    found = next((found for package in backend.packages if (found := version(package))), "")
    absent = [name for name in backend.needs if not version(name)]
    if not found:
        problem = f"{backend.packages[0]} is not installed"
    elif backend is PYTORCH and found.partition("+")[0] != (wanted := _built_with()):
        problem = f"torch {found} is installed, it works with {wanted or 'none'} alone"
    elif absent:
        problem = f"{absent[0]} is not installed"
    else:
        return ""
    return f"DeePMD-kit's {backend.title} backend ({problem})"


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


def _built_with() -> str:
    """The one release of torch that the installed DeePMD-kit was compiled for; it refuses to load with another."""
    spec = find_spec("deepmd")
    config = configparser.ConfigParser()
    if spec is not None and spec.origin:
        config.read(Path(spec.origin).parent / "lib" / "run_config.ini")
    return config.get("CONFIG", "pt_version", fallback="")
