"""Addresses of the API."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from campaigns.api import parts, projects, views

app_name = "api"
router = SimpleRouter(use_regex_path=False)
router.register("materials", views.MaterialView)
router.register("campaigns", views.CampaignView)
router.register("campaigns/<int:campaign>/stages", parts.StageView)
router.register("campaigns/<int:campaign>/setting-changes", parts.SettingChangeView)
router.register("campaigns/<int:campaign>/method-checks", parts.MethodCheckView)
router.register("campaigns/<int:campaign>/configurations", parts.ConfigurationView)
router.register("campaigns/<int:campaign>/models", parts.CampaignModelView, basename="campaign-model")
router.register("campaigns/<int:campaign>/links", projects.LinkView, basename="link")
router.register("campaigns/<int:campaign>/activity", projects.ActivityView, basename="activity")
router.register("models", parts.ModelView, basename="model")
router.register("cells", parts.CellView)
router.register("stages", parts.OneStageView, basename="one-stage")
router.register("configurations", parts.OneConfigurationView, basename="configuration")
router.register("data-sets", parts.DataSetView, basename="data-set")
router.register("resources", parts.ResourceView)
router.register("projects", projects.ProjectView)
router.register("projects/<int:project>/activity", projects.ProjectActivityView, basename="project-activity")

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
    *router.urls,
]
