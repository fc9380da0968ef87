"""Mean square displacement of every species against time, with its band of one standard error (Fig. 2 of the paper)."""

from dataclasses import dataclass

import numpy as np
from bokeh.models import Band, ColumnDataSource, Range1d, Span
from bokeh.plotting import figure
from numpy.typing import NDArray

from analysis.plots.theme import Theme, canvas, hover, legend

MAX_POINTS = 400


@dataclass(frozen=True)
class MsdCurve:
    """t_ps, msd_A2, error_A2 (n,)."""

    species: str
    t_ps: NDArray[np.floating]
    msd_A2: NDArray[np.floating]
    error_A2: NDArray[np.floating]


def msd_figure(curves: list[MsdCurve], theme: Theme, fit_window_ps: tuple[float, float] | None = None) -> figure:
    # Bokeh's own range looks at the lines alone and would cut the bands.
    top = max((float(np.nanmax(curve.msd_A2 + np.nan_to_num(curve.error_A2))) for curve in curves), default=1.0)
    plot = canvas(theme, "time (ps)", "MSD (Å²)", height=320, y_range=Range1d(0, 1.04 * top if top > 0 else 1.0))
    entries = []
    for index, curve in enumerate(curves):
        colour = theme.colour(index)
        chosen = np.unique(np.linspace(0, len(curve.t_ps) - 1, min(MAX_POINTS, len(curve.t_ps))).astype(int))
        t_ps, msd, error = curve.t_ps[chosen], curve.msd_A2[chosen], np.nan_to_num(curve.error_A2[chosen])
        source = ColumnDataSource(
            {
                "t": t_ps,
                "msd": msd,
                "error": error,
                "lower": np.maximum(msd - error, 0),
                "upper": msd + error,
                "species": [curve.species] * len(t_ps),
            }
        )
        plot.add_layout(Band(base="t", lower="lower", upper="upper", source=source, fill_color=colour, fill_alpha=0.18, line_color=None))
        line = plot.line("t", "msd", source=source, line_color=colour, line_width=2, line_dash=theme.dash(index))
        entries.append((curve.species, [line]))
    for edge in fit_window_ps or ():
        plot.add_layout(Span(location=edge, dimension="height", line_color=theme.soft, line_dash="dotted", line_width=1.5))
    lines = [line for _, (line,) in entries]
    hover(plot, lines, ("", "@species"), ("time", "@t{0.0} ps"), ("MSD", "@msd{0.00} ± @error{0.00} Å²"))
    legend(plot, theme, entries)
    return plot
