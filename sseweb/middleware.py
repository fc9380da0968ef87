"""What is wrong with the machine is said as that, and not as an unforeseen error: a disk that is full, a database that is away.
And a form that was sent without a session leads back to the page it stands on."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import resolve_url
from django.template.loader import render_to_string

from campaigns.services import storage
from sseweb.errors import page_of_form

log = logging.getLogger(__name__)
AWAY = "The database is not reached at the moment. Nothing is lost; try again in some seconds."


class BackToTheForm:
    """Signing in ends with a GET of ?next=. Of a form that was sent without a session that is its page, where keep.js has what was typed:
    the address it was sent to may take POST alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        sign_in = resolve_url(settings.LOGIN_URL)
        asked = response.headers.get("Location", "").startswith(f"{sign_in}?next=")
        if asked and request.method == "POST" and (page := page_of_form(request)):
            return redirect_to_login(page)
        return response


class MachineTrouble:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """503 with what to do, where the machine is to blame."""
        if isinstance(error, OSError) and error.errno in storage.STORAGE_ERRORS:
            message = storage.trouble() or f"The data folder could not be written ({error.strerror}). {storage.GOES_ON}"
        elif isinstance(error, OperationalError | InterfaceError):
            message = storage.trouble() or AWAY
        else:
            return None
        log.exception("answered with 503: %s", message)
        if request.path.startswith("/api/"):
            return JsonResponse({"detail": message, "code": "unavailable"}, status=503)
        return HttpResponse(render_to_string("503.html", {"message": message}), status=503)


def storage_trouble(request: HttpRequest) -> dict[str, Callable[[], str]]:
    """For every page: what keeps the data folder from being written. A template that does not ask looks at no disk."""
    return {"storage_trouble": storage.trouble}
