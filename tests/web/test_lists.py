"""Lists ask the database the same number of questions whatever their length."""

import csv
import json
import math
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from analysis.models import RunDiffusion
from analysis.references import of_elements
from campaigns.enums import CampaignState
from campaigns.forms.campaign import OFFERED
from campaigns.models import Material
from campaigns.views import differences
from tests import factories


def _queries(client, address):
    client.get(address)  # what is cached on the first request is not counted
    with CaptureQueriesContext(
        connection,
    ) as found:
        assert client.get(address).status_code in (200, 286)
    return len(found)


@pytest.mark.parametrize("address", ["/campaigns/", "/materials/", "/campaigns/?part=rows"])
def test_one_row_and_three(as_ada, ada, address):
    factories.full_campaign(ada, frames_per_step=4)
    one = _queries(as_ada, address)
    factories.full_campaign(ada, frames_per_step=4)
    factories.full_campaign(ada, frames_per_step=4)
    assert _queries(as_ada, address) == one


def test_compare_asks_as_much_for_three_as_for_one(as_ada, ada):
    made = [factories.full_campaign(ada, frames_per_step=4) for _ in range(3)]
    addresses = [reverse("compare"), reverse("plot-compare"), reverse("compare-rows", args=["csv"])]
    addresses += [reverse("plot-compare-bars", args=[quantity]) for quantity in ("activation-energy", "diffusivity", "conductivity")]
    for address in addresses:
        one = _queries(as_ada, f"{address}?campaign={made[0].pk}")
        assert _queries(as_ada, f"{address}?" + "&".join(f"campaign={row.pk}" for row in made)) == one


def test_a_comparison_is_downloaded_with_what_is_published(as_ada, ada):
    row = factories.full_campaign(ada, name="=cmd()", frames_per_step=4, state=CampaignState.CONVERGED)
    query = f"?campaign={row.pk}&temperature_K=700"
    (line,) = csv.DictReader(as_ada.get(reverse("compare-rows", args=["csv"]) + query).content.decode().splitlines())
    found = as_ada.get(reverse("compare-rows", args=["json"]) + query).json()
    (ours,) = found["campaigns"]
    assert line["campaign"] == "'=cmd()"
    assert float(line["activation_energy_eV"]) == ours["activation_energy_eV"] == row.trained_models.last().arrhenius.activation_energy_eV
    assert ours["temperature_K"] == 700
    assert ours["conductivity_mS_cm"] / ours["conductivity_error_mS_cm"] == pytest.approx(
        ours["diffusivity_cm2_s"] / ours["diffusivity_error_cm2_s"]
    )
    assert {"Kamaya 2011", "Marcolongo 2019"} <= {one["citation"] for one in found["published"]}
    assert all(one["source"].startswith("https://doi.org/10.") for one in found["published"])
    assert as_ada.get(reverse("compare-rows", args=["xls"]) + query).status_code == 404


def _second_cell(row, energy_eV):
    """The last model's runs at another size: in a cell of their own, with a line of their own."""
    fit = row.trained_models.last().arrhenius
    cell = row.cells.first()
    row.cells.update(for_evaluation=True)
    runs = [factories.md_run(fit.model, T) for T in (650.0, 750.0, 900.0)]
    for run in runs:
        run.cell = cell
        run.save()
        D = 1e-3 * math.exp(-energy_eV / (8.617333262e-5 * run.mean_temperature_K))
        RunDiffusion.objects.create(
            md_run=run, verdict="diffusive", reason="", kinetic_temperature_K=run.mean_temperature_K,
            diffusivity_cm2_s=D, diffusivity_error_cm2_s=0.1 * D, details={"conductivity_mS_cm_per_cm2_s": 4e6},
        )  # fmt: skip
    details = {"points": [{"run_ids": [run.number]} for run in runs], "excluded": [], "covariance": fit.details["covariance"]}
    line = {"activation_energy_eV": energy_eV, "activation_energy_error_eV": 0.02, "log10_prefactor_cm2_s": -3.0, "n_points": 3}
    fit.details["other_cells"] = [line | {"cell": str(cell), "cell_id": cell.pk, "apart_sigma": 1.0, "reason": "", "details": details}]
    fit.save()


