"""Reads what a user gave in a child process with limits on processor time, time, memory and file size; JSON comes back, nothing else.

A CIF of 2 kB can keep pymatgen busy for minutes: whoever parses user input calls this, never the parser in his own process. What an input
costs is its processor time; how long one waits for it says more of the machine, so that limit is wider and no verdict on the input.
"""

import ctypes
import json
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from campaigns.engines.environment import without_secrets

MEMORY_LIMIT_BYTES = 4 * 2**30
FILE_LIMIT_BYTES = 2 * 2**30
CPU_LIMIT_S = 30.0
WALL_LIMIT_S = 110.0  # below that of a web server and its proxy
POLL_S = 0.25
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

DIED = "It could not be read: the reader ran out of memory or time, or the content is not what it says."


class ChildRefused(ValueError):
    """The input cannot be used; the text says why and what to do."""


class ChildBusy(ChildRefused):
    """The machine was too busy to read it in time: nothing is said of the input."""


class ChildStopped(Exception):
    """Nobody wants the answer any more: nothing is said of the input."""


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
    module: str,
    arguments: list[str],
    *,
    stdin: bytes = b"",
    cpu_s: float = CPU_LIMIT_S,
    wall_s: float = WALL_LIMIT_S,
    is_wanted: Callable[[], bool] = lambda: True,
) -> subprocess.CompletedProcess[bytes]:
    """`python -m module arguments` within the limits; it ends when we do, however we end.

    Raises ChildRefused where it took more than `cpu_s` of processor time, ChildBusy where it was not done after `wall_s`, and ChildStopped
    where `is_wanted`, asked a few times a second, said no.
    """
    us = os.getpid()

    def limit() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != us:  # we were killed meanwhile
            os._exit(1)
        whole_s = math.ceil(cpu_s)  # the kernel counts whole seconds
        resource.setrlimit(resource.RLIMIT_CPU, (whole_s, whole_s + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT_BYTES, FILE_LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    argv, pipe = [sys.executable, "-m", module, *arguments], subprocess.PIPE
    # Its scratch is ours: a child that is killed cannot tidy up itself.
    with tempfile.TemporaryDirectory(prefix="sseweb-child-") as scratch, subprocess.Popen(
        argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, preexec_fn=limit, env=without_secrets(TMPDIR=scratch),
    ) as child:  # fmt: skip
        try:
            output = _output(child, stdin, wall_s, is_wanted)
        except BaseException:
            child.kill()
            raise
    if child.returncode == -signal.SIGXCPU:
        raise ChildRefused(f"It took more than {cpu_s:g} s of processor time and was stopped: it is too large or too complicated.")
    return subprocess.CompletedProcess(argv, child.returncode, output)


def _output(child: subprocess.Popen[bytes], stdin: bytes, wall_s: float, is_wanted: Callable[[], bool]) -> bytes:
    deadline = time.monotonic() + wall_s
    given: bytes | None = stdin
    while True:
        try:
            return child.communicate(given, timeout=max(0.0, min(POLL_S, deadline - time.monotonic())))[0]
        except subprocess.TimeoutExpired:
            given = None  # it has that
        if time.monotonic() >= deadline:
            raise ChildBusy(f"This machine is busy: it was not done after {wall_s:g} s. That says nothing of the file: try again later.")
        if not is_wanted():
            raise ChildStopped
