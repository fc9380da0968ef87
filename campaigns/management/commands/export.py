"""Trained models, data sets, set-ups and whole campaigns as zip files, without a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.engines.disk import why_not
from campaigns.enums import Verdict
from campaigns.management.arguments import campaign_number, whole_number
from campaigns.models import Campaign, TrainedModel
from campaigns.services import archives, dpgen_export, exports
from campaigns.services.errors import ServiceError

CHUNK_BYTES = 2**20


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        whats = parser.add_subparsers(dest="what", required=True)
        model = whats.add_parser("model", help="a trained model with checkpoint, training input and set, and a LAMMPS example")
        model.add_argument("--loop", type=whole_number, help="default: the last")
        model.add_argument("--step", type=whole_number, help="default: the last")
        data_set = whats.add_parser("data-set", help="the labelled configurations")
        data_set.add_argument("--format", choices=list(exports.FORMATS), default="deepmd/npy")
        data_set.add_argument("--with-rejected", action="store_true", help="also what cleaning has rejected")
        setup = whats.add_parser("setup", help="the settings file with the CIFs and the data set that it names, for `campaign run`")
        whole = whats.add_parser("archive", help="everything of the campaign, for `import_archive` of another installation")
        dpgen = whats.add_parser("dpgen", help="a run folder with which `dpgen run` goes on")
        for verb in (model, data_set, setup, whole, dpgen):
            verb.add_argument("campaign", type=campaign_number, help="its number, as `campaign list` prints it")
            verb.add_argument("-o", "--output", type=Path, required=True, help="zip file to write")

    def handle(self, *, what: str, campaign: int, output: Path, **options: Any) -> None:
        row = Campaign.objects.filter(pk=campaign).first()
        if row is None:
            raise CommandError(f"There is no campaign {campaign}; `manage.py campaign list` prints those there are.")
        if output.exists():
            raise CommandError(f"{output} is there already: name another file, or remove it.")
        try:
            if what == "archive":
                self._write(output, archives.archive(row))
                return
            package = {"model": self._model, "data-set": self._data_set, "setup": self._setup, "dpgen": self._dpgen}[what](row, options)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        with package:
            self._write(output, iter(lambda: package.read(CHUNK_BYTES), b""))

    def _write(self, output: Path, chunks: Iterator[bytes]) -> None:
        """The file appears whole or not at all."""
        part = output.with_name(f".{output.name}.part")
        try:
            with part.open("wb") as stream:
                for chunk in chunks:
                    stream.write(chunk)
            part.rename(output)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {why_not(error)}.") from error
        finally:
            part.unlink(missing_ok=True)
        self.stdout.write(f"{output}: {output.stat().st_size / 1e6:.1f} MB")

    def _model(self, campaign: Campaign, options: dict[str, Any]) -> IO[bytes]:
        chosen = {name: options[name] for name in ("loop", "step") if options[name] is not None}
        model = TrainedModel.objects.filter(campaign=campaign, **chosen).last()
        if model is None:
            raise CommandError(f"Campaign {campaign.pk} has no such model (yet).")
        return exports.model_package(model)

    def _data_set(self, campaign: Campaign, options: dict[str, Any]) -> IO[bytes]:
        frames = campaign.frames.select_related("artefact").order_by("artefact_id", "row")
        if not options["with_rejected"]:
            frames = frames.filter(verdict=Verdict.KEPT)
        return exports.data_set(campaign, frames, options["format"])

    def _dpgen(self, campaign: Campaign, options: dict[str, Any]) -> IO[bytes]:
        return dpgen_export.run_folder(campaign)

    def _setup(self, campaign: Campaign, options: dict[str, Any]) -> IO[bytes]:
        return exports.setup(campaign)
