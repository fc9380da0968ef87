"""Sends stages that are due or lost their worker, every few seconds: a lost message, a wiped broker or a killed worker costs seconds."""

import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections
from django.db.utils import OperationalError

from analysis.services import trajectories
from campaigns.services import stages


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--interval-s", type=float, default=3.0)
        parser.add_argument("--once", action="store_true")

    def handle(self, *, interval_s: float, once: bool, **options: Any) -> None:
        while True:
            try:
                stages.reconcile()
                trajectories.reconcile()
            except OperationalError as error:  # the database is away or locked: it comes back, so do we
                self.stderr.write(f"database not reached ({error}); trying again")
                close_old_connections()
            if once:
                return
            time.sleep(interval_s)
