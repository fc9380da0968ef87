"""The message broker: a Valkey (or Redis) at BROKER_URL, or the embedded Valkey on a socket in the data folder.

Messages only wake workers; the database is the truth. Losing the whole broker costs seconds.
"""

import hashlib
import signal
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

import dramatiq
from django.conf import settings
from django.db import close_old_connections
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware

from campaigns.services.closing import closing
from sseweb.supervisor import die_with_parent

# A unix socket's path may be no longer (sockaddr_un).
MAX_SOCKET_PATH = 100


class CloseDatabaseConnections(Middleware):
    """A worker thread lives for days: a connection that the database closed meanwhile must not be used again."""

    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.Message) -> None:
        close_old_connections()

    def after_process_message(
        self, broker: dramatiq.Broker, message: dramatiq.Message, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        close_old_connections()


class DieWithMaster(Middleware):
    """A worker process whose master was killed would work on beside its successor, and nobody would stop it."""

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        die_with_parent()


class TakeNothingMore(Middleware):
    """From the signal itself, not from up to a second later, when dramatiq looks at it. A second, impatient signal changes nothing:
    to dramatiq it means to leave at once, engines running.
    """

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        of_dramatiq = signal.getsignal(signal.SIGTERM)

        def stop(number: int, frame: FrameType | None) -> None:
            if not closing.is_set():
                closing.set()
                of_dramatiq(number, frame)

        signal.signal(signal.SIGTERM, stop)

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        closing.set()  # it may stop for another reason than the signal


def socket_path() -> Path:
    """Where the embedded Valkey listens: in the data folder, or, where that is too deep for a socket, in the temporary folder."""
    path = settings.DATA_DIR / "valkey.sock"
    if len(str(path)) <= MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(str(settings.DATA_DIR).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"sseweb-{digest}.sock"


def broker_url() -> str:
    return settings.BROKER_URL or f"unix://{socket_path()}"


def set_up() -> RedisBroker:
    """Make and install the broker.

    No time limits and no retries by messages: stages keep their own account (campaigns/services/stages.py).
    """
    broker = RedisBroker(
        url=broker_url(),
        middleware=[CloseDatabaseConnections(), DieWithMaster(), TakeNothingMore()],
        # With dramatiq's defaults a message of a killed worker comes back after minutes; here after half a minute.
        heartbeat_timeout=30_000,
        maintenance_chance=1_000_000,
    )
    for name in settings.QUEUES:
        broker.declare_queue(name)
    dramatiq.set_broker(broker)
    return broker
