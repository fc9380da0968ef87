"""Signing out."""

from typing import Any

from django.contrib.auth import views as auth
from django.http import HttpRequest, HttpResponse


class SignOut(auth.LogoutView):
    """The session ends on the server; what the browser keeps of these pages goes too."""

    def post(self, request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponse:
        response = super().post(request, *arguments, **options)
        response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
        return response
