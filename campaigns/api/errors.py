"""The one place where the API says what is refused, always in the same shape: 400 for bad input, 409 for what cannot be in this state,
503 where the machine is too busy to read it.
"""

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from campaigns.services.errors import BadInput, Busy, ServiceError
from campaigns.services.reading import RETRY_AFTER_S


class RefusalSerializer(serializers.Serializer):
    """`detail` is for people, `code` for programs; `fields` says which part of the input is meant."""

    detail = serializers.CharField()
    code = serializers.CharField()
    fields = serializers.DictField(child=serializers.CharField(), required=False)


class UploadTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"At most {max_bytes / 1e6:g} MB are accepted.")


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(error, ServiceError):
        said = {"detail": str(error), "code": error.code, "fields": error.fields}
        if isinstance(error, Busy):
            return Response(said, status=status.HTTP_503_SERVICE_UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER_S)})
        return Response(said, status=status.HTTP_400_BAD_REQUEST if isinstance(error, BadInput) else status.HTTP_409_CONFLICT)
    if isinstance(error, RequestDataTooBig):  # by what the request says of its size, before it is read
        error = UploadTooLarge(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        fields = _flat(error.detail)
        response.data = {"detail": "; ".join(f"{name}: {text}" for name, text in fields.items()), "code": BadInput.code, "fields": fields}
    else:
        detail = response.data["detail"]
        response.data = {"detail": str(detail), "code": getattr(detail, "code", "refused")}
    return response


def _flat(detail: Any, name: str = "") -> dict[str, str]:
    """Problems by field: `cells.0.supercell`; what belongs to no field is `non_field_errors`."""
    if isinstance(detail, dict):
        return {key: text for part, value in detail.items() for key, text in _flat(value, f"{name}.{part}".strip(".")).items()}
    if isinstance(detail, list) and any(isinstance(one, dict | list) for one in detail):
        return _flat(dict(enumerate(detail)), name)
    return {name or "non_field_errors": " ".join(map(str, detail)) if isinstance(detail, list) else str(detail)}
