"""Uploads are bounded by what the request says of its own size, before a byte of it is read."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt, csrf_protect

# Room for the other fields of the form and its boundaries.
FORM_BYTES = 200_000


def at_most(max_bytes: int, problem_target: str = "") -> Callable[..., Callable[..., HttpResponse]]:
    """Answer 413 to a larger request at once: a page, or for a part of a page a line at `problem_target` (a CSS selector).

    Django checks the CSRF token before the view, for which it reads the whole body; so the check is moved behind ours.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        protected = csrf_protect(view)

        @csrf_exempt
        @wraps(view)
        def bounded(request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponse:
            if int(request.META.get("CONTENT_LENGTH") or 0) > max_bytes + FORM_BYTES:
                message = f"The upload is larger than the {max_bytes / 1e6:g} MB that are accepted here."
                if request.htmx and problem_target:
                    headers = {"HX-Retarget": problem_target, "HX-Reswap": "innerHTML"}
                    return HttpResponse(f"{message} Choose a smaller file.", status=413, headers=headers)
                return render(request, "413.html", {"message": message, "back": request.get_full_path()}, status=413)
            return protected(request, *arguments, **options)

        return bounded

    return decorate
