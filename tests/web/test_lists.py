"""Lists ask the database the same number of questions whatever their length."""

import csv

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.enums import CampaignState
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
    addresses = [reverse("compare"), reverse("plot-compare"), reverse("plot-compare-energies"), reverse("compare-rows", args=["csv"])]
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
