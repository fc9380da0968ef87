"""A campaign's pages: list, overview with its live parts, models, stages, settings; and what can be done with it."""

from dataclasses import fields
from typing import Any

from django.conf import settings as django_settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Prefetch, Subquery
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from campaigns import cores, places, queries
from campaigns.enums import CampaignState, StageKind, StageState
from campaigns.forms.fields import whole_number
from campaigns.models import Campaign, Cell, Project, Stage, TrainedModel
from campaigns.progress import campaign_progress, stage_progress, stage_words
from campaigns.science.protocol import GROUPS, PRESETS, ProtocolSettings
from campaigns.services import activity, deletion, estimates, method_checks
from campaigns.services import campaigns as services
from campaigns.services import exports as packages
from campaigns.services.errors import ServiceError
from campaigns.services.requests import request_of
from campaigns.services.setting_changes import UNDER_WAY
from campaigns.views import access, differences, exports, fragments, limits, pictures, refusals

PER_PAGE = 25
STAGES_PER_PAGE = 100
# What can be done with a campaign in each state.
ACTIONS = {
    CampaignState.DRAFT: ("start", "delete"),
    CampaignState.RUNNING: ("pause", "cancel"),
    CampaignState.PAUSED: ("resume", "cancel"),
    CampaignState.FAILED: ("retry", "cancel", "delete"),
}
MANAGED = ("delete",)  # for owners alone
VERBS = {
    "start": (services.start, "The campaign is started."),
    "pause": (services.pause, "The campaign is paused; it goes on from its checkpoints when you resume it."),
    "resume": (services.resume, "The campaign goes on."),
    "cancel": (services.cancel, "The campaign is cancelled. What was computed stays."),
    "retry": (services.retry, "The failed stages are tried again."),
    "delete": (deletion.delete, "The campaign and its files are deleted."),
}
# What to do next, by state, where the campaign itself has not said.
NEXT = {
    CampaignState.DRAFT: "Nothing runs yet. Look at the cost and the settings once more, then start it.",
    CampaignState.PAUSED: "Nothing runs. Resume it, and it goes on from its last checkpoints.",
    CampaignState.CONVERGED: "D(T) agrees between the last models, within the scatter and the change that the settings allow. The results "
    "tab has D, Eₐ and their errors.",
    CampaignState.NOT_CONVERGED: "All loops are used up and D(T) is not known to be stationary. See the results; a campaign with "
    "more loops, a larger S0 or longer evaluation runs may settle it.",
    CampaignState.FAILED: "Finished stages are kept, whatever you do next.",
    CampaignState.IMPORTED: "Nothing runs in it. Look at its configurations and models, export them, or go on from it: "
    "they become the starting set of a new campaign.",
    CampaignState.CANCELLED: "It will not go on. What was computed can be looked at.",
}


def actions(campaign: Campaign) -> tuple[str, ...]:
    """What the one who looks can do with it; see `access.with_rights`."""
    possible = ACTIONS.get(campaign.state, ("delete",))
    return tuple(verb for verb in possible if getattr(campaign, "may_manage" if verb in MANAGED else "may_edit", False))


@login_required
@require_safe
def campaign_list(request: HttpRequest) -> HttpResponse:
    judged = TrainedModel.objects.filter(campaign=OuterRef("pk"), arrhenius__activation_energy_eV__isnull=False)
    last = judged.order_by("-loop", "-step", "-repeat")
    found = (
        access.campaigns(request)
        .chosen(request.user, request.GET.get("whose", ""))
        .select_related("owner", "project")
        .annotate(
            activation_energy_eV=Subquery(last.values("arrhenius__activation_energy_eV")[:1]),
            activation_energy_error_eV=Subquery(last.values("arrhenius__activation_energy_error_eV")[:1]),
            is_at_work=Exists(Stage.objects.filter(campaign=OuterRef("pk"), state=StageState.RUNNING)),
        )
        .prefetch_related(Prefetch("cells", Cell.objects.select_related("material").defer("material__cif", "material__facts")))
    )
    state = request.GET.get("state", "")
    if state in CampaignState.values:
        found = found.filter(state=state)
    words = request.GET.get("q", "").strip()
    if words:
        found = found.filter(name__icontains=words)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    for campaign in page:
        campaign.material_formulas = list(dict.fromkeys(cell.material.reduced_formula for cell in campaign.cells.all()))
        campaign.position = position(campaign)
    context = {
        "section": "campaigns",
        "page": page,
        "ticked": {whole_number(word) for word in request.GET.getlist("campaign")},
        "states": CampaignState.choices,
        "state": state,
        "words": words,
        "projects": Project.objects.visible_to(request.user),
        "whose": request.GET.get("whose", ""),
        "any_running": any(campaign.state == CampaignState.RUNNING for campaign in page),
    }
    if request.htmx and request.GET.get("part") == "rows":
        return fragments.live(request, "campaigns/_rows.html", context, ended=not context["any_running"])
    return render(request, "campaigns/list.html", context)


