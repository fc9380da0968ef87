"""A campaign as an archive, and an archive as a campaign. A frozen model is code that runs here: only administrators import."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from campaigns.services import activity, archives, dpgen_export, dpgen_import
from campaigns.services.errors import ServiceError
from campaigns.views import access, exports, refusals, uploads


@login_required
@require_safe
def archive(request: HttpRequest, pk: int) -> HttpResponseBase:
    campaign = access.campaign(request, pk)
    with refusals.as_message(request):
        chunks = archives.archive(campaign)
        activity.record(request.user, "exported", campaign, "archive")
        name = f'attachment; filename="campaign-{campaign.pk}-archive.zip"'
        return StreamingHttpResponse(chunks, content_type="application/zip", headers={"Content-Disposition": name})
    return redirect("campaign-settings", pk)


@login_required
@require_safe
def dpgen(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A run folder with which `dpgen run` goes on."""
    campaign = access.campaign(request, pk)
    with refusals.as_message(request):
        package = dpgen_export.run_folder(campaign)
        activity.record(request.user, "exported", campaign, "run folder of DP-GEN")
        return exports.zip_file(package, f"campaign-{campaign.pk}-dpgen")
    return redirect("campaign-settings", pk)


@uploads.at_most(settings.MAX_ARCHIVE_BYTES)
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def archive_import(request: HttpRequest) -> HttpResponse:
    if not request.user.is_superuser:
        raise PermissionDenied
    context = {"section": "campaigns", "max_bytes": settings.MAX_ARCHIVE_BYTES}
    file = request.FILES.get("archive")
    if request.method != "POST":
        return render(request, "campaigns/import.html", context)
    if file is None:
        return render(request, "campaigns/import.html", context | {"problem": "Choose a file first."}, status=422)
    try:
        with _on_disk(file) as path:
            take_in = dpgen_import.take_in if request.POST.get("kind") == "dpgen" else archives.take_in
            campaign = take_in(request.user, path)
    except ServiceError as error:
        return render(request, "campaigns/import.html", context | {"problem": str(error)}, status=422)
    messages.success(request, "The campaign is imported with everything that the archive holds.")
    return redirect("campaign-overview", campaign.pk)


@contextmanager
def _on_disk(file: UploadedFile) -> Iterator[Path]:
    """Where the upload lies; a small one, which Django keeps in memory, is written down."""
    if hasattr(file, "temporary_file_path"):
        yield Path(file.temporary_file_path())
        return
    with tempfile.NamedTemporaryFile(suffix=".zip") as stream:
        stream.write(file.read())
        stream.flush()
        yield Path(stream.name)
