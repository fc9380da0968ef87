"""Runs an external program (dp, lmp, mpiexec) for a stage: bounded, watched, and dead when we are."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from campaigns.engines import disk, memory
from campaigns.engines.job import EngineFailed

PR_SET_PDEATHSIG = 1
POLL_S = 0.2
STOP_GRACE_S = 5.0
TAIL_LINES = 30
_libc = ctypes.CDLL(None, use_errno=True)


def program(name: str) -> str:
    """Path of a program of this environment, or of the system. Raises EngineFailed where it is missing."""
    own = Path(sys.executable).parent / name
    if own.exists():
        return str(own)
    found = next((Path(folder) / name for folder in os.get_exec_path() if (Path(folder) / name).exists()), None)
    if found is None:
        raise EngineFailed(
            f"The program {name} is not installed in {own.parent}: run the set-up again (make demo or make test does it).",
            cause="engine_missing",
            permanent=True,
        )
    return str(found)


def run(
    argv: list[str],
    folder: Path,
    log_name: str,
    *,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[], None] | None = None,
    silence_limit_s: float = 1800.0,
    accept: tuple[int, ...] = (0,),
    name: str = "",
) -> int:
    """Run `argv` in `folder`, its output appended to `folder/log_name`; returns the exit status, one of `accept`.

    `watch` is called a few times a second (progress; it may raise to stop the program). A program whose log does not grow for
    `silence_limit_s` counts as hung. `name`: what people call the program, where that is not the file's name.
    Raises EngineFailed where the program is missing, hangs, is killed or ends with another status.
    """
    log_path = folder / log_name
    began, kernel_kills = size(log_path), memory.kernel_kills()
    try:
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                argv,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(environment or {}),
                preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
            )
    except OSError as error:
        raise EngineFailed(f"{name or argv[0]} could not be started: {error.strerror}.", cause="engine_missing", permanent=True) from error
    try:
        _wait(process, name or argv[0], log_path, watch, silence_limit_s)
    finally:
        _stop(process)
    if process.returncode not in accept:
        raise _ended(name or argv[0], process.returncode, folder, tail(log_path, begin=began), kernel_kills)
    return process.returncode


def _wait(process: subprocess.Popen[bytes], name: str, log_path: Path, watch: Callable[[], None] | None, silence_limit_s: float) -> None:
    size, last_growth, pause_s = -1, time.monotonic(), POLL_S
    while process.poll() is None:
        if watch is not None:
            began = time.monotonic()
            watch()
            pause_s = max(POLL_S, 50 * (time.monotonic() - began))  # logs grow long: looking takes at most 2 % of a core
        now_size = log_path.stat().st_size
        if now_size != size:
            size, last_growth = now_size, time.monotonic()
        elif time.monotonic() - last_growth > silence_limit_s:
            raise EngineFailed(
                f"{Path(name).name} has said nothing for {silence_limit_s:g} s and was stopped: it hangs.",
                cause="timeout",
                permanent=False,
                log_tail=tail(log_path),
            )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(pause_s)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ended(name: str, status: int, folder: Path, output: str, kernel_kills: int) -> EngineFailed:
    if disk.is_full(folder, output):
        return EngineFailed(f"{Path(name).name} failed. {disk.FREE_SOME}", cause="disk_full", permanent=False, log_tail=output)
    message, cause = f"{Path(name).name} ended with status {status}: see the end of its log.", "engine_died"
    if memory.was_killed(status, output):
        message, cause = memory.of_a_kill(Path(name).name, kernel_kills)
    elif status < 0:
        message = f"{Path(name).name} was killed by {signal.Signals(-status).name}: see the end of its log."
    return EngineFailed(message, cause=cause, permanent=False, log_tail=output)


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def tail(path: Path, lines: int = TAIL_LINES, begin: int = 0) -> str:
    """The last lines of a log, of what stands behind its first `begin` bytes: a log goes on where an earlier try ended."""
    return "\n".join(path.read_bytes()[begin:].decode(errors="replace").splitlines()[-lines:]) if path.exists() else ""
