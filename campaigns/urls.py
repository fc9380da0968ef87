"""Addresses of materials, campaigns, configurations, models and stages."""

from django.urls import path

from campaigns.views import campaigns, configurations, materials, models, new_campaign, stages

urlpatterns = [
    path("campaigns/", campaigns.campaign_list, name="campaign-list"),
    path("campaigns/new/", new_campaign.campaign_new, name="campaign-new"),
    path("campaigns/new/cells/", new_campaign.cells, name="campaign-new-cells"),
    path("campaigns/new/cell/", new_campaign.one_more_cell, name="campaign-new-cell"),
    path("campaigns/new/labeller/", new_campaign.labeller_options, name="campaign-new-labeller"),
    path("campaigns/new/potential/", new_campaign.upload_potential, name="campaign-new-potential"),
    path("campaigns/new/settings/", new_campaign.preset_settings, name="campaign-new-settings"),
    path("campaigns/new/estimate/", new_campaign.estimate, name="campaign-new-estimate"),
    path("campaigns/new/upload/", new_campaign.upload_data_set, name="campaign-new-upload"),
    path("campaigns/<int:pk>/", campaigns.overview, name="campaign-overview"),
    path("campaigns/<int:pk>/edit/", new_campaign.campaign_edit, name="campaign-edit"),
    path("campaigns/<int:pk>/live/<slug:part>/", campaigns.live, name="campaign-live"),
    path("campaigns/<int:pk>/training-set/", configurations.training_set, name="campaign-training-set"),
    path("campaigns/<int:pk>/training-set/download/", configurations.training_set_download, name="campaign-training-set-download"),
    path("campaigns/<int:pk>/models/", campaigns.models, name="campaign-models"),
    path("campaigns/<int:pk>/stages/", campaigns.stages, name="campaign-stages"),
    path("campaigns/<int:pk>/settings/", campaigns.settings, name="campaign-settings"),
    *(path(f"campaigns/<int:pk>/{verb}/", campaigns.act, {"verb": verb}, name=f"campaign-{verb}") for verb in campaigns.VERBS),
    path("cells/<int:pk>/structure/", campaigns.cell_structure, name="cell-structure"),
    path("configurations/<int:pk>/", configurations.configuration, name="configuration"),
    path("configurations/<int:pk>/structure/", configurations.configuration_structure, name="configuration-structure"),
    path("configurations/<int:pk>/download/", configurations.configuration_download, name="configuration-download"),
    path("models/<int:pk>/", models.model_page, name="model"),
    path("models/<int:pk>/package/", models.model_package, name="model-package"),
    path("models/<int:pk>/files/<slug:name>/", models.model_file, name="model-file"),
    path("stages/<int:pk>/", stages.stage_page, name="stage"),
    path("stages/<int:pk>/live/", stages.stage_live, name="stage-live"),
    path("stages/<int:pk>/files/<path:name>", stages.stage_file, name="stage-file"),
    path("materials/", materials.material_list, name="material-list"),
    path("materials/new/", materials.material_new, name="material-new"),
    path("materials/examples/<slug:slug>/", materials.material_example, name="material-example"),
    path("materials/<int:pk>/", materials.material_page, name="material-page"),
    path("materials/<int:pk>/structure/", materials.material_structure, name="material-structure"),
    path("materials/<int:pk>/cif/", materials.material_cif, name="material-cif"),
    path("materials/<int:pk>/delete/", materials.material_delete, name="material-delete"),
]
