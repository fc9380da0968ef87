"""/healthz: whether web, database, broker, reconciler, disk and engines do their work, for people and for monitors."""

import shutil
import time
from datetime import timedelta

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import Error
from django.db.models import Count
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from campaigns.engines import installed
from campaigns.models import StageFailure
from campaigns.services import storage
from sseweb.broker import broker_url

MIN_FREE_BYTES = 2 * 10**9
RECONCILER_SILENT_S = 60.0
RECENT_MINUTES = 10
# Failures that somebody can mend at the machine.
MENDABLE = ("out_of_memory", "disk_full", "engine_missing")


def healthz(request: HttpRequest) -> JsonResponse:
    """200 where everything works, 503 with what does not."""
    checks = {
        "web": "ok",
        "database": _database(),
        "broker": _broker(),
        "reconciler": _reconciler(),
        "disk": _disk(),
        "engines": _engines(),
    }
    healthy = all(value == "ok" for value in checks.values())
    return JsonResponse({"status": "ok" if healthy else "degraded"} | checks, status=200 if healthy else 503)


def _database() -> str:
    try:
        get_user_model().objects.exists()
    except Error as error:
        return f"not reached: {type(error).__name__}"
    return "ok"


def _broker() -> str:
    try:
        with redis.Redis.from_url(broker_url(), socket_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        return f"not reached: {type(error).__name__}; stages start when it is back"
    return "ok"


def report_reconciler() -> None:
    """The reconciler says that it is alive, by the time of a file: a full disk does not keep it from that."""
    path = settings.DATA_DIR / "reconciled"
    try:
        path.touch()
    except OSError:  # said under `disk`
        return


def reconciler_silence_s() -> float | None:
    """Since when the reconciler has said nothing; None: it never has."""
    try:
        return abs(time.time() - (settings.DATA_DIR / "reconciled").stat().st_mtime)
    except OSError:
        return None


def _reconciler() -> str:
    silence_s = reconciler_silence_s()
    if silence_s is None:
        return "has not run yet; stages whose worker died wait for it"
    return "ok" if silence_s < RECONCILER_SILENT_S else f"silent for {silence_s:.0f} s; stages whose worker died wait for it"


def _disk() -> str:
    if trouble := storage.trouble():
        return trouble
    free = shutil.disk_usage(settings.DATA_DIR).free
    return "ok" if free > MIN_FREE_BYTES else f"only {free / 1e9:.1f} GB free: make room, stages may have to wait"


def _engines() -> str:
    """What is missing now, and what failed lately for a reason that somebody can mend."""
    if lacking := installed.missing():
        return " ".join(lacking)
    since = timezone.now() - timedelta(minutes=RECENT_MINUTES)
    try:
        found = StageFailure.objects.filter(at__gt=since, cause__in=MENDABLE).values("cause").annotate(n=Count("id")).order_by("cause")
        causes = ", ".join(f"{row['n']} {row['cause'].replace('_', ' ')}" for row in found)
    except Error:
        return "unknown: the database is not reached"
    return f"failures in the last {RECENT_MINUTES} minutes: {causes}" if causes else "ok"
