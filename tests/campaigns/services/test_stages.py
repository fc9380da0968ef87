"""Claims, crashes, pauses: each stage is computed once and nothing is lost."""

import os
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns import queries
from campaigns.engines import disk, job
from campaigns.engines.runners import local
from campaigns.enums import CampaignState, StageState
from campaigns.models import Stage
from campaigns.services import artefacts, campaigns, cluster_stages, deletion, ingest, protocol, silence, specs, stages
from campaigns.services.closing import closing
from campaigns.services.errors import WrongState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def first_stage(make_campaign, stand_ins):
    campaign = make_campaign()
    campaigns.start(campaign)
    return campaign.stages.get()


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


def test_killed_after_the_claim(first_stage, run_to_end):
    stages.claim(first_stage.pk)
    expire(first_stage)
    stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert first_stage.state == StageState.DONE


def test_killed_between_result_and_commit(first_stage, monkeypatch):
    monkeypatch.setattr(protocol, "advance", _killed)
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


def test_killed_within_the_registration(first_stage, monkeypatch):
    monkeypatch.setattr(ingest, "ingest", _killed)
    with pytest.raises(KeyboardInterrupt):
        stages.run(first_stage.pk)
    monkeypatch.undo()
    stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert first_stage.state == StageState.DONE
    assert computed(first_stage) == 1


def _killed(*args, **kwargs):
    raise KeyboardInterrupt


def test_an_engine_left_by_a_killed_worker_is_waited_for(first_stage, stand_ins):
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


def test_a_failure_that_may_pass_is_tried_again_from_the_same_folder(make_campaign, stand_ins, run_to_end):
    stand_ins("s0", "stumble")
    campaign = run_to_end(make_campaign())
    assert campaign.state == CampaignState.CONVERGED
    stumbled = campaign.stages.get(kind="s0", tries=1)
    assert computed(stumbled) == 2


def test_an_engine_that_dies_without_a_word_is_tried_and_then_said(make_campaign, stand_ins, run_to_end):
    stand_ins("train", "die", times=10)
    campaign = run_to_end(make_campaign())
    assert campaign.state == CampaignState.FAILED
    assert "was killed" in campaign.reason
    assert campaign.stages.get(kind="train").tries == 3


def test_an_engine_that_dies_without_a_word_on_a_full_disk_is_the_disks(make_campaign, stand_ins, run_to_end, monkeypatch):
    monkeypatch.setattr(disk, "MIN_FREE_BYTES", 2**62)
    stand_ins("train", "die", times=10)
    campaign = run_to_end(make_campaign())
    stage = campaign.stages.get(kind="train")
    assert stage.cause == "disk_full"
    assert "free some space" in stage.message


def test_labels_of_failed_attempts_are_counted(make_campaign, stand_ins, run_to_end):
    """Two in the first folder, three in the second."""
    stand_ins("label", "fail")
    campaign = run_to_end(make_campaign())
    assert campaign.stages.get(kind="label").labels_computed == 2
    campaigns.retry(campaign)
    campaign = run_to_end(campaign)
    assert campaign.stages.get(failures__cause="bad_output").labels_computed == 2 + 3


def test_labels_of_an_earlier_try_in_the_same_folder_are_not_counted_twice(make_campaign, stand_ins, run_to_end):
    """The folder's journal has them: its three are all that were computed."""
    stand_ins("label", "stumble")
    campaign = run_to_end(make_campaign())
    stumbled = campaign.stages.get(kind="label", tries=1)
    assert (stumbled.labels_computed, stumbled.failures.get().labels_computed) == (3, 2)


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


def test_a_permanent_failure_stops_and_retry_goes_on(make_campaign, stand_ins, run_to_end):
    stand_ins("label", "fail")
    campaign = run_to_end(make_campaign())
    assert campaign.state == CampaignState.FAILED
    assert "The stand-in was asked to fail" in campaign.reason
    frames_before = campaign.frames.count()

    campaigns.retry(campaign)
    campaign = run_to_end(campaign)
    assert campaign.state == CampaignState.CONVERGED
    assert campaign.frames.count() == frames_before + 2 * 4
    assert all(computed(stage) == 1 for stage in campaign.stages.exclude(kind="label"))
    label = campaign.stages.get(failures__cause="bad_output")
    assert (label.attempt, label.folder.name) == (2, "attempt-2")  # what failed for good is not read again
    assert (label.folder.parent / "attempt-1" / "failure.json").exists()
    (row,) = [row for row in queries.cost_ledger(campaign) if row.failures]
    assert row.failures == {"bad_output": 1}


