"""Addresses of results and of the plots in them."""

from django.urls import path

from analysis.views import parity, plots, report, results, shared, trajectories

urlpatterns = [
    path("campaigns/<int:pk>/results/", results.results, name="campaign-results"),
    path("campaigns/<int:pk>/parity/", parity.parity_page, name="campaign-parity"),
    path("campaigns/<int:pk>/results.<slug:kind>", results.result_rows, name="campaign-result-rows"),
    path("campaigns/<int:pk>/report/", report.report, name="campaign-report"),
    path("compare/", results.compare, name="compare"),
    path("compare/rows.<slug:kind>", results.compare_rows, name="compare-rows"),
    path("trajectories/", trajectories.trajectory_list, name="trajectory-list"),
    path("trajectories/<int:pk>/", trajectories.trajectory_page, name="trajectory"),
    path("trajectories/<int:pk>/live/", trajectories.trajectory_live, name="trajectory-live"),
    path("trajectories/<int:pk>/result.json", trajectories.trajectory_json, name="trajectory-json"),
    path("trajectories/<int:pk>/again/", trajectories.trajectory_again, name="trajectory-again"),
    path("trajectories/<int:pk>/delete/", trajectories.trajectory_delete, name="trajectory-delete"),
    path("trajectories/<int:pk>/move/", trajectories.trajectory_move, name="trajectory-move"),
    path("shared/<str:token>/", shared.page, name="shared"),
    path("shared/<str:token>/plots/arrhenius/", shared.arrhenius, name="shared-arrhenius"),
    path("shared/<str:token>/plots/steps/<slug:quantity>/", shared.against_step, name="shared-steps"),
    path("shared/<str:token>/plots/runs/<int:pk>/msd/", shared.msd, name="shared-msd"),
    path("plots/trajectories/<int:pk>/msd/", trajectories.trajectory_msd, name="plot-trajectory-msd"),
    path("plots/trajectories/<int:pk>/density/<int:axis>/", trajectories.trajectory_density, name="plot-trajectory-density"),
    path("plots/trajectories/<int:pk>/<slug:kind>/", trajectories.trajectory_structure, name="plot-trajectory-structure"),
    path("plots/campaigns/<int:pk>/arrhenius/", plots.arrhenius, name="plot-arrhenius"),
    path("plots/campaigns/<int:pk>/steps/<slug:quantity>/", plots.against_step, name="plot-steps"),
    path("plots/campaigns/<int:pk>/training-set/<slug:quantity>/", plots.training_set, name="plot-training-set"),
    path("plots/campaigns/<int:pk>/histogram/<slug:quantity>/", plots.histogram, name="plot-histogram"),
    path("plots/campaigns/<int:pk>/parity/<int:loop>/<int:step>/<slug:quantity>/", parity.parity_plot, name="plot-parity"),
    path("runs/<int:pk>/", results.run_page, name="run"),
    path("plots/runs/<int:pk>/msd/", plots.msd, name="plot-msd"),
    path("plots/runs/<int:pk>/density/<int:axis>/", plots.density, name="plot-density"),
    path("plots/runs/<int:pk>/<slug:kind>/", plots.structure, name="plot-structure"),
    path("plots/models/<int:pk>/learning-curve/", plots.learning, name="plot-learning-curve"),
    path("plots/compare/", plots.comparison, name="plot-compare"),
    path("plots/compare/<slug:quantity>/", plots.comparison_bars, name="plot-compare-bars"),
]
