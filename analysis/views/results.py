"""The results of one campaign, and several campaigns side by side."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from analysis import queries
from analysis.views.selection import chosen_campaigns, chosen_temperature_K
from campaigns.views import access
from campaigns.views.campaigns import page_context


@login_required
@require_GET
def results(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request, pk)
    found = queries.judged_models(campaign.trained_models.all())
    wanted = request.GET.get("model", "")
    shown = next((judged for judged in found if str(judged.model.pk) == wanted), found[-1] if found else None)
    temperature_K = chosen_temperature_K(request, campaign)
    context = {
        "judged": found,
        "shown": shown,
        "reading": queries.reading(shown) if shown else None,
        "temperature_K": temperature_K,
        "table": [(judged, *queries.diffusivity_at(judged.fit, temperature_K)) for judged in reversed(found)],
    }
    return render(request, "analysis/results.html", page_context(campaign, "results") | context)


@login_required
@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    campaigns = chosen_campaigns(request)
    temperature_K = chosen_temperature_K(request)
    found = queries.last_judged(campaigns)
    rows = []
    for campaign in campaigns:
        judged = found.get(campaign.pk)
        value, error = queries.diffusivity_at(judged.fit, temperature_K) if judged else (None, None)
        rows.append(
            {
                "campaign": campaign,
                "judged": judged,
                "reading": queries.reading(judged) if judged else None,
                "diffusivity": value,
                "error": error,
            }
        )
    others = access.campaigns(request).only("name", "state", "owner")[:100]
    return render(
        request,
        "analysis/compare.html",
        {
            "section": "compare",
            "rows": rows,
            "temperature_K": temperature_K,
            "others": others,
            "chosen": {campaign.pk for campaign in campaigns},
        },
    )
