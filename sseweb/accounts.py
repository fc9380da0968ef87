"""Signing out and changing the password."""

from typing import Any

from django.contrib.auth import views as auth
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy


class SignOut(auth.LogoutView):
    """The session ends on the server; what the browser keeps of these pages goes too."""

    def post(self, request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponse:
        response = super().post(request, *arguments, **options)
        response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
        return response


class ChangePassword(auth.PasswordChangeView):
    """Asks for the old one; every other session of the account ends."""

    template_name = "registration/password.html"
    success_url = reverse_lazy("campaign-list")
