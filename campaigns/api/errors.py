"""The one place where the API says what a service refuses: 400 for bad input, 409 for what cannot be done in this state."""

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework import serializers, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from campaigns.services.errors import BadInput, ServiceError


class RefusalSerializer(serializers.Serializer):
    """`detail` is for people, `code` for programs; `fields` says which part of the input is meant."""

    detail = serializers.CharField()
    code = serializers.CharField()
    fields = serializers.DictField(child=serializers.CharField(), required=False)


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(error, ServiceError):
        code = status.HTTP_400_BAD_REQUEST if isinstance(error, BadInput) else status.HTTP_409_CONFLICT
        return Response({"detail": str(error), "code": error.code, "fields": error.fields}, status=code)
    if isinstance(error, RequestDataTooBig):  # by what the request says of its size, before it is read
        text = f"At most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE / 1e6:g} MB are accepted."
        return Response({"detail": text, "code": "too_large"}, status=status.HTTP_413_REQUEST_ENTITY_TOO_LARGE)
    return exception_handler(error, context)
