"""An installation whose trainings wait for a host of the queue `gpu`, and one that joins."""

import json
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from tests.stand_ins.installation import CREATE, ROOT, Up

WAITING = """
import json
import django; django.setup()
from campaigns.models import Stage
pending = set(Stage.objects.filter(state="pending").values_list("kind", flat=True))
print(json.dumps([sorted(pending), Stage.objects.filter(state="running").count()]))
"""


@pytest.fixture
def installation(tmp_path):
    up = Up(tmp_path)
    up.environment |= {"SSEWEB_STAGE_QUEUES": "train=gpu", "SSEWEB_WORKER_QUEUES": "cpu dft cluster"}
    up.start()
    yield up
    up.stop()


def _said_of_queues(up):
    try:
        with urllib.request.urlopen(up.address() + "healthz", timeout=5) as answer:
            return json.load(answer)["queues"]
    except urllib.error.HTTPError as refused:
        return json.load(refused)["queues"]


def test_stages_of_a_queue_wait_for_its_host_and_run_there(installation):
    up = installation
    up.python(CREATE)
    up.wait_for(lambda: up.json(WAITING) == [["train"], 0], 90)
    assert "manage.py work --queues gpu" in _said_of_queues(up)
    host = subprocess.Popen(up.command("work", "--queues", "gpu"), cwd=ROOT, env=up.environment, stdout=subprocess.DEVNULL)
    try:
        up.wait_for(lambda: up.state()[0] == "converged", 120)
        assert _said_of_queues(up) == "ok"
    finally:
        host.send_signal(signal.SIGTERM)
        host.wait(60)
