"""Ea with its error, and D and the conductivity at another temperature, from a table of D(T) of your own."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analysis import report
from analysis.engines import arrhenius_table
from campaigns.management.arguments import number, whole_number


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("table", type=Path, help=f"CSV with the columns {', '.join(arrhenius_table.COLUMNS)} "
                                                     f"and, if known, {arrhenius_table.OPTIONAL[0]}")  # fmt: skip
        parser.add_argument("--at-K", type=number, default=300.0, help="temperature to give D at (300)")
        parser.add_argument("--n-ions", type=whole_number, help="mobile ions in the volume: gives a conductivity")
        parser.add_argument("--volume-A3", type=number, help="the volume that holds them, in cubic Angstrom")
        parser.add_argument("--charge", type=number, default=1.0, help="of the mobile ion in units of e (1)")
        parser.add_argument("--json", action="store_true", help="print for programs")

    def handle(self, *, table: Path, at_K: float, n_ions: int | None, volume_A3: float | None, charge: float, **options: Any) -> None:
        try:
            carriers = _carriers(n_ions, volume_A3, charge)
            if not at_K > 0:
                raise arrhenius_table.TableRefused(f"--at-K must be a temperature above 0 K, not {at_K:g} K.")
            found = arrhenius_table.analyse(arrhenius_table.read(table), at_K, carriers)
        except arrhenius_table.TableRefused as error:
            if not options["json"]:
                raise CommandError(str(error)) from error
            self.stdout.write(json.dumps({"error": str(error)}, indent=1))
            raise SystemExit(1) from error
        self.stdout.write(json.dumps(found, indent=1) if options["json"] else report.arrhenius_text(found))


def _carriers(n_ions: int | None, volume_A3: float | None, charge: float) -> arrhenius_table.Carriers | None:
    """What a conductivity is asked for with, if it is. Raises TableRefused."""
    if n_ions is None and volume_A3 is None:
        return None
    if n_ions is None or volume_A3 is None:
        raise arrhenius_table.TableRefused("A conductivity needs both --n-ions and --volume-A3.")
    if n_ions < 1 or not volume_A3 > 0 or charge == 0:
        raise arrhenius_table.TableRefused("--n-ions and --volume-A3 must be positive, and --charge not 0.")
    return arrhenius_table.Carriers(n_ions, volume_A3, charge)
