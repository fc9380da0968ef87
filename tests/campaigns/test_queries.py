"""What pages and terminal say of a campaign's time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import queries, report
from campaigns.engines.job import write_json, write_spec
from campaigns.enums import CampaignState, StageKind
from campaigns.progress import campaign_progress
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
    for step, energy_eV in ((1, 0.20), (2, 0.24), (3, 0.31)):
        factories.judged(factories.trained_model(row, 1, step), energy_eV)
    factories.judged(factories.trained_model(row, 1, 3, repeat=1), 0.22)  # the first of step 3 was rejected
    found = queries.result(row)
    assert [(one["step"], one["activation_energy_eV"]) for one in found["models"]] == [(1, 0.20), (2, 0.24), (3, 0.22)]
    text = report.result_text(found, campaign_progress(row), [])
    assert "Ea = 0.220 ± 0.018 eV" in text
    assert "gave 0.200 ± 0.018 eV (step 1), 0.240 ± 0.018 eV (step 2)." in text


@pytest.mark.django_db
def test_a_table_of_lammps_keeps_the_names_of_its_columns(data_dir):
    stage = factories.stage(factories.campaign(factories.user()), StageKind.EXPLORE)
    stage.folder.mkdir(parents=True, exist_ok=True)
    head, rows = "   Step          Temp          PotEng", [f"{100 * n:>7} {300 + n} -1.5" for n in range(60)]
    (stage.folder / "log").write_text("\n".join(["LAMMPS (29 Aug 2024)", head, *rows]))
    assert queries.stage_log_tail(stage, 8).splitlines() == [head, *rows[-8:]]
    assert queries.stage_log_tail(stage, 61).splitlines() == [head, *rows]
    (stage.folder / "log").write_text("\n".join(["LAMMPS (29 Aug 2024)", head, *rows, *["Loop time of 3 s"] * 8]))
    assert queries.stage_log_tail(stage, 8).splitlines() == ["Loop time of 3 s"] * 8


@pytest.mark.django_db
def test_whether_s0_was_sampled_too_often_is_said_of_finished_dynamics():
    row = factories.campaign(factories.user())
    stage = factories.stage(row, StageKind.S0, loop=0, step=0)
    assert queries.sampling_of(stage) == ""
    write_spec(stage.folder, "s0", {"sample_every_steps": 15, "timestep_fs": 2.0})
    write_json(stage.folder / "result.json", {"n_frames": [11], "samples_each": 2.6})
    assert "11 configurations, 30 fs apart, are worth 4 independent ones" in queries.sampling_of(stage)
    write_json(stage.folder / "result.json", {"n_frames": [11]})  # of an earlier release
    assert queries.sampling_of(stage) == ""
