"""Addresses of the whole site."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from django.views.generic import RedirectView

from sseweb.accounts import SignOut
from sseweb.health import healthz
from sseweb.metrics import metrics

handler404 = "sseweb.errors.not_found"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="campaign-list"), name="home"),
    path("sign-in/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("sign-out/", SignOut.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    path("api/v1/", include("campaigns.api.urls")),
    path("api/v1/", include("analysis.api.urls")),
    path("", include("campaigns.urls")),
    path("", include("analysis.urls")),
]
