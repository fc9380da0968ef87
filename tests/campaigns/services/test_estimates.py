"""What a campaign will cost: in proportion to atoms, from what was measured with the same network, with what to beware of."""

from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model

from campaigns.enums import StageKind
from campaigns.services import estimates
from campaigns.services.campaigns import CampaignRequest, CellRequest
from tests import factories


@pytest.fixture
def material(db):
    return factories.material(get_user_model().objects.create_user("marie"))


def asked(material, size=1, **changes):
    cells = [CellRequest(material.pk, (1, 1, 1), True, False), CellRequest(material.pk, (size, size, 1), False, True)]
    return replace(CampaignRequest("one", cells, "chgnet"), **changes)


def seconds(estimate):
    return {row.what.split(" (")[0]: row.seconds for row in estimate.rows}


def test_evaluation_costs_in_proportion_to_its_atoms(material):
    small, large = (seconds(estimates.estimate(asked(material, size))) for size in (1, 2))
    assert large["Evaluation"] == pytest.approx(4 * small["Evaluation"], rel=0.3)
    assert large["Training"] == small["Training"]


def test_labels_are_measured_per_atom(material):
    before = estimates.estimate(asked(material))
    done = factories.campaign(material.owner, made_of=material)
    cell = done.cells.first()
    factories.stage(done, StageKind.LABEL, cell=cell, seconds=60.0, labels_computed=60)
    after = estimates.estimate(asked(material))
    assert before.rows[0].basis == estimates.REFERENCE
    assert after.rows[0].basis == estimates.MEASURED
    # One second a label of `cell.n_atoms`, for cells of this material.
    assert after.rows[0].seconds == pytest.approx(after.labels * round(material.n_atoms) / cell.n_atoms)


def test_another_network_is_not_what_was_measured(material):
    full = factories.full_campaign(material.owner)
    same = CampaignRequest("again", asked(material).cells, "chgnet", preset=full.preset, changes=full.changes)
    assert any(row.basis == estimates.MEASURED for row in estimates.estimate(same).rows)
    wider = replace(same, changes=same.changes | {"embedding_net": [50, 100, 200]})
    rows = {row.what: row for row in estimates.estimate(wider).rows}
    assert rows["Training"].basis == rows["Evaluation (NVE)"].basis == estimates.REFERENCE
    assert rows["Training"].seconds > next(row.seconds for row in estimates.estimate(asked(material)).rows if row.what == "Training")


@pytest.mark.parametrize(("changes", "words"), [
    ({"changes": {"evaluation_temperatures_K": [500, 700]}}, "Evaluation below 600 K"),
    ({"mobile_ion": "Ge"}, "Ge is not known to move"),
    ({"preset": "paper"}, "hours on this machine"),
    ({"changes": {"cutoff_A": 7.0}}, "less than twice the cut-off of 7"),
])  # fmt: skip
def test_what_to_beware_of_is_said(material, changes, words):
    assert words in " ".join(estimates.estimate(asked(material, **changes)).warnings)


def test_a_density_that_cannot_be_is_said(material):
    material.volume_A3 = 200 * material.n_atoms
    material.save()
    assert "for each atom" in " ".join(estimates.estimate(asked(material)).warnings)
