"""/healthz: whether web, database, broker, reconciler, queues, disk and engines do their work, for people and for monitors."""

import shutil
import time
from collections.abc import Iterable
from datetime import timedelta

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import Error
from django.db.models import Count
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from campaigns import cores, queues
from campaigns.engines import installed
from campaigns.models import StageFailure
from campaigns.services import storage
from sseweb.broker import broker_url

MIN_FREE_BYTES = 2 * 10**9
RECONCILER_SILENT_S = 60.0
SERVED = "serves-{}"  # a file: when the worker of a queue was last known to be there
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
        "queues": _queues(),
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


def report_reconciler(served: Iterable[str] = ()) -> None:
    """The reconciler says that it is alive, and which queues the worker beside it takes, by the times of files: a full disk does not keep
    it from that.
    """
    try:
        for name in ("reconciled", *map(SERVED.format, served)):
            (settings.DATA_DIR / name).touch()
    except OSError:  # said under `disk`
        return


def reconciler_silence_s() -> float | None:
    """Since when the reconciler has said nothing; None: it never has."""
    return _age_s("reconciled")


def _age_s(name: str) -> float | None:
    try:
        return abs(time.time() - (settings.DATA_DIR / name).stat().st_mtime)
    except OSError:
        return None


def _reconciler() -> str:
    silence_s = reconciler_silence_s()
    if silence_s is None:
        return "has not run yet; stages whose worker died wait for it"
    return "ok" if silence_s < RECONCILER_SILENT_S else f"silent for {silence_s:.0f} s; stages whose worker died wait for it"


def _queues() -> str:
    """Queues with stages that could start and no worker that takes them."""
    try:
        waiting = cores.due(timezone.now()).order_by().values_list("kind", "resource").distinct()
        names = {queues.of(kind, resource) for kind, resource in waiting}
    except Error:
        return "unknown: the database is not reached"
    ages_s = {name: _age_s(SERVED.format(name)) for name in sorted(names)}
    lacking = [name for name, age_s in ages_s.items() if age_s is None or age_s > RECONCILER_SILENT_S]
    orders = "; ".join(f"stages wait in the queue {name}, which no worker takes: manage.py work --queues {name}" for name in lacking)
    return orders or "ok"


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
