"""Sends stages that are due or lost their worker, every few seconds: a lost message, a wiped broker or a killed worker costs seconds."""

import math
import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error, close_old_connections

from analysis.services import trajectories
from campaigns.management.arguments import number
from campaigns.services import deletion, stages
from sseweb.health import report_reconciler

SWEEP_INTERVAL_S = 600.0


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--interval-s", type=number, default=3.0)
        parser.add_argument("--once", action="store_true")

    def handle(self, *, interval_s: float, once: bool, **options: Any) -> None:
        swept_at = -math.inf
        while True:
            try:
                stages.reconcile()
                report_reconciler()
                trajectories.reconcile()
                if time.monotonic() - swept_at > SWEEP_INTERVAL_S:
                    swept_at = time.monotonic()
                    deletion.sweep()
                    trajectories.sweep()
            except Error as error:  # the database is away or locked: it comes back, so do we
                self.stderr.write(f"database not reached ({error}); trying again")
                close_old_connections()
            if once:
                return
            time.sleep(interval_s)
