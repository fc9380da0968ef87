"""A worker host: takes stages from the queues named, on this machine's cores, until Ctrl-C. Joins and leaves at any time.

It needs the same DATABASE_URL, BROKER_URL and SECRET_KEY as the others, and the same data folder, on a file system with locks that hold
across hosts (NFS 4, CephFS, Lustre with flock).
"""

import signal
import sys
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from campaigns.management.arguments import whole_number
from campaigns.services import data_folder
from campaigns.services.errors import ServiceError
from sseweb import service_lock
from sseweb.supervisor import Service, Supervisor


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        names = settings.QUEUES
        what = f"of {', '.join(names)} (default: all)"
        parser.add_argument("--queues", nargs="+", choices=names, metavar="QUEUE", default=list(names), help=what)
        parser.add_argument("--threads", type=whole_number, default=settings.ENGINE_CORES + 2, help="stages waited for at the same time")

    def handle(self, *, queues: list[str], threads: int, **options: Any) -> None:
        if threads < 1:
            raise CommandError("--threads must be at least 1.")
        try:
            service_lock.hold()
            data_folder.check()
        except ServiceError as error:
            raise CommandError(str(error)) from error
        except Error as error:
            raise CommandError(f"The database is not reached, or `manage.py migrate` was not run ({error}).") from error
        manage = str(settings.BASE_DIR / "manage.py")
        supervisor = Supervisor(
            [
                Service("worker", worker_command(threads, queues), None, environment={"SSEWEB_WORKER_QUEUES": " ".join(queues)}),
                # Engines that a killed worker left on this host can be stopped by this host alone.
                Service("reconciler", [sys.executable, manage, "reconcile", "--queues", *queues], None),
            ]
        )
        signal.signal(signal.SIGTERM, supervisor.stop)
        signal.signal(signal.SIGINT, supervisor.stop)
        self.stdout.write(f"Working on {', '.join(queues)} with {settings.ENGINE_CORES} cores (stop with Ctrl-C)")
        self.stdout.flush()
        supervisor.run()


def worker_command(threads: int, queues: Sequence[str]) -> list[str]:
    """One process; a thread only waits for the engine it started."""
    return [
        *(sys.executable, "-m", "dramatiq", "sseweb.worker", "--processes", "1", "--threads", str(threads)),
        *("--worker-shutdown-timeout", "20000"),
        *("--queues", *queues),
    ]
