"""The printable report, and results as files."""

import csv
import io

from django.urls import reverse

from analysis.models import ArrheniusFit
from campaigns.enums import CampaignState
from campaigns.models import Stage, StageFailure
from tests import factories


def text_of(client, row):
    return client.get(reverse("campaign-report", args=[row.pk])).content.decode()


def test_the_report_holds_what_a_reader_asks_for(as_ada, ada):
    row = factories.full_campaign(ada, state=CampaignState.CONVERGED)
    failed = Stage.objects.filter(campaign=row, kind="label").first()
    StageFailure.objects.create(stage=failed, attempt=1, cause="timeout", message="too slow", permanent=False)
    text = text_of(as_ada, row)
    fit = ArrheniusFit.objects.filter(model__campaign=row).order_by("model__step").last()
    assert f"{fit.activation_energy_eV:.3f} ± 0.018 eV" in text
    phrases = (
        *("Training loops at most 3 (preset: 2)", "deepmd-kit 3.2.0", "timeout (1)", "1 of 4 evaluation runs did not enter the fit"),
        *("10.1002/syst.201900031", "10.1038/s42256-023", "Marcolongo 2019", "Li<sub>10</sub>GeP<sub>2</sub>S<sub>12</sub>"),
    )
    for phrase in phrases:
        assert phrase in text, phrase
    assert text.count("data-plot-paper") == 2
    assert "mS/cm at 298 K" in text  # published ones of both kinds, where there is place for a few alone


def test_versions_say_what_they_are_of(as_ada, ada):
    row = factories.full_campaign(ada)
    Stage.objects.filter(campaign=row, kind="label").update(versions={"chgnet": "0.4.2", "model": "0.3.0", "torch": "2.9"})
    text = text_of(as_ada, row).replace("&#x27;", "'")
    assert "CHGNet's weights 0.3.0 (the trained potential that gave the labels)" in text
    assert "chgnet 0.4.2 (the package that evaluates these weights)" in text
    assert "model 0.3.0" not in text


def test_a_draft_has_a_report_too(as_ada, ada):
    text = text_of(as_ada, factories.campaign(ada, state=CampaignState.DRAFT, loop=0, step=0))
    assert "No model has been evaluated yet" in text
    assert "The campaign has not ended" in text


def test_the_report_takes_as_many_queries_for_three_models_as_for_one(as_ada, ada, django_assert_max_num_queries):
    few, many = (factories.full_campaign(ada, name, n_loops=n) for name, n in (("few", 1), ("many", 3)))
    text_of(as_ada, few)
    with django_assert_max_num_queries(40) as first:
        text_of(as_ada, few)
    with django_assert_max_num_queries(len(first)):
        text_of(as_ada, many)


def test_every_run_as_a_table(as_ada, full):
    response = as_ada.get(reverse("campaign-result-rows", args=[full.pk, "csv"]))
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    fits = ArrheniusFit.objects.filter(model__campaign=full)
    assert len(rows) == 4 * fits.count()
    assert {row["activation_energy_eV"] for row in rows} == {str(fit.activation_energy_eV) for fit in fits}
    for row in rows:
        assert float(row["diffusivity_cm2_s"]) > float(row["diffusivity_error_cm2_s"]) > 0


def test_the_result_as_json_and_nothing_else(as_ada, full):
    found = as_ada.get(reverse("campaign-result-rows", args=[full.pk, "json"])).json()
    assert found["id"] == full.pk
    assert len(found["runs"]) == 4
    assert as_ada.get(reverse("campaign-result-rows", args=[full.pk, "xlsx"])).status_code == 404


def test_the_learning_curve_of_the_report(as_ada, full):
    plot = as_ada.get(reverse("plot-steps", args=[full.pk, "force-error"]), {"vector": 1, "narrow": 1}).json()
    assert plot["doc"]["roots"][0]["attributes"]["output_backend"] == "svg"
