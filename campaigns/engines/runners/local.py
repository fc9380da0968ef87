"""Runs a stage's engine as a child process on this machine: started, watched, stopped.

The child is a session of its own, so that stopping it stops what it started (dp, lmp, mpiexec), and it outlives a
killed worker: whoever claims the stage next finds it by `child.json` and waits for it instead of computing twice.
Where several hosts share the data folder, a process number means something on the host that wrote it alone; an engine of
another host is known by the lock that it holds, and can be waited for, not stopped.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from campaigns.engines.environment import without_secrets
from campaigns.engines.job import is_locked, read_json, where

STOP_GRACE_S = 15.0


class Child:
    """A running engine of this host, ours or one left by a worker that died."""

    is_here = True

    def __init__(self, process: psutil.Process, popen: subprocess.Popen[bytes] | None) -> None:
        self._process = process
        self._popen = popen

    def is_running(self) -> bool:
        if self._popen is not None:
            return self._popen.poll() is None
        return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE

    def stop(self) -> bool:
        """SIGTERM to the whole session, SIGKILL to what is left after a grace time. What it wrote stays. Whether it has ended."""
        for number, patience in ((signal.SIGTERM, STOP_GRACE_S), (signal.SIGKILL, STOP_GRACE_S)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            deadline = time.monotonic() + patience
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(0.05)
            if not self.is_running():
                return True
        return False


class ForeignChild:
    """An engine that runs on another host: it holds the lock of the folder for as long as it lives."""

    is_here = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_running(self) -> bool:
        return is_locked(self._folder)

    def stop(self) -> bool:
        """Only its own host can."""
        return not self.is_running()


def start(module: str, folder: Path, cores: int) -> Child:
    """Start `python -m module folder`; its output goes to `log`. An earlier try's `failure.json` must not be taken for the reason of one
    that dies before it says anything."""
    (folder / "failure.json").unlink(missing_ok=True)
    environment = without_secrets(OMP_NUM_THREADS=str(cores), PYTHONUNBUFFERED="1")
    with (folder / "log").open("ab") as log:
        popen = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    return Child(psutil.Process(popen.pid), popen)


def find(folder: Path) -> Child | ForeignChild | None:
    """The engine that still runs in this folder, if one does. A process number that was given to another program, or that another
    host gave, is not taken for it.
    """
    record = read_json(folder / "child.json")
    if not record:
        return None
    if record.get("where", where()) != where():
        return ForeignChild(folder) if is_locked(folder) else None
    try:
        process = psutil.Process(record["pid"])
        if abs(process.create_time() - record["created"]) > 1.0 or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    return Child(process, None)
