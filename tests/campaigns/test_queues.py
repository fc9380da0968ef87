"""Stages go to the queue of their kind or resource, and a host takes those of its own queues alone."""

import os
import socket
import time

import dramatiq
import pytest
from django.core.management import CommandError, call_command
from dramatiq.brokers.stub import StubBroker

from campaigns import cores, queues
from campaigns.enums import CampaignState
from campaigns.models import Stage
from campaigns.services import stages, wake
from sseweb import health
from tests import factories
from tests.sseweb.test_operations import PRODUCTION, start

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rows(settings):
    """Of a running campaign: a training for `gpu`, a label for `dft`, a dynamics run for `cpu`, and a label on a cluster."""
    settings.STAGE_QUEUES, settings.ENGINE_CORES = {"train": "gpu", "label": "dft"}, 1
    campaign = factories.campaign(factories.user("ada"), state=CampaignState.RUNNING)
    found = [("train", ""), ("label", ""), ("explore", ""), ("label", "slurm")]
    return [factories.stage(campaign, kind, index=n, state="pending", resource=where) for n, (kind, where) in enumerate(found)]


@pytest.fixture
def broker():
    before, found = dramatiq.get_broker(), StubBroker()
    dramatiq.set_broker(found)
    for name in ("cpu", "gpu", "dft", "cluster"):
        found.declare_queue(name)
    yield found
    dramatiq.set_broker(before)


def test_a_message_goes_to_the_queue_of_its_stage(rows, broker):
    wake.wake([row.pk for row in rows])
    sent = {name: [dramatiq.Message.decode(data).args[0] for data in queue.queue] for name, queue in broker.queues.items() if queue.queue}
    train, label, explore, far = (row.pk for row in rows)
    assert sent == {"gpu": [train], "dft": [label], "cpu": [explore], "cluster": [far]}


@pytest.mark.parametrize(("served", "taken"), [("cpu", [2]), ("gpu", [0]), ("dft", [1]), ("cluster", [3]), ("gpu cluster", [0, 3])])
def test_a_host_takes_the_stages_of_its_queues_and_no_other_has_a_turn_there(rows, settings, served, taken):
    settings.WORKER_QUEUES = tuple(served.split())
    assert set(cores.next_up(socket.gethostname())) == {rows[number].pk for number in taken} - {rows[3].pk}
    assert [number for number, row in enumerate(rows) if stages.claim(row.pk)] == taken


def test_every_stage_is_in_one_queue(rows, settings):
    found = {name: set(Stage.objects.filter(queues.stages_of(name)).values_list("pk", flat=True)) for name in settings.QUEUES}
    assert sorted(pk for pks in found.values() for pk in pks) == [row.pk for row in rows]
    assert set(Stage.objects.filter(queues.stages_of(*settings.QUEUES))) == set(rows)


def test_healthz_names_a_queue_that_no_worker_takes(rows, client, data_dir):
    health.report_reconciler(["cpu", "gpu", "cluster"])
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["queues"] == "stages wait in the queue dft, which no worker takes: manage.py work --queues dft"
    health.report_reconciler(["dft"])
    assert client.get("/healthz").json()["queues"] == "ok"
    os.utime(data_dir / "serves-gpu", (time.time() - 100,) * 2)
    assert "queue gpu" in client.get("/healthz").json()["queues"]


def test_a_queue_that_is_not_there_is_refused():
    with pytest.raises(CommandError, match="invalid choice: 'tpu'"):
        call_command("work", "--queues", "tpu")


@pytest.mark.parametrize(("name", "value", "words"), [
    ("SSEWEB_STAGE_QUEUES", "train=tpu", "pairs like train=gpu"), ("SSEWEB_STAGE_QUEUES", "tran=gpu", "kinds of stages are"),
    ("SSEWEB_STAGE_QUEUES", "label=cluster", "anyway"), ("SSEWEB_WORKER_QUEUES", "cpu tpu", "must name queues"),
])  # fmt: skip
def test_a_wrong_setting_is_refused_at_start(tmp_path, name, value, words):
    assert words in start(tmp_path, **PRODUCTION, **{name: value}).stderr.splitlines()[-1]
