"""Make an account, or a new password link for one. Prints the link on which its owner chooses the password; it works once."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.services import accounts
from campaigns.services.errors import ServiceError


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="of the account; it is made where there is none")
        parser.add_argument("--email", default="", help="only noted: nothing is sent")
        parser.add_argument("--administrator", action="store_true", help="sees everything, and makes accounts")
        parser.add_argument("--address", default="http://127.0.0.1:8000", help="of this installation, as its users open it")

    def handle(self, *, name: str, email: str, administrator: bool, address: str, **options: Any) -> None:
        known = get_user_model().objects.filter(username=name).first()
        try:
            account = known or accounts.create(name, email, is_administrator=administrator)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"{'A new password link for' if known else 'Made: the account'} {name}. Give this link to its owner:")
        self.stdout.write(address.rstrip("/") + accounts.password_link(account))
