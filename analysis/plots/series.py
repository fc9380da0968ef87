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
    names: dict[float, str] = {}
    entries = []
    for index, one in enumerate(series):
        colour = theme.colour(index)
        names |= {float(position): name for position, name in zip(one.position, one.name, strict=True)}
        bounds = [(value - error, value + error) for value, error in zip(one.value, one.error, strict=True)]
        source = ColumnDataSource(
            {
                "x": one.position,
                "name": one.name,
                "value": one.value,
                "error": one.error,
                "upper": [high for _, high in bounds],
                "lower": [max(low, 0.05 * value) if logarithmic else low for (low, _), value in zip(bounds, one.value, strict=True)],
            }
        )
        line = plot.line("x", "value", source=source, line_color=colour, line_alpha=0.5, line_width=1.2)
        whiskers(plot, source, "x", "lower", "upper", colour)
        points = plot.scatter("x", "value", source=source, marker=theme.marker(index), size=9, color=colour)
        hover(
            plot,
            points,
            ("step", "@name"),
            ("value", f"@value{{0.000e+0}} ± @error{{0.0e+0}} {unit}" if logarithmic else f"@value{{0.000}} ± @error{{0.000}} {unit}"),
        )
        entries.append((one.label, [points, line]))
    if logarithmic:
        plain_powers(plot)
    elif series:
        _include_error_bars(plot, series)
    every = max(1, len(names) // 12)
    plot.xaxis.ticker = FixedTicker(ticks=sorted(names)[::every])
    plot.xaxis.major_label_overrides = names
    legend(plot, theme, entries)
    return plot


def _include_error_bars(plot: figure, series: list[StepSeries]) -> None:
    """Bokeh's own range looks at points, not at whiskers."""
    low = min(value - error for one in series for value, error in zip(one.value, one.error, strict=True))
    high = max(value + error for one in series for value, error in zip(one.value, one.error, strict=True))
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    plot.y_range = Range1d(low - margin, high + margin)
