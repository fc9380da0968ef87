"""What pages and terminal say of a campaign's time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import queries, report
from campaigns.enums import CampaignState, StageKind, StageState
from tests import factories


@pytest.mark.django_db
def test_engines_that_work_side_by_side_count_once():
    began = timezone.now() - timedelta(seconds=100)
    row = factories.campaign(factories.user(), state=CampaignState.CONVERGED)
    row.started_at, row.finished_at = began, began + timedelta(seconds=100)
    for index, (start_s, seconds) in enumerate([(10, 30), (20, 40), (25, 5), (80, 10)]):  # 10 to 60 and 80 to 90
        factories.stage(row, StageKind.EVALUATE, index=index, started_at=began + timedelta(seconds=start_s), seconds=seconds)
    assert queries.wall_time(row) == pytest.approx((100, 60))


@pytest.mark.django_db
def test_a_draft_has_taken_no_time():
    assert queries.wall_time(factories.campaign(factories.user(), state=CampaignState.DRAFT)) == (0, 0)


@pytest.mark.django_db
def test_how_far_the_models_of_a_loop_differ_is_said_beside_the_error_of_the_last():
    row = factories.campaign(factories.user(), state=CampaignState.CONVERGED)
    for step, energy_eV in ((1, 0.20), (2, 0.24), (3, 0.22)):
        factories.judged(factories.trained_model(row, 1, step), energy_eV)
    found = queries.result(row)
    assert [(one["step"], one["activation_energy_eV"]) for one in found["models"]] == [(1, 0.20), (2, 0.24), (3, 0.22)]
    text = report.result_text(found, queries.campaign_progress(row), [])
    assert "Ea = 0.220 ± 0.018 eV" in text
    assert "gave 0.200 ± 0.018 eV (step 1), 0.240 ± 0.018 eV (step 2)." in text


def _loop_of(row, loop):
    """Everything that a loop has, done."""
    planned = queries._planned_stages(row, loop)
    for kind, n in planned.items():
        before = loop == 1 and kind in (StageKind.PREPARE, StageKind.S0)
        for _ in range(n):
            factories.stage(row, kind, loop=0 if before else loop, seconds=10.0)


@pytest.mark.django_db
def test_progress_is_that_of_the_loop_under_way_and_says_so():
    row = factories.campaign(factories.user(), loop=1)
    _loop_of(row, 1)
    assert queries.campaign_progress(row).fraction == pytest.approx(0.999)
    row.loop, row.step = 2, 1
    row.save()
    progress = queries.campaign_progress(row)
    assert (progress.loop, progress.fraction) == (2, 0.0)
    assert "0% of loop 2" in report.result_text(queries.result(row), progress, [])
    _loop_of(row, 2)
    assert queries.campaign_progress(row).fraction == pytest.approx(0.999)


@pytest.mark.django_db
def test_progress_does_not_fall_at_a_pause():
    row = factories.campaign(factories.user(), loop=1)
    factories.stage(row, StageKind.PREPARE, loop=0)
    running = factories.stage(row, StageKind.TRAIN, StageState.RUNNING)  # 1600 of 2500 batches
    before = queries.campaign_progress(row).fraction
    running.state, row.state = StageState.PENDING, CampaignState.PAUSED
    running.save()
    row.save()
    paused = queries.campaign_progress(row)
    assert paused.fraction == pytest.approx(before)
    assert paused.stages == []
    (running.folder / "progress.json").unlink()
    assert queries.campaign_progress(row).fraction < before


@pytest.mark.django_db
def test_a_campaign_that_failed_is_not_said_to_be_complete():
    row = factories.campaign(factories.user(), state=CampaignState.FAILED)
    factories.stage(row, StageKind.PREPARE, loop=0)
    assert queries.campaign_progress(row).fraction < 0.5
