"""Thresholds changed when a campaign is under way count for the stages that begin after it, and the change is kept."""

import pytest

from campaigns.enums import CampaignState
from campaigns.models import SettingChange
from campaigns.services import campaigns, cleaning, specs
from campaigns.services.errors import BadInput, Outdated, WrongState
from campaigns.services.setting_changes import change_settings
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def paused(owner):
    row = factories.campaign(owner, state=CampaignState.PAUSED)
    frames = factories.frames(factories.stage(row, "s0", loop=0, step=0), 21, first=True)
    for number, frame in enumerate(frames):
        frame.energy_eV_atom = -4.05 if number == 20 else -4.125 + 0.001 * (number % 7)
        frame.max_force_eV_A, frame.verdict = 1.0, "kept"
        frame.save()
    cleaning.clean(row, 0, 0)
    return row


def rejected(row):
    return row.frames.filter(verdict="rejected").count()


def test_cleaning_follows_from_the_next_set_on_and_the_change_is_kept(paused, owner):
    assert rejected(paused) == 1
    made = change_settings(paused, {"clean_energy_factor": 100, "max_loops": 3}, owner, " the outlier is a real event ")
    assert [(one.setting, one.old, one.new, one.reason) for one in made] == [
        ("clean_energy_factor", 2.0, 100.0, "the outlier is a real event")  # max_loops was 3
    ]
    change = SettingChange.objects.get()
    assert (change.by, change.by_name, change.loop, change.step) == (owner, "marie", 1, 2)
    said = paused.activities.first()
    assert (said.who, said.what) == ("marie", "changed settings")
    assert said.detail == "Energy factor f: 2 → 100. the outlier is a real event"
    assert rejected(paused) == 1  # what was cleaned stays
    cleaning.clean(paused, 1, 1)
    assert rejected(paused) == 0


def test_the_next_stages_are_asked_for_what_holds_now(paused, owner):
    train = factories.stage(paused, "train", state="pending", step=2)
    limits = {"energy_drift_limit_meV_atom_ns": 3.5, "temperature_limit_percent": 7, "stationary_spread_dex": 0.2}
    change_settings(paused, {"max_force_rms_ratio": 0.5} | limits, owner, "stricter")
    train.refresh_from_db()
    assert specs.build(train).max_force_rms_ratio == 0.5
    factories.trained_model(paused, 1, 2)
    judge = specs.build(factories.stage(paused, "judge", state="pending", step=2))
    assert {name: getattr(judge, name) for name in limits} == limits


@pytest.mark.django_db(transaction=True)
def test_more_loops_are_run_than_it_began_with(make_campaign, stand_ins, run_to_end, owner):
    stand_ins("judge", "reject", times=9)
    row = make_campaign(max_loops=1)
    campaigns.start(row, owner)
    change_settings(row, {"max_loops": 2}, owner, "D still moves")
    campaigns.pause(row, owner)
    campaigns.resume(row, owner)
    assert run_to_end(row).loop == 2


def refusal(kind, row, changes, by, **options):
    with pytest.raises(kind) as found:
        change_settings(row, changes, by, options.pop("reason", "because"), **options)
    return found.value


def test_what_cannot_be_changed_is_said(paused, owner):
    assert "reason" in refusal(BadInput, paused, {"max_loops": 5}, owner, reason=" ").fields
    assert "copy" in refusal(BadInput, paused, {"cutoff_A": 5}, owner).fields["cutoff_A"]
    assert "not a setting" in refusal(BadInput, paused, {"speed": 5}, owner).fields["speed"]
    assert "0.1 and 1000" in refusal(BadInput, paused, {"clean_force_factor": 0}, owner).fields["clean_force_factor"]
    assert "same" not in str(refusal(BadInput, paused, {"max_loops": "many"}, owner))
    assert "Nothing" in str(refusal(BadInput, paused, {}, owner))
    assert "Somebody" in str(refusal(Outdated, paused, {"max_loops": 5}, owner, version=7))
    paused.loop = 3
    paused.save()
    assert "loop 3" in str(refusal(BadInput, paused, {"max_loops": 2}, owner))
    for state, words in (("draft", "draft"), ("converged", "Copy"), ("imported", "Copy")):
        type(paused).objects.update(state=state)
        assert words in str(refusal(WrongState, paused, {"max_loops": 5}, owner))
    assert not SettingChange.objects.exists()
