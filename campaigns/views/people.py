"""Who sees a campaign and what was done with it: its project, its read-only links, its log; putting things into projects."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campaigns.models import Campaign, Project
from campaigns.services import projects, sharing
from campaigns.views import access, refusals
from campaigns.views.campaigns import page_context

PER_PAGE = 50


@login_required
@require_safe
def campaign_people(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, access.campaign(request, pk))


def _page(request: HttpRequest, campaign: Campaign, made: str = "") -> HttpResponse:
    found = Paginator(campaign.activities.all(), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "made": made,
        "page": found,
        "links": campaign.shared_links.select_related("made_by"),
        "members": campaign.project.memberships.select_related("user") if campaign.project else [],
        "targets": Project.objects.editable_by(request.user) if campaign.may_manage else [],
    }
    return render(request, "campaigns/people.html", page_context(campaign, "people") | context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def link_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows the address of a new link, this once; GET, after signing in again: the page alone."""
    campaign = access.managed_campaign(request, pk)
    if request.method != "POST":
        return _page(request, campaign)
    with refusals.as_message(request):
        _, token = sharing.make_link(campaign, request.user, request.POST.get("note", ""))
        return _page(request, campaign, request.build_absolute_uri(reverse("shared", args=[token])))
    return redirect("campaign-people", pk)


@login_required
@require_POST
def link_withdraw(request: HttpRequest, pk: int, link: int) -> HttpResponse:
    campaign = access.managed_campaign(request, pk)
    sharing.withdraw(get_object_or_404(campaign.shared_links, pk=link), request.user)
    messages.success(request, "The link is withdrawn: it opens nothing from now on.")
    return redirect("campaign-people", pk)


def move(request: HttpRequest, row: Any, page: str) -> HttpResponse:
    """Put `row` into the project that the form names, or make it private, and go to `page`, if he may still see it."""
    project = access.target_project(request, request.POST.get("project", ""))
    with refusals.as_message(request):
        projects.move(row, project, request.user)
        what = f"“{row.name}” is in the project “{project.name}”." if project else f"“{row.name}” is private."
        messages.success(request, what)
    still_seen = type(row).objects.visible_to(request.user).filter(pk=row.pk).exists()
    return redirect(page if still_seen else "campaign-list")


@login_required
@require_POST
def campaign_move(request: HttpRequest, pk: int) -> HttpResponse:
    return move(request, access.managed_campaign(request, pk), reverse("campaign-people", args=[pk]))


@login_required
@require_POST
def material_move(request: HttpRequest, pk: int) -> HttpResponse:
    return move(request, access.managed_material(request, pk), reverse("material-page", args=[pk]))
