"""Brings an installation back from a backup, then checks every file against its row. What was there is moved aside."""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.engines.disk import why_not
from campaigns.services.errors import ServiceError
from sseweb.restore import restore


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="what `manage.py backup` wrote")
        parser.add_argument(
            "--replace", action="store_true", help="although there are data here: they are moved aside into before-restore-…"
        )

    def handle(self, *, file: Path, replace: bool, **options: Any) -> None:
        try:
            report = restore(file.resolve(), replace=replace, say=self.stderr.write)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or file} cannot be used: {why_not(error)}.") from error
        self.stdout.write(f"{report.files} files, {report.n_bytes / 1e6:.1f} MB and the database are back. Checking them:")
        call_command("check_data", stdout=self.stdout, stderr=self.stderr)
