"""Tokens with which a user's programs sign in to the API."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from knox.models import AuthToken


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def token_list(request: HttpRequest) -> HttpResponse:
    """The user's tokens; POST makes one and shows it, this once: only its digest is kept."""
    made = AuthToken.objects.create(request.user)[1] if request.method == "POST" else ""
    tokens = AuthToken.objects.filter(user=request.user).order_by("-created")
    context = {"section": "tokens", "tokens": tokens, "made": made, "address": request.build_absolute_uri("/api/v1/")}
    return render(request, "registration/tokens.html", context)


@login_required
@require_POST
def token_withdraw(request: HttpRequest, digest: str) -> HttpResponse:
    get_object_or_404(AuthToken, user=request.user, digest=digest).delete()
    messages.success(request, "The token is withdrawn: programs that use it are turned away from now on.")
    return redirect("token-list")
