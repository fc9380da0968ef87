"""Every service of every host holds the data folder, all together; a restore holds it alone. The kernel frees it when they die."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from campaigns.services.errors import WrongState

FILE = "service.lock"


def hold() -> None:
    """For as long as this process lives. Raises WrongState."""
    descriptor = os.open(settings.DATA_DIR / FILE, os.O_RDWR | os.O_CREAT)  # closed by the kernel alone
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise WrongState(f"A backup is being restored into {settings.DATA_DIR}: start again when that is done.") from error


@contextmanager
def alone() -> Iterator[None]:
    """Raises WrongState."""
    with (settings.DATA_DIR / FILE).open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WrongState(
                f"sseweb is running on {settings.DATA_DIR}: stop it first, on every host (up, work, reconcile, web server)."
            ) from error
        yield
