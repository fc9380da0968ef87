"""Missing labels asked for again: only these, and what comes of it enters the set with the next cleaning."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.engines import job
from campaigns.enums import CampaignState, StageKind, StageState, Verdict
from campaigns.models import Frame, Stage
from campaigns.services import campaigns, label_records, relabelling, stages
from campaigns.services.errors import WrongState

pytestmark = pytest.mark.django_db(transaction=True)


def run_before_older_ones(stage):
    """As on a host with room for all: what else waits is put off meanwhile."""
    older = Stage.objects.filter(state=StageState.PENDING, pk__lt=stage.pk)
    older.update(due_at=timezone.now() + timedelta(seconds=30))
    stages.run(stage.pk)
    older.update(due_at=None)


@pytest.fixture
def labelled(make_campaign, stand_ins, run_to_end):
    """A campaign whose first label stage has just ended, one of its four labels failed."""
    campaign = make_campaign()
    campaigns.start(campaign)
    while not (done := campaign.stages.filter(kind=StageKind.LABEL, state=StageState.DONE).first()):
        stages.run(campaign.stages.filter(state=StageState.PENDING).order_by("id").first().pk)
    return done


def test_only_the_missing_one_is_asked_for_and_it_enters_the_next_set(labelled, run_to_end):
    frame = labelled.frames.get(verdict=Verdict.UNLABELLED)
    assert relabelling.missing(labelled) == [3]
    again = relabelling.start(labelled)
    spec = job.read_json(again.folder / "spec.json")["spec"]
    assert spec["snapshots"]["indices"] == [3]
    run_before_older_ones(again)
    frame.refresh_from_db()
    assert (frame.verdict, frame.cause, frame.row, frame.stage_id) == (Verdict.KEPT, "", 0, labelled.pk)
    assert frame.artefact.path.endswith("relabel-0/attempt-1/labelled.npz")
    assert frame.number is None  # cleaning has not judged it
    table = label_records.of_stage(labelled)
    assert table.missing == {}
    assert table.rows[3].configuration == frame.pk
    campaign = run_to_end(labelled.campaign)
    assert campaign.state == CampaignState.CONVERGED
    sets = list(campaign.training_sets.all())
    assert [frame in found.members() for found in sets] == [False, False, True]
    assert Frame.objects.filter(campaign=campaign).count() == 2 * 6 + 2 * 4


def test_twice_at_once_and_nothing_missing_are_refused(labelled):
    again = relabelling.start(labelled)
    with pytest.raises(WrongState, match="already"):
        relabelling.start(labelled)
    run_before_older_ones(again)
    with pytest.raises(WrongState, match="No label is missing"):
        relabelling.start(labelled)


def test_a_geometry_that_was_refused_is_not_asked_for(labelled):
    labelled.frames.filter(verdict=Verdict.UNLABELLED).update(cause="bad_geometry")
    with pytest.raises(WrongState, match="No label is missing"):
        relabelling.start(labelled)


def test_where_it_fails_the_campaign_goes_on(labelled, stand_ins, run_to_end):
    stand_ins("relabel", "fail")
    again = relabelling.start(labelled)
    run_before_older_ones(again)
    again.refresh_from_db()
    assert again.state == StageState.FAILED
    assert labelled.frames.filter(verdict=Verdict.UNLABELLED).count() == 1
    assert run_to_end(labelled.campaign).state == CampaignState.CONVERGED


def test_after_the_end_nothing_is_asked_for_any_more(labelled, run_to_end):
    campaigns.pause(labelled.campaign)
    again = relabelling.start(labelled)
    assert stages.claim(again.pk) is None  # it waits until the campaign goes on
    campaigns.cancel(labelled.campaign)
    again.refresh_from_db()
    assert again.state == StageState.CANCELLED
    with pytest.raises(WrongState, match="while the campaign goes on"):
        relabelling.start(labelled)
