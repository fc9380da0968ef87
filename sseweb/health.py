"""/healthz: whether the database, the broker and the disk do their work, for people and for monitors."""

import shutil

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import Error
from django.http import HttpRequest, JsonResponse

from sseweb.broker import broker_url

MIN_FREE_BYTES = 2 * 10**9


def healthz(request: HttpRequest) -> JsonResponse:
    """200 where everything works, 503 with what does not."""
    checks = {"database": _database(), "broker": _broker(), "disk": _disk()}
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


def _disk() -> str:
    free = shutil.disk_usage(settings.DATA_DIR).free
    return "ok" if free > MIN_FREE_BYTES else f"only {free / 1e9:.1f} GB free: make room, stages may fail"
