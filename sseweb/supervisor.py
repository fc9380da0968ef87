"""Starts the processes of an installation, keeps them running, stops them cleanly.

Each is a child that dies with us (PR_SET_PDEATHSIG), whatever kills us; one that ends is started again with a growing delay.
An engine whose worker was killed becomes our child (PR_SET_CHILD_SUBREAPER): it works on until the next worker finds it, and is
stopped when we stop.
"""

import contextlib
import ctypes
import logging
import math
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from sseweb.log_files import rotate

log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
STOP_GRACE_S = 25.0
ORPHAN_GRACE_S = 5.0
MAX_DELAY_S = 30.0
HEALTHY_AFTER_S = 10.0
ROTATE_EVERY_S = 60.0
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """For a child, before exec: SIGTERM when the thread that started it is gone."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Service:
    """One process to keep running. Its output goes to a log file of its own, or to ours."""

    name: str
    argv: list[str]
    log_file: Path | None
    popen: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    delay_s: float = 0.5
    not_before: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        with self.log_file.open("ab") if self.log_file else contextlib.nullcontext() as stream:
            self.popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
                env=os.environ | self.environment,
            )
        self.started_at = time.monotonic()

    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def terminate(self) -> None:
        """Ask the first process alone: a master that sees its workers signalled too takes it for a second, impatient request."""
        if self.is_running():
            self.popen.terminate()

    def kill(self) -> None:
        if self.is_running():
            os.killpg(self.popen.pid, signal.SIGKILL)


class Supervisor:
    """Runs services in the order given; stops them in the reverse order."""

    def __init__(self, services: list[Service]) -> None:
        self.services = services
        self.stopping = False
        self._rotated_at = -math.inf

    def run(self) -> None:
        """Until `stop` is called (from a signal handler)."""
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        try:
            while not self.stopping:
                for service in self.services:
                    self._keep(service)
                self._let_orphan_go()
                self._rotate_logs()
                time.sleep(0.25)
        finally:
            self._stop_all()

    def stop(self, *_: object) -> None:
        self.stopping = True

    def _rotate_logs(self) -> None:
        if time.monotonic() - self._rotated_at > ROTATE_EVERY_S:
            self._rotated_at = time.monotonic()
            for service in self.services:
                if service.log_file:
                    rotate(service.log_file)

    def _let_orphan_go(self) -> None:
        """One that has ended stays a zombie until we, its parent by now, ask for it. Of services `Service.popen` asks."""
        with contextlib.suppress(ChildProcessError):
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended and ended.si_pid not in {service.popen.pid for service in self.services if service.popen}:
                os.waitpid(ended.si_pid, 0)

    def _keep(self, service: Service) -> None:
        now = time.monotonic()
        if service.is_running():
            if now - service.started_at > HEALTHY_AFTER_S:
                service.delay_s = 0.5
            return
        if service.popen is not None and service.not_before <= service.started_at:
            log.warning(
                "%s ended with %s; starting it again in %.1f s (see %s)",
                service.name,
                service.popen.returncode,
                service.delay_s,
                service.log_file or "above",
            )
            service.not_before = now + service.delay_s
            service.delay_s = min(service.delay_s * 2, MAX_DELAY_S)
        if now >= service.not_before:
            service.start()

    def _stop_all(self) -> None:
        for service in reversed(self.services):
            service.terminate()
            deadline = time.monotonic() + STOP_GRACE_S
            while service.is_running() and time.monotonic() < deadline:
                time.sleep(0.05)
            service.kill()
        _stop_orphans()


def _stop_orphans() -> None:
    """What is left of our family when every service has ended: engines that their worker did not stop."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = psutil.Process().children(recursive=True)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(left, timeout=ORPHAN_GRACE_S)
