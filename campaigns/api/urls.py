"""Addresses of the API."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from campaigns.api import views

app_name = "api"
router = SimpleRouter(use_regex_path=False)
router.register("materials", views.MaterialView)
router.register("campaigns", views.CampaignView)
router.register("campaigns/<int:campaign>/stages", views.StageView)
router.register("campaigns/<int:campaign>/configurations", views.ConfigurationView)
router.register("campaigns/<int:campaign>/models", views.CampaignModelView, basename="campaign-model")
router.register("models", views.ModelView, basename="model")

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
    *router.urls,
]
