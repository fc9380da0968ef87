import json

import pytest
from django.contrib.auth import get_user_model

from campaigns.enums import CampaignState, StageState
from campaigns.models import Campaign, Cell, Material
from campaigns.services import campaigns, stages

TINY = {
    "s0_temperatures_K": [300.0, 600.0],
    "s0_frames_per_temperature": 6,
    "ramp_T_min_K": 300.0,
    "ramp_T_max_K": 600.0,
    "ramp_T_step_K": 300.0,
    "snapshots_per_step": 4,
    "evaluation_temperatures_K": [600.0, 800.0, 1000.0],
    "evaluated_steps_per_loop": 1,
    "max_loops": 2,
}


@pytest.fixture
def owner(db):
    return get_user_model().objects.create_user("marie")


def material_row(owner):
    return Material.objects.create(
        owner=owner,
        name="Li3N",
        cif="data_Li3N",
        cif_filename="li3n.cif",
        cif_sha256="0" * 64,
        formula="Li3 N",
        reduced_formula="Li3N",
        space_group="P6/mmm",
        space_group_number=191,
        a_A=3.6,
        b_A=3.6,
        c_A=3.9,
        alpha_deg=90,
        beta_deg=90,
        gamma_deg=120,
        volume_A3=44,
        density_g_cm3=1.3,
        n_atoms=4,
        is_disordered=False,
        mobile_ion="Li",
        facts={"elements": ["Li", "N"], "oxidation_states": {"Li": 1, "N": -3}},
    )


@pytest.fixture
def material(owner):
    return material_row(owner)


@pytest.fixture
def make_campaign(owner, material):
    def make(**changes):
        campaign = Campaign.objects.create(
            owner=owner, name="tiny", mobile_ion="Li", labeller="chgnet", preset="quick", protocol=TINY | changes, seed=3
        )
        Cell.objects.create(campaign=campaign, material=material, for_training=True, for_evaluation=True)
        return campaign

    return make


@pytest.fixture
def stand_ins(settings, tmp_path, monkeypatch):
    """Stages run the stand-in executables; the returned function makes the next ones misbehave."""
    behaviour = tmp_path / "behaviour.json"
    monkeypatch.setenv("STAND_IN_BEHAVIOUR", str(behaviour))
    settings.STAGE_MODULES = dict.fromkeys(settings.STAGE_MODULES, "tests.stand_ins.engine")

    def misbehave(kind, how, times=1):
        behaviour.write_text(json.dumps({"kind": kind, "how": how, "times": times}))

    return misbehave


@pytest.fixture
def run_to_end(monkeypatch):
    """Play worker: do what is pending until nothing is, without a broker."""
    monkeypatch.setattr(stages, "POLL_S", 0.01)

    def run(campaign, limit=200):
        if campaign.state == CampaignState.DRAFT:
            campaigns.start(campaign)
        for _ in range(limit):
            pending = campaign.stages.filter(state=StageState.PENDING).order_by("id").first()
            campaign.refresh_from_db()
            if pending is None or campaign.state != CampaignState.RUNNING:
                return campaign
            pending.due_at = None
            pending.save(update_fields=["due_at"])
            stages.run(pending.pk)
        raise AssertionError("the campaign does not come to an end")

    return run


@pytest.fixture
def first_stage(make_campaign, stand_ins):
    campaign = make_campaign()
    campaigns.start(campaign)
    return campaign.stages.get()
