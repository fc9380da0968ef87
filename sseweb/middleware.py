"""What is wrong with the machine is said as that, and not as an unforeseen error: a disk that is full, a database that is away."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from campaigns.services import storage

log = logging.getLogger(__name__)
AWAY = "The database is not reached at the moment. Nothing is lost; try again in some seconds."


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
