"""The results of one campaign, and several campaigns side by side."""

from dataclasses import asdict
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from analysis import queries
from analysis.references import Reference
from analysis.views.selection import chosen_campaigns, chosen_temperature_K, published_of
from campaigns import queries as campaign_queries
from campaigns.enums import RunPurpose
from campaigns.models import Campaign, Cell, MdRun
from campaigns.views import access, exports
from campaigns.views.campaigns import page_context


@login_required
@require_GET
def results(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request, pk)
    return render(request, "analysis/results.html", page_context(campaign, "results") | results_context(request, campaign))


def results_context(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """What the page of results shows below its head."""
    found = queries.judged_models(campaign.trained_models.all())
    wanted = request.GET.get("model", "")
    shown = next((judged for judged in found if str(judged.model.pk) == wanted), found[-1] if found else None)
    temperature_K = chosen_temperature_K(request, campaign)
    return {
        "judged": found,
        "shown": shown,
        "reading": queries.reading(shown) if shown else None,
        "temperature_K": temperature_K,
        "table": [(judged, *queries.diffusivity_at(judged.fit, temperature_K)) for judged in reversed(found)],
    }


RUN_COLUMNS = (
    *("model", "cell", "temperature_K", "replica", "kinetic_temperature_K", "kinetic_temperature_error_K", "duration_ps"),
    *("diffusivity_cm2_s", "diffusivity_error_cm2_s", "conductivity_mS_cm", "conductivity_error_mS_cm", "haven_ratio", "verdict", "reason"),
    *("in_fit", "activation_energy_eV", "activation_energy_error_eV"),
)


@login_required
@require_GET
def result_rows(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Every run of every evaluated model as `csv`; what the campaign found, as `manage.py campaign status --json` prints it, as `json`."""
    campaign = access.campaign(request, pk)
    name = f'attachment; filename="campaign-{campaign.pk}-results.{kind}"'
    if kind == "json":
        return JsonResponse(campaign_queries.result(campaign), json_dumps_params={"indent": 1}, headers={"Content-Disposition": name})
    if kind != "csv":
        raise Http404
    response = HttpResponse(content_type="text/csv", headers={"Content-Disposition": name})
    exports.write_csv(response, RUN_COLUMNS, queries.run_rows(campaign))
    return response


@login_required
@require_GET
def run_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One evaluation run: its verdict, its MSD, who was how far from whom, and where the ions were."""
    found = MdRun.objects.select_related("campaign__owner", "diffusion", "cell__material", "model")
    run = get_object_or_404(found.filter(campaign__in=access.campaigns(request), purpose=RunPurpose.EVALUATE), pk=pk)
    judged = getattr(run, "diffusion", None)
    return render(
        request,
        "analysis/run.html",
        page_context(run.campaign, "results") | {"run": run, "judged": judged, "axes": [(0, "a"), (1, "b"), (2, "c")]},
    )


@login_required
@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    campaigns = chosen_campaigns(request)
    temperature_K = chosen_temperature_K(request)
    others = access.campaigns(request).only("name", "state", "owner")[:100]
    context = {
        "section": "compare",
        "rows": _compared(campaigns, temperature_K),
        "temperature_K": temperature_K,
        "others": others,
        "chosen": {campaign.pk for campaign in campaigns},
        "published": published_of(campaigns) if campaigns else [],
    }
    return render(request, "analysis/compare.html", context)


def _compared(campaigns: list[Campaign], temperature_K: float) -> list[dict[str, Any]]:
    found = queries.last_judged(campaigns)
    cells: dict[int, list[str]] = {}
    evaluated = Cell.objects.filter(campaign__in=campaigns, for_evaluation=True).select_related("material").defer("material__cif")
    for cell in evaluated.defer("material__facts"):
        cells.setdefault(cell.campaign_id, []).append(f"{cell}, {cell.n_atoms} atoms" if cell.n_atoms else str(cell))
    rows = []
    for campaign in campaigns:
        judged = found.get(campaign.pk)
        diffusivity, conductivity = (None, None), (None, None)
        if judged:
            diffusivity = queries.diffusivity_at(judged.fit, temperature_K)
            conductivity = queries.conductivity_at(judged, temperature_K)
        rows.append(
            {
                "campaign": campaign,
                "judged": judged,
                "reading": queries.reading(judged) if judged else None,
                "cells": "; ".join(cells.get(campaign.pk, [])),
                "diffusivity": diffusivity[0],
                "error": diffusivity[1],
                "conductivity": conductivity[0],
                "conductivity_error": conductivity[1],
            }
        )
    return rows


@login_required
@require_GET
def compare_rows(request: HttpRequest, kind: str) -> HttpResponse:
    """The table of the comparison, and what is published, as `csv` or `json`."""
    name = f'attachment; filename="comparison-{chosen_temperature_K(request):g}-K.{kind}"'
    document = comparison_document(request)
    if kind == "json":
        return JsonResponse(document, json_dumps_params={"indent": 1}, headers={"Content-Disposition": name})
    if kind != "csv":
        raise Http404
    response = HttpResponse(content_type="text/csv", headers={"Content-Disposition": name})
    exports.write_csv(response, COLUMNS, document["campaigns"])
    return response


def comparison_document(request: HttpRequest) -> dict[str, Any]:
    """The rows of the comparison as numbers and words, and what is published of the same elements."""
    campaigns = chosen_campaigns(request)
    temperature_K = chosen_temperature_K(request)
    return {
        "campaigns": [_plain(row, temperature_K) for row in _compared(campaigns, temperature_K)],
        "published": [_plain_reference(one) for one in published_of(campaigns)],
    }


COLUMNS = (
    *("campaign_id", "campaign", "state", "mobile_ion", "reference_method", "cells", "model", "decision", "n_points"),
    *("activation_energy_eV", "activation_energy_error_eV", "temperature_K", "diffusivity_cm2_s", "diffusivity_error_cm2_s"),
    *("conductivity_mS_cm", "conductivity_error_mS_cm", "fitted_from_K", "fitted_to_K"),
)


def _plain(row: dict[str, Any], temperature_K: float) -> dict[str, Any]:
    campaign, judged, reading = row["campaign"], row["judged"], row["reading"] or {}
    fit = judged.fit if judged else None
    values = (
        *(campaign.pk, campaign.name, campaign.state, campaign.mobile_ion, campaign.labeller, row["cells"]),
        *((judged.name, judged.model.convergence, fit.n_points) if judged else (None, None, None)),
        *((fit.activation_energy_eV, fit.activation_energy_error_eV) if judged else (None, None)),
        *(temperature_K, row["diffusivity"], row["error"], row["conductivity"], row["conductivity_error"]),
        *(reading.get("low_K"), reading.get("high_K")),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _plain_reference(one: Reference) -> dict[str, Any]:
    return asdict(one) | {"elements": sorted(one.elements), "source": one.source}
