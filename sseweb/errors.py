"""Answers to addresses that lead nowhere: a page for people, JSON for programs."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found

API = "/api/"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        return JsonResponse({"detail": "There is no such address: /api/v1/docs/ lists them.", "code": "not_found"}, status=404)
    return page_not_found(request, exception)
