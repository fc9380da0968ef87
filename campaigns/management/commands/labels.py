"""Labels kept by geometry and method, which no campaign pays for twice, those of deleted campaigns too: how many, and how to free them."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.services import label_store


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--free", action="store_true", help="remove all of them; asks before")
        parser.add_argument("--yes", action="store_true", help="do not ask: for scripts")

    def handle(self, *, free: bool, yes: bool, **options: Any) -> None:
        found = label_store.store()
        self.stdout.write(f"{found.labels} label{'' if found.labels == 1 else 's'} kept, {found.n_bytes / 1e6:.1f} MB.")
        if free and found.labels and (yes or self._is_sure()):
            gone = label_store.free()
            self.stdout.write(f"{gone} label{'' if gone == 1 else 's'} removed.")

    def _is_sure(self) -> bool:
        """Raises CommandError where nobody can be asked."""
        if not sys.stdin.isatty():
            raise CommandError("Freeing labels is for good, and there is no terminal to ask on: say --yes.")
        self.stderr.write(
            "Freed, each of them is computed and paid for again by the next campaign that asks for it. "
            "Configurations and results of campaigns keep their own."
        )
        self.stderr.write("Free them? [y/N] ", ending="")
        self.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")
