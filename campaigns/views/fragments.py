"""Parts of a page that htmx asks for again and again: sent only where something changed, ended where nothing will."""

import hashlib
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

HTMX_STOP_POLLING = 286


def live(request: HttpRequest, template: str, context: dict[str, Any], *, ended: bool) -> HttpResponse:
    """The fragment; 204 (htmx changes nothing) where the browser has it already, 286 (htmx asks no more) when it is final.

    The browser says what it has in `?seen=`, so that a button under the pointer is not replaced by the same button every two seconds.
    """
    body = render_to_string(template, context | {"ended": ended, "seen": ""}, request)
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    if ended:
        return HttpResponse(body, status=HTMX_STOP_POLLING)
    if request.GET.get("seen") == digest:
        return HttpResponse(status=204)
    return HttpResponse(render_to_string(template, context | {"ended": ended, "seen": digest}, request))
