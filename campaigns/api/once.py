"""Idempotency keys: a program that does not know whether its request arrived sends it again, and it is carried out once."""

import hashlib
import json
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import RequestKey
from campaigns.services.errors import BadInput

HEADER = "Idempotency-Key"
MAX_LENGTH = 200
GIVEN_UP_AFTER = timedelta(hours=1)  # longer than any request: its process was killed


class AnotherRequest(APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "another_request"
    default_detail = f"This {HEADER} belongs to a request with other content, or to another address: choose a new one."


class UnderWay(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "under_way"
    default_detail = f"The request with this {HEADER} is being carried out: ask again in a while."


def begin(request: Request) -> RequestKey | None:
    """The key of a request, taken: with its answer where it was carried out before. None where it has none."""
    key = request.headers.get(HEADER, "")
    if request.method != "POST" or not key:
        return None
    if len(key) > MAX_LENGTH:
        raise BadInput(f"The {HEADER} is longer than {MAX_LENGTH} characters.")
    names = {"owner": request.user, "key_sha256": hashlib.sha256(key.encode()).hexdigest()}
    content = digest(request)
    try:
        with transaction.atomic():
            return RequestKey.objects.create(**names, request_sha256=content)
    except IntegrityError:
        known = RequestKey.objects.get(**names)
    if known.request_sha256 != content:
        raise AnotherRequest
    if known.status is None and not _taken_over(known):
        raise UnderWay
    return known


def _taken_over(known: RequestKey) -> bool:
    now = timezone.now()
    stale = RequestKey.objects.filter(pk=known.pk, status=None, at__lt=now - GIVEN_UP_AFTER)
    return bool(stale.update(at=now))


def answer_of(known: RequestKey) -> Response:
    """200 where something was made then: nothing is made now."""
    code = status.HTTP_200_OK if known.status == status.HTTP_201_CREATED else known.status
    return Response(known.answer, status=code, headers={"Idempotent-Replayed": "true"})


def end(known: RequestKey, response: Any, told_once: tuple[str, ...]) -> None:
    """Keep what was answered, but for what is `told_once`; a request that was refused changed nothing, and its key is free again."""
    if not 200 <= response.status_code < 300 or not hasattr(response, "data"):
        RequestKey.objects.filter(pk=known.pk).delete()
        return
    said = json.loads(JSONRenderer().render(response.data) or "null")
    if isinstance(said, dict):
        said = {name: value for name, value in said.items() if name not in told_once}
    RequestKey.objects.filter(pk=known.pk).update(status=response.status_code, answer=said)


def digest(request: Request) -> str:
    """Of address and content, whatever the order of its names; of a file its bytes."""
    data = request.data
    pairs = {name: data.getlist(name) for name in data} if hasattr(data, "getlist") else data
    text = json.dumps([request.path, pairs], sort_keys=True, default=_written)
    return hashlib.sha256(text.encode()).hexdigest()


def _written(value: Any) -> str:
    if not isinstance(value, UploadedFile):
        return str(value)
    found = hashlib.sha256()
    for chunk in value.chunks():
        found.update(chunk)
    value.seek(0)
    return f"{value.name} {found.hexdigest()}"
