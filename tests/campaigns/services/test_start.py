"""What keeps a campaign from being started, so that nothing is paid for in vain; and what is advised where it fails all the same."""

import sys

import pytest

from campaigns.enums import CampaignState, StageKind
from campaigns.services import campaigns, stages
from campaigns.services.errors import BadInput, WrongState
from campaigns.services.requests import CampaignRequest, CellRequest, check
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_is_not_started_without_lammps_but_where_that_runs_elsewhere(make_campaign, monkeypatch):
    monkeypatch.setattr("campaigns.engines.lammps_environment.find_spec", lambda name: None)
    campaign = make_campaign()
    with pytest.raises(WrongState, match=r"Not started.* LAMMPS is not installed in this environment: run the set-up again"):
        campaigns.start(campaign)
    campaign.refresh_from_db()
    assert (campaign.state, campaign.stages.count()) == (CampaignState.DRAFT, 0)
    campaign.resources = {StageKind.EXPLORE: "cluster", StageKind.EVALUATE: "cluster"}
    campaigns.start(campaign)


def test_it_is_not_started_without_dp_or_the_program_of_the_reference_method(make_campaign, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    campaign = make_campaign()
    campaign.labeller = "cp2k"
    with pytest.raises(WrongState) as refusal:
        campaigns.start(campaign)
    for words in ("CP2K is not installed here: apt-get install cp2k", "The program dp is not", "The program mpiexec is not"):
        assert words in str(refusal.value)


def test_an_ordered_cell_has_one_ordering(db):
    ada = factories.user("ada")
    ordered, disordered = factories.material(ada, "Li3N", is_disordered=False), factories.material(ada)
    cells = [CellRequest(row.pk, (2, 2, 2), True, True, candidate=50) for row in (ordered, disordered)]
    with pytest.raises(BadInput) as refusal:
        check(ada, CampaignRequest("two", cells, "chgnet"))
    assert list(refusal.value.fields) == ["cells.1.candidate"]
    assert "Li3N is ordered, so it has one ordering, number 0; not 50" in str(refusal.value)


def test_where_the_setup_is_to_blame_a_copy_is_advised(make_campaign, stand_ins):
    campaign = make_campaign()
    campaigns.start(campaign)
    stage = stages.claim(campaign.stages.get().pk)
    stages._fail_with(stage, {"message": "There is no ordering 50.", "cause": "bad_input", "permanent": True})
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.FAILED
    assert "press “Copy”, change it there, and start the copy" in campaign.reason
