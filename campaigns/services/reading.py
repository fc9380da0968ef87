"""How many inputs of users this machine reads at the same time: each is a child that may take gigabytes and minutes, and a thread of the
web server waits for it. Who finds no place is told to come back, and the other threads go on answering.
"""

import fcntl
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from campaigns.engines.bounded import ChildBusy

AT_WORK = 2
AT_THE_DOOR = 4  # with those that wait
PATIENCE_S = 10.0
RETRY_AFTER_S = 30  # what a program is told
FULL = "This machine reads as many files as it can at once. That says nothing of yours: send it again in half a minute."


@contextmanager
def place() -> Iterator[None]:
    """Around the reading. Raises ChildBusy where there is no place."""
    with _held("door", AT_THE_DOOR, 0.0), _held("work", AT_WORK, PATIENCE_S):
        yield


@contextmanager
def _held(name: str, n_places: int, patience_s: float) -> Iterator[None]:
    """One of so many locks of files, which the kernel frees when we die, however we die."""
    folder = settings.DATA_DIR / "reading"
    folder.mkdir(exist_ok=True)
    deadline = time.monotonic() + patience_s
    while True:
        for number in range(n_places):
            with (folder / f"{socket.gethostname()}-{name}-{number}").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
        if time.monotonic() >= deadline:
            raise ChildBusy(FULL)
        time.sleep(0.1)
