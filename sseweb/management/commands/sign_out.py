"""Ends sessions at once, of one account or of all: whoever is in must sign in again. Tokens of programs end with them."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.services import accounts


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("name", nargs="?", help="of the account")
        who.add_argument("--all", action="store_true", dest="everybody", help="everybody")

    def handle(self, *, name: str | None, everybody: bool, **options: Any) -> None:
        found = get_user_model().objects.all() if everybody else get_user_model().objects.filter(username=name)
        if not found:
            raise CommandError(f"There is no account {name}.")
        for account in found:
            accounts.sign_out(account)
        self.stdout.write("Everybody is signed out." if everybody else f"{name} is signed out everywhere.")
