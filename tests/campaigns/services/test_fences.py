"""A worker that was frozen until its stage was another's leaves that one's files alone when it wakes."""

import pytest

from campaigns.engines import job
from campaigns.engines.runners import cluster, dispatch
from campaigns.enums import CampaignState, JobState, StageState
from campaigns.models import Stage
from campaigns.services import cluster_stages, stages
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage():
    """Of a worker, as it knows it; its resource was removed meanwhile."""
    campaign = factories.campaign(factories.user("ada"), state=CampaignState.RUNNING)
    row = factories.stage(campaign, "train", StageState.RUNNING, owner="A", resource="gone", job_state=JobState.RUNNING)
    job.write_json(row.folder / "job.json", {"state": "running", "job_id": "2"})
    return row


def files(stage):
    return cluster.read(stage.folder).state, (stage.folder / "failure.json").exists()


def test_the_job_of_its_successor_is_not_closed(stage):
    Stage.objects.update(owner="B")
    assert cluster_stages.look(stage) == "away"
    assert files(stage) == ("running", False)
    Stage.objects.update(owner="A")
    assert cluster_stages.look(stage) == "failed"
    assert files(stage) == ("closed", True)


def test_nothing_is_written_while_another_talks_about_the_job(stage):
    with dispatch.alone(stage.folder):
        assert cluster_stages.look(stage) == "away"
    assert files(stage) == ("running", False)


def test_a_result_that_was_made_anew_is_not_set_aside(stage):
    result = stage.folder / "result.json"
    result.write_text("{}")
    Stage.objects.update(owner="B")
    stages._set_aside(stage, ["graph.pb"])
    assert result.exists()
    Stage.objects.update(owner="A")
    with job.folder_lock(stage.folder):  # an engine is at it
        stages._set_aside(stage, ["graph.pb"])
    assert result.exists()
    stages._set_aside(stage, ["graph.pb"])
    assert not result.exists()
    assert Stage.objects.get().cause == "output_lost"
