"""The labels of a stage on its page, live while it runs, and one of them with what its program wrote."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from campaigns.enums import StageState
from campaigns.models import Stage
from campaigns.services import label_records, relabelling
from campaigns.views import access, fragments, refusals
from campaigns.views.campaigns import page_context

PER_PAGE = 50
MAX_NUMBERS = 20  # of missing labels that a sentence lists
SHOWN = ("failed", "running", "queued", "done")
UNDER_WAY = (StageState.PENDING, StageState.RUNNING)


def context(request: HttpRequest, stage: Stage) -> dict[str, Any]:
    """What the part of a stage's page about its labels shows; `labels` is None for stages that have none."""
    table = label_records.of_stage(stage)
    if table is None:
        return {"labels": None}
    only = request.GET.get("only", "")
    rows = [row for row in table.rows if row.state == only] if only in SHOWN else table.rows
    return {
        "stage": stage,
        "labels": table,
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "only": only if only in SHOWN else "",
        "missing": [(cause, numbers[:MAX_NUMBERS], max(0, len(numbers) - MAX_NUMBERS)) for cause, numbers in table.missing.items()],
        "program_log": label_records.log_under_way(stage, table),
        "labels_ended": stage.state not in UNDER_WAY,
        "again": relabelling.missing(stage) if relabelling.is_possible(stage) and _may_edit(request, stage) else [],
        "again_stage": relabelling.under_way(stage),
    }


def _may_edit(request: HttpRequest, stage: Stage) -> bool:
    return access.with_rights(request, stage.campaign).may_edit


@login_required
@require_safe
def stage_labels(request: HttpRequest, pk: int) -> HttpResponse:
    stage = access.stage(request, pk)
    found = context(request, stage)
    if found["labels"] is None:
        raise Http404
    return fragments.live(request, "campaigns/_stage_labels.html", found, ended=found["labels_ended"])


@login_required
@require_safe
def stage_label(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    stage = access.stage(request, pk)
    table = label_records.of_stage(stage)
    row = next((row for row in table.rows if row.number == number), None) if table else None
    if row is None:
        raise Http404
    found = {"stage": stage, "row": row, "kind": table.kind, "logs": label_records.logs(stage, label_records.names_of(stage, number))}
    return render(request, "campaigns/stage_label.html", page_context(stage.campaign, "stages") | found)


@login_required
@require_POST
def stage_relabel(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for the missing labels of a finished stage again."""
    stage = access.stage(request, pk)
    access.require_edit(request.user, stage.campaign)
    with refusals.as_message(request):
        relabelling.start(stage, request.user)
        messages.success(request, "The missing labels are asked for again. What comes of it enters the set with the next cleaning.")
    return redirect("stage", pk)
