"""Learning curve of one training: errors against batches, both axes logarithmic."""

from collections.abc import Mapping

import numpy as np
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from numpy.typing import NDArray

from analysis.plots.theme import Theme, canvas, hover, legend

# Columns of lcurve.out and what they are; with validation data DeePMD-kit adds `_val` and `_trn`.
COLUMNS = {
    "rmse_f": "forces (eV/Å)",
    "rmse_f_trn": "forces (eV/Å)",
    "rmse_f_val": "forces, validation (eV/Å)",
    "rmse_e": "energy (eV/atom)",
    "rmse_e_trn": "energy (eV/atom)",
    "rmse_e_val": "energy, validation (eV/atom)",
    "rmse_v": "virial (eV/atom)",
    "rmse_v_trn": "virial (eV/atom)",
    "rmse_v_val": "virial, validation (eV/atom)",
}
MAX_POINTS = 500


def learning_figure(curve: Mapping[str, NDArray[np.floating]], theme: Theme) -> figure:
    """`curve` maps the columns of lcurve.out, `step` among them, to arrays (n,)."""
    plot = canvas(theme, "batches", "root-mean-square error", height=340, x_axis_type="log", y_axis_type="log")
    if theme.narrow:
        plot.xaxis.ticker.desired_num_ticks = 3
    keep = np.unique(np.linspace(0, len(curve["step"]) - 1, min(MAX_POINTS, len(curve["step"]))).astype(int))
    step = np.maximum(curve["step"][keep], 1)
    entries = []
    for index, (column, title) in enumerate((name, text) for name, text in COLUMNS.items() if name in curve):
        values = curve[column][keep]
        drawn = values > 0  # a logarithmic axis has no place for zero or NaN
        if not drawn.any():
            continue
        source = ColumnDataSource({"step": step[drawn], "value": values[drawn], "title": [title] * int(drawn.sum())})
        line = plot.line("step", "value", source=source, line_color=theme.colour(index), line_width=1.8, line_dash=theme.dash(index))
        entries.append((title, [line]))
    lines = [line for _, (line,) in entries]
    hover(plot, lines, ("", "@title"), ("batch", "@step{0,0}"), ("error", "@value{%0.3e}"))
    legend(plot, theme, entries)
    return plot
