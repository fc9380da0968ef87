"""One stage: how it stands, its log, its files."""

from pathlib import Path

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from campaigns import places, queries
from campaigns.engines.job import PROCESS_FILES
from campaigns.engines.runners import cluster
from campaigns.enums import StageState
from campaigns.models import Stage
from campaigns.progress import stage_progress
from campaigns.views import access, fragments, labels
from campaigns.views.campaigns import actions, page_context

MAX_FILES = 200
UNDER_WAY = (StageState.PENDING, StageState.RUNNING)


@login_required
@require_safe
def stage_page(request: HttpRequest, pk: int) -> HttpResponse:
    stage = access.stage(request, pk)
    context = page_context(stage.campaign, "stages") | labels.context(request, stage) | _live_context(stage)
    context |= {"files": files_of(stage), "failures": stage.failures.all(), "sampling": queries.sampling_of(stage)}
    return render(request, "campaigns/stage.html", context)


def _live_context(stage: Stage) -> dict[str, object]:
    return {
        "stage": stage,
        "actions": actions(stage.campaign),
        "progress": stage_progress(stage),
        "job": cluster.read(stage.folder) if stage.resource else None,
        "no_place": places.full().get(stage.resource, "") if stage.state == StageState.PENDING else "",
        "log": queries.stage_log_tail(stage),
        "seen": "",
        "ended": stage.state not in UNDER_WAY,
    }


@login_required
@require_safe
def stage_live(request: HttpRequest, pk: int) -> HttpResponse:
    stage = access.stage(request, pk)
    return fragments.live(request, "campaigns/_stage_live.html", _live_context(stage), ended=stage.state not in UNDER_WAY)


def files_of(stage: Stage) -> list[tuple[str, int]]:
    """Names relative to the stage's folder, with their sizes; without those of a process."""
    if not stage.folder.is_dir():
        return []
    found = sorted(
        path
        for path in stage.folder.rglob("*")
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".") and path.name not in PROCESS_FILES
    )
    return [(str(path.relative_to(stage.folder)), path.stat().st_size) for path in found[:MAX_FILES]]


@login_required
@require_safe
def stage_file(request: HttpRequest, pk: int, name: str) -> FileResponse:
    return file_of(access.stage(request, pk), name)


def file_of(stage: Stage, name: str) -> FileResponse:
    """A file of the folder as an attachment; nothing outside it, and no link that leads out of it."""
    if "\0" in name:
        raise Http404
    folder = stage.folder.resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise Http404
    return attachment(path)


def attachment(path: Path, name: str = "") -> FileResponse:
    if not path.is_file():
        raise Http404
    return FileResponse(path.open("rb"), as_attachment=True, filename=name or path.name, content_type="application/octet-stream")
