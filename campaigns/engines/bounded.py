"""Reads what a user gave in a child process with limits on processor time, time, memory and file size; JSON comes back, nothing else.

A CIF of 2 kB can keep pymatgen busy for minutes: whoever parses user input calls this, never the parser in his own process. What an input
costs is its processor time; how long one waits for it says more of the machine, so that limit is wider and no verdict on the input.
"""

import json
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
from typing import Any

MEMORY_LIMIT_BYTES = 4 * 2**30
FILE_LIMIT_BYTES = 2 * 2**30
CPU_LIMIT_S = 30.0
WALL_LIMIT_S = 110.0  # below that of a web server and its proxy

DIED = "It could not be read: the reader ran out of memory or time, or the content is not what it says."


class ChildRefused(ValueError):
    """The input cannot be used; the text says why and what to do."""


class ChildBusy(ChildRefused):
    """The machine was too busy to read it in time: nothing is said of the input."""


def run_json(module: str, arguments: list[str], *, stdin: bytes = b"", cpu_s: float = CPU_LIMIT_S, wall_s: float = WALL_LIMIT_S) -> Any:
    """`python -m module arguments` with `stdin`; its standard output as JSON.

    The child says a refusal with exit status 3 and the text on its standard output. Raises ChildRefused for that, and where the child
    exceeded a limit or died.
    """
    child = run(module, arguments, stdin=stdin, cpu_s=cpu_s, wall_s=wall_s)
    if child.returncode == 3:
        raise ChildRefused(child.stdout.decode("utf-8", "replace").strip())
    if child.returncode != 0:
        raise ChildRefused(DIED)
    return json.loads(child.stdout)


def run(
    module: str, arguments: list[str], *, stdin: bytes = b"", cpu_s: float = CPU_LIMIT_S, wall_s: float = WALL_LIMIT_S
) -> subprocess.CompletedProcess[bytes]:
    """`python -m module arguments` within the limits. Raises ChildRefused where it took more than `cpu_s` of processor time, and ChildBusy
    where it was not done after `wall_s`.
    """

    def limit() -> None:
        whole_s = math.ceil(cpu_s)  # the kernel counts whole seconds
        resource.setrlimit(resource.RLIMIT_CPU, (whole_s, whole_s + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT_BYTES, FILE_LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    try:
        with tempfile.TemporaryDirectory(prefix="sseweb-child-") as scratch:  # a child that is killed cannot tidy up itself
            child = subprocess.run(
                [sys.executable, "-m", module, *arguments],
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=wall_s,
                preexec_fn=limit,
                env=os.environ | {"TMPDIR": scratch},
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        text = f"This machine is busy: it was not done after {wall_s:g} s. That says nothing of the file: try again later."
        raise ChildBusy(text) from error
    if child.returncode == -signal.SIGXCPU:
        raise ChildRefused(f"It took more than {cpu_s:g} s of processor time and was stopped: it is too large or too complicated.")
    return child
