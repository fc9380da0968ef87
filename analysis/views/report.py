"""A campaign on one sheet, to print or to keep as a PDF."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from analysis.services.campaign_report import contents
from campaigns.views import access


@login_required
@require_safe
def report(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request, pk)
    context = {"section": "campaigns", "campaign": campaign, "now": timezone.now(), "address": request.build_absolute_uri()}
    return render(request, "analysis/report.html", context | contents(campaign))