def test_what_was_mended_goes_on_in_its_folder(make_campaign, stand_ins, run_to_end):
    """A program that was missing: finished labels and checkpoints are not to blame."""
    stand_ins("label", "missing")
    campaign = run_to_end(make_campaign())
    assert campaign.state == CampaignState.FAILED
    campaigns.retry(campaign)
    campaign = run_to_end(campaign)
    assert campaign.state == CampaignState.CONVERGED
    assert campaign.stages.get(failures__cause="engine_missing").attempt == 1


def test_retry_after_a_registration_that_failed_keeps_the_result(make_campaign, stand_ins, run_to_end, monkeypatch):
    campaign = make_campaign()
    with monkeypatch.context() as patched:
        patched.setattr(artefacts, "hash_outputs", _full_disk_at("train", artefacts.hash_outputs))
        for _ in range(stages.settings.STAGE_MAX_TRIES):
            with pytest.raises(OSError, match="No space"):
                run_to_end(campaign)
    campaign.refresh_from_db()
    stage = campaign.stages.get(kind="train", loop=1, step=1)
    assert stage.state == StageState.FAILED
    campaigns.retry(campaign)
    run_to_end(campaign)
    assert campaign.state in (CampaignState.CONVERGED, CampaignState.NOT_CONVERGED), campaign.reason
    assert computed(stage) == 1


@pytest.fixture
def done_but_not_registered(first_stage, monkeypatch):
    """Its engine has left a result; the worker was killed before it could say so."""
    with monkeypatch.context() as patched:
        patched.setattr(protocol, "advance", _killed)
        with pytest.raises(KeyboardInterrupt):
            stages.run(first_stage.pk)
    return first_stage


def test_of_a_repeated_step_the_last_judgement_alone_counts(make_campaign):
    campaign = make_campaign()
    for step, repeat in ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1)):
        state = StageState.RUNNING if (step, repeat) == (3, 1) else StageState.DONE
        judge = Stage.objects.create(campaign=campaign, kind="judge", loop=1, step=step, repeat=repeat, state=state)
    assert [(one.step, one.repeat) for one in specs._judged_before(judge)] == [(1, 0), (2, 1)]


def again(stage):
    Stage.objects.filter(pk=stage.pk).update(due_at=None)
    stages.run(stage.pk)
    stage.refresh_from_db()


@pytest.mark.parametrize("how", ["empty", "missing"])
def test_a_file_of_a_result_that_was_lost_is_made_again(done_but_not_registered, how):
    stage = done_but_not_registered
    cell = stage.folder / "cell.extxyz"
    cell.write_bytes(b"") if how == "empty" else cell.unlink()
    again(stage)
    assert (stage.state, stage.cause, stage.tries, stage.attempt) == (StageState.PENDING, "output_lost", 1, 1)
    assert "Lost or not whole: cell.extxyz" in stage.message
    again(stage)
    assert (stage.state, computed(stage), stage.attempt) == (StageState.DONE, 2, 1)
    assert stage.cell.structure.file == cell
    assert cell.stat().st_size > 0


def test_retry_mends_what_an_earlier_release_could_not(done_but_not_registered):
    stage = done_but_not_registered
    (stage.folder / "cell.extxyz").write_bytes(b"")
    Stage.objects.filter(pk=stage.pk).update(state=StageState.FAILED)
    stage.failures.create(attempt=1, cause="unforeseen", message="EOFError", permanent=False)
    type(stage.campaign).objects.update(state=CampaignState.FAILED)
    stage.campaign.refresh_from_db()
    campaigns.retry(stage.campaign)
    again(stage)
    again(stage)
    assert (stage.state, computed(stage)) == (StageState.DONE, 2)


def test_a_folder_that_cannot_be_gone_on_with_is_left_for_a_new_one(done_but_not_registered, stand_ins):
    stage = done_but_not_registered
    (stage.folder / "cell.extxyz").unlink()
    again(stage)
    stand_ins("prepare", "stumble")
    again(stage)
    assert (stage.state, stage.attempt) == (StageState.PENDING, 2)
    again(stage)
    assert (stage.state, stage.folder.name) == (StageState.DONE, "attempt-2")
    assert (stage.folder.parent / "attempt-1" / "result.json.unreadable").exists()


def test_the_lease_is_renewed_while_files_are_hashed(first_stage, monkeypatch, settings):
    """Else others claim the stage meanwhile, and hash the same files."""
    settings.STAGE_LEASE_S = 2
    hash_file, claimed = artefacts.hash_file, []

    def slowly(path):
        time.sleep(3)
        claimed.append(stages.claim(first_stage.pk))
        return hash_file(path)

    monkeypatch.setattr(artefacts, "hash_file", slowly)
    stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert (first_stage.state, claimed) == (StageState.DONE, [None])


def _full_disk_at(kind, hash_outputs):
    def refuse(folder, result):
        if folder.parent.name.startswith(kind):
            raise OSError(28, "No space left on device")
        return hash_outputs(folder, result)

    return refuse


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
    with pytest.raises(WrongState, match="cannot start"):
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
