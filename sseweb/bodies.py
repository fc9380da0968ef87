"""Bodies of requests are bounded by what a request says of its own size, before a byte of it is read, by the CSRF check either.

What any address takes fits into memory (DATA_UPLOAD_MAX_MEMORY_SIZE). More is for views that say so (`max_upload_bytes`), and for who has
signed in: a stranger can have no file written.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from sseweb.errors import API

# Room for the other fields of a form with files, and its boundaries.
FORM_BYTES = 200_000


class BoundedBodies:
    """Stands before the CSRF check, which reads the body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., HttpResponse], *_: Any) -> HttpResponse | None:
        n_bytes, in_memory = _said(request), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        source = getattr(view, "cls", view)  # of the API the class says it
        max_bytes = getattr(source, "max_upload_bytes", None)
        if n_bytes > (max_bytes + FORM_BYTES if max_bytes else in_memory):
            return _refusal(request, max_bytes or in_memory, getattr(source, "problem_target", ""))
        is_api = request.path.startswith(API)  # which asks for the token before it reads
        if n_bytes > in_memory and not is_api and not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return None


def _said(request: HttpRequest) -> int:
    """As Django counts it: it reads so much, and nothing where this is no number."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _refusal(request: HttpRequest, max_bytes: int, problem_target: str) -> HttpResponse:
    size = f"{max_bytes / 1e6:g} MB"
    if request.path.startswith(API):
        return JsonResponse({"detail": f"At most {size} are accepted.", "code": "too_large"}, status=413)
    message = f"The upload is larger than the {size} that are accepted here."
    if request.htmx and problem_target:
        headers = {"HX-Retarget": problem_target, "HX-Reswap": "innerHTML"}
        return HttpResponse(f"{message} Choose a smaller file.", status=413, headers=headers)
    return render(request, "413.html", {"message": message, "back": request.get_full_path()}, status=413)
