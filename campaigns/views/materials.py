"""Materials: list, upload, page, picture, examples."""

import re

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campaigns.forms.material import DescriptionForm, MaterialForm
from campaigns.models import Campaign, Cell, Material, Project
from campaigns.services import materials, texts
from campaigns.views import access, pictures, refusals, uploads

PER_PAGE = 50
MAX_ELEMENTS = 12
MAX_CELLS = 50  # that a picture can be chosen of, of the last campaigns


@login_required
@require_safe
def material_list(request: HttpRequest) -> HttpResponse:
    found = (
        Material.objects.visible_to(request.user)
        .chosen(request.user, request.GET.get("whose", ""))
        .defer("cif", "facts")
        .select_related("owner", "project")
        .annotate(n_campaigns=Count("cells__campaign", filter=Q(cells__campaign__in=access.campaigns(request)), distinct=True))
        .order_by("-created_at", "-id")
    )
    found, asked = _searched(request, found)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "section": "materials",
        "page": page,
        "asked": asked,
        "ions": sorted(set(Material.objects.visible_to(request.user).order_by().values_list("mobile_ion", flat=True)) - {""}),
        "owners": _owners(request),
        "examples": materials.EXAMPLES,
        "projects": Project.objects.visible_to(request.user),
        "whose": request.GET.get("whose", ""),
    }
    return render(request, "materials/list.html", context)


def _searched(request: HttpRequest, found: QuerySet[Material]) -> tuple[QuerySet[Material], dict[str, str]]:
    """Those that fit every word that was asked for, and what was."""
    asked = {name: request.GET.get(name, "").replace(texts.NUL, "").strip() for name in ("q", "elements", "ion", "tag", "owner")}
    if words := asked["q"]:
        found = found.filter(Q(name__icontains=words) | Q(formula__icontains=words) | Q(reduced_formula__icontains=words))
    for symbol in re.findall("[A-Z][a-z]?|[a-z]{1,2}", asked["elements"])[:MAX_ELEMENTS]:
        found = found.filter(formula__regex=rf"{symbol.capitalize()}(?![a-z])")
    if asked["ion"]:
        found = found.filter(mobile_ion=asked["ion"])
    if asked["tag"]:
        found = found.filter(tags__contains=f",{asked['tag'].lower()},")
    if asked["owner"]:
        found = found.filter(owner__username=asked["owner"])
    return found, asked


def _owners(request: HttpRequest) -> list[str]:
    """Whose materials the user sees."""
    return list(Material.objects.visible_to(request.user).order_by("owner__username").values_list("owner__username", flat=True).distinct())


@uploads.at_most(settings.MAX_CIF_BYTES)
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def material_new(request: HttpRequest) -> HttpResponse:
    form = MaterialForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        added = _add(request, form)
        if form.is_valid():
            return redirect("material-page", added[0].pk) if len(added) == 1 else redirect("material-list")
    status = 422 if request.method == "POST" else 200
    context = {"section": "materials", "form": form, "examples": materials.EXAMPLES}
    return render(request, "materials/new.html", context, status=status)


def _add(request: HttpRequest, form: MaterialForm) -> list[Material]:
    """A file that is refused keeps the others not out; the form says which it is, and why."""
    added, cifs = [], form.cifs()
    for cif, filename in cifs:
        with refusals.as_form_error(form):
            _say_where_known(request, cif)
            added.append(materials.create_material(request.user, cif, filename, form.cleaned_data["name"]))
    if added and len(cifs) > 1:
        names = ", ".join(material.name for material in added)
        messages.success(request, f"{len(added)} of {len(cifs)} files are added: {names}.")
    return added


@login_required
@require_POST
def material_example(request: HttpRequest, slug: str) -> HttpResponse:
    if slug not in materials.EXAMPLES:
        raise Http404
    with refusals.as_message(request):
        _say_where_known(request, materials.cif_of(slug))
        return redirect("material-page", materials.create_example(request.user, slug).pk)
    return redirect("material-list")


def _say_where_known(request: HttpRequest, cif: bytes) -> None:
    if known := materials.already_there(request.user, cif):
        messages.info(request, f"You uploaded this file already on {known.created_at:%-d %b %Y} as “{known.name}”; this is it.")


@login_required
@require_safe
def material_page(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, access.material(request, pk))


def _page(request: HttpRequest, material: Material, form: DescriptionForm | None = None) -> HttpResponse:
    campaigns = Campaign.objects.visible_to(request.user).filter(cells__material=material).order_by("-pk").distinct()
    ordered = Cell.objects.filter(material=material, campaign__in=campaigns, structure__isnull=False).select_related("campaign")
    cells = list(ordered.order_by("-campaign_id", "pk")[:MAX_CELLS])
    context = {
        "section": "materials",
        "material": material,
        "ordered_cells": cells,
        "shown_cell": next((cell for cell in cells if str(cell.pk) == request.GET.get("cell")), None),
        "facts": material.facts,
        "campaigns": campaigns.only("name", "state"),
        "targets": Project.objects.editable_by(request.user) if material.may_manage else [],
        "form": form or DescriptionForm(initial={"name": material.name, "tags": ", ".join(material.tag_list)}),
    }
    return render(request, "materials/page.html", context, status=422 if form else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def material_describe(request: HttpRequest, pk: int) -> HttpResponse:
    """Another name and tags; GET, after signing in again: the page alone."""
    material = access.material(request, pk)
    access.require_edit(request.user, material)
    if request.method != "POST":
        return _page(request, material)
    form = DescriptionForm(request.POST)
    if form.is_valid():
        with refusals.as_form_error(form):
            materials.describe(material, form.cleaned_data["name"], form.cleaned_data["tags"], request.user)
            messages.success(request, "Name and tags are saved.")
            return redirect("material-page", pk)
    return _page(request, material, form)


@login_required
@require_safe
def material_structure(request: HttpRequest, pk: int) -> HttpResponse:
    return JsonResponse(pictures.of_material(access.material(request, pk)))


@login_required
@require_safe
def material_cif(request: HttpRequest, pk: int) -> HttpResponse:
    material = access.material(request, pk)
    return HttpResponse(
        material.cif, content_type="chemical/x-cif", headers={"Content-Disposition": f'attachment; filename="material-{material.pk}.cif"'}
    )


@login_required
@require_POST
def material_delete(request: HttpRequest, pk: int) -> HttpResponse:
    material = access.managed_material(request, pk)
    name, page = material.name, reverse("material-page", args=[pk])
    with refusals.as_message(request):
        materials.delete_material(material, request.user)
        messages.success(request, f"{name} is deleted.")
        page = reverse("material-list")
    return redirect(page)
