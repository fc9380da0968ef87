"""Reads every file of every campaign and compares it with the checksum in its row; exit status 1 where something is wrong."""

from typing import Any

from django.core.management.base import BaseCommand

from campaigns.models import Artefact
from campaigns.services import check_data


class Command(BaseCommand):
    help = __doc__

    def handle(self, **options: Any) -> None:
        total, n_bytes, problems = Artefact.objects.count(), 0, 0
        for number, (artefact, problem) in enumerate(check_data.damaged_artefacts(), start=1):
            n_bytes += artefact.n_bytes
            if problem:
                problems += 1
                self.stdout.write(problem)
            if number % 500 == 0:
                self.stderr.write(f"{number} of {total} files read")
        for problem in (text for find in check_data.MORE for text in find()):
            problems += 1
            self.stdout.write(problem)
        if problems:
            self.stdout.write(f"{problems} problem{'s' if problems > 1 else ''}: bring these files back from a backup.")
            raise SystemExit(1)
        self.stdout.write(f"{total} files, {n_bytes / 1e6:.1f} MB: all are what they were.")
