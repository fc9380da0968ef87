"""Model against label at every training step, on configurations that the model had not been trained on yet."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from analysis.services.parity import UNITS, compared, steps_of
from analysis.views.plots import document, nothing, theme
from campaigns.views import access
from campaigns.views.campaigns import page_context

NOTHING = "The configurations of this step came without a model's own values."


@login_required
@require_safe
def parity_page(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request, pk)
    steps = steps_of(campaign)
    wanted = request.GET.get("at", "")
    shown = next((at for at in steps if f"{at[0]}.{at[1]}" == wanted), steps[-1] if steps else None)
    context = {
        "steps": steps,
        "shown": shown,
        "compared": list(compared(campaign, *shown).values()) if shown else [],
        "models": campaign.trained_models.filter(new_force_rmse_eV_A__isnull=False).select_related("training_set"),
    }
    return render(request, "analysis/parity.html", page_context(campaign, "training-set") | context)


@login_required
@require_safe
def parity_plot(request: HttpRequest, pk: int, loop: int, step: int, quantity: str) -> HttpResponse:
    from analysis.plots.parity import ParityPoints, parity_figure, thinned

    if quantity not in UNITS:
        raise Http404
    found = compared(access.campaign(request, pk), loop, step).get(quantity)
    if found is None:
        return nothing(NOTHING)
    points = thinned(ParityPoints(found.label, found.model, found.group, found.configuration))
    address = reverse("configuration", args=[0]).replace("/0/", "/@configuration/")
    return document(parity_figure(points, theme(request), found.unit, address))
