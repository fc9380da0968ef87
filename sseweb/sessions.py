"""How long a browser stays signed in: SESSION_COOKIE_AGE since anything was last done in it, and SESSION_MAX_S in any case.

Pages that look by themselves whether anything has changed do nothing for that: one that was left open does not keep a session alive.
"""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout, user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

SAVED_EVERY_S = 3600.0
SIGNED_IN, SEEN = "signed_in_at", "seen_at"  # seconds since the epoch


@receiver(user_logged_in)
def _begin(request: HttpRequest, **_: Any) -> None:
    request.session[SIGNED_IN] = request.session[SEEN] = time.time()


class SessionLimits:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        session, now = request.session, time.time()
        if SESSION_KEY in session:
            if now - session.get(SIGNED_IN, 0.0) > settings.SESSION_MAX_S:
                logout(request)
            elif "seen" not in request.GET and now - session[SEEN] > SAVED_EVERY_S:
                session[SEEN] = now  # saved, it lasts for SESSION_COOKIE_AGE from here
        return self._get_response(request)
