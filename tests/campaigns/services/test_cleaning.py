"""Cleaning in the database: what stands in the rows is what the rules found, and little is written where little has changed."""

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.enums import StageKind, Verdict
from campaigns.models import Frame, VerdictChange
from campaigns.services import cleaning
from tests import factories

pytestmark = pytest.mark.django_db
RULES = {"clean_energy_factor": 2.0, "clean_force_factor": 10.0, "clean_bond_variation": True, "max_bond_variation": 0.2}


@pytest.fixture
def row(db):
    """Two compositions of forty configurations, one of them an outlier by its energy, one by its force, one by its bonds."""
    campaign = factories.campaign(factories.user("ada"))
    campaign.protocol |= RULES
    campaign.save()
    for number, frame in enumerate(factories.frames(factories.stage(campaign, StageKind.S0, loop=0, step=0), 80, first=True)):
        second = number // 40
        frame.energy_eV_atom, frame.max_force_eV_A, frame.max_bond_variation = -4 - second + 0.001 * (number % 7), 1 + 0.01 * number, 0.1
        frame.composition, frame.verdict, frame.rule, frame.number = f"Li{1 + second}", Verdict.KEPT, "", None
        if number in (3, 4, 5):
            setattr(frame, ("energy_eV_atom", "max_force_eV_A", "max_bond_variation")[number - 3], 50.0)
        frame.save()
    return campaign


def told(campaign):
    return list(campaign.frames.order_by("id").values_list("verdict", "rule", "number", "lower", "upper"))


def test_every_row_has_the_limits_of_the_rule_that_decided(row):
    cleaning.clean(row, 0, 0)
    found = told(row)
    assert [one[:3] for one in found[3:6]] == [
        ("rejected", "energy", 50.0), ("rejected", "force", 50.0), ("rejected", "bond_variation", 50.0)
    ]  # fmt: skip
    assert found[5][3:] == (0.0, 0.2)
    low, high = found[0][3:]
    assert low < -4 < high < 0
    assert found[3][3:] == (low, high)
    assert found[40][4] < -4.9
    assert {one[3:] for one in found[:40] if one[1] in ("", "energy")} == {(low, high)}


def test_of_a_verdict_that_stays_the_limits_follow_and_nothing_else_is_written(row):
    cleaning.clean(row, 0, 0)
    before = told(row)
    new = factories.frames(factories.stage(row, StageKind.LABEL, loop=1, step=1), 20)
    shifts = np.linspace(-0.1, 0.1, len(new))
    for frame, shift in zip(new, shifts, strict=True):
        values = {"composition": "Li1", "energy_eV_atom": -4 + shift, "max_force_eV_A": 1.0, "verdict": "kept", "number": None}
        Frame.objects.filter(pk=frame.pk).update(**values)
    n_changes = VerdictChange.objects.count()
    with CaptureQueriesContext(connection) as queries:
        cleaning.clean(row, 1, 1)
    after = told(row)
    assert [one[:3] for one in after[:80]] == [one[:3] for one in before]
    assert after[0][3] < before[0][3]
    assert after[40] == before[40]
    assert VerdictChange.objects.count() == n_changes + len(new)
    assert len([one for one in queries if "WHERE id = " in one["sql"]]) == 1  # of the new ones, by executemany
    assert row.frames.get(pk=new[0].pk).upper == after[0][4]
