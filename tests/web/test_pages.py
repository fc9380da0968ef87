"""What pages say, and that nothing a user wrote becomes markup."""

import re

import pytest
from django.urls import reverse

from analysis import queries
from analysis.models import ArrheniusFit
from analysis.views import figures
from campaigns.enums import CampaignState, StageState
from campaigns.models import Campaign, Material, Stage, StageFailure, TrainedModel, VerdictChange
from campaigns.services import projects
from tests import factories

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_hostile_names_are_text_everywhere(as_ada, ada):
    material = factories.material(ada, HOSTILE, formula=HOSTILE, reduced_formula=HOSTILE, cif_filename=HOSTILE)
    row = factories.full_campaign(ada, HOSTILE, made_of=material, reason=HOSTILE)
    Stage.objects.filter(campaign=row).update(message=HOSTILE)
    stage = Stage.objects.filter(campaign=row).last()
    (stage.folder / "log").write_text(HOSTILE)
    pages = [
        reverse("campaign-list"),
        reverse("material-list"),
        reverse("material-page", args=[material.pk]),
        reverse("compare"),
        reverse("compare") + f"?campaign={row.pk}",
        reverse("stage", args=[stage.pk]),
        reverse("campaign-new") + f"?material={material.pk}",
    ]
    pages += [reverse(f"campaign-{tab}", args=[row.pk]) for tab in ("overview", "results", "training-set", "models", "stages", "settings")]
    for page in pages:
        text = as_ada.get(page).content.decode()
        assert "<script>alert" not in text, page
        assert "<img src=x" not in text, page


def test_no_page_has_inline_script_or_handlers(as_ada, full):
    for tab in ("overview", "results", "training-set", "models", "stages", "settings"):
        response = as_ada.get(reverse(f"campaign-{tab}", args=[full.pk]))
        text = response.content.decode()
        assert not re.search(r"<script(?![^>]*\ssrc=)", text)
        assert not re.search(r"\son\w+=|javascript:", text)
        assert "script-src 'self'" in response["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("state", "shown", "hidden"),
    [
        (CampaignState.DRAFT, {"start", "delete"}, {"pause", "resume", "retry"}),
        (CampaignState.RUNNING, {"pause", "cancel"}, {"start", "delete", "retry"}),
        (CampaignState.PAUSED, {"resume", "cancel"}, {"start", "pause"}),
        (CampaignState.FAILED, {"retry", "cancel", "delete"}, {"start", "pause"}),
        (CampaignState.CONVERGED, {"delete"}, {"start", "cancel", "retry"}),
    ],
)
def test_only_possible_actions_are_offered(as_ada, ada, state, shown, hidden):
    row = factories.campaign(ada, state=state)
    text = as_ada.get(reverse("campaign-overview", args=[row.pk])).content.decode()
    names = {verb: "campaign-deletion" if verb == "delete" else f"campaign-{verb}" for verb in shown | hidden}
    assert {verb for verb, name in names.items() if reverse(name, args=[row.pk]) in text} == shown


def test_an_impossible_action_says_why(as_ada, ada):
    row = factories.campaign(ada, state=CampaignState.CONVERGED)
    page = as_ada.post(reverse("campaign-pause", args=[row.pk]), follow=True)
    assert "it cannot be paused now" in page.content.decode()
    row.refresh_from_db()
    assert row.state == CampaignState.CONVERGED


