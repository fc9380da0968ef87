"""The check of a draft's reference method: started and stopped from the card that says what the campaign will cost."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from campaigns.enums import CampaignState
from campaigns.services import method_checks as services
from campaigns.views import access, fragments, refusals
from campaigns.views.campaigns import cost as cost_context


@login_required
@require_POST
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """The ticked options, each with its stricter value; none ticked: what a label costs is measured."""
    campaign = access.editable_campaign(request, pk)
    with refusals.as_message(request):
        services.start(campaign, request.POST.getlist("option"), request.user)
        messages.success(request, "The reference method is being checked.")
    return redirect("campaign-overview", pk)


@login_required
@require_POST
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    if services.stop(access.editable_campaign(request, pk)):
        messages.success(request, "The check is stopped.")
    return redirect("campaign-overview", pk)


@login_required
@require_safe
def cost(request: HttpRequest, pk: int) -> HttpResponse:
    """What a draft will cost, live while its reference method is checked."""
    campaign = access.campaign(request, pk)
    context = {"campaign": campaign} | cost_context(campaign)
    ended = campaign.state != CampaignState.DRAFT or context["check_stage"] is None
    return fragments.live(request, "campaigns/_cost.html", context, ended=ended)
