"""Claims, crashes, pauses: each stage is computed once and nothing is lost."""

import os
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.engines import job
from campaigns.engines.runners import local
from campaigns.enums import CampaignState, StageState
from campaigns.models import Stage
from campaigns.services import campaigns, cluster_stages, deletion, ingest, protocol, silence, specs, stages
from campaigns.services.closing import closing
from campaigns.services.errors import WrongState

pytestmark = pytest.mark.django_db(transaction=True)


def computed(stage):
    """How many processes computed this stage."""
    return len((stage.folder / "computed").read_text().splitlines())


def expire(stage):
    Stage.objects.filter(pk=stage.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_stage_is_claimed_once(first_stage):
    assert stages.claim(first_stage.pk) is not None
    assert stages.claim(first_stage.pk) is None


def test_a_finished_stage_says_how_many_of_its_cores_other_work_used(first_stage):
    stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert (first_stage.state, first_stage.cores_short is not None) == (StageState.DONE, True)
    assert 0 <= first_stage.cores_short <= first_stage.cores + job.read_json(first_stage.folder / "load.json")["n_cores"]


def test_the_start_of_an_engine_is_counted_apart_whatever_its_kind(first_stage):
    stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert first_stage.startup_seconds == job.read_json(first_stage.folder / "load.json")["startup_seconds"] > 0


def test_a_claim_that_is_not_renewed_belongs_to_nobody(first_stage):
    stages.claim(first_stage.pk)
    expire(first_stage)
    assert stages.claim(first_stage.pk) is not None


@pytest.mark.parametrize("seconds", [cluster_stages.TALK_S, cluster_stages.STOP_S, 600])
def test_a_stage_of_a_cluster_keeps_the_longer_lease_that_it_is_given(first_stage, settings, seconds):
    settings.CLUSTER_POLL_S = 600
    stages.claim(first_stage.pk)
    Stage.objects.update(resource="debug", lease_until=timezone.now() + timedelta(seconds=seconds), sent_at=None)
    assert stages.reconcile() == 0
    assert stages.claim(first_stage.pk) is None


@pytest.mark.parametrize("resource", ["", "debug"])
def test_a_lease_longer_than_any_was_given_before_the_clock_was_set_back(first_stage, resource):
    stages.claim(first_stage.pk)
    Stage.objects.update(resource=resource, lease_until=timezone.now() + timedelta(hours=1), sent_at=None)
    assert stages.reconcile() == 1
    assert stages.claim(first_stage.pk) is not None


def test_a_paused_campaign_is_not_claimed(first_stage):
    campaigns.pause(first_stage.campaign)
    assert stages.claim(first_stage.pk) is None


def test_stages_share_the_cores(make_campaign, stand_ins, settings):
    settings.ENGINE_CORES = 2
    one, other = make_campaign(), make_campaign()
    campaigns.start(one)
    campaigns.start(other)
    assert stages.claim(one.stages.get().pk) is not None
    assert stages.claim(other.stages.get().pk) is None


def testkilled_after_the_claim(first_stage, run_to_end):
    stages.claim(first_stage.pk)
    expire(first_stage)
    stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert first_stage.state == StageState.DONE


def testkilled_between_result_and_commit(first_stage, monkeypatch):
    monkeypatch.setattr(protocol, "advance", killed)
    with pytest.raises(KeyboardInterrupt):
        stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert first_stage.state == StageState.PENDING
    assert first_stage.cell.structure is None

    monkeypatch.undo()
    stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert first_stage.state == StageState.DONE
    assert computed(first_stage) == 1


def testkilled_within_the_registration(first_stage, monkeypatch):
    monkeypatch.setattr(ingest, "ingest", killed)
    with pytest.raises(KeyboardInterrupt):
        stages.run(first_stage.pk)
    monkeypatch.undo()
    stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert first_stage.state == StageState.DONE
    assert computed(first_stage) == 1


def killed(*args, **kwargs):
    raise KeyboardInterrupt


def test_an_engine_left_by_akilled_worker_is_waited_for(first_stage, stand_ins):
    stand_ins("prepare", "slow")
    stage = stages.claim(first_stage.pk)
    job.write_spec(stage.folder, stage.kind, specs.build(stage))
    orphan = local.start("tests.stand_ins.engine", stage.folder, 1)
    expire(stage)

    stages.run(stage.pk)
    stage.refresh_from_db()
    assert stage.state == StageState.DONE
    assert computed(stage) == 1
    assert not orphan.is_running()


def test_a_late_finish_of_a_lost_claim_changes_nothing(first_stage):
    late = stages.claim(first_stage.pk)
    expire(late)
    stages.run(first_stage.pk)
    n_stages = Stage.objects.count()

    stages.finish(late)
    assert Stage.objects.count() == n_stages


def test_pause_stops_the_engine_and_resume_goes_on(first_stage, stand_ins):
    stand_ins("prepare", "slow")

    def pause_soon():
        time.sleep(1.5)
        campaigns.pause(first_stage.campaign)
        connection.close()

    thread = threading.Thread(target=pause_soon)
    thread.start()
    began = time.monotonic()
    stages.run(first_stage.pk)
    thread.join()
    first_stage.refresh_from_db()
    assert first_stage.state == StageState.PENDING
    assert time.monotonic() - began < 4.5
    assert local.find(first_stage.folder) is None

    campaigns.resume(first_stage.campaign)
    stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert first_stage.state == StageState.DONE


def test_a_worker_that_is_to_stop_gives_back_what_it_has_and_takes_nothing(first_stage, stand_ins):
    stand_ins("prepare", "slow")
    timer = threading.Timer(1.5, closing.set)
    timer.start()
    try:
        began = time.monotonic()
        stages.run(first_stage.pk)
        assert time.monotonic() - began < 4.5
        assert local.find(first_stage.folder) is None
        stages.run(first_stage.pk)
    finally:
        timer.join()
        closing.clear()
    first_stage.refresh_from_db()
    assert (first_stage.state, first_stage.owner, first_stage.sent_at) == (StageState.PENDING, "", None)
    assert computed(first_stage) == 1


def test_what_an_engine_did_while_its_worker_was_dead_is_counted(first_stage, settings):
    settings.STAGE_LEASE_S = 60
    stages.claim(first_stage.pk)
    died_at = timezone.now() - timedelta(seconds=500)
    Stage.objects.filter(pk=first_stage.pk).update(lease_until=died_at + timedelta(seconds=60))
    first_stage.folder.mkdir(parents=True)
    for name, seconds in (("progress.json", 300), ("failure.json", -50)):  # the failure is that of a try before
        (first_stage.folder / name).write_text("{}")
        at = (died_at + timedelta(seconds=seconds)).timestamp()
        os.utime(first_stage.folder / name, (at, at))
    assert stages.claim(first_stage.pk) is not None
    first_stage.refresh_from_db()
    assert first_stage.seconds == pytest.approx(300, abs=1)


def test_seconds_are_counted_while_the_engine_works(first_stage, stand_ins, settings):
    """A killed worker says nothing any more: what it has counted until then stands."""
    settings.STAGE_LEASE_S = 2
    stand_ins("prepare", "slow")
    seen = []

    def look():
        time.sleep(3)
        seen.append(Stage.objects.get(pk=first_stage.pk).seconds)
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    stages.run(first_stage.pk)
    thread.join()
    first_stage.refresh_from_db()
    assert 1 < seen[0] < first_stage.seconds
    assert first_stage.seconds == pytest.approx(5, abs=3)


def test_the_reconciler_sends_what_nobody_is_at(first_stage):
    assert stages.reconcile() == 0  # it has just been sent
    Stage.objects.update(sent_at=timezone.now() - timedelta(minutes=1))
    assert stages.reconcile() == 1
    stages.claim(first_stage.pk)
    Stage.objects.update(sent_at=timezone.now() - timedelta(minutes=1))
    assert stages.reconcile() == 0


def test_two_clicks_on_start_start_once(make_campaign, stand_ins):
    campaign = make_campaign()
    campaigns.start(campaign)
    with pytest.raises(WrongState, match="cannot be started"):
        campaigns.start(campaign)
    assert campaign.stages.count() == 1


def test_a_cancelled_campaign_keeps_what_it_has_and_can_be_deleted(make_campaign, stand_ins, run_to_end):
    campaign = run_to_end(make_campaign())
    folder = campaign.folder
    with pytest.raises(WrongState):
        campaigns.cancel(campaign)
    deletion.delete(campaign)
    assert not folder.exists()


def test_an_engine_that_says_nothing_is_stopped_and_tried_again(make_campaign, stand_ins, run_to_end, settings):
    settings.STAGE_SILENCE_S, settings.STAGE_LEASE_S = 6, 4
    stand_ins("prepare", "hang")
    campaign = run_to_end(make_campaign())
    assert campaign.state == CampaignState.CONVERGED
    (failure,) = campaign.stages.get(kind="prepare").failures.all()
    assert failure.cause == "timeout"
    assert "it hangs" in failure.message


def test_a_reference_method_within_the_engine_may_be_silent_for_as_long_as_its_time_limit(make_campaign, settings):
    campaign = make_campaign()
    campaigns.start(campaign)
    stage = campaign.stages.get()
    assert silence.limit_s(stage) == settings.STAGE_SILENCE_S == 3600
    stage.campaign.labeller, stage.campaign.labeller_options = "ase", {"walltime_h": 5}
    assert silence.limit_s(stage) == 5 * 3600
    stage.kind = "train"
    assert silence.limit_s(stage) == 3600


def test_an_earlier_failure_is_not_the_reason_of_an_engine_that_dies_before_it_says_anything(first_stage, settings):
    first_stage.folder.mkdir(parents=True, exist_ok=True)
    job.write_json(first_stage.folder / "failure.json", {"message": "Old.", "cause": "bad_output", "permanent": True})
    settings.STAGE_MODULES = settings.STAGE_MODULES | {"prepare": "tests.no_such_module"}
    stages.run(first_stage.pk)
    assert first_stage.failures.get().cause == "engine_died"


def test_small_stages_do_not_keep_the_cores_from_an_older_large_one(make_campaign, stand_ins, settings):
    settings.ENGINE_CORES = 2
    small, large, late = make_campaign(), make_campaign(), make_campaign()
    for campaign, cores in ((small, 1), (large, 2), (late, 1)):
        campaigns.start(campaign)
        campaign.stages.update(cores=cores)
    assert stages.claim(small.stages.get().pk) is not None
    assert stages.claim(late.stages.get().pk) is None
    late.stages.update(state=StageState.RUNNING, lease_until=timezone.now() - timedelta(seconds=1))
    assert stages.claim(late.stages.get().pk) is not None  # it has its cores already: its worker died
    late.stages.update(state=StageState.DONE)
    small.stages.update(state=StageState.DONE)
    assert stages.claim(large.stages.get().pk) is not None