def test_pause_and_cancel(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    as_ada.post(reverse("campaign-pause", args=[row.pk]))
    assert Campaign.objects.get(pk=row.pk).state == CampaignState.PAUSED
    as_ada.post(reverse("campaign-cancel", args=[row.pk]))
    assert Campaign.objects.get(pk=row.pk).state == CampaignState.CANCELLED
    assert not row.stages.filter(state__in=(StageState.PENDING, StageState.RUNNING)).exists()


def test_polling_says_nothing_where_nothing_changed_and_stops_at_the_end(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    address = reverse("campaign-live", args=[row.pk, "ramp"])
    first = as_ada.get(address)
    seen = re.search(r"seen=(\w{16})", first.content.decode())[1]
    assert as_ada.get(address, {"seen": seen}).status_code == 204
    factories.training_set(row, 1, 4)
    assert as_ada.get(address, {"seen": seen}).status_code == 200
    Campaign.objects.filter(pk=row.pk).update(state=CampaignState.CONVERGED)
    last = as_ada.get(address, {"seen": seen})
    assert last.status_code == 286
    assert "hx-get" not in last.content.decode()


def test_a_failure_stands_on_the_page_with_its_cause(as_ada, ada):
    row = factories.full_campaign(ada, state=CampaignState.FAILED, reason="Training of step 4 failed.", frames_per_step=4)
    failed = row.stages.get(state=StageState.FAILED)
    assert "Training of step 4 failed." in as_ada.get(reverse("campaign-overview", args=[row.pk])).content.decode()
    text = as_ada.get(reverse("stage", args=[failed.pk])).content.decode()
    assert "too little memory" in text
    assert "engine_died" in text


def test_downloads_are_attachments(as_ada, full):
    model = full.trained_models.last()
    response = as_ada.get(reverse("model-file", args=[model.pk, "frozen"]))
    assert response["Content-Disposition"] == f'attachment; filename="campaign-{full.pk}-model-1.3-frozen.pb"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert b"".join(response.streaming_content) == b"frozen"
    assert as_ada.get(reverse("model-file", args=[model.pk, "checkpoint"])).status_code == 404


def test_a_material_that_is_used_stays(as_ada, full):
    pk = full.cells.first().material_id
    page = as_ada.post(reverse("material-delete", args=[pk]), follow=True)
    assert "is used by a campaign" in page.content.decode()
    assert Material.objects.filter(pk=pk).exists()


def test_the_picture_of_a_material_has_every_site(as_ada, full):
    picture = as_ada.get(reverse("material-structure", args=[full.cells.first().material_id])).json()
    assert [atom["symbol"] for atom in picture["atoms"]] == ["Li"] * 2 + ["Ge"] * 4 + ["S"] * 2
    assert picture["atoms"][0]["occupancy"] == 0.691
    assert picture["cell"][2][2] == 12.6


def test_atoms_on_the_border_of_a_cell_are_drawn_wherever_they_lie(as_ada, ada):
    """An antiperovskite: an atom in a corner is in all eight, one on a face on two, one in the middle of the cell is alone."""
    sites = [("Cl", [[0, 0, 0]]), ("O", [[0.5, 0.5, 0.5]]), ("Li", [[0.5, 0.5, 0], [0.5, 0, 0.5], [0.9999, 0.5, 0.5]])]
    facts = factories.FACTS | {
        "sites": [
            {"label": symbol, "species": [{"symbol": symbol, "occupancy": 1.0}], "multiplicity": len(positions), "fractional": positions[0],
             "disordered": False, "positions": positions}
            for symbol, positions in sites
        ]
    }  # fmt: skip
    material = factories.material(ada, "Li3OCl", facts=facts, a_A=3.9, b_A=3.9, c_A=3.9)
    picture = as_ada.get(reverse("material-structure", args=[material.pk])).json()
    assert [len([atom for atom in picture["images"] if atom["symbol"] == symbol]) for symbol in ("Cl", "O", "Li")] == [7, 0, 3]
    assert picture["images"][-1]["xyz"] == [0.0, 1.95, 1.95]
    assert "90.00, 90.00, 90.00°" in as_ada.get(reverse("material-page", args=[material.pk])).content.decode()


def test_the_site_speaks_before_anything_is_there(as_ada):
    for name, words in (
        ("campaign-list", "No campaign yet"),
        ("material-list", "No material yet"),
        ("campaign-new", "First, a material"),
        ("compare", "There is no campaign yet"),
    ):
        assert words in as_ada.get(reverse(name)).content.decode()


def test_failures_of_a_stage_stay_on_its_page(as_ada, full):
    stage = full.stages.filter(state=StageState.DONE).first()
    StageFailure.objects.create(stage=stage, attempt=1, cause="timeout", message="It hung.", permanent=False)
    text = as_ada.get(reverse("stage", args=[stage.pk])).content.decode()
    assert "It hung." in text
    assert "timeout" in text


def test_the_files_of_a_stage_are_without_those_of_its_process(as_ada, full):
    stage = full.stages.filter(state=StageState.DONE).first()
    for name in ("lock", "child.json", "load.json"):
        (stage.folder / name).write_text("{}")
    names = [name for name, _ in as_ada.get(reverse("stage", args=[stage.pk])).context["files"]]
    assert "spec.json" in names
    assert not {"lock", "child.json", "load.json"} & set(names)


def test_a_model_that_is_not_compressed_is_not_called_so(as_ada, full):
    model = TrainedModel.objects.filter(campaign=full, launches__isnull=False).first()
    page = as_ada.get(reverse("model", args=[model.pk])).content.decode()
    assert "frozen model, compressed model, checkpoint" in page
    assert "with the compressed model" in page
    model.launches.update(compressed=False)
    model.compressed = None
    model.save()
    page = as_ada.get(reverse("model", args=[model.pk])).content.decode()
    assert "frozen model, checkpoint" in page
    assert "with the frozen model" in page
    assert "compressed" not in page
    assert "has room for" in page  # sel is explained


def test_a_configuration_tells_its_history(as_ada, full):
    frame = full.frames.exclude(number=None).filter(rule="").first()
    first, second = full.training_sets.all()[:2]
    VerdictChange.objects.create(frame=frame, training_set=first, verdict="rejected", rule="energy", number=-3.25)
    VerdictChange.objects.create(
        frame=frame, training_set=second, verdict="rejected", rule="force", number=31.2, lower=-2.0, upper=17.5
    )  # fmt: skip
    text = as_ada.get(reverse("configuration", args=[frame.pk])).content.decode()
    assert "Starting set S0: rejected. Energy −3.250 eV/atom." in text
    assert "Training set of loop 1, step 1: rejected. Largest force on an atom 31.20 eV/Å; kept: up to 17.50 eV/Å." in text
    assert "eV/atom; kept: −4.160 to −4.090 eV/atom" in text
    assert "the median of all configurations of this composition" in text
    assert "number tested" not in text


def test_a_number_that_is_not_known_is_said_in_words(as_ada, full):
    fit = ArrheniusFit.objects.filter(model__campaign=full).last()
    pages = [reverse("campaign-results", args=[full.pk]), reverse("campaign-report", args=[full.pk])]
    for page in pages:
        assert "4.0 to 9.6 mS/cm" in as_ada.get(page).content.decode()
    fit.details |= {"D300_cm2_s": 1.1e-6, "D300_low": 5.5e-10, "D300_high": 0.0024, "conductivity300_mS_cm": 149.0,
                    "conductivity300_low": 0.072, "conductivity300_high": 311349.0}  # fmt: skip
    fit.save()
    for page in pages:
        text = as_ada.get(page).content.decode()
        assert text.count("not known well enough: the runs span too little of 1/T") == 2
        for number in ("311349", "149 mS/cm", "150 mS/cm", "0.072"):
            assert number not in text, (page, number)


def test_runs_of_another_cell_are_not_in_the_line(as_ada, full):
    fit = ArrheniusFit.objects.filter(model__campaign=full).last()
    fit.details["points"] = fit.details["points"][:1]
    fit.details["other_cells"] = [{"cell": "LGPS 3×3×2", "activation_energy_eV": 0.31, "activation_energy_error_eV": 0.02,
                                   "apart_sigma": 2.7, "reason": ""}]  # fmt: skip
    fit.save()
    (judged,) = queries.judged_models(TrainedModel.objects.filter(pk=fit.model_id))
    (run,) = judged.fitted_runs
    for other in judged.runs:
        if other is not run:
            other.details["conductivity_mS_cm_per_cm2_s"] = 1e9
    assert queries.on_line(judged, 700.0)[1].value < 1e9 * queries.diffusivity_at(fit, 700.0)[0]
    assert figures.arrhenius_series(judged, "x").in_fit.count(True) == 1
    text = as_ada.get(reverse("campaign-results", args=[full.pk])).content.decode()
    assert "In LGPS 3×3×2" in text
    assert "1 run in the fit" in text


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("temperature_K", [1, 3, 5000])
def test_campaigns_are_compared_at_any_temperature(as_ada, api, full, temperature_K, sign):
    fit = ArrheniusFit.objects.filter(model__campaign=full).last()
    fit.activation_energy_eV *= sign
    fit.save()
    asked = f"?campaign={full.pk}&temperature_K={temperature_K}"
    text = as_ada.get(reverse("compare") + asked).content.decode()
    assert ("not known at" in text) == (temperature_K < 5000)
    assert as_ada.get(reverse("compare-rows", args=["csv"]) + asked).status_code == 200
    (row,) = api.get("/api/v1/compare/" + asked).json()["campaigns"]
    assert (row["diffusivity_cm2_s"] is None) == (row["conductivity_mS_cm"] is None) == (temperature_K < 5000)
    plots = [reverse("plot-compare"), *(reverse("plot-compare-bars", args=[name]) for name in ("diffusivity", "conductivity"))]
    plots = [f"{plot}{asked}" for plot in plots] + [reverse("plot-steps", args=[full.pk, "diffusivity"]) + asked]
    assert [as_ada.get(plot).status_code for plot in plots] == [200] * 4


def test_a_step_is_called_evaluated_when_it_is(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4, n_steps=2)
    address = reverse("campaign-live", args=[row.pk, "ramp"])
    text = as_ada.get(address).content.decode()
    n_steps = len(row.settings.ramp_temperatures_K)
    to_come = n_steps - max(2, n_steps - row.settings.evaluated_steps_per_loop)
    assert to_come
    assert (text.count("· evaluated"), text.count("· to be evaluated")) == (2, to_come)
    Campaign.objects.filter(pk=row.pk).update(state=CampaignState.CANCELLED)
    text = as_ada.get(address).content.decode()
    assert (text.count("· evaluated"), text.count("to be evaluated")) == (2, 0)  # nothing is to come


def test_the_overview_says_d_of_each_temperature(as_ada, full):
    text = as_ada.get(reverse("campaign-live", args=[full.pk, "ramp"])).content.decode()
    last = full.trained_models.filter(arrhenius__isnull=False).last()
    runs = last.md_runs.filter(purpose="evaluate")
    assert f"D so far, model {last.loop}.{last.step}" in text
    assert runs
    for run in runs:
        assert f'<a href="{reverse("run", args=[run.pk])}">' in text


def test_a_try_is_counted_of_how_many(as_ada, full):
    Stage.objects.filter(campaign=full, state__in=(StageState.RUNNING, StageState.PENDING)).update(tries=1, message="dp was killed")
    text = as_ada.get(reverse("campaign-live", args=[full.pk, "running"])).content.decode()
    assert text.count("try 2 of 3") == 2
    assert "try 2 of 3: dp was killed" in text


def test_a_failed_stage_offers_another_try(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4, state=CampaignState.FAILED)
    failed = row.stages.get(state=StageState.FAILED)
    for address in (reverse("stage", args=[failed.pk]), reverse("stage-live", args=[failed.pk])):
        assert f'action="{reverse("campaign-retry", args=[row.pk])}"' in as_ada.get(address).content.decode()
    assert reverse("campaign-retry", args=[row.pk]) not in as_ada.get(reverse("stage-live", args=[row.stages.first().pk])).content.decode()


def test_a_viewer_is_not_asked_for_a_reason(client, full, ada, bob):
    project = projects.create(ada, "garnets")
    projects.set_member(project, bob.username, "viewer", ada)
    projects.move(full, project, ada)
    frame = full.frames.exclude(verdict="unlabelled").first()
    for user, is_asked in ((ada, True), (bob, False)):
        client.force_login(user)
        assert (
            reverse("configuration-overrule", args=[frame.pk]) in client.get(reverse("configuration", args=[frame.pk])).content.decode()
        ) == is_asked
