"""Thresholds of a campaign that is under way, changed for the rest of it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from campaigns.forms.settings import ThresholdsForm
from campaigns.services.setting_changes import change_settings
from campaigns.views import access, refusals
from campaigns.views.campaigns import page_context


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.editable_campaign(request, pk)
    form = ThresholdsForm(campaign, request.POST if request.method == "POST" else None)
    if form.is_valid():
        with refusals.as_form_error(form):
            made = change_settings(campaign, form.changes, request.user, form.cleaned_data["reason"], form.cleaned_data["version"])
        if form.is_valid():
            messages.success(request, f"{len(made)} setting{'s' * (len(made) > 1)} changed: for every stage that begins from now on.")
            return redirect("campaign-settings", pk)
    return render(
        request, "campaigns/change_settings.html", page_context(campaign, "settings") | {"form": form}, status=422 if form.errors else 200
    )
