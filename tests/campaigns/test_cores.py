"""A campaign that waits for cores says who has them; programs read how far each stage is."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from campaigns import cores
from campaigns.enums import StageKind, StageState
from campaigns.report import ProgressPrinter
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def queue():
    """One campaign of ada's holds two cores with two evaluations; one of eve's waits, another one of ada's behind it."""
    ada, eve = factories.user("ada"), factories.user("eve")
    busy, waits = factories.campaign(ada, "LGPS, busy", step=4), factories.campaign(eve, "Li3N, waits", loop=0, step=0)
    cell = busy.cells.get(for_evaluation=True)
    for temperature_K in (700.0, 850.0):
        factories.stage(busy, StageKind.EVALUATE, StageState.RUNNING, step=4, cell=cell, temperature_K=temperature_K,
                        lease_until=timezone.now() + timedelta(seconds=60))  # fmt: skip
    for cell in waits.cells.all():
        factories.stage(waits, StageKind.S0, StageState.PENDING, loop=0, step=0, cell=cell, temperature_K=300.0, started_at=None)
    last = factories.campaign(ada, "last", loop=0, step=0)
    factories.stage(last, StageKind.PREPARE, StageState.PENDING, loop=0, step=0, started_at=None)
    return busy, waits, last


def test_who_has_the_cores_and_the_place_in_the_queue_are_said(queue):
    busy, waits, last = queue
    assert cores.waiting(busy) is None
    words = cores.in_words(cores.waiting(waits))
    assert f"LGPS, busy (campaign {busy.pk}) holds 2 cores with evaluate (NVE), loop 1 step 4, 700 K, LGPS 2×2×1; evaluate" in words
    assert words.endswith("This campaign is next in the queue.")
    assert cores.waiting(last).place == 3  # behind two stages
    factories.campaign(factories.user("eve"), "done").stages.all()


def test_cores_of_several_hosts_are_told_apart(queue):
    busy, waits, _ = queue
    first, second = busy.stages.filter(state=StageState.RUNNING)
    for stage, host in ((first, "node1"), (second, "node2")):
        stage.host = host
        stage.save()
    words = cores.in_words(cores.waiting(waits))
    assert f"LGPS, busy (campaign {busy.pk}) holds 1 core of node1 with" in words
    assert "holds 1 core of node2 with" in words


def test_a_page_says_it_without_the_names_of_what_others_keep_private(queue, client):
    busy, waits, last = queue
    client.force_login(waits.owner)
    page = client.get(reverse("campaign-overview", args=[waits.pk])).content.decode()
    assert "a campaign of somebody else holds 2 cores. This campaign is next in the queue." in page
    assert "LGPS, busy" not in page
    assert "Starting set S0, 300 K, LGPS 1×1×1" in page  # two stages at one temperature, told apart by their cells
    assert "Starting set S0, 300 K, LGPS 2×2×1" in page
    assert "starting set · waiting" in client.get(reverse("campaign-list")).content.decode()
    client.force_login(last.owner)
    assert f"LGPS, busy (campaign {busy.pk}) holds 2 cores" in client.get(reverse("campaign-overview", args=[last.pk])).content.decode()
    assert "loop 1, step 4 of 4<" in client.get(reverse("campaign-list")).content.decode()


def _said(*arguments):
    out = io.StringIO()
    call_command("campaign", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_line_says_it_too_and_how_far_each_stage_is(queue):
    busy, waits, _ = queue
    assert "Waiting for cores: LGPS, busy" in _said("status", str(waits.pk))
    found = json.loads(_said("status", str(busy.pk), "--json"))
    assert 0 < found["progress_fraction"] < 1
    assert found["time_left_s"] > 0
    assert found["waiting_for_cores"] == ""
    first = found["stages_running"][0]
    assert (first["kind"], first["temperature_K"], first["cell"]) == ("evaluate", 700.0, "LGPS 2×2×1")
    assert (first["done"], first["total"], first["unit"], first["message"]) == (1600, 2500, "batches", "force error 0.11 eV/Å")
    assert first["progress_fraction"] == pytest.approx(0.64)
    assert json.loads(_said("status", str(waits.pk), "--json"))["waiting_for_cores"].startswith("Waiting for cores: LGPS, busy")


def test_stages_side_by_side_are_told_apart_in_the_line_of_a_run(queue):
    from campaigns.progress import campaign_progress

    out = io.StringIO()
    out.write = lambda text, ending="", write=out.write: write(text)
    ProgressPrinter(out, is_terminal=False, worked_s=3600).show(queue[0], campaign_progress(queue[0]))
    assert out.getvalue().strip().startswith("1 h 00 min")  # the clock goes on, too
    assert "[700 K: 1600/2500 batches; 850 K: 1600/2500 batches]" in out.getvalue()


def test_with_no_worker_at_work_that_is_said_and_no_time_left(queue, data_dir):
    """A worker elsewhere has a reconciler beside it, whose file is fresh."""
    busy = queue[0]
    for said in (_said("list"), _said("status", str(busy.pk))):
        assert "No worker is at work on this data folder, so nothing goes on: `make serve`" in said
        assert " left in it" not in said
    assert json.loads(_said("status", str(busy.pk), "--json"))["is_worker_at_work"] is False
    (data_dir / "reconciled").touch()
    said = _said("status", str(busy.pk))
    assert "No worker" not in said + _said("list")
    assert " left in it" in said
