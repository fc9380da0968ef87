"""Setting up a campaign: one form in four steps, with parts that htmx exchanges while one chooses, and an estimate that follows."""

import re
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campaigns.engines import labellers
from campaigns.enums import CampaignState
from campaigns.forms import review
from campaigns.forms.campaign import OFFERED, CellForm, offered
from campaigns.forms.fields import FilesField, whole_number
from campaigns.forms.settings import LabellerOptionsForm, ProtocolForm
from campaigns.forms.setup import CampaignSetup, cell_indices, initial_of
from campaigns.models import Campaign, Material
from campaigns.services import campaigns, continuation, data_sets, estimates, potential_files, setup_upload
from campaigns.services.errors import BadInput, Outdated, ServiceError
from campaigns.services.requests import request_of
from campaigns.views import access, kept, refusals, uploads


def _materials(request: HttpRequest) -> Any:
    return Material.objects.visible_to(request.user).defer("cif")


def _chosen(request: HttpRequest) -> Material | None:
    return _materials(request).filter(pk=whole_number(request.GET.get("material", ""))).first()


def proposed_cells(material: Material) -> list[dict[str, Any]]:
    """Rows for the form: one where the training cell and the evaluation cell are the same, else two."""
    proposals = material.facts.get("proposed_cells") or {}
    rows: dict[tuple[int, ...], dict[str, Any]] = {}
    for purpose in ("training", "evaluation"):
        proposal = proposals.get(purpose) or {"supercell": [1, 1, 1], "reason": ""}
        a, b, c = proposal["supercell"]
        row = rows.setdefault((a, b, c), {"material": material.pk, "a": a, "b": b, "c": c, "candidate": 0})
        row[f"for_{purpose}"] = True
    return list(rows.values())


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_new(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _page_again(request) if kept.is_restored(request) else _create(request)
    if (number := whole_number(request.GET.get("copy", ""))) is not None:
        copied = access.campaign(request, number)
        if token := request.GET.get("s0", ""):
            asked = continuation.request_to_go_on(copied, token)
        else:
            asked = replace(request_of(copied), name=f"{copied.name}, copy"[:200])
        initial = initial_of(asked, request.user) | {"project": copied.project_id}
        return _page(request, CampaignSetup(request.user, _materials(request), initial=initial), copied.cells.first().material)
    material = _chosen(request)
    initial = {"cells": proposed_cells(material), "campaign": {"name": f"{material.name}, quick"[:200]}} if material else {}
    return _page(request, CampaignSetup(request.user, _materials(request), initial=initial), material)


def _create(request: HttpRequest) -> HttpResponse:
    setup = CampaignSetup(request.user, _materials(request), request.POST)
    wanted = setup.checked_request()
    if wanted:
        try:
            return redirect("campaign-overview", campaigns.create(request.user, wanted, setup.place.cleaned_data["project"]).pk)
        except BadInput as error:
            setup.refuse(error)
    return _page(request, setup, _first_material(setup), status=422)


@uploads.at_most(settings.MAX_DATA_SET_BYTES)
@login_required
@require_POST
def from_file(request: HttpRequest) -> HttpResponse:
    """A draft from a set-up that was downloaded or written."""
    file = request.FILES.get("setup")
    if file is None:
        messages.error(request, "Choose a file first.")
        return redirect("campaign-new")
    with refusals.as_message(request):
        draft = setup_upload.create_draft(request.user, file)
        messages.success(request, "The draft is made from the file: look at its settings and its cost, then start it.")
        return redirect("campaign-overview", draft.pk)
    return redirect("campaign-new")


@login_required
@require_POST
def go_on(request: HttpRequest, pk: int) -> HttpResponse:
    """A new draft whose starting set is what this campaign has kept."""
    campaign = access.editable_campaign(request, pk)
    with refusals.as_message(request):
        token = continuation.pack_kept(campaign, request.user)
        return redirect(f"{reverse('campaign-new')}?copy={pk}&s0={token}")
    return redirect("campaign-overview", pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """A draft in the form it was made with; what is saved takes its place."""
    campaign = access.editable_campaign(request, pk)
    if campaign.state != CampaignState.DRAFT:
        messages.error(request, campaigns.NO_DRAFT)
        return redirect("campaign-overview", pk)
    if request.method != "POST":
        setup = CampaignSetup(request.user, _materials(request), initial=initial_of(request_of(campaign), request.user))
        return _page(request, setup, campaign.cells.first().material, draft=campaign)
    if kept.is_restored(request):
        return _page_again(request, campaign)
    setup = CampaignSetup(request.user, _materials(request), request.POST, draft=campaign)
    wanted = setup.checked_request()
    if not wanted:
        return _page(request, setup, _first_material(setup), status=422, draft=campaign)
    try:
        campaigns.update(campaign, wanted, request.user, _version(request))
    except BadInput as error:
        setup.refuse(error)
        return _page(request, setup, _first_material(setup), status=422, draft=campaign)
    except Outdated as error:  # what was typed stays in the form, which now knows the other version
        setup.campaign.add_error(None, str(error))
        campaign.refresh_from_db(fields=["version"])
        return _page(request, setup, _first_material(setup), status=409, draft=campaign, version=campaign.version)
    except ServiceError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The draft is saved.")
    return redirect("campaign-overview", pk)


def _version(request: HttpRequest) -> int | None:
    given = request.POST.get("version", "")
    return int(given) if given.isdigit() and len(given) < 10 else None


def _page_again(request: HttpRequest, draft: Campaign | None = None) -> HttpResponse:
    """What was typed before the session ended, as it was; nothing is made of it yet."""
    setup = CampaignSetup(request.user, _materials(request), request.POST, draft=draft)
    setup.checked_request()
    messages.info(request, kept.RESTORED)
    return _page(request, setup, _first_material(setup), draft=draft)


def _first_material(setup: CampaignSetup) -> Material | None:
    return getattr(setup.cells[0], "cleaned_data", {}).get("material") if setup.cells else None


def _page(
    request: HttpRequest,
    setup: CampaignSetup,
    material: Material | None,
    status: int = 200,
    draft: Campaign | None = None,
    version: int | None = None,
) -> HttpResponse:
    """`version`: that of the draft which the form is about; else the one it was about before, or the draft's own."""
    if version is None:
        version = _version(request)
    context = {
        "section": "campaigns",
        "steps": review.STEPS,
        "setup": setup,
        "problems": setup.problems() if status != 200 else [],
        "material": material,
        "materials": offered(_materials(request), material.pk if material else None),
        "n_materials": _materials(request).count(),
        "n_offered": OFFERED,
        "max_data_set_bytes": settings.MAX_DATA_SET_BYTES,
        "draft": draft,
        "version": draft.version if draft and version is None else version,
    }
    return render(request, "campaigns/new.html", context, status=status)


@login_required
@require_safe
def cells(request: HttpRequest) -> HttpResponse:
    """The cells that are proposed for a material."""
    material = _chosen(request)
    setup = CampaignSetup(request.user, _materials(request), initial={"cells": proposed_cells(material) if material else []})
    return render(request, "campaigns/_material_chosen.html", {"setup": setup, "material": material})


@login_required
@require_safe
def one_more_cell(request: HttpRequest) -> HttpResponse:
    """An empty row below those that the form has."""
    index = max(cell_indices(request.GET), default=-1) + 1
    initial = {"material": request.GET.get("material"), "for_training": True}
    return render(request, "campaigns/_cell.html", {"cell": CellForm(_materials(request), prefix=f"cell-{index}", initial=initial)})


@login_required
@require_safe
def labeller_options(request: HttpRequest) -> HttpResponse:
    """The options of a reference method, filled in as far as the chosen materials tell."""
    name = request.GET.get("labeller", "")
    return render(request, "campaigns/_labeller_options.html", {"options": _proposed_options(request, name)})


def _proposed_options(request: HttpRequest, labeller: str) -> LabellerOptionsForm:
    named = {value for key, value in request.GET.items() if key == "material" or re.fullmatch(r"cell-\d{1,3}-material", key)}
    chosen = _materials(request).filter(pk__in=[number for value in named if (number := whole_number(value)) is not None])
    symbols = sorted({symbol for material in chosen for symbol in material.facts["elements"]})
    states: dict[str, float] = {}
    for material in chosen:
        states |= material.facts.get("oxidation_states") or {}
    known = labeller in labellers.MODULES and symbols
    return LabellerOptionsForm(labeller, request.user, initial=labellers.module(labeller).propose(symbols, states) if known else None)


@uploads.at_most(potential_files.MAX_BYTES, problem_target="#potential-problem")
@login_required
@require_POST
def upload_potential(request: HttpRequest) -> HttpResponse:
    """Keep potential files; the page shows them beside those that it has."""
    files, problems = [], []
    for upload in request.FILES.getlist("potential_file"):
        try:
            files.append(potential_files.store(request.user, upload.name, upload.read()))
        except ServiceError as error:
            problems.append(str(error))
    known = FilesField(request.user).attached(request.POST.getlist("labeller-files"))
    attached = {file.name: file for file in (*known, *files)}  # a new file takes the place of one with its name
    field = LabellerOptionsForm(request.POST.get("labeller", ""), request.user).fields.get("files")
    context = {"field": field, "attached": list(attached.values()), "problems": problems}
    return render(request, "campaigns/_potential_files.html", context)


@login_required
@require_safe
def preset_settings(request: HttpRequest) -> HttpResponse:
    return render(request, "campaigns/_protocol.html", {"protocol": ProtocolForm(request.GET.get("preset", "quick"))})


@login_required
@require_POST
def estimate(request: HttpRequest) -> HttpResponse:
    """The campaign as typed so far in words, and what it would cost or what keeps that from being estimated."""
    named = request.POST.get("draft", "")
    draft = Campaign.objects.editable_by(request.user).filter(pk=named).first() if named.isdigit() and len(named) < 16 else None
    setup = CampaignSetup(request.user, _materials(request), request.POST, draft=draft)
    wanted = setup.checked_request()
    context = {"estimate": estimates.estimate(request.user, wanted, draft)} if wanted else {"problems": setup.problems()}
    return render(request, "campaigns/_review.html", context | {"parts": review.parts(setup)})


@uploads.at_most(settings.MAX_DATA_SET_BYTES, problem_target="#upload-problem")
@login_required
@require_POST
def upload_data_set(request: HttpRequest) -> HttpResponse:
    """Keep a data set and say what is in it, before it is accepted as S0."""
    file = request.FILES.get("data_set")
    if file is None:
        return render(request, "campaigns/_upload.html", {"problem": "Choose a file first."})
    setup = CampaignSetup(request.user, _materials(request), request.POST)
    elements = setup.elements() if setup.cells and all(form.is_valid() for form in setup.cells) else []
    upload_format = request.POST.get("s0_upload_format") or "auto"
    token = ""
    try:
        token = data_sets.store_upload(request.user, file)
        summary = data_sets.inspect_upload(request.user, token, upload_format, elements, file.name)
    except ServiceError as error:
        if token:
            data_sets.forget(request.user, token)
        return render(request, "campaigns/_upload.html", {"problem": str(error)})
    accepted = "" if summary.get("problems") else token
    if not accepted:
        data_sets.forget(request.user, token)
    return render(request, "campaigns/_upload.html", {"summary": summary, "token": accepted, "filename": file.name})
