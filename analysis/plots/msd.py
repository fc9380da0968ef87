"""Mean square displacement of every species against time, with its band of one standard error (Fig. 2 of the paper)."""

from dataclasses import dataclass

import numpy as np
from bokeh.models import Band, ColumnDataSource, GlyphRenderer, Range1d, Span
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


@dataclass(frozen=True)
class MsdFit:
    """The line through the mobile ion's MSD, with a free intercept, over its window."""

    window_ps: tuple[float, float]
    slope_A2_ps: float | None = None

    def inside(self, curve: MsdCurve) -> NDArray[np.bool_]:
        return (curve.t_ps >= self.window_ps[0]) & (curve.t_ps <= self.window_ps[1])

    def line(self, curve: MsdCurve, t_ps: NDArray[np.floating]) -> NDArray[np.floating]:
        """At `t_ps`. Its height is that of the points in the window, each as far as its error says."""
        inside = self.inside(curve)
        weights = 1 / np.maximum(curve.error_A2[inside], 1e-6) ** 2
        return np.average(curve.msd_A2[inside] - self.slope_A2_ps * curve.t_ps[inside], weights=weights) + self.slope_A2_ps * t_ps


def msd_figure(curves: list[MsdCurve], theme: Theme, fit: MsdFit | None = None, *, logarithmic: bool = False) -> figure:
    """The mobile ion's curve first. `logarithmic`: both axes, where a straight line of slope 1 is diffusion."""
    axes = {"x_axis_type": "log", "y_axis_type": "log"} if logarithmic else {}
    plot = canvas(theme, "time (ps)", "MSD (Å²)", height=320, y_range=_range(curves, logarithmic), **axes)
    entries = []
    for index, curve in enumerate(curves):
        colour = theme.colour(index)
        source = _source(curve, logarithmic)
        plot.add_layout(Band(base="t", lower="lower", upper="upper", source=source, fill_color=colour, fill_alpha=0.18, line_color=None))
        line = plot.line("t", "msd", source=source, line_color=colour, line_width=2, line_dash=theme.dash(index))
        entries.append((curve.species, [line]))
    lines = [line for _, (line,) in entries]
    hover(plot, lines, ("", "@species"), ("time", "@t{0.0} ps"), ("MSD", "@msd{0.00} ± @error{0.00} Å²"))
    for edge in fit.window_ps if fit else ():
        plot.add_layout(Span(location=edge, dimension="height", line_color=theme.soft, line_dash="dotted", line_width=1.5))
    if fit and curves and fit.slope_A2_ps is not None and fit.inside(curves[0]).any():
        entries.append(("fit", [_fitted(plot, curves[0], fit, theme, logarithmic)]))
    legend(plot, theme, entries)
    return plot


def _range(curves: list[MsdCurve], logarithmic: bool) -> Range1d:
    """Bokeh's own looks at the lines alone and would cut the bands."""
    top = max((float(np.nanmax(curve.msd_A2 + np.nan_to_num(curve.error_A2))) for curve in curves), default=1.0)
    top = top if top > 0 else 1.0
    if not logarithmic:
        return Range1d(0, 1.04 * top)
    least = min((float(curve.msd_A2[curve.msd_A2 > 0].min()) for curve in curves if (curve.msd_A2 > 0).any()), default=0.1)
    return Range1d(0.7 * least, 1.4 * top)


def _source(curve: MsdCurve, logarithmic: bool) -> ColumnDataSource:
    spaced = np.geomspace(1, len(curve.t_ps), MAX_POINTS) - 1 if logarithmic else np.linspace(0, len(curve.t_ps) - 1, MAX_POINTS)
    chosen = np.unique(spaced.round().astype(int))
    if logarithmic:
        chosen = chosen[(curve.t_ps[chosen] > 0) & (curve.msd_A2[chosen] > 0)]
    t_ps, msd, error = curve.t_ps[chosen], curve.msd_A2[chosen], np.nan_to_num(curve.error_A2[chosen])
    lower = np.maximum(msd - error, 0.05 * msd if logarithmic else 0)
    columns = {"t": t_ps, "msd": msd, "error": error, "lower": lower, "upper": msd + error, "species": [curve.species] * len(t_ps)}
    return ColumnDataSource(columns)


def _fitted(plot: figure, curve: MsdCurve, fit: MsdFit, theme: Theme, logarithmic: bool) -> GlyphRenderer:
    t_ps = np.geomspace(*fit.window_ps, 50) if logarithmic else np.array(fit.window_ps)
    return plot.line(t_ps, fit.line(curve, t_ps), line_color=theme.ink, line_width=1.5, line_dash="dotdash")
