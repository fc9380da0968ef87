"""Takes in a campaign that another installation archived (`export archive`).

A frozen model in it is code that runs: import only what you trust.
"""

from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.services import archives
from campaigns.services.errors import ServiceError


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--owner", default="", help="account that it shall belong to; left out where there is only one")

    def handle(self, *, file: Path, owner: str, **options: Any) -> None:
        if not file.is_file():
            raise CommandError(f"{file} is not a file.")
        try:
            campaign = archives.take_in(account(owner), file)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Campaign {campaign.pk}, {campaign.name}: {campaign.get_state_display()}")


def account(name: str) -> AbstractBaseUser:
    """The account of this name, or the only one. Raises CommandError."""
    accounts = get_user_model().objects.order_by("pk")
    if name:
        found = accounts.filter(username=name).first()
        if found is None:
            raise CommandError(f"There is no account {name!r}; `manage.py createsuperuser` makes one.")
        return found
    if accounts.count() != 1:
        raise CommandError(f"There are {accounts.count()} accounts: say whose it shall be with --owner NAME.")
    return accounts.get()
