"""The training set: every configuration with its verdict, filtered, sorted and paged; one configuration; the set as a file."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, F, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from campaigns.enums import CleaningRule, FrameSource, Verdict
from campaigns.forms.fields import whole_number
from campaigns.models import Campaign, Frame
from campaigns.services import activity, overruling, texts
from campaigns.services import exports as services
from campaigns.views import access, exports, pictures, refusals
from campaigns.views.campaigns import page_context

PER_PAGE = 100
SORTABLE = ("id", "temperature_K", "energy_eV_atom", "max_force_eV_A", "min_distance_A", "model_force_rmse_eV_A")
FILTERS = {
    "verdict": Verdict.values,
    "rule": [rule for rule in CleaningRule.values if rule],
    "source": FrameSource.values,
    "overruled": overruling.VERDICTS,
}


def filtered(request: HttpRequest, campaign: Campaign) -> tuple[QuerySet[Frame], dict[str, str]]:
    """The configurations that the query string asks for, and what it asked; unknown values are ignored."""
    found, chosen = campaign.frames.all(), {}
    for name, values in FILTERS.items():
        if request.GET.get(name) in values:
            chosen[name] = request.GET[name]
    for name in ("loop", "step"):
        if (number := whole_number(request.GET.get(name, ""))) is not None:
            chosen[name] = str(number)
    return found.filter(**chosen), chosen


def _sorted(request: HttpRequest, found: QuerySet[Frame]) -> tuple[QuerySet[Frame], str]:
    key = request.GET.get("sort", "id")
    name = key.removeprefix("-")
    if name not in SORTABLE:
        return found.order_by("id"), "id"
    column = F(name)
    order = column.desc(nulls_last=True) if key.startswith("-") else column.asc(nulls_last=True)
    return found.order_by(order, "id"), key


@login_required
@require_safe
def training_set(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request, pk)
    found, chosen = filtered(request, campaign)
    rows, key = _sorted(request, found)
    page = Paginator(rows.defer("message").prefetch_related("overrulings"), PER_PAGE).get_page(request.GET.get("page"))
    sets = list(campaign.training_sets.all())
    context: dict[str, Any] = {
        "page": page,
        "chosen": chosen,
        "sort": key,
        "verdicts": Verdict.choices,
        "sources": FrameSource.choices,
        "formats": services.FORMATS,
        "rules": [choice for choice in CleaningRule.choices if choice[0]],
        "overruled": [(Verdict.KEPT, "to kept"), (Verdict.REJECTED, "to rejected")],
        "sets": sets,
        "last_set": sets[-1] if sets else None,
        "counts": {row["verdict"]: row["n"] for row in campaign.frames.order_by().values("verdict").annotate(n=Count("id"))},
    }
    return render(request, "campaigns/training_set.html", page_context(campaign, "training-set") | context)


@login_required
@require_safe
def training_set_download(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What the filter leaves, in the format asked for; configurations without a label are left out."""
    campaign = access.campaign(request, pk)
    found, _ = filtered(request, campaign)
    labelled = found.exclude(verdict=Verdict.UNLABELLED).select_related("artefact").order_by("artefact_id", "row")
    with refusals.as_message(request):
        package = services.data_set(campaign, labelled, request.GET.get("format", "extxyz"))
        activity.record(request.user, "exported", campaign, f"configurations as {request.GET.get('format', 'extxyz')}")
        return exports.zip_file(package, f"campaign-{campaign.pk}-configurations")
    return redirect("campaign-training-set", pk)


@login_required
@require_safe
def configuration(request: HttpRequest, pk: int) -> HttpResponse:
    frame = access.frame(request, pk)
    context = {
        "frame": frame,
        "history": frame.history.select_related("training_set"),
        "overrulings": frame.overrulings.order_by("-id"),
        "opposite": Verdict.REJECTED if frame.verdict == Verdict.KEPT else Verdict.KEPT,
        "max_reason": texts.MAX_REASON,
    }
    return render(request, "campaigns/configuration.html", page_context(frame.campaign, "training-set") | context)


@login_required
@require_POST
def configuration_overrule(request: HttpRequest, pk: int) -> HttpResponse:
    """`verdict` kept or rejected; empty: cleaning's verdict counts again."""
    frame = access.frame(request, pk)
    access.require_edit(request.user, frame.campaign)
    verdict, reason = request.POST.get("verdict", ""), request.POST.get("reason", "")
    with refusals.as_message(request):
        if verdict:
            overruling.overrule(frame, request.user, verdict, reason)
            messages.success(request, f"The verdict is overruled: this configuration is {frame.get_verdict_display()} from now on.")
        else:
            overruling.withdraw(frame, request.user, reason)
            messages.success(request, f"The verdict of cleaning counts again: {frame.get_verdict_display()}.")
    return redirect("configuration", pk)


@login_required
@require_safe
def configuration_structure(request: HttpRequest, pk: int) -> HttpResponse:
    return JsonResponse(pictures.of_frame(access.frame(request, pk)))


@login_required
@require_safe
def configuration_download(request: HttpRequest, pk: int) -> HttpResponse:
    frame = access.frame(request, pk)
    return HttpResponse(
        exports.extended_xyz(frame),
        content_type="chemical/x-xyz",
        headers={"Content-Disposition": f'attachment; filename="configuration-{frame.pk}.extxyz"'},
    )