def position(campaign: Campaign) -> str:
    """Where it stands, in a list; `is_at_work` is whether an engine works for it now."""
    waits = " · waiting" if campaign.state == CampaignState.RUNNING and not campaign.is_at_work else ""
    return f"{_place(campaign)}{waits}"


def _place(campaign: Campaign) -> str:
    if campaign.state == CampaignState.IMPORTED:
        return f"{campaign.step} iteration{'' if campaign.step == 1 else 's'}"
    if not campaign.loop:
        return "" if campaign.state == CampaignState.DRAFT else "starting set"
    return f"loop {campaign.loop}, step {campaign.step} of {len(campaign.settings.ramp_temperatures_K)}"


def page_context(campaign: Campaign, tab: str) -> dict[str, Any]:
    """What the head of every tab shows."""
    return {
        "section": "campaigns",
        "campaign": campaign,
        "tab": tab,
        "ended": campaign.state != CampaignState.RUNNING,
        "seen": "",
        **_status(campaign),
    }


def _materials(campaign: Campaign) -> list[Cell]:
    return list(campaign.cells.select_related("material", "structure").defer("material__cif", "material__facts"))


@login_required
@require_safe
def overview(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request, pk)
    context = page_context(campaign, "overview") | {"cells": _materials(campaign)}
    for part in PARTS.values():
        context |= part(campaign, request.user)
    if campaign.state == CampaignState.DRAFT:
        context |= cost(campaign)
    return render(request, "campaigns/overview.html", context)


def cost(campaign: Campaign) -> dict[str, Any]:
    """What a draft will cost, or what keeps it from being started; and the check of its reference method."""
    under_way = method_checks.under_way(campaign)
    found = {
        "check": method_checks.last(campaign),
        "check_stage": under_way,
        "check_progress": under_way and stage_progress(under_way),
        "check_failed": None if under_way else method_checks.failed(campaign),
        "stricter": method_checks.stricter_options(campaign.labeller, campaign.labeller_options),
    }
    try:
        return found | {"estimate": estimates.estimate(campaign.owner, request_of(campaign), campaign)}
    except ServiceError as error:
        return found | {"problems": [{"text": f"{name}: {problem}"} for name, problem in error.fields.items()]}


def _status(campaign: Campaign, viewer: AbstractBaseUser | None = None) -> dict[str, Any]:
    return {"actions": actions(campaign), "next_step": NEXT.get(campaign.state, "")}


def _running(campaign: Campaign, viewer: AbstractBaseUser) -> dict[str, Any]:
    progress = campaign_progress(campaign)
    waiting = campaign.stages.filter(state=StageState.PENDING).order_by("id").select_related("cell__material")
    waiting = waiting.defer("cell__material__cif", "cell__material__facts")[:20]
    held, full = cores.waiting(campaign), places.full()
    return {
        "progress": progress,
        "waits": cores.in_words(held, viewer) if held else "",
        "max_tries": django_settings.STAGE_MAX_TRIES,
        "waiting": [(stage, stage_words(stage), full.get(stage.resource, "")) for stage in waiting],
        "running": [(stage, stage_progress(stage), queries.stage_log_tail(stage, 8)) for stage in progress.stages],
    }


def _ramp(campaign: Campaign, viewer: AbstractBaseUser) -> dict[str, Any]:
    loops: dict[int, list[queries.RampStep]] = {}
    for step in queries.ramp(campaign):
        loops.setdefault(step.loop, []).append(step)
    starting_set = campaign.training_sets.filter(loop=0).first()
    return {"loops": loops, "starting_set": starting_set, "so_far": queries.last_judged_runs(campaign)}


