"""The check of a draft's reference method: done by a worker before the start, stopped, outdated, and used by the estimate."""

import threading
import time

import pytest
from django.db import connection
from django.utils import timezone

from campaigns import report
from campaigns.engines import job
from campaigns.engines.runners import local
from campaigns.enums import CampaignState, StageKind, StageState
from campaigns.models import MethodCheck
from campaigns.services import campaigns, deletion, estimates, method_checks, stages
from campaigns.services.errors import BadInput, WrongState
from campaigns.services.requests import request_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def draft(make_campaign, stand_ins):
    return make_campaign()


def test_a_draft_is_checked_by_a_worker_and_stays_a_draft(draft, run_to_end):
    stage = method_checks.start(draft)
    stages.run(stage.pk)
    stage.refresh_from_db()
    draft.refresh_from_db()
    assert (stage.state, draft.state) == (StageState.DONE, CampaignState.DRAFT)
    found = method_checks.last(draft)
    assert (found.n_atoms, found.seconds, found.verdict) == (4, 12.5, "converged")
    assert [one["title"] for one in found.variants] == ["As set", "Plane-wave cut-off"]
    run_to_end(draft)
    draft.refresh_from_db()
    assert draft.state == CampaignState.CONVERGED


def test_what_was_ticked_goes_to_the_engine(draft):
    draft.labeller = "cp2k"
    draft.save()
    stage = method_checks.start(draft, ["k_points"])
    spec = job.read_json(stage.folder / "spec.json")["spec"]
    assert spec["options"] == ["k_points"]
    assert spec["labeller"]["known_labels"] is None  # its cost is the question
    assert stage.cores == 2


def test_an_option_without_a_stricter_value_is_refused(draft):
    with pytest.raises(BadInput, match="chgnet has no cutoff_Ry"):
        method_checks.start(draft, ["cutoff_Ry"])


def test_one_check_at_a_time_and_none_after_the_start(draft):
    method_checks.start(draft)
    with pytest.raises(WrongState, match="already"):
        method_checks.start(draft)
    method_checks.stop(draft)
    campaigns.start(draft)
    with pytest.raises(WrongState, match="no draft"):
        method_checks.start(draft)


def test_a_check_that_fails_says_why_and_the_draft_stays(draft, stand_ins):
    stand_ins("check", "fail")
    stage = method_checks.start(draft)
    stages.run(stage.pk)
    draft.refresh_from_db()
    assert draft.state == CampaignState.DRAFT
    assert "asked to fail" in method_checks.failed(draft).message
    again = method_checks.start(draft)
    assert again.folder != stage.folder
    stages.run(again.pk)
    assert method_checks.failed(draft) is None
    assert method_checks.last(draft) is not None


def test_stopping_ends_the_engine(draft, stand_ins):
    stand_ins("check", "hang")
    stage = method_checks.start(draft)

    def stop_soon():
        deadline = time.monotonic() + 60
        while local.find(stage.folder) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        method_checks.stop(draft)
        connection.close()

    thread = threading.Thread(target=stop_soon)
    thread.start()
    stages.run(stage.pk)
    thread.join()
    stage.refresh_from_db()
    assert stage.state == StageState.CANCELLED
    assert local.find(stage.folder) is None
    assert stages.claim(stage.pk) is None


def test_a_draft_that_is_changed_stops_its_check_and_an_old_one_is_not_shown(draft, owner):
    stages.run(method_checks.start(draft).pk)
    running = method_checks.start(draft)
    request = request_of(draft)
    campaigns.update(draft, request, owner)
    running.refresh_from_db()
    assert running.state == StageState.CANCELLED
    assert method_checks.last(draft) is not None  # the method is the same
    draft.labeller, draft.labeller_options = "lammps", {"pair_style": "lj/cut 6.0"}
    draft.save()
    assert method_checks.last(draft) is None


def test_a_draft_with_a_check_can_be_deleted(draft):
    method_checks.start(draft)
    deletion.delete(draft)
    assert not MethodCheck.objects.exists()


def test_a_failed_check_is_not_repeated_by_retry(draft, stand_ins, run_to_end):
    stand_ins("check", "fail")
    failed = method_checks.start(draft)
    stages.run(failed.pk)
    stand_ins("prepare", "fail")
    run_to_end(draft)
    draft.refresh_from_db()
    assert draft.state == CampaignState.FAILED
    campaigns.retry(draft)
    failed.refresh_from_db()
    assert failed.state == StageState.FAILED
    assert draft.stages.filter(kind=StageKind.PREPARE, state=StageState.PENDING).exists()


def test_the_estimate_uses_the_checks_seconds(draft, settings):
    settings.ENGINE_CORES = 2
    before = estimates.estimate(draft.owner, request_of(draft))
    assert before.rows[0].basis.startswith("not measured on this machine yet")
    stages.run(method_checks.start(draft).pk)  # 12.5 s for 4 atoms on one core: two side by side on two
    cost = estimates.estimate(draft.owner, request_of(draft))
    row = next(row for row in cost.rows if row.what.startswith("Reference"))
    assert row.basis.startswith(f"check of this method, {timezone.now():%-d %b %Y}: 12.5 s for 4 atoms on 1 core")
    assert row.seconds == pytest.approx(row.amount * 12.5 / 2)
    found = method_checks.last(draft)
    assert f"{row.what}: {row.basis}." in report.check_text(found, cost)
    assert report.check_document(found, cost)["based_on"][row.what] == row.basis
