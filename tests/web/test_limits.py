"""Limits of the reference method, changed while a campaign does not run: on the page, in the log of activity, in begun stages."""

import json

import pytest
from django.urls import reverse

from campaigns.enums import CampaignState, StageKind, StageState
from campaigns.models import Activity
from campaigns.services import limits
from campaigns.services.errors import BadInput, WrongState
from tests import factories


@pytest.fixture
def failed(ada):
    row = factories.campaign(ada, state=CampaignState.FAILED, labeller="cp2k")
    row.labeller_options = {"cutoff_Ry": 300.0}
    row.save()
    return row


def test_a_time_limit_is_raised_on_the_page_and_reaches_the_begun_stage(as_ada, failed):
    stage = factories.stage(failed, StageKind.LABEL, StageState.FAILED, cell=failed.cells.first())
    spec = {"labeller": {"name": "cp2k", "options": {"cutoff_Ry": 300.0}}, "min_labelled_share": 0.8}
    (stage.folder / "spec.json").write_text(json.dumps({"kind": "label", "spec": spec}))
    page = as_ada.get(reverse("campaign-settings", args=[failed.pk])).content.decode()
    assert 'name="labeller-walltime_h" value="24' in page
    assert 'name="labeller-cutoff_Ry"' not in page
    sent = {"labeller-walltime_h": "48", "labeller-scf_steps": "200", "labeller-retries": "3"}
    page = as_ada.post(reverse("campaign-limits", args=[failed.pk]), sent, follow=True).content.decode()
    assert "Changed: walltime_h 24 → 48. Press “Retry what failed”" in page
    failed.refresh_from_db()
    assert failed.labeller_options == {"cutoff_Ry": 300.0, "walltime_h": 48.0}
    assert json.loads((stage.folder / "spec.json").read_text())["spec"]["labeller"]["options"]["walltime_h"] == 48
    assert Activity.objects.get(what="changed limits").detail == "walltime_h 24 → 48"


def test_what_a_label_depends_on_stays_and_a_campaign_that_runs_keeps_its_limits(failed):
    with pytest.raises(BadInput, match="cutoff_Ry would change what a label is"):
        limits.change(failed, {"cutoff_Ry": 600.0})
    with pytest.raises(BadInput, match="not between") as refused:
        limits.change(failed, {"walltime_h": -1.0})
    assert list(refused.value.fields) == ["walltime_h"]
    failed.state = CampaignState.RUNNING
    failed.save()
    with pytest.raises(WrongState, match="while a campaign is paused"):
        limits.change(failed, {"walltime_h": 48.0})


def test_a_number_out_of_bounds_is_told_on_the_page(as_ada, failed):
    page = as_ada.post(reverse("campaign-limits", args=[failed.pk]), {"labeller-walltime_h": "0"}, follow=True).content.decode()
    assert "Time limit of a label: " in page
    failed.refresh_from_db()
    assert failed.labeller_options == {"cutoff_Ry": 300.0}
