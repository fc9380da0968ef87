"""Uploads are bounded by what the request says of its own size, before a byte of it is read."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt, csrf_protect

# Room for the other fields of the form and its boundaries.
FORM_BYTES = 200_000


def at_most(max_bytes: int) -> Callable[..., Callable[..., HttpResponse]]:
    """Answer 413 to a larger request at once.

    Django checks the CSRF token before the view, for which it reads the whole body; so the check is moved behind ours.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        protected = csrf_protect(view)

        @csrf_exempt
        @wraps(view)
        def bounded(request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponse:
            if int(request.META.get("CONTENT_LENGTH") or 0) > max_bytes + FORM_BYTES:
                message = f"The upload is larger than the {max_bytes / 1e6:g} MB that are accepted here."
                return render(request, "413.html", {"message": message, "back": _referrer(request)}, status=413)
            return protected(request, *arguments, **options)

        return bounded

    return decorate


def _referrer(request: HttpRequest) -> str:
    """The page that the upload came from, if it is one of ours."""
    page = request.headers.get("Referer", "")
    return page if url_has_allowed_host_and_scheme(page, {request.get_host()}) else ""
