"""What can be chosen to be compared, and what the axes of the comparison hold."""

import csv
import json

import pytest
from django.urls import reverse

from analysis.views import plots, results, selection
from campaigns.models import Campaign
from tests import factories


def test_a_chosen_campaign_stays_to_be_chosen_however_many_are_newer(as_ada, ada, monkeypatch):
    monkeypatch.setattr(selection, "MAX_OFFERED", 3)
    oldest = factories.campaign(ada, name="the oldest")
    for number in range(5):
        factories.campaign(ada, name=f"newer {number}")
    page = as_ada.get(reverse("compare"), {"campaign": oldest.pk}).content.decode()
    assert f'value="{oldest.pk}" id="c-{oldest.pk}" checked' in page
    assert "2 more: find them by their names" in page
    names = {row.pk: row.name for row in Campaign.objects.all()}
    found = as_ada.get(reverse("compare"), {"campaign": oldest.pk, "find": "Newer 0"}).context["others"]
    assert [names[row.pk] for row in found] == ["the oldest", "newer 0"]
    assert "No campaign has such a name" in as_ada.get(reverse("compare"), {"find": "no such"}).content.decode()


def test_what_is_left_out_is_said(as_ada, ada, monkeypatch):
    for module in (selection, results):
        monkeypatch.setattr(module, "MAX_COMPARED", 2)
    rows = [factories.campaign(ada) for _ in range(3)]
    page = as_ada.get(reverse("compare"), {"campaign": [row.pk for row in rows]})
    assert len(page.context["rows"]) == 2
    assert "1 of the chosen campaigns is left out" in page.content.decode()


def test_published_conductivities_stand_on_the_axes_of_sigma_T(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    query = {"campaign": row.pk, "temperature_K": 300, "axis": plots.CONDUCTIVITY_AXIS}
    drawn = as_ada.get(reverse("plot-compare"), query).json()
    text = json.dumps(drawn, ensure_ascii=False)
    assert "σT (S cm⁻¹ K)" in text
    assert "Kamaya 2011" in text  # who published a conductivity, and no D
    assert "Kamaya 2011" not in json.dumps(as_ada.get(reverse("plot-compare"), query | {"axis": ""}).json(), ensure_ascii=False)
    fit = row.trained_models.last().arrhenius
    assert f"{fit.activation_energy_eV:.3f} ± {fit.activation_energy_error_eV:.3f} eV" in drawn["said"]


def test_sigma_T_is_the_nernst_einstein_conductivity_times_the_temperature(as_ada, ada):
    from analysis import queries
    from analysis.views import figures

    row = factories.full_campaign(ada, frames_per_step=4)
    judged = queries.judged_models(row.trained_models.all())[-1]
    as_d = figures.arrhenius_series(judged, "x")
    scaled = figures.as_sigma_T(as_d, judged)
    at_700 = queries.on_line(judged, 700.0)[1].value
    line = 10**scaled.log10_prefactor_cm2_s * 10 ** (-scaled.activation_energy_eV / (8.617333262e-5 * 700) / 2.302585093)
    assert line / 700 * 1000 == pytest.approx(at_700, rel=1e-6)


def test_the_numbers_of_a_curve_come_with_its_plot(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    run = row.md_runs.filter(diffusion__isnull=False).last()
    found = as_ada.get(reverse("plot-msd", args=[run.pk])).json()
    if found["doc"] is None:
        pytest.fail(found["message"])
    assert found["table"]["columns"][0] == "t (ps)"
    assert all(len(numbers) == len(found["table"]["columns"]) for numbers in found["table"]["rows"])


def test_no_line_is_drawn_where_the_table_has_no_number(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    fit = row.trained_models.last().arrhenius
    known = fit.details | {"covariance": [[6e-4, 4.2e-5], [4.2e-5, 3.24e-6]]}
    bent = {"D300_reason": "the points bend, so nothing is extrapolated from them", "temperature_range_K": [650.0, 900.0]}

    def is_dashed(change):
        fit.details = known | change
        fit.save()
        drawn = json.dumps(as_ada.get(reverse("plot-compare"), {"campaign": row.pk, "temperature_K": 300}).json())
        return '"line_dash": [6]' in drawn

    assert is_dashed({})
    assert not is_dashed(bent)
    assert not is_dashed({"covariance": [[6.0, 0.6], [0.6, 0.07]]})


def test_a_table_says_why_it_has_no_number(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    fit = row.trained_models.last().arrhenius
    fit.details |= {"D300_reason": "the points bend, so nothing is extrapolated from them", "temperature_range_K": [650.0, 900.0]}
    fit.save()
    query = {"campaign": row.pk, "temperature_K": 300}
    (line,) = csv.DictReader(as_ada.get(reverse("compare-rows", args=["csv"]), query).content.decode().splitlines())
    assert (line["diffusivity_cm2_s"], line["reason"]) == ("", "the points bend, so nothing is extrapolated from them")
    (line,) = csv.DictReader(
        as_ada.get(reverse("compare-rows", args=["csv"]), query | {"temperature_K": 700}).content.decode().splitlines()
    )
    assert float(line["diffusivity_cm2_s"]) > 0
    assert line["reason"] == ""


@pytest.mark.parametrize("text", ["abc", "-5", "1e9", "nan", "0"])
def test_a_temperature_that_is_not_used_is_named(as_ada, ada, text):
    row = factories.campaign(ada)
    page = as_ada.get(reverse("compare"), {"campaign": row.pk, "temperature_K": text}).content.decode()
    assert f"temperature_K={text} in the address was not used" in page


def test_campaigns_that_are_not_there_are_named(as_ada, ada):
    row = factories.campaign(ada)
    page = as_ada.get(reverse("compare"), {"campaign": [row.pk, "99999", "abc"], "temperature_K": ""}).content.decode()
    assert "campaign=99999, campaign=abc in the address were not used" in page
    assert "not used" not in as_ada.get(reverse("compare"), {"campaign": row.pk, "temperature_K": "700"}).content.decode()
