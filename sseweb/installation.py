"""The installation that a command needs: the one that runs on this data folder, or one started for as long as the command lasts."""

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import CommandError

from campaigns.engines.job import read_json
from sseweb.health import RECONCILER_SILENT_S, reconciler_silence_s
from sseweb.supervisor import die_with_parent

START_TIMEOUT_S = 60.0


def demo_account() -> tuple[AbstractBaseUser, str]:
    """The account of the demo and its password, made once for this data folder."""
    path = settings.DATA_DIR / "demo_password"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(secrets.token_urlsafe(9))
    password = path.read_text()
    user, created = get_user_model().objects.get_or_create(username="demo")
    if created or not user.check_password(password):
        user.set_password(password)
        user.save()
    return user, password


def interrupt_once() -> None:
    """Ctrl-C or SIGTERM raises KeyboardInterrupt, once: a second one must not break into the stopping of what was started."""

    def interrupt(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


class Installation:
    """Context manager: `address` is where the pages are."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def __enter__(self) -> Self:
        try:
            self.keep()
        except BaseException:
            self._stop()
            raise
        return self

    def keep(self) -> bool:
        """Start the installation where none runs (any more); whether it had to be. One that starts or stops is waited for."""
        if self._find():
            return False
        self._process = None
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._find():
            is_locked = _is_locked(settings.DATA_DIR / "up.lock")
            failed = self._process is not None and self._process.poll() is not None and not is_locked
            if failed or time.monotonic() > deadline:
                raise CommandError(
                    f"The installation did not start; `manage.py up` says why, as do the logs in {settings.DATA_DIR / 'logs'}."
                )
            if self._process is None and not is_locked:
                self._process = self._start()
            time.sleep(0.1)
        return self._process is not None

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "up"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )

    def _find(self) -> bool:
        address = running_at()
        self.address = address or self.address
        return bool(address)

    @property
    def is_ours(self) -> bool:
        """Whether it was started here, and ends with us."""
        return self._process is not None

    def wait(self) -> None:
        """Until Ctrl-C, or until the installation stops."""
        while self._find():
            time.sleep(0.5)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop what was started here, and nothing else."""
        self._stop()

    def _stop(self) -> None:
        """Waits: engines get their seconds to stop well."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()


def running_at() -> str:
    """Address of the installation that runs, whatever its record says: a killed one leaves the record. Empty where none does."""
    record = read_json(settings.DATA_DIR / "up.json")
    return record["address"] if record and _is_locked(settings.DATA_DIR / "up.lock") else ""


def is_worker_at_work() -> bool:
    """Here, or on another host that has this data folder: beside each worker a reconciler says that it lives."""
    silence_s = reconciler_silence_s()
    return bool(running_at()) or (silence_s is not None and silence_s < RECONCILER_SILENT_S)


def _is_locked(path: Path) -> bool:
    """The kernel frees the lock of `manage.py up` when it dies, however it dies."""
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
