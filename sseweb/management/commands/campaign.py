"""Campaigns without a browser: run one from a settings file, check its reference method, list them, look at one, pause, resume, retry or
cancel it.
"""

import json
import os
import sys
import time
from json import dumps
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns import cores, places, queries, report
from campaigns.enums import CampaignState, StageState
from campaigns.management.arguments import campaign_number
from campaigns.models import Campaign
from campaigns.progress import campaign_progress, stage_progress
from campaigns.services import campaigns, estimates, method_checks, settings_file
from campaigns.services.errors import ServiceError
from campaigns.services.requests import check, request_of
from sseweb.installation import Installation, demo_account, interrupt_once, is_worker_at_work

POLL_S = 1.0
INTERRUPTED = 130  # as a shell says it of a program that Ctrl-C ended
EXIT_STATUS = {CampaignState.CONVERGED: 0, CampaignState.NOT_CONVERGED: 0}
VERBS = {
    "status": "print where a campaign stands, its result and its cost",
    "pause": "let nothing new start; what runs is stopped and goes on from its checkpoint later",
    "resume": "go on with a paused campaign",
    "cancel": "end a campaign for good; what was computed stays",
    "retry": "repeat what failed in a campaign, from its checkpoints",
}


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        run = verbs.add_parser("run", help="create the campaign of a settings file, run it to its end, print the result")
        run.add_argument("settings_file", type=Path, help="YAML; campaigns/examples/demo.yaml is one, its keys are explained in the README")
        run.add_argument("--json", action="store_true", help="print the result for programs; progress goes to standard error")
        run.add_argument("--user", default="", help="owner; default: the account of `make demo`")
        run.add_argument("--new", action="store_true", help="start anew although the same file was run before")
        run.add_argument("--serve", action="store_true", help="stay, and serve the pages, until Ctrl-C")
        check = verbs.add_parser("check-method", help="label one configuration as the reference method is set and with stricter values")
        check.add_argument("settings_file", type=Path, help="YAML, as for run: the campaign is made as a draft, and run starts it")
        check.add_argument("--option", action="append", help="check this one alone; may be repeated")
        check.add_argument("--json", action="store_true", help="print for programs")
        check.add_argument("--user", default="", help="owner; default: the account of `make demo`")
        every = verbs.add_parser("list", help="print every campaign with its number and state")
        every.add_argument("--json", action="store_true", help="print for programs")
        for verb, what in VERBS.items():
            one = verbs.add_parser(verb, help=what, description=what)
            one.add_argument("id", type=campaign_number, help="the campaign's number, as `campaign list` prints it")
            one.add_argument("--json", action="store_true", help="print for programs")
            if verb == "cancel":
                one.add_argument("--yes", action="store_true", help="do not ask: for scripts")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            if verb == "run":
                self._run(**options)
            elif verb == "check-method":
                self._check_method(**options)
            elif verb == "list":
                self._list(options["json"])
            else:
                self._one(verb, options["id"], options["json"], options.get("yes", False))
        except KeyboardInterrupt as interruption:  # before there was anything to stop
            raise SystemExit(INTERRUPTED) from interruption
        except (ServiceError, CommandError) as error:
            if not options["json"]:
                raise CommandError(str(error)) from error
            self.stdout.write(json.dumps({"error": str(error), "problems": getattr(error, "fields", {})}, indent=1))
            raise SystemExit(1) from error

    def _list(self, as_json: bool) -> None:
        rows = list(Campaign.objects.order_by("id").values("id", "name", "state", "mobile_ion", "labeller", "preset"))
        if as_json:
            self.stdout.write(json.dumps(rows, indent=1))
        elif rows:
            self.stdout.write(report.campaigns_text(rows))
            if any(row["state"] == CampaignState.RUNNING for row in rows) and not is_worker_at_work():
                self.stdout.write(f"\n{report.NO_WORKER}")
        else:
            self.stdout.write("There is no campaign yet: `manage.py campaign run SETTINGS.yaml` makes one.")

    def _one(self, verb: str, campaign_id: int, as_json: bool, is_sure: bool) -> None:
        campaign = Campaign.objects.filter(pk=campaign_id).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {campaign_id}; `manage.py campaign list` prints those there are.")
        if verb == "cancel" and not is_sure and (campaign.state == CampaignState.FAILED or not campaign.has_ended):
            self._ask(campaign)
        if verb != "status":
            getattr(campaigns, verb)(campaign)
        self._print(campaign, as_json)

    def _ask(self, campaign: Campaign) -> None:
        """Raises CommandError where the answer is no, or where nobody can be asked."""
        if not sys.stdin.isatty():
            raise CommandError("Cancelling is for good, and there is no terminal to ask on: say --yes. `campaign pause` only interrupts.")
        self.stderr.write(
            f"Campaign {campaign.pk}, “{campaign.name}”, is {campaign.get_state_display()}. Cancelled, it cannot go on; paused, it "
            "can. What was computed is kept, to look at and to export: configurations, labels, models, trajectories, results."
        )
        self.stderr.write("Cancel it for good? [y/N] ", ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was cancelled.")

    def _print(self, campaign: Campaign, as_json: bool) -> None:
        progress = campaign_progress(campaign)
        found = queries.result(campaign) | report.progress_document(progress, _waits(campaign))
        if campaign.state == CampaignState.RUNNING:
            found["is_worker_at_work"] = is_worker_at_work()
        if as_json:
            self.stdout.write(json.dumps(found, indent=1))
        else:
            self.stdout.write(report.result_text(found, progress, queries.cost_ledger(campaign)))

    def _run(self, settings_file: Path, json: bool, user: str, new: bool, serve: bool, **options: Any) -> None:
        interrupt_once()
        call_command("migrate", verbosity=0)
        owner = self._owner(user)
        out = self.stderr if json else self.stdout
        campaign = None
        with Installation() as installation:
            try:
                campaign = self._campaign(owner, settings_file, new)
                out.write(f"Campaign {campaign.pk}, “{campaign.name}”: {installation.address}campaigns/{campaign.pk}/")
                if not user:
                    out.write(f"Sign in as demo with the password {demo_account()[1]}")
                self._follow(campaign, installation, out)
                self._print(campaign, json)
                if not serve and installation.is_ours:
                    out.write(f"\nThe pages close now: `make serve` (or `manage.py up`) opens them again, at {installation.address}.")
                if serve:
                    out.write(f"\nThe campaign stays open at {installation.address}campaigns/{campaign.pk}/ until Ctrl-C.")
                    installation.wait()
            except KeyboardInterrupt:
                out.write(_what_stops(installation, campaign))
        if campaign is None or not campaign.has_ended:
            raise SystemExit(INTERRUPTED)
        raise SystemExit(EXIT_STATUS.get(campaign.state, 1))

    def _check_method(self, settings_file: Path, option: list[str] | None, json: bool, user: str, **options: Any) -> None:
        interrupt_once()
        call_command("migrate", verbosity=0)
        owner = self._owner(user)
        campaign = self._draft(owner, settings_file, new=False)
        with Installation() as installation:
            stage = method_checks.under_way(campaign) or method_checks.start(campaign, option)
            said = ""
            while stage.state in method_checks.UNDER_WAY:
                installation.keep()
                time.sleep(POLL_S)
                stage.refresh_from_db()
                progress = stage_progress(stage)
                if progress.message != said:
                    said = progress.message
                    self.stderr.write(f"{progress.done:g} of {progress.total:g} labels: {said}")
        if stage.state != StageState.DONE:
            raise CommandError(stage.message or "The check was stopped.")
        found, cost = stage.method_check, estimates.estimate(owner, request_of(campaign))
        self.stdout.write(dumps(report.check_document(found, cost), indent=1) if json else report.check_text(found, cost))

    def _owner(self, user: str) -> AbstractBaseUser:
        if not user:
            return demo_account()[0]
        found = get_user_model().objects.filter(username=user).first()
        if found is None:
            raise CommandError(f"There is no account {user}: make one with `manage.py createsuperuser`.")
        return found

    def _campaign(self, owner: AbstractBaseUser, path: Path, new: bool) -> Campaign:
        """The campaign of this file that is there already, or a new one; running either way unless it has ended."""
        campaign = self._draft(owner, path, new)
        go_on = {CampaignState.DRAFT: campaigns.start, CampaignState.PAUSED: campaigns.resume, CampaignState.FAILED: campaigns.retry}
        if campaign.state in go_on:
            go_on[campaign.state](campaign)
        return campaign

    def _draft(self, owner: AbstractBaseUser, path: Path, new: bool) -> Campaign:
        """The campaign of this file as it is, or a draft; of a new one what to be aware of is said."""
        document, key = settings_file.load(path)
        campaign = None if new else Campaign.objects.filter(owner=owner, source_key=key).exclude(state=CampaignState.CANCELLED).first()
        if campaign:
            return campaign
        request = settings_file.to_request(owner, document, key, path.resolve().parent)
        for warning in check(owner, request).warnings:
            self.stderr.write(f"To be aware of: {warning}")
        return campaigns.create(owner, request)

    def _follow(self, campaign: Campaign, installation: Installation, out: Any) -> None:
        """Print stage, progress and ETA until the campaign ends: one line that changes on a terminal, a line a change elsewhere."""
        is_terminal = os.isatty(out._out.fileno()) if hasattr(out._out, "fileno") else False
        printer = report.ProgressPrinter(out, is_terminal, queries.wall_time(campaign)[1])
        while not campaign.has_ended and campaign.state != CampaignState.PAUSED:
            if installation.keep():
                out.write(f"\nBroker, worker and web server had been stopped and were started again: {installation.address}")
            printer.show(campaign, campaign_progress(campaign), _waits(campaign))
            time.sleep(POLL_S)
            campaign.refresh_from_db()
        printer.close()
        if campaign.state == CampaignState.PAUSED:
            raise CommandError(f"The campaign was paused: `manage.py campaign resume {campaign.pk}` lets it go on ({settings.DATA_DIR}).")


def _what_stops(installation: Installation, campaign: Campaign | None) -> str:
    if installation.is_ours or campaign is None or campaign.has_ended:
        return "\nStopping: engines get a few seconds. The same command goes on where it was."
    return (
        f"\nThis command stops looking on; campaign {campaign.pk} goes on under the server at {installation.address}. "
        f"`manage.py campaign pause {campaign.pk}` interrupts it."
    )


def _waits(campaign: Campaign) -> str:
    """Who holds the cores, where it waits for them; that a resource has no place."""
    found = cores.waiting(campaign)
    return cores.in_words(found) if found else places.waiting(campaign)