def test_every_evaluation_cell_has_its_row_and_its_line(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    _second_cell(row, 0.31)
    query = {"campaign": row.pk, "temperature_K": 300}
    first, second = as_ada.get(reverse("compare-rows", args=["json"]), query).json()["campaigns"]
    assert (first["cells"], second["cells"]) == ("LGPS 2×2×1, 200 atoms", "LGPS 1×1×1, 50 atoms")
    assert (second["activation_energy_eV"], second["n_points"], second["material"]) == (0.31, 3, "Li10GeP2S12")
    assert second["extrapolated"]
    # Student's t for one degree of freedom; in ln D the interval is symmetrical, in D it is not.
    relative = 12.7062 * second["diffusivity_error_cm2_s"] / second["diffusivity_cm2_s"]
    assert math.log(second["diffusivity_high_cm2_s"] / second["diffusivity_cm2_s"]) == pytest.approx(relative, rel=1e-4)
    assert math.log(second["conductivity_mS_cm"] / second["conductivity_low_mS_cm"]) == pytest.approx(relative, rel=1e-4)
    drawn = json.dumps(as_ada.get(reverse("plot-compare"), query).json(), ensure_ascii=False)
    assert "LGPS, quick, 1×1×1" in drawn
    assert "LGPS, quick, 2×2×1" in drawn


def test_the_table_of_a_comparison_is_sorted_and_grouped(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    _second_cell(row, 0.31)
    page = as_ada.get(reverse("compare"), {"campaign": row.pk, "temperature_K": 700, "sort": "-activation_energy_eV"})
    assert page.context["rows"][0].activation_energy_eV == 0.31
    text = page.content.decode()
    assert 'aria-sort="descending"' in text
    assert text.count('scope="rowgroup"') == 1
    assert "S/cm" not in text.replace("mS/cm", "")
    assert "not stated" in text
    assert "larger than one fitted to ln σ by about kT" in text


def test_bars_show_what_is_known_at_the_temperature_and_no_more(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    fit = row.trained_models.last().arrhenius
    for covariance, known in ([[6e-4, 4.2e-5], [4.2e-5, 3.24e-6]], True), ([[6.0, 0.6], [0.6, 0.07]], False):
        fit.details["covariance"] = covariance
        fit.save()
        text = as_ada.get(reverse("compare"), {"campaign": row.pk, "temperature_K": 300}).content.decode()
        assert ("not known well enough: the runs span too little of 1/T" in text) != known
        for quantity in ("diffusivity", "conductivity"):
            drawn = as_ada.get(reverse("plot-compare-bars", args=[quantity]), {"campaign": row.pk, "temperature_K": 300}).json()
            assert (drawn["doc"] is not None) == known
    assert as_ada.get(reverse("plot-compare-bars", args=["mass"]), {"campaign": row.pk}).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "campaign-overview",
        "campaign-results",
        "campaign-training-set",
        "campaign-models",
        "campaign-stages",
        "campaign-settings",
        "plot-arrhenius",
    ],
)
def test_a_long_campaign_asks_as_much_as_a_short_one(as_ada, ada, name):
    short = factories.full_campaign(ada, n_steps=2, frames_per_step=4, state=CampaignState.CONVERGED)
    long = factories.full_campaign(ada, n_steps=4, n_loops=2, frames_per_step=30, state=CampaignState.CONVERGED)
    assert _queries(as_ada, reverse(name, args=[short.pk])) == _queries(as_ada, reverse(name, args=[long.pk]))


def test_configurations_are_paged_filtered_and_sorted(as_ada, ada):
    row = factories.full_campaign(ada, n_steps=3, frames_per_step=60)
    address = reverse("campaign-training-set", args=[row.pk])
    first = as_ada.get(address).context["page"]
    assert len(first.object_list) == 100
    assert first.paginator.count == row.frames.count()
    rejected = as_ada.get(address, {"verdict": "rejected", "rule": "energy", "sort": "-energy_eV_atom"}).context["page"].object_list
    energies = [frame.energy_eV_atom for frame in rejected]
    assert energies == sorted(energies, reverse=True)
    assert {frame.verdict for frame in rejected} == {"rejected"}
    one_step = as_ada.get(address, {"loop": "1", "step": "2", "source": "explore"}).context["page"]
    assert one_step.paginator.count == 60
    assert as_ada.get(address, {"sort": "password", "verdict": "x", "loop": "9" * 30, "page": "zero"}).status_code == 200


def test_a_campaign_keeps_its_colour_and_marker_whatever_was_chosen_before_it():
    from analysis.views.figures import places

    assert places([4, 9, 2]) == [4, 9, 2]
    first, second = places([3, 9]), places([9, 3])
    assert first == second[::-1]
    assert len({place % 6 for place in first}) == 2
    assert len({place % 6 for place in places([5, 5, 11])}) == 3


def test_compare_says_states_and_where_nothing_is_published(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4, state=CampaignState.FAILED)
    text = as_ada.get(reverse("compare"), {"campaign": row.pk}).content.decode()
    assert re.search(rf"{row.name} <span[^>]*>failed</span>", text)
    assert "There are no published values here for" not in text
    assert "are published" not in text
    assert "Grey and hollow" not in text
    material = row.cells.first().material
    material.facts |= {"elements": ["Li", "Xe"]}
    material.save()
    text = as_ada.get(reverse("compare"), {"campaign": row.pk}).content.decode()
    assert "There are no published values here for Li<sub>10</sub>" in text


def test_the_report_says_how_many_published_values_it_leaves_out(as_ada, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    page = as_ada.get(reverse("campaign-report", args=[row.pk]))
    shown, more = len(page.context["published"]), page.context["n_more_published"]
    assert shown + more == len(of_elements({frozenset(["Li", "Ge", "P", "S"])}))
    assert f"And {more} more on" in page.content.decode()


def test_the_form_does_not_grow_with_the_materials(as_ada, ada):
    first = factories.material(ada, "the first")
    Material.objects.bulk_create(
        Material(**{**_columns(first), "name": f"another {number}", "cif_sha256": str(number)}) for number in range(OFFERED + 20)
    )
    page = as_ada.get(reverse("campaign-new"))
    assert len(re.findall(r">another \d", page.content.decode())) == OFFERED
    assert f"The newest {OFFERED} of {OFFERED + 21} materials" in page.content.decode()
    text = as_ada.get(reverse("campaign-new"), {"material": first.pk}).content.decode()
    assert f'<option value="{first.pk}" selected>the first' in text


def _columns(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if not field.primary_key}


def test_the_other_campaign_of_a_difference_is_named_however_old(as_ada, ada, monkeypatch):
    monkeypatch.setattr(differences, "OFFERED", 1)
    first, _, last = [factories.campaign(ada, f"number {number}") for number in range(3)]
    text = as_ada.get(reverse("campaign-settings", args=[last.pk]), {"with": first.pk}).content.decode()
    assert f'<option value="{first.pk}" selected>' in text
    text = as_ada.get(reverse("campaign-settings", args=[last.pk])).content.decode()
    assert "The newest 1 of 2 campaigns" in text
