"""What an archive holds for people: results as tables, and figures that open in any browser without this program."""

import io
import json

from analysis import queries
from campaigns.models import Campaign
from campaigns.queries import learning_curve, result
from campaigns.views.exports import write_csv


def results(campaign: Campaign) -> dict[str, bytes]:
    from analysis.views.results import RUN_COLUMNS

    files = {"result.json": json.dumps(result(campaign), indent=1, ensure_ascii=False).encode()}
    rows = queries.run_rows(campaign)
    if rows:
        table = io.StringIO(newline="")
        write_csv(table, RUN_COLUMNS, rows)
        files["runs.csv"] = table.getvalue().encode()
    page = _figures(campaign)
    return files | ({"figures.html": page} if page else {})


def _figures(campaign: Campaign) -> bytes:
    """Every figure on one page, with BokehJS in it; empty where there is nothing to draw."""
    from bokeh.embed import file_html
    from bokeh.layouts import column
    from bokeh.resources import INLINE

    from analysis.plots.arrhenius import arrhenius_figure
    from analysis.plots.learning import learning_figure
    from analysis.plots.series import series_figure
    from analysis.plots.theme import Theme
    from analysis.plots.training_set import thinned, training_set_figure
    from analysis.views import figures

    theme, judged, drawn = Theme(), queries.judged_models(campaign.trained_models.all()), []
    series = figures.by_training_step(judged)
    if any(one.temperature_K for one in series):
        drawn.append(arrhenius_figure(series, theme))
    if energies := figures.step_series(judged, "activation_energy"):
        drawn.append(series_figure(energies, theme, "Ea (eV)", "eV"))
    if errors := figures.error_series(campaign):
        drawn.append(series_figure(errors, theme, "force error, new snapshots (eV/Å)", "eV/Å"))
    last = campaign.trained_models.select_related("learning_curve").last()
    if last is not None and last.learning_curve.file.is_file():
        drawn.append(learning_figure(learning_curve(last), theme))
    points = figures.training_set_points(campaign, "energy")
    if len(points.order):
        drawn.append(training_set_figure(thinned(points), theme, "energy (eV/atom)"))
    if not drawn:
        return b""
    return file_html(column(*drawn, sizing_mode="stretch_width"), INLINE, title=campaign.name).encode()
