"""Sends stages that are due or lost their worker, every few seconds: a lost message, a wiped broker or a killed worker costs seconds."""

import logging
import math
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, close_old_connections

from analysis.services import trajectory_runs
from campaigns.management.arguments import number
from campaigns.services import data_folder, deletion, stages
from campaigns.services.errors import ServiceError
from sseweb import expired, service_lock
from sseweb.health import report_reconciler

log = logging.getLogger(__name__)
SWEEP_INTERVAL_S = 600.0


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--interval-s", type=number, default=3.0)
        parser.add_argument("--once", action="store_true")
        parser.add_argument("--queues", nargs="+", default=[], help="that the worker beside it takes, for /healthz")

    def handle(self, *, interval_s: float, once: bool, queues: list[str], **options: Any) -> None:
        try:
            service_lock.hold()
            self._keep_on(interval_s, once, queues)
        except ServiceError as error:
            raise CommandError(str(error)) from error

    def _keep_on(self, interval_s: float, once: bool, queues: list[str]) -> None:
        swept_at = -math.inf
        while True:
            try:
                is_sweep_due = time.monotonic() - swept_at > SWEEP_INTERVAL_S
                if is_sweep_due:
                    data_folder.check()
                stages.reconcile()
                report_reconciler(queues)
                trajectory_runs.reconcile()
                if is_sweep_due:
                    swept_at = time.monotonic()
                    deletion.sweep()
                    expired.sweep()
            except Error as error:  # the database is away or locked: it comes back, so do we
                log.warning("database not reached (%s); trying again", error)
                close_old_connections()
            if once:
                return
            time.sleep(interval_s)
