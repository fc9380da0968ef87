"""A full disk, a read-only one, no memory, a clock that jumps: the work waits, says why, and goes on when it is mended."""

import os
import subprocess
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.engines import job
from campaigns.enums import CampaignState, StageState
from campaigns.models import Stage, StageFailure
from campaigns.services import campaigns, stages, storage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def small_disk(tmp_path, settings):
    """A real file system of 8 MB for the data folder (the database lies elsewhere)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a small disk needs rights that these tests do not have")
    settings.DATA_DIR, settings.MIN_FREE_BYTES = folder, 1_000_000
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """Until there is no room for another byte."""
    with (folder / "ballast").open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 65536)
        except OSError:
            pass


def wait_over(campaign):
    campaign.stages.update(due_at=None)


def test_a_full_disk_makes_stages_wait_and_uses_up_no_try(make_campaign, stand_ins, run_to_end, small_disk, client):
    campaign = make_campaign()
    campaigns.start(campaign)
    stage = campaign.stages.get()
    fill(small_disk)
    for _ in range(5):
        wait_over(campaign)
        stages.run(stage.pk)
    stage.refresh_from_db()
    assert (stage.state, stage.tries, stage.cause) == (StageState.PENDING, 0, "disk_full")
    assert "make room" in stage.message
    assert stage.due_at > timezone.now()
    assert not StageFailure.objects.exists()

    client.force_login(campaign.owner)
    page = client.get(reverse("campaign-overview", args=[campaign.pk])).content.decode()
    assert page.count("make room") >= 2  # above the page, and at the stage that waits
    health = client.get(reverse("healthz"))
    assert health.status_code == 503
    assert "make room" in health.json()["disk"]

    (small_disk / "ballast").unlink()
    assert run_to_end(campaign).state == CampaignState.CONVERGED
    assert not StageFailure.objects.exists()
    assert "make room" not in client.get(reverse("campaign-overview", args=[campaign.pk])).content.decode()


def test_a_disk_that_fills_while_an_engine_writes(make_campaign, stand_ins, run_to_end, small_disk, monkeypatch):
    """The engine fails in whatever way it does; not even `failure.json` can be written."""
    campaign = make_campaign()
    campaigns.start(campaign)
    stage = campaign.stages.get()
    start = stages._start

    def start_on_a_full_disk(stage):
        fill(small_disk)
        return start(stage)

    with monkeypatch.context() as patched:
        patched.setattr(stages, "_start", start_on_a_full_disk)
        stages.run(stage.pk)
    stage.refresh_from_db()
    assert (stage.state, stage.tries, stage.cause) == (StageState.PENDING, 0, "disk_full")
    (small_disk / "ballast").unlink()
    assert run_to_end(campaign).state == CampaignState.CONVERGED


def test_a_disk_that_went_read_only(make_campaign, stand_ins, run_to_end, small_disk):
    campaign = make_campaign()
    campaigns.start(campaign)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    stages.run(campaign.stages.get().pk)
    assert "cannot be written (Read-only file system)" in campaign.stages.get().message
    assert "Read-only" in storage.trouble()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert storage.trouble() == ""
    assert run_to_end(campaign).state == CampaignState.CONVERGED


def test_an_upload_onto_a_full_disk_is_answered_with_what_to_do(client, owner, small_disk):
    from tests.web.test_trajectories import sent

    client.force_login(owner)
    fill(small_disk)
    answer = client.post(reverse("trajectory-list"), sent(("run.xyz", b"x" * 4_000_000)))
    assert answer.status_code == 503
    assert "make room" in answer.content.decode()


def test_memory_that_ran_out_in_an_engine_is_said(make_campaign, stand_ins, run_to_end, client):
    stand_ins("s0", "memory", times=1)
    campaign = run_to_end(make_campaign())
    assert campaign.state == CampaignState.CONVERGED
    (failure,) = StageFailure.objects.all()
    assert failure.cause == "out_of_memory"
    assert "not enough memory" in failure.message
    assert "1 out of memory" in client.get(reverse("healthz")).json()["engines"]


def test_an_engine_that_was_killed_is_said_with_what_to_do(make_campaign, stand_ins, run_to_end):
    stand_ins("s0", "killed", times=1)
    campaign = run_to_end(make_campaign())
    assert campaign.state == CampaignState.CONVERGED
    (failure,) = StageFailure.objects.all()
    assert failure.cause == "engine_died"  # the kernel has not counted it
    assert "most probably because the machine ran out of memory" in failure.message
    assert "smaller cell or fewer ranks" in failure.message


@pytest.fixture
def shift_clock(monkeypatch):
    real = timezone.now

    def shift(seconds):
        monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(seconds=seconds))

    return shift


def test_a_clock_that_is_set_back_leaves_nothing_waiting(make_campaign, stand_ins, run_to_end, shift_clock):
    """Leases, waits and messages of before then lie far in the future."""
    campaign = make_campaign()
    shift_clock(7200)
    campaigns.start(campaign)
    stage = campaign.stages.get()
    assert stages.claim(stage.pk) is not None
    shift_clock(0)
    assert stages.reconcile() == 1
    assert stages.claim(stage.pk) is not None  # its worker, were it alive, would have renewed its lease by the new clock
    Stage.objects.update(state=StageState.PENDING, due_at=timezone.now() + timedelta(hours=2))
    assert run_to_end(campaign).state == CampaignState.CONVERGED


def test_a_clock_that_is_set_forward_computes_nothing_twice(make_campaign, stand_ins, shift_clock):
    """Every lease has run out at once. The next owner waits for the engine that is there, and the first one's finish is refused."""
    campaign = make_campaign()
    campaigns.start(campaign)
    first = stages.claim(campaign.stages.get().pk)
    shift_clock(7200)
    stages.run(first.pk)
    n_stages = campaign.stages.count()
    stages.finish(first)
    assert campaign.stages.count() == n_stages
    done = campaign.stages.get(pk=first.pk)
    assert len((done.folder / "computed").read_text().splitlines()) == 1


def test_an_engine_says_a_full_disk_by_name(tmp_path):
    failure = job._failure(tmp_path, OSError(28, os.strerror(28)))
    assert (failure["cause"], failure["permanent"]) == ("disk_full", False)
