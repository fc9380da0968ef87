"""Addresses of the API for results and trajectories."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from analysis.api import views

app_name = "results-api"
router = SimpleRouter(use_regex_path=False)
router.register("trajectories", views.TrajectoryView)
router.register("campaigns/<int:campaign>/fits", views.FitView, basename="fit")
router.register("campaigns/<int:campaign>/runs", views.RunView, basename="run")
router.register("runs", views.OneRunView, basename="one-run")

PARITY = "campaigns/<int:campaign>/parity/<int:loop>/<int:step>/<slug:quantity>/"

urlpatterns = [
    path("compare/", views.CompareView.as_view({"get": "compare"}), name="compare"),
    path(PARITY, views.ParityView.as_view({"get": "parity"}), name="parity"),
    *router.urls,
]
