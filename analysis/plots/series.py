"""A quantity against the training step, one series for each loop, with error bars: D(T*) and Ea of the successive models."""

from dataclasses import dataclass

from bokeh.models import ColumnDataSource, FixedTicker, Range1d
from bokeh.plotting import figure

from analysis.plots.theme import Theme, canvas, hover, legend, plain_powers, whiskers


@dataclass(frozen=True)
class StepSeries:
    """Lists run over the evaluated models. `position` counts training steps over all loops; `name` is loop.step."""

    label: str
    position: list[int]
    name: list[str]
    value: list[float]
    error: list[float]


def series_figure(series: list[StepSeries], theme: Theme, y_title: str, unit: str, *, logarithmic: bool = False) -> figure:
    plot = canvas(theme, "training step (loop.step)", y_title, height=320, y_axis_type="log" if logarithmic else "linear")
    entries = []
    for index, one in enumerate(series):
        source = ColumnDataSource({"x": one.position, "name": one.name, "value": one.value, "error": one.error})
        colour = theme.colour(index)
        line = plot.line("x", "value", source=source, line_color=colour, line_alpha=0.5, line_width=1.2)
        points = plot.scatter("x", "value", source=source, marker=theme.marker(index), size=9, color=colour)
        entries.append((one.label, [points, line]))
    if series:
        _error_bars(plot, series, theme, logarithmic)
    number = "%0.2e" if logarithmic else "%0.3f"
    hover(plot, [points for _, (points, _) in entries], ("step", "@name"), ("value", f"@value{{{number}}} ± @error{{{number}}} {unit}"))
    _name_the_steps(plot, series)
    legend(plot, theme, entries)
    return plot


def _error_bars(plot: figure, series: list[StepSeries], theme: Theme, logarithmic: bool) -> None:
    """Bars, and a range that holds them: Bokeh's own looks at the points alone."""
    rows = []
    for index, one in enumerate(series):
        for position, value, error in zip(one.position, one.value, one.error, strict=True):
            lower = max(value - error, 0.05 * value) if logarithmic else value - error
            rows.append((position, lower, value + error, theme.colour(index)))
    whiskers(plot, *zip(*rows, strict=True))
    low, high = min(row[1] for row in rows), max(row[2] for row in rows)
    if logarithmic:
        plot.y_range = Range1d(low / 1.15, high * 1.15)
        plain_powers(plot)
    else:
        margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        plot.y_range = Range1d(low - margin, high + margin)


def _name_the_steps(plot: figure, series: list[StepSeries]) -> None:
    names = {float(position): name for one in series for position, name in zip(one.position, one.name, strict=True)}
    plot.xaxis.ticker = FixedTicker(ticks=sorted(names)[:: max(1, len(names) // 12)])
    plot.xaxis.major_label_overrides = names
