"""Limits of the reference method, changed on the page of a campaign's settings while it does not run."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from campaigns.enums import CampaignState
from campaigns.forms.settings import LimitsForm
from campaigns.models import Campaign
from campaigns.services import limits
from campaigns.views import access, refusals

WHAT_NEXT = {CampaignState.FAILED: "Press “Retry what failed” to go on with it.", CampaignState.PAUSED: "It counts from “Resume” on."}


def form_for(request: HttpRequest, campaign: Campaign) -> LimitsForm | None:
    """None where nothing can be changed now, or not by who looks."""
    offered = campaign.state in limits.CHANGED_WHILE and limits.options_of(campaign.labeller)
    return LimitsForm(campaign) if offered and access.with_rights(request, campaign).may_edit else None


@login_required
@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.editable_campaign(request, pk)
    form = LimitsForm(campaign, request.POST)
    with refusals.as_message(request):
        if not form.is_valid():
            for name, errors in form.errors.items():
                messages.error(request, f"{form.fields[name].label}: {' '.join(map(str, errors))}")
        elif what := limits.change(campaign, form.values(), request.user):
            messages.success(request, f"Changed: {what}. {WHAT_NEXT[campaign.state]}")
    return redirect("campaign-settings", pk)
