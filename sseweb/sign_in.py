"""Guessing passwords: by whose address wrong ones are counted, and how many one address may send for all accounts together.

One account is closed to one address only (AXES_LOCKOUT_PARAMETERS), so that nobody locks somebody else out from elsewhere; the limit of an
address ends the trying of one password on many names.
"""

import ipaddress

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest

FAILURES_OF_ADDRESS = 50  # people behind one address of a network share it


def client_address(request: HttpRequest) -> str | None:
    """Of who asks; None without a network. With HTTPS=1 the server in front says it: what stands last in the header was written by it."""
    said = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip() if settings.HTTPS else ""
    try:
        return str(ipaddress.ip_address(said))
    except ValueError:
        return request.META.get("REMOTE_ADDR")


class Guesses(AxesDatabaseHandler):
    """For axes: as its own, and with the limit of an address."""

    def is_locked(self, request: HttpRequest, credentials: dict[str, str] | None = None) -> bool:
        return super().is_locked(request, credentials) or _failures_of(request) >= FAILURES_OF_ADDRESS


def _failures_of(request: HttpRequest) -> int:
    """For all accounts together, within the time of quiet."""
    lately = AccessAttempt.objects.filter(ip_address=request.axes_ip_address, attempt_time__gte=get_cool_off_threshold(request))
    return lately.aggregate(n=Sum("failures_since_start"))["n"] or 0
