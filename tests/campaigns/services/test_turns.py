"""Several campaigns on the same cores: who starts when, whatever order messages arrive in."""

import socket
import time

import pytest

from campaigns import cores, places
from campaigns.engines import job
from campaigns.enums import CampaignState, JobState, StageKind, StageState
from campaigns.models import Stage
from campaigns.progress import campaign_progress
from campaigns.services import campaigns, resources, stages, wake
from campaigns.services.errors import BadInput
from tests.slurm import document

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch):
    """What workers are woken for."""
    found = []
    monkeypatch.setattr(wake, "_send", found.extend)
    return found


def _row(campaign, kind, index, n_cores=1, state=StageState.PENDING, **columns):
    return Stage.objects.create(campaign=campaign, kind=kind, index=index, cores=n_cores, state=state, step=1, loop=1, **columns)


def _claimed(*rows):
    """Which of them could be claimed, asked in this order."""
    return [row for row in rows if stages.claim(row.pk)]


def test_what_a_campaign_does_next_waits_behind_what_others_have_waited_for(make_campaign, stand_ins, monkeypatch, settings):
    """The newest message always arrives first; still every stage starts in the order of creation."""
    monkeypatch.setattr(stages, "POLL_S", 0.01)
    settings.ENGINE_CORES = 1
    rows = [make_campaign() for _ in range(3)]
    for row in rows:
        campaigns.start(row)
    started = []
    while len(started) < 9:
        for stage in list(Stage.objects.filter(cores.WANTED, state=StageState.PENDING).order_by("-pk")):
            stages.run(stage.pk)
            stage.refresh_from_db()
            if stage.state == StageState.DONE:
                assert not Stage.objects.filter(cores.WANTED, pk__lt=stage.pk, state=StageState.PENDING).exists()
                started.append(stage.campaign_id)
    first, second, third = (row.pk for row in rows)
    assert started == [first, second, third, first, first, second, second, third, third]  # prepare, then two stages of S0


def test_cores_that_come_free_go_to_the_oldest_and_he_is_told(make_campaign, stand_ins, sent):
    rows = [make_campaign() for _ in range(3)]
    for row in rows:
        campaigns.start(row)
    first, second, third = (row.stages.get() for row in rows)
    assert _claimed(third, second, first) == [first]
    Stage.objects.filter(pk=first.pk).update(state=StageState.PENDING)
    sent.clear()
    stages.run(first.pk)  # to its end; its successors are made
    assert sent[-1] == second.pk
    successor = rows[0].stages.filter(kind=StageKind.S0).first()
    assert _claimed(third, successor, second) == [second]


def test_whoever_takes_cores_sends_the_next_for_what_is_left(make_campaign, stand_ins, sent, settings):
    settings.ENGINE_CORES = 2
    row = make_campaign()
    campaigns.start(row)
    Stage.objects.all().delete()
    one, two, three = (_row(row, StageKind.EVALUATE, index) for index in range(3))
    assert cores.next_up(socket.gethostname()) == [one.pk, two.pk]
    assert _claimed(three, two, one) == [two, one]  # both have room: their order does not matter


@pytest.mark.parametrize(("left_s", "took_s", "expected"), [(1200, 100, True), (60, 100, False), (None, 100, False), (1200, 0, False)])
def test_a_small_stage_fills_a_gap_only_where_the_large_one_loses_nothing(make_campaign, settings, sent, left_s, took_s, expected):
    """One core of two is held for `left_s`; the oldest wants both; one like the small stage took `took_s`."""
    settings.ENGINE_CORES = 2
    busy, large, small = (make_campaign() for _ in range(3))
    for row in (busy, large, small):
        row.state = CampaignState.RUNNING
        row.save()
    holder = _row(busy, StageKind.S0, 0)
    wide = _row(large, StageKind.TRAIN, 0, n_cores=2)
    if took_s:
        _row(small, StageKind.EVALUATE, 1, state=StageState.DONE, seconds=took_s)
    narrow, other = _row(small, StageKind.EVALUATE, 0), _row(small, StageKind.EVALUATE, 2)
    assert _claimed(holder)
    if left_s:
        now = time.time()
        said = {"done": 50, "total": 100, "unit": "", "message": "", "started_at": now - left_s, "updated_at": now}
        holder.folder.mkdir(parents=True)
        job.write_json(holder.folder / "progress.json", said)
    assert _claimed(wide, narrow, other) == ([narrow] if expected else [])
    words = cores.in_words(cores.waiting(large))
    assert words.endswith("This campaign is next in the queue.")
    if not expected:
        words = cores.in_words(cores.waiting(small))
        assert f"second in the queue: before it, tiny (campaign {large.pk}) needs 2 cores for train the model, loop 1 step 1." in words


# --- places on a resource --------------------------------------------------------------------------------


@pytest.fixture
def on_node(make_campaign):
    """Three stages that are sent to a machine without a queue."""
    resources.add("node", document() | {"machine": {"batch_type": "Shell", "context_type": "local"}})
    campaign = make_campaign()
    campaign.resources = {"evaluate": "node"}
    campaign.state = CampaignState.RUNNING
    campaign.save()
    return [_row(campaign, StageKind.EVALUATE, index, resource="node") for index in range(3)]


def test_a_machine_without_a_queue_takes_one_job_at_a_time_the_oldest_first(on_node):
    first, second, third = on_node
    assert _claimed(third, second, first) == [first]
    assert _claimed(second) == []
    assert places.waiting(first.campaign) == "Waiting for a place on node: 1 of 1 job"
    Stage.objects.filter(pk=first.pk).update(state=StageState.DONE)
    assert places.waiting(first.campaign) == ""
    assert _claimed(third, second) == [second]


def test_a_limit_is_raised_while_stages_wait_and_taken_away(on_node):
    first, second, third = on_node
    assert _claimed(first, second) == [first]
    resources.limit("node", 2)
    assert _claimed(second, third) == [second]
    assert places.full() == {"node": "waiting for a place on node: 2 of 2 jobs"}
    resources.limit("node", 0)
    assert _claimed(third) == [third]
    with pytest.raises(BadInput, match="between 1 and"):
        resources.limit("node", -1)


def test_a_job_that_is_still_being_cancelled_keeps_its_place_and_a_stage_that_has_one_needs_none(on_node):
    first, second, _ = on_node
    Stage.objects.filter(pk=first.pk).update(job_state=JobState.RUNNING)
    assert _claimed(second) == []
    assert _claimed(first) == [first]  # resumed before its job was cancelled: it goes on with that


def test_the_time_left_counts_with_the_places_of_a_resource(on_node):
    stage = on_node[0]
    Stage.objects.filter(pk=stage.pk).update(state=StageState.DONE, seconds=100.0)
    one_by_one = campaign_progress(stage.campaign).eta_seconds
    resources.limit("node", 0)
    assert campaign_progress(stage.campaign).eta_seconds < one_by_one
