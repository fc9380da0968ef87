"""Takes in a run folder of DP-GEN, or a tar or zip file of one, as a campaign to look at and to export.

A frozen model in it is code that runs: import only what you trust.
"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.management.commands.import_archive import account
from campaigns.services import dpgen_import
from campaigns.services.errors import ServiceError


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="folder with param.json and iter.000000, or a tar or zip file of it")
        parser.add_argument("--owner", default="", help="account that it shall belong to; left out where there is only one")
        parser.add_argument("--name", default="", help="of the campaign and its material")

    def handle(self, *, path: Path, owner: str, name: str, **options: Any) -> None:
        if not path.exists():
            raise CommandError(f"There is nothing at {path}.")
        try:
            campaign = dpgen_import.take_in(account(owner), path, name)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Campaign {campaign.pk}, {campaign.name}: {campaign.frames.count()} configurations")
