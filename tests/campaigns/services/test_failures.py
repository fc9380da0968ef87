"""What fails is tried again, waits for Retry or goes on in its folder; what an earlier try has computed is kept."""

import time

import pytest

from campaigns import queries
from campaigns.engines import disk
from campaigns.enums import CampaignState, RunOutcome, RunPurpose, StageState
from campaigns.models import Stage
from campaigns.services import artefacts, campaigns, protocol, specs, stages
from tests import factories
from tests.campaigns.services.test_stages import computed, killed

pytestmark = pytest.mark.django_db(transaction=True)


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
        patched.setattr(protocol, "advance", killed)
        with pytest.raises(KeyboardInterrupt):
            stages.run(first_stage.pk)
    return first_stage


def test_of_a_repeated_step_the_last_judgement_alone_counts(make_campaign):
    campaign = make_campaign()
    for step, repeat in ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1)):
        state = StageState.RUNNING if (step, repeat) == (3, 1) else StageState.DONE
        judge = Stage.objects.create(campaign=campaign, kind="judge", loop=1, step=step, repeat=repeat, state=state)
    assert [(one.step, one.repeat) for one in specs._judged_before(judge)] == [(1, 0), (2, 1)]


def test_a_model_whose_exploration_stayed_rejected_is_no_witness_of_a_stationary_D(make_campaign):
    campaign = make_campaign()
    for step, outcome in ((1, RunOutcome.MIN_DISTANCE), (2, RunOutcome.COMPLETED), (3, RunOutcome.COMPLETED)):
        factories.md_run(factories.trained_model(campaign, step=step), 500.0, outcome, purpose=RunPurpose.EXPLORE)
        judge = Stage.objects.create(campaign=campaign, kind="judge", loop=1, step=step, state=StageState.DONE)
    assert [one.step for one in specs._judged_before(judge)] == [2]


def test_another_attempt_at_a_cell_is_ordered_with_another_seed(make_campaign):
    campaign = make_campaign()
    cell = campaign.cells.first()
    here = {"campaign": campaign, "kind": "prepare", "loop": 0, "step": 0, "cell": cell}
    tries = [Stage.objects.create(**here, index=attempt, attempt=attempt) for attempt in (1, 2)]
    first, second = (specs.build(stage).seed for stage in tries)
    assert first == campaign.seed  # of all cells, so that their orderings are counted alike
    assert second != first


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
