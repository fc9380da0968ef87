"""How a quantity of the training set is distributed, kept and rejected configurations stacked, with the interval that cleaning keeps."""

import numpy as np
from bokeh.models import BoxAnnotation, ColumnDataSource
from bokeh.plotting import figure
from numpy.typing import NDArray

from analysis.plots.theme import Theme, canvas, hover, legend
from analysis.plots.training_set import TrainingSetPoints

MAX_BINS = 48


def bins_of(points: TrainingSetPoints) -> NDArray[np.floating]:
    """Edges. One value far away must not press all others into one bar: beyond a width of the kept interval on each side there is one
    bar for everything farther out."""
    values = points.value[np.isfinite(points.value)]
    low, high = float(values.min()), float(values.max())
    if points.intervals:
        lower, upper = min(one[0] for one in points.intervals), max(one[1] for one in points.intervals)
        low, high = max(low, lower - (upper - lower)), min(high, upper + (upper - lower))
    if high <= low:
        low, high = low - 0.5, low + 0.5
    return np.linspace(low, high, int(np.clip(2 * np.sqrt(len(values)), 8, MAX_BINS)) + 1)


def histogram_figure(points: TrainingSetPoints, theme: Theme, x_title: str) -> figure:
    edges = bins_of(points)
    plot = canvas(theme, x_title, "configurations", height=320)
    for lower, upper in points.intervals:
        band = {"fill_color": theme.colour(2), "fill_alpha": 0.10, "line_color": theme.colour(2), "line_alpha": 0.5, "line_dash": "dashed"}
        plot.add_layout(BoxAnnotation(left=lower, right=upper, level="underlay", **band))
    below, entries = np.zeros(len(edges) - 1, dtype=int), []
    for index, verdict in enumerate(("kept", "rejected")):
        values = np.clip(points.value[(points.verdict == verdict) & np.isfinite(points.value)], edges[0], edges[-1])
        if not len(values):
            continue
        counts, _ = np.histogram(values, edges)
        columns = {"left": edges[:-1], "right": edges[1:], "bottom": below, "top": below + counts, "count": counts}
        source = ColumnDataSource(columns | {"verdict": [verdict] * len(counts)})
        bars = plot.quad("left", "right", "top", "bottom", source=source, fill_color=theme.colour(index), fill_alpha=0.75,
                         line_color=theme.surface, hatch_pattern=None if verdict == "kept" else "/", hatch_color=theme.surface)  # fmt: skip
        below = below + counts
        entries.append((verdict, [bars]))
    hover(
        plot, [bars for _, (bars,) in entries], ("", "@verdict"), ("from", "@left{0.0000}"), ("to", "@right{0.0000}"), ("number", "@count")
    )
    plot.y_range.start = 0
    legend(plot, theme, entries)
    return plot
