"""One installation: campaigns run in it, its processes are killed as planned, what came out is written down.

    SSEWEB_DATA_DIR=... python -m tests.kill_harness.play PLAN.json REPORT.json

A plan: {"campaigns": n, "seed": r, "kills": [target, ...]} where a target is a process or the name of a point.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import django
import psutil

from tests.kill_harness import points
from tests.stand_ins.installation import Up

PROCESSES = ("web", "worker", "master", "reconciler", "broker", "child", "supervisor")
WORDS = {"web": "gunicorn", "worker": "dramatiq", "master": "dramatiq", "reconciler": "reconcile", "broker": "valkey-server"}
PATIENCE_S = 300.0
AT_ONCE = 2  # campaigns that run side by side
N_SEEDS = 2  # campaigns of one seed must come to the same: of each kind one undisturbed is enough


class Game:
    """Campaigns, kills, and how long it took until everything that ran went on."""

    def __init__(self, plan):
        self.plan, self.random = plan, random.Random(plan["seed"])
        self.up = Up(Path(os.environ["SSEWEB_DATA_DIR"]).parent)
        self.up.environment |= {
            "DJANGO_SETTINGS_MODULE": "tests.kill_harness.settings",
            "SSEWEB_STAGE_LEASE_S": os.environ["SSEWEB_STAGE_LEASE_S"],
        }
        self.started = 0
        self.kills = []

    def play(self):
        self.up.start()
        try:
            self.token = self._owner()
            for target in self.plan["kills"]:
                self._kill(target)
            self._start_campaigns(until=self.plan["campaigns"])
            self._wait(lambda: not self._campaigns("running"), PATIENCE_S * self.plan["campaigns"])
        finally:
            self.up.stop()

    # --- campaigns ---

    def _owner(self):
        from django.contrib.auth import get_user_model
        from knox.models import AuthToken

        from tests.campaigns.services.conftest import material_row

        self.owner = get_user_model().objects.create_user("marie")
        self.material = material_row(self.owner)
        return AuthToken.objects.create(self.owner)[1]

    def _campaigns(self, state):
        from campaigns.models import Campaign

        return Campaign.objects.filter(state=state).count()

    def _draft(self):
        from campaigns.models import Campaign, Cell
        from tests.campaigns.services.conftest import TINY

        self.started += 1
        campaign = Campaign.objects.create(owner=self.owner, name="tiny", mobile_ion="Li", labeller="chgnet", preset="quick",
                                           seed=1 + self.started % N_SEEDS, protocol=TINY)  # fmt: skip
        Cell.objects.create(campaign=campaign, material=self.material, for_training=True, for_evaluation=True)
        return campaign

    def _start(self, campaign):
        """As a user does it: over the web, again where no answer came, until it runs."""

        def runs():
            campaign.refresh_from_db()
            if campaign.state == "draft":
                self._post(f"api/v1/campaigns/{campaign.pk}/start/")
                campaign.refresh_from_db()
            return campaign.state != "draft"

        self._wait(runs, PATIENCE_S)

    def _post(self, path):
        try:
            address = json.loads((self.up.data / "up.json").read_text())["address"]
            request = urllib.request.Request(address + path, method="POST", headers={"Authorization": f"Token {self.token}"})
            with urllib.request.urlopen(request, timeout=10):
                pass
        except (OSError, urllib.error.URLError, json.JSONDecodeError):
            pass  # killed meanwhile, or done by the request before

    def _start_campaigns(self, until):
        while self.started < until:
            self._start(self._draft())

    # --- kills ---

    def _kill(self, target):
        while self._campaigns("running") < AT_ONCE:
            self._start(self._draft())
        at_point = target not in PROCESSES
        running, before = self._running(), self._done()
        pid, at = self._at_point(target) if at_point else self._at_random(target)
        if not at_point:
            running |= self._running()
        process = target.partition(":")[0]
        if process == "supervisor":
            self._start_again()
        self._wait(lambda: self._has_recovered(process, running, before), PATIENCE_S)
        self.kills.append({"target": target, "process": process, "pid": pid, "seconds": time.time() - at})
        with (self.up.data.parent / "kills.jsonl").open("a") as stream:  # to look at while it lasts
            stream.write(json.dumps(self.kills[-1]) + "\n")

    def _at_point(self, name):
        """Arm the point and see to it that it is reached."""
        points.arm(name)
        draft = self._draft() if name.startswith("web") or not self._campaigns("running") else None
        if draft is not None:
            self._start(draft)

        def reached():
            if not points.fell():
                while self._campaigns("running") < AT_ONCE:
                    self._start(self._draft())
                if name.startswith("reconciler"):
                    self._lose_messages()
            return points.fell()

        self._wait(reached, PATIENCE_S)
        return points.fell()

    def _lose_messages(self):
        """The reconciler has something to send where the broker has forgotten everything and a stage waits."""
        from campaigns.models import Stage

        Stage.objects.filter(state="pending").update(sent_at=None)

    def _at_random(self, target):
        time.sleep(self.random.uniform(0, 0.8))
        victim = self._wait(lambda: self._victim(target), PATIENCE_S)
        at = time.time()
        victim.send_signal(signal.SIGKILL)
        return victim.pid, at

    def _victim(self, target):
        """A process that is alive now, or None."""
        if target == "supervisor":
            return psutil.Process(self.up.process.pid)
        try:
            if target == "child":
                found = [one for one in self._engines() if one.is_running()]
                if not found and not self._campaigns("running"):
                    self._start(self._draft())
                return self.random.choice(found) if found else None
            found = sorted(self.up.children(WORDS[target]), key=lambda one: one.pid)
            masters = [one for one in found if one.ppid() == self.up.process.pid]
            if target in ("master", "reconciler", "broker"):
                return masters[0] if masters else None
            chosen = [one for one in found if one not in masters and "kill_harness.engine" not in " ".join(one.cmdline())]
            return self.random.choice(chosen) if chosen else None
        except psutil.Error:
            return None

    def _engines(self):
        """Also those that a killed worker left."""
        for one in psutil.process_iter(["cmdline"]):
            words = one.info["cmdline"] or []
            if "tests.kill_harness.engine" in words and str(self.up.data) in words[-1]:
                yield one

    def _start_again(self):
        self.up.process.wait()
        self.up.process.stdout.close()
        self.up.start()

    # --- recovery ---

    def _running(self):
        from campaigns.models import Stage

        return set(Stage.objects.filter(state="running").values_list("pk", flat=True))

    def _done(self):
        from campaigns.models import Stage

        return Stage.objects.filter(state="done").count()

    def _has_recovered(self, process, running, before):
        """What ran is done, a stage at least has ended, and the process is there again."""
        from campaigns.models import Stage

        if Stage.objects.filter(pk__in=running).exclude(state="done").exists():
            return False
        if self._done() == before and self._campaigns("running"):
            return False
        if process in ("web", "broker", "supervisor"):
            return self.up.is_healthy()
        return process == "child" or bool(self.up.children(WORDS[process]))

    def _wait(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(self._state())
            time.sleep(0.05)
        return found

    def _state(self):
        from campaigns.models import Campaign, Stage

        logs = "\n".join(path.read_text()[-1500:] for path in (self.up.data / "logs").glob("*.log"))
        return "\n".join([
            f"kills so far: {self.kills[-3:]}", f"armed: {[path.read_text() for path in points.folder().glob('armed')]}",
            str(list(Campaign.objects.values_list("seed", "state", "reason"))),
            str(list(Stage.objects.exclude(state="done").values())), logs])  # fmt: skip


def main(plan_file, report_file):
    django.setup()
    from tests.kill_harness import canonical

    game = Game(json.loads(Path(plan_file).read_text()))
    began = time.monotonic()
    game.play()
    report = {"kills": game.kills, "campaigns": game.started, "seconds": time.monotonic() - began,
              "dump": canonical.dump(), "account": canonical.account()}  # fmt: skip
    Path(report_file).write_text(json.dumps(report))


if __name__ == "__main__":
    assert tempfile.gettempdir() in os.environ["SSEWEB_DATA_DIR"], "never on an installation's data"
    main(*sys.argv[1:])
