"""The results of one campaign, and several campaigns side by side."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from analysis import queries
from analysis.science.interval import NOT_KNOWN
from analysis.services import comparison
from analysis.views.plots import CONDUCTIVITY_AXIS, MOST_BANDS
from analysis.views.selection import (
    MAX_COMPARED,
    asked_for,
    chosen_campaigns,
    chosen_temperature_K,
    not_used,
    offered,
    published_of,
    without_published,
)
from campaigns import queries as campaign_queries
from campaigns.enums import RunPurpose
from campaigns.models import Campaign, MdRun
from campaigns.views import access, exports
from campaigns.views.campaigns import page_context


@login_required
@require_safe
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
        "room": queries.at_room(shown.fit) if shown else [],
        "not_known": NOT_KNOWN,
        "temperature_K": temperature_K,
        "temperatures_K": sorted({*campaign.settings.evaluation_temperatures_K, temperature_K}),
        "table": [(judged, *queries.diffusivity_at(judged.fit, temperature_K)) for judged in reversed(found)],
    }


RUN_COLUMNS = (
    *("model", "cell", "temperature_K", "replica", "kinetic_temperature_K", "kinetic_temperature_error_K", "duration_ps"),
    *("diffusivity_cm2_s", "diffusivity_error_cm2_s", "conductivity_mS_cm", "conductivity_error_mS_cm", "haven_ratio", "verdict", "reason"),
    *("in_fit", "activation_energy_eV", "activation_energy_error_eV"),
)


@login_required
@require_safe
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
@require_safe
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
@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    campaigns = chosen_campaigns(request)
    temperature_K = chosen_temperature_K(request)
    sort = request.GET.get("sort", "id")
    others, n_more = offered(request, campaigns)
    published = published_of(campaigns) if campaigns else []
    rows = comparison.ordered(comparison.compared(campaigns, temperature_K), sort)
    drawn = "conductivity" if request.GET.get("axis") == CONDUCTIVITY_AXIS else "diffusivity"
    context = {
        "section": "compare",
        "rows": rows,
        "sort": sort,
        "not_known": NOT_KNOWN,
        "temperature_K": temperature_K,
        "others": others,
        "n_more": n_more,
        "find": request.GET.get("find", ""),
        "n_left_out": max(len(asked_for(request)) - MAX_COMPARED, 0),
        "max_compared": MAX_COMPARED,
        "not_used": not_used(request, campaigns),
        "axis": request.GET.get("axis", ""),
        "chosen": {campaign.pk for campaign in campaigns},
        "published": sorted(published, key=lambda one: (one.material, one.quantity)),
        "has_published_points": any(one.quantity == drawn and one.temperature_K for one in published),
        "with_bands": len(rows) <= MOST_BANDS,
        "without_published": without_published(campaigns) if campaigns else [],
    }
    return render(request, "analysis/compare.html", context)


@login_required
@require_safe
def compare_rows(request: HttpRequest, kind: str) -> HttpResponse:
    """The table of the comparison, and what is published, as `csv` or `json`."""
    name = f'attachment; filename="comparison-{chosen_temperature_K(request):g}-K.{kind}"'
    document = comparison_document(request)
    if kind == "json":
        return JsonResponse(document, json_dumps_params={"indent": 1}, headers={"Content-Disposition": name})
    if kind != "csv":
        raise Http404
    response = HttpResponse(content_type="text/csv", headers={"Content-Disposition": name})
    exports.write_csv(response, comparison.COLUMNS, document["campaigns"])
    return response


def comparison_document(request: HttpRequest) -> dict[str, Any]:
    """The rows of the comparison as numbers and words, and what is published of the same elements."""
    campaigns, temperature_K = chosen_campaigns(request), chosen_temperature_K(request)
    return comparison.document(comparison.compared(campaigns, temperature_K), published_of(campaigns), temperature_K)
