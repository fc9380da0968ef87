"""Reads what a user gave in a child process with limits on time, processor time, memory and file size; JSON comes back, nothing else.

A CIF of 2 kB can keep pymatgen busy for minutes: whoever parses user input calls this, never the parser in his own process.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from typing import Any

MEMORY_LIMIT_BYTES = 4 * 2**30
FILE_LIMIT_BYTES = 2 * 2**30


DIED = "It could not be read: the reader ran out of memory or time, or the content is not what it says."


class ChildRefused(ValueError):
    """The input cannot be used; the text says why and what to do."""


def run_json(module: str, arguments: list[str], *, stdin: bytes = b"", timeout_s: float = 30.0) -> Any:
    """`python -m module arguments` with `stdin`; its standard output as JSON.

    The child says a refusal with exit status 3 and the text on its standard output. Raises ChildRefused for that, and where the child
    exceeded a limit or died.
    """
    child = run(module, arguments, stdin=stdin, timeout_s=timeout_s)
    if child.returncode == 3:
        raise ChildRefused(child.stdout.decode("utf-8", "replace").strip())
    if child.returncode != 0:
        raise ChildRefused(DIED)
    return json.loads(child.stdout)


def run(module: str, arguments: list[str], *, stdin: bytes = b"", timeout_s: float = 30.0) -> subprocess.CompletedProcess[bytes]:
    """`python -m module arguments` within the limits. Raises ChildRefused where it took longer than `timeout_s`."""

    def limit() -> None:
        cpu_s = int(timeout_s) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT_BYTES, FILE_LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    try:
        with tempfile.TemporaryDirectory(prefix="sseweb-child-") as scratch:  # a child that is killed cannot tidy up itself
            return subprocess.run(
                [sys.executable, "-m", module, *arguments],
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=timeout_s,
                preexec_fn=limit,
                env=os.environ | {"TMPDIR": scratch},
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise ChildRefused(f"Reading it took longer than {timeout_s:g} s and was stopped: it is too large or too complicated.") from error