# The parts of the overview that are live, each with its own rhythm.
PARTS = {"status": _status, "running": _running, "ramp": _ramp}


@login_required
@require_safe
def live(request: HttpRequest, pk: int, part: str) -> HttpResponse:
    if part not in PARTS:
        raise Http404
    campaign = access.campaign(request, pk)
    ended = campaign.state != CampaignState.RUNNING
    return fragments.live(request, f"campaigns/_{part}.html", {"campaign": campaign} | PARTS[part](campaign, request.user), ended=ended)


@login_required
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    campaign = access.managed_campaign(request, pk) if verb in MANAGED else access.editable_campaign(request, pk)
    service, done = VERBS[verb]
    with refusals.as_message(request):
        service(campaign, request.user)
        messages.success(request, done)
        if verb == "delete":
            return redirect("campaign-list")
    return redirect("campaign-overview", pk)


@login_required
@require_safe
def deletion_page(request: HttpRequest, pk: int) -> HttpResponse:
    """What would go with the campaign, before it goes."""
    campaign = access.campaign(request, pk)
    context = {
        "section": "campaigns",
        "campaign": campaign,
        "loss": deletion.what_goes(campaign),
        "is_at_rest": "delete" in actions(campaign),
    }
    return render(request, "campaigns/deletion.html", context)


@login_required
@require_safe
def models(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request, pk)
    found = campaign.trained_models.select_related("arrhenius", "frozen").order_by("-loop", "-step", "-repeat")
    page = Paginator(found, STAGES_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "campaigns/models.html", page_context(campaign, "models") | {"page": page})


@login_required
@require_safe
def stages(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request, pk)
    found = campaign.stages.select_related("cell__material").defer("cell__material__cif", "cell__material__facts").order_by("-id")
    kind, state = request.GET.get("kind", ""), request.GET.get("state", "")
    if kind in StageKind.values:
        found = found.filter(kind=kind)
    if state in StageState.values:
        found = found.filter(state=state)
    page = Paginator(found, STAGES_PER_PAGE).get_page(request.GET.get("page"))
    ledger = queries.cost_ledger(campaign)
    total = {
        "stages": sum(row.n_stages for row in ledger),
        "labels": sum(row.labels for row in ledger),
        "labels_found": sum(row.labels_found for row in ledger),
        "seconds": sum(row.seconds for row in ledger),
        "startup_seconds": sum(row.startup_seconds for row in ledger),
    }
    context = {
        "page": page,
        "kinds": StageKind.choices,
        "states": StageState.choices,
        "kind": kind,
        "state": state,
        "ledger": ledger,
        "ledger_total": total,
    }
    return render(request, "campaigns/stages.html", page_context(campaign, "stages") | context)


@login_required
@require_safe
def settings(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request, pk)
    chosen, preset = campaign.settings, PRESETS[campaign.preset]
    groups = [
        {
            "title": title,
            "rows": [
                {
                    **spec.metadata,
                    "value": getattr(chosen, spec.name),
                    "changed": getattr(chosen, spec.name) != getattr(preset, spec.name),
                    "preset_value": getattr(preset, spec.name),
                }
                for spec in fields(ProtocolSettings)
                if spec.metadata["group"] == name
            ],
        }
        for name, title in GROUPS.items()
    ]
    context = {
        "groups": groups,
        "cells": _materials(campaign),
        "check": method_checks.last(campaign),
        "limits": limits.form_for(request, campaign),
        "setting_changes": campaign.setting_changes.all(),
        "may_change": campaign.may_edit and campaign.state in UNDER_WAY,
    }
    return render(request, "campaigns/settings.html", page_context(campaign, "settings") | context | differences.context(request, campaign))


@login_required
@require_safe
def setup(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The set-up as a settings file, with the CIFs and the data set that it names."""
    campaign = access.campaign(request, pk)
    with refusals.as_message(request):
        package = packages.setup(campaign)
        activity.record(request.user, "exported", campaign, "set-up")
        return exports.zip_file(package, f"campaign-{campaign.pk}-setup")
    return redirect("campaign-settings", pk)


@login_required
@require_safe
def cell_structure(request: HttpRequest, pk: int) -> HttpResponse:
    cell = access.cell(request, pk)
    if cell.structure is None:
        return JsonResponse({"message": "The cell has not been ordered yet."}, status=404)
    return JsonResponse(pictures.of_cell(cell))
