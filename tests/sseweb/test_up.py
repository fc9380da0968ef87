"""A whole installation, started as a user starts it: broker, web, worker, reconciler; killed piece by piece while a campaign runs."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
import redis

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

    def __init__(self, folder):
        self.data = folder / "data"
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.stand_ins.settings", "SSEWEB_DATA_DIR": str(self.data), "SSEWEB_CORES": "2",
            "SSEWEB_STAGE_LEASE_S": "3", "PYTHONPATH": str(ROOT), "LOG_LEVEL": "WARNING"}  # fmt: skip
        self.process = None

    def start(self):
        self.process = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=ROOT, env=self.environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        self.wait_for(self.is_healthy, 40)

    def is_healthy(self):
        record = self.data / "up.json"
        if not record.exists():
            return False
        try:
            with urllib.request.urlopen(json.loads(record.read_text())["address"] + "healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def python(self, code):
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_for(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.process.stdout.read().decode()
            assert time.monotonic() < deadline, "it takes too long; worker's log: " + (self.data / "logs/worker.log").read_text()[-3000:]
            time.sleep(0.2)

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


@pytest.fixture
def installation(tmp_path):
    up = Up(tmp_path)
    up.start()
    yield up
    up.stop()


def test_a_campaign_survives_the_death_of_every_process(installation):
    up = installation
    up.python(CREATE)
    for number, word in enumerate(("dramatiq", "reconcile", "gunicorn", "dramatiq", "valkey")):
        up.wait_for(lambda done=3 * number: up.state()[1] > done, 60)
        for victim in up.children(word):
            victim.kill()
    with redis.Redis(unix_socket_path=str(up.data / "valkey.sock")) as broker:
        up.wait_for(lambda: _answers(broker), 20)
        broker.flushall()
    up.wait_for(lambda: up.state()[0] == "converged", 90)

    counts = [len(path.read_text().splitlines()) for path in up.data.glob("campaigns/*/*/*/*/*/computed")]
    assert len(counts) == up.state()[1]
    # A worker that is killed leaves its engine: the next one waits for it. Each result was computed once.
    assert counts == [1] * len(counts)


def _answers(broker):
    try:
        return broker.ping()
    except redis.RedisError:
        return False


def test_nothing_is_left_behind_when_it_stops(installation):
    family = psutil.Process(installation.process.pid).children(recursive=True)
    assert len(family) >= 4
    installation.stop()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert not (installation.data / "up.json").exists()


def test_a_running_engine_is_stopped_too_and_its_stage_waits(tmp_path):
    up = Up(tmp_path)
    (tmp_path / "behaviour.json").write_text(json.dumps({"kind": "s0", "how": "slow", "times": 10}))
    up.environment["STAND_IN_BEHAVIOUR"] = str(tmp_path / "behaviour.json")
    up.start()
    try:
        up.python(CREATE)
        up.wait_for(lambda: list(up.data.glob("campaigns/*/*/*/s0-0/*/progress.json")), 30)
        engine = psutil.Process(json.loads(next(up.data.glob("campaigns/*/*/*/s0-0/*/child.json")).read_text())["pid"])
    finally:
        up.stop()
    psutil.wait_procs([engine], timeout=5)
    assert not engine.is_running()
    assert (
        up.python("import django; django.setup(); from campaigns.models import Stage; print(Stage.objects.filter(state='running').count())")
        == "0\n"
    )


def test_nothing_is_left_behind_when_it_is_killed(installation):
    family = psutil.Process(installation.process.pid).children(recursive=True)
    installation.process.kill()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


def test_a_second_one_on_the_same_data_is_refused(installation):
    second = subprocess.run([sys.executable, "manage.py", "up"], cwd=ROOT, env=installation.environment, capture_output=True, text=True)
    assert second.returncode == 1
    assert "already running" in second.stderr


def test_it_listens_on_this_machine_alone(installation):
    web = [
        connection for child in installation.children("gunicorn") for connection in child.net_connections() if connection.status == "LISTEN"
    ]
    assert {connection.laddr.ip for connection in web} == {"127.0.0.1"}
