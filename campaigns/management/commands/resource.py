"""Clusters that stages can be sent to: added from a machine file, listed, checked with a job, removed."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.engines.backends import BACKENDS, DEFAULT
from campaigns.engines.disk import why_not
from campaigns.management.arguments import number, whole_number
from campaigns.models import Resource
from campaigns.services import resources
from campaigns.services.errors import ServiceError


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="define a resource from `machine` and `resources` as dpdispatcher and DP-GEN have them")
        add.add_argument("name", help="what users choose, such as gpu-queue; DP-GEN's sections become NAME-train, NAME-explore, NAME-label")
        add.add_argument("file", type=Path, help="machine.json")
        add.add_argument("--python", default="", help=f"Python of this program as the cluster's nodes see it (default: {sys.executable})")
        backends = ", ".join(BACKENDS)
        add.add_argument("--backend", choices=BACKENDS, help=f"DeePMD-kit's backend that trains there: {backends} (default {DEFAULT})")
        add.add_argument("--max-jobs", type=whole_number, help="jobs at a time; 0: no limit (default: none, and 1 for Shell)")
        limit = verbs.add_parser("limit", help="how many jobs a resource takes at a time; stages beyond it wait")
        limit.add_argument("name")
        limit.add_argument("max_jobs", type=whole_number, help="0: no limit")
        verbs.add_parser("list", help="every resource")
        check = verbs.add_parser("check", help="send a job that only says hello, and wait for it")
        check.add_argument("name")
        check.add_argument("--limit-s", type=number, default=120.0, help="how long to wait (default 120)")
        remove = verbs.add_parser("remove", help="forget a resource")
        remove.add_argument("name")
        remove.add_argument("--force", action="store_true", help="even if campaigns need it; jobs that it has are left to themselves")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            verbs = {"add": self._add, "limit": self._limit, "list": self._list, "check": self._check, "remove": self._remove}
            verbs[verb](options)
        except ServiceError as error:
            raise CommandError(str(error)) from error

    def _add(self, options: dict[str, Any]) -> None:
        try:
            document = json.loads(options["file"].read_text(encoding="utf-8"))
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {why_not(error)}.") from error
        except ValueError as error:
            raise CommandError(f"{options['file']} is not JSON: {error}.") from error
        made = resources.add(options["name"], document, options["python"], options["backend"] or "", options["max_jobs"])
        for resource, notes in made:
            self.stdout.write(f"{resource.name}: {self._in_words(resource)}")
            for note in notes:
                self.stdout.write(f"  note: {note}")
        self.stdout.write(f"Now try it: manage.py resource check {resource.name}")

    def _limit(self, options: dict[str, Any]) -> None:
        resource = resources.limit(options["name"], options["max_jobs"])
        self.stdout.write(f"{resource.name}: {self._in_words(resource)}")

    def _list(self, options: dict[str, Any]) -> None:
        found = Resource.objects.all()
        for resource in found:
            self.stdout.write(f"{resource.name}: {self._in_words(resource)}")
        if not found:
            self.stdout.write("There is no resource yet: every stage runs on this machine. manage.py resource add NAME machine.json")

    def _in_words(self, resource: Resource) -> str:
        chosen = resource.profile
        queue = f", queue {chosen.resources['queue_name']}" if chosen.resources["queue_name"] else ""
        gpus = f" and {chosen.resources['gpu_per_node']} GPU" if chosen.resources["gpu_per_node"] else ""
        jobs = f"{resource.max_jobs or 'any number of'} job{'s' * (resource.max_jobs != 1)} at a time"
        each = f"{chosen.cores} cores{gpus} for a stage"
        return f"{chosen.batch_type} {chosen.where}{queue}, {each}, {jobs}, trains with {chosen.backend.title}"

    def _check(self, options: dict[str, Any]) -> None:
        found = resources.check(options["name"], options["limit_s"])
        if not found.is_ready:
            raise CommandError(found.message)
        self.stdout.write(found.message)

    def _remove(self, options: dict[str, Any]) -> None:
        resources.remove(options["name"], options["force"])
        self.stdout.write(f"{options['name']} is removed.")
