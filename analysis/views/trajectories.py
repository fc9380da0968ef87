"""Trajectories that users bring: list, upload, result."""

from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from analysis.forms import CorrectionForm, TrajectoryForm
from analysis.models import TrajectoryAnalysis
from analysis.services import trajectories
from analysis.views.plots import density_of, document, is_logarithmic, nothing, structure_of, theme
from campaigns.models import Project
from campaigns.views import access, fragments, people, refusals, uploads

RUN_ID = 1  # by which the file of a trajectory's judgement knows its only run
PER_PAGE = 50
CHECK_ONLY = "check-only"  # static/js/app.js: the fields and the beginnings of the files, before all of them are sent


def _visible(request: HttpRequest, pk: int) -> TrajectoryAnalysis:
    found = TrajectoryAnalysis.objects.visible_to(request.user).with_rights(request.user)
    return get_object_or_404(found.select_related("owner", "project"), pk=pk)


@uploads.at_most(settings.MAX_TRAJECTORY_BYTES)
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def trajectory_list(request: HttpRequest) -> HttpResponse:
    """Those of the user, and the form for another."""
    form = TrajectoryForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        with refusals.as_form_error(form):
            files = trajectories.in_order(form.cleaned_data["files"])
            if CHECK_ONLY in request.POST:
                trajectories.check(files, form.request())
                return HttpResponse(status=204)
            return redirect("trajectory", trajectories.create(request.user, files, form.request()).pk)
    whose = request.GET.get("whose", "")
    found = TrajectoryAnalysis.objects.visible_to(request.user).chosen(request.user, whose).select_related("owner", "project")
    context = {
        "section": "trajectories",
        "form": form,
        "page": Paginator(found, PER_PAGE).get_page(request.GET.get("page")),
        "max_bytes": settings.MAX_TRAJECTORY_BYTES,
        "whose": whose,
        "projects": Project.objects.visible_to(request.user),
    }
    return render(request, "analysis/trajectories.html", context, status=422 if request.method == "POST" else 200)


@login_required
@require_safe
def trajectory_page(request: HttpRequest, pk: int) -> HttpResponse:
    row = _visible(request, pk)
    return _page(request, row, CorrectionForm(initial=CorrectionForm.said_of(row)))


def _page(request: HttpRequest, row: TrajectoryAnalysis, form: CorrectionForm) -> HttpResponse:
    targets = Project.objects.editable_by(request.user) if row.may_manage else []
    context = _context(row) | {"files": trajectories.files_of(row), "targets": targets, "form": form}
    return render(request, "analysis/trajectory.html", context, status=422 if form.is_bound else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def trajectory_again(request: HttpRequest, pk: int) -> HttpResponse:
    """The files that are kept, with what is said of them corrected; GET, after signing in again: the page alone."""
    row = _visible(request, pk)
    access.require_edit(request.user, row)
    if request.method != "POST":
        return _page(request, row, CorrectionForm(initial=CorrectionForm.said_of(row)))
    form = CorrectionForm(request.POST)
    if form.is_valid():
        with refusals.as_form_error(form):
            trajectories.again(row, form.request())
            return redirect("trajectory", pk)
    return _page(request, row, form)


@login_required
@require_safe
def trajectory_live(request: HttpRequest, pk: int) -> HttpResponse:
    row = _visible(request, pk)
    return fragments.live(request, "analysis/_trajectory.html", _context(row), ended=row.has_ended)


def _context(row: TrajectoryAnalysis) -> dict[str, Any]:
    return {
        "section": "trajectories",
        "row": row,
        "found": row.result,
        "charge_e": row.spec.get("charge", 1.0),
        "ended": row.has_ended,
        "seen": "",
        "axes": [(0, "a"), (1, "b"), (2, "c")],
    }


@login_required
@require_safe
def trajectory_json(request: HttpRequest, pk: int) -> HttpResponse:
    row = _visible(request, pk)
    asked = {name: value for name, value in row.spec.items() if name not in ("files", "file_names")} | {"files": row.file_names}
    document = {"id": row.pk, "name": row.name, "state": row.state, "message": row.message, "asked": asked, "result": row.result}
    return JsonResponse(
        document, json_dumps_params={"indent": 1}, headers={"Content-Disposition": f'attachment; filename="trajectory-{pk}.json"'}
    )


@login_required
@require_POST
def trajectory_delete(request: HttpRequest, pk: int) -> HttpResponse:
    row = _visible(request, pk)
    access.require_manage(request.user, row)
    trajectories.delete(row, request.user)
    messages.success(request, f"{row.name} is deleted.")
    return redirect("trajectory-list")


@login_required
@require_POST
def trajectory_move(request: HttpRequest, pk: int) -> HttpResponse:
    row = _visible(request, pk)
    access.require_manage(request.user, row)
    return people.move(request, row, reverse("trajectory", args=[pk]))


@login_required
@require_safe
def trajectory_msd(request: HttpRequest, pk: int) -> HttpResponse:
    from analysis.plots.msd import msd_figure
    from analysis.views.figures import msd_fit, said_of_msd, table_of_msd

    row = _visible(request, pk)
    curves = curves_of(row)
    if not curves:
        return nothing("There is no mean square displacement.")
    fit = msd_fit(row.result["run"]["details"])
    return document(msd_figure(curves, theme(request), fit, logarithmic=is_logarithmic(request)), said_of_msd(curves), table_of_msd(curves))


@login_required
@require_safe
def trajectory_structure(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    row = _visible(request, pk)
    return structure_of(request, judged_file(row), RUN_ID, kind, row.mobile_ion)


@login_required
@require_safe
def trajectory_density(request: HttpRequest, pk: int, axis: int) -> HttpResponse:
    return density_of(request, judged_file(_visible(request, pk)), RUN_ID, axis)


def judged_file(row: TrajectoryAnalysis) -> Path | None:
    path = row.folder / (row.result or {}).get("msd_file", "msd.npz")
    return path if path.exists() else None


def curves_of(row: TrajectoryAnalysis) -> list[Any]:
    """MSD of every species, the mobile ion first; empty where there is none."""
    from analysis.plots.msd import MsdCurve

    path = judged_file(row)
    if path is None:
        return []
    with np.load(path, allow_pickle=False) as archive:
        prefix = "msd_A2_1_"
        species = sorted(
            (name.removeprefix(prefix) for name in archive.files if name.startswith(prefix)),
            key=lambda name: (name != row.mobile_ion, name),
        )
        return [MsdCurve(name, archive["t_ps_1"], archive[prefix + name], archive[f"msd_error_A2_1_{name}"]) for name in species]
