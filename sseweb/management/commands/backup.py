"""Copies the database and every file that it names into one tar file, while everything runs; exit status 1 where a file was damaged."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.engines.disk import why_not
from campaigns.services.errors import ServiceError
from sseweb import backup


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the backup to write, FILE.tar; best on another disk")

    def handle(self, *, file: Path, **options: Any) -> None:
        try:
            report = backup.write(file.resolve(), self.stderr.write)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or file} cannot be written: {why_not(error)}.") from error
        for problem in report.problems:
            self.stdout.write(problem)
        self.stdout.write(f"{report.files} files, {report.n_bytes / 1e6:.1f} MB and the database are in {file}.")
        if report.problems:
            self.stdout.write(f"{len(report.problems)} of them are not what they were: see `manage.py check_data`.")
            raise SystemExit(1)
