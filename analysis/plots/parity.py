"""Model against label: on the diagonal both agree."""

from dataclasses import dataclass

import numpy as np
from bokeh.models import ColumnDataSource, OpenURL, Range1d, Slope, TapTool
from bokeh.plotting import figure
from numpy.typing import NDArray

from analysis.plots.theme import Theme, canvas, hover, legend
from analysis.science.parity import drawn

MAX_POINTS = 2000


@dataclass(frozen=True)
class ParityPoints:
    """label, model (n,) values; group (n,) what gives a point its colour; configuration (n,) whose they are."""

    label: NDArray[np.floating]
    model: NDArray[np.floating]
    group: NDArray[np.str_]
    configuration: NDArray[np.integer]


def thinned(points: ParityPoints, limit: int = MAX_POINTS) -> ParityPoints:
    chosen = drawn(points.model, points.label, limit)
    return ParityPoints(points.label[chosen], points.model[chosen], points.group[chosen], points.configuration[chosen])


def parity_figure(points: ParityPoints, theme: Theme, unit: str, open_configuration: str = "") -> figure:
    """`open_configuration` is the address that a click on a point opens, with @configuration in it."""
    # What is compared stands above the plot: a title longer than a narrow plot leaves marks beside it.
    low = float(min(points.label.min(), points.model.min()))
    high = float(max(points.label.max(), points.model.max()))
    margin = 0.04 * (high - low) or 0.1
    ranges = {name: Range1d(low - margin, high + margin) for name in ("x_range", "y_range")}
    plot = canvas(theme, f"label ({unit})", f"model ({unit})", height=380, **ranges)
    plot.add_layout(Slope(gradient=1, y_intercept=0, line_color=theme.soft, line_dash="dashed", line_width=1.2))
    entries = []
    for index, name in enumerate(dict.fromkeys(points.group.tolist())):
        chosen = points.group == name
        source = ColumnDataSource(
            {
                "x": points.label[chosen],
                "y": points.model[chosen],
                "configuration": points.configuration[chosen],
                "group": points.group[chosen],
            }
        )
        dots = plot.scatter("x", "y", source=source, size=5, marker=theme.marker(index), color=theme.colour(index), alpha=0.6)
        entries.append((name, [dots]))
    rows = [("", "@group")] if len(entries) > 1 else []
    hover(plot, [dots for _, (dots,) in entries], *rows, ("label", "@x{0.0000}"), ("model", "@y{0.0000}"), ("no.", "@configuration"))
    if open_configuration and not theme.vector:
        plot.add_tools(TapTool(callback=OpenURL(url=open_configuration, same_tab=True)))
    legend(plot, theme, entries)
    return plot
