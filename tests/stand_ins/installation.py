"""A whole installation, started as a user starts it, whose stages run the stand-in executables."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
CREATE = """
import django; django.setup()
from django.contrib.auth import get_user_model
from campaigns.models import Campaign, Cell, Material
from campaigns.services import campaigns
from tests.campaigns.services.conftest import TINY, material_row
owner = get_user_model().objects.create_user("marie")
material = material_row(owner)
campaign = Campaign.objects.create(owner=owner, name="tiny", mobile_ion="Li", labeller="chgnet", preset="quick", seed=3,
                                   protocol=TINY | {"ramp_T_step_K": 50.0})
Cell.objects.create(campaign=campaign, material=material, for_training=True, for_evaluation=True)
campaigns.start(campaign)
"""


class Up:
    """One installation in a folder of its own."""

    root = ROOT
    start_s, python_s = 120, 60  # patience

    def __init__(self, folder):
        self.data = folder / "data"
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.stand_ins.settings", "SSEWEB_DATA_DIR": str(self.data),
            "SSEWEB_CORES": str(min(2, os.cpu_count())), "SSEWEB_STAGE_LEASE_S": "3",
            "PYTHONPATH": str(ROOT), "LOG_LEVEL": "WARNING"}  # fmt: skip
        self.process = None

    def start(self):
        self.process = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=ROOT, env=self.environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        self.wait_for(self.is_healthy, self.start_s)

    def address(self):
        return json.loads((self.data / "up.json").read_text())["address"]

    def is_healthy(self):
        if not (self.data / "up.json").exists():
            return False
        try:
            with urllib.request.urlopen(self.address() + "healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def python(self, code):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=self.python_s
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, code):
        return json.loads(self.python(code))

    def command(self, *arguments):
        return [sys.executable, str(ROOT / "manage.py"), *arguments]

    def wait_for(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.process.stdout.read().decode()
            assert time.monotonic() < deadline, f"it takes too long; logs: {self.logs()}"
            time.sleep(0.2)

    def logs(self):
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted((self.data / "logs").glob("*.log")))

    def state(self):
        return json.loads(self.python(
            "import django, json; django.setup(); from campaigns.models import Campaign, Stage; c = Campaign.objects.get(); "
            "print(json.dumps([c.state, Stage.objects.filter(state='done').count(), c.reason]))"))  # fmt: skip

    def children(self, word):
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in family if word in _command(child)]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        if self.process:
            self.process.stdout.close()


def _command(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return ""
