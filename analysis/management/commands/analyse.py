"""D, its error, the conductivity and the verdict of a trajectory of your own, without any campaign."""

import json
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analysis import report
from analysis.engines import file_order, trajectory
from campaigns.engines.job import EngineFailed, Progress, to_json
from campaigns.management.arguments import number


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "files", nargs="+", help="LAMMPS dumps, XDATCAR, extended XYZ (.gz too); several are one run, in order (run_9 before run_10)"
        )
        parser.add_argument("--mobile", required=True, help="element of the mobile ion, for instance Li")
        parser.add_argument("--temperature-K", type=number, required=True, help="of the run; better the measured than the target")
        parser.add_argument("--frame-interval-fs", type=number, help="time between stored frames")
        parser.add_argument("--timestep-fs", type=number, help="instead, where the files say MD steps (LAMMPS dumps)")
        parser.add_argument("--elements", default="", help="of LAMMPS's types 1, 2, ..., separated by commas: Li,Ge,P,S")
        parser.add_argument("--charge", type=number, help="of the mobile ion in units of e, for the conductivity (the usual one)")
        parser.add_argument("--hop-length-A", type=number, default=3.0, help="between neighbouring sites: what counts as a hop (3)")
        parser.add_argument("--json", action="store_true", help="print for programs")

    def handle(self, *, files: list[str], mobile: str, temperature_K: float, elements: str, **options: Any) -> None:
        spec = trajectory.TrajectorySpec(
            files=[str(Path(name).resolve()) for name in file_order.of_names(files)],
            mobile_ion=mobile,
            temperature_K=temperature_K,
            frame_interval_fs=options["frame_interval_fs"],
            timestep_fs=options["timestep_fs"],
            elements=[word.strip() for word in elements.split(",") if word.strip()],
            charge=options["charge"],
            hop_length_A=options["hop_length_A"],
        )
        try:
            with tempfile.TemporaryDirectory(prefix="sseweb-") as folder:
                found = trajectory.run(Path(folder), spec, Progress(Path(folder)))
        except EngineFailed as error:
            if not options["json"]:
                raise CommandError(str(error)) from error
            self.stdout.write(json.dumps({"error": str(error)}, indent=1))
            raise SystemExit(1) from error
        if options["json"]:
            document = {name: value for name, value in to_json(found).items() if name != "msd_file"}
            self.stdout.write(json.dumps(document, indent=1))
        else:
            self.stdout.write(report.trajectory_text(found, mobile))
