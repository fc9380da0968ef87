"""Forms that a browser kept: their user was signed out, or they were refused unread. static/js/keep.js sends them again, to be shown and
not to be carried out."""

from django.http import HttpRequest

FIELD = "restored-form"
RESTORED = "What you typed is back. Nothing has been made of it yet: look it over, then send it."


def is_restored(request: HttpRequest) -> bool:
    return FIELD in request.POST
