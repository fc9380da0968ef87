"""Every configuration in the order it came in, coloured and marked by its verdict, with the interval that cleaning keeps."""

from dataclasses import dataclass

import numpy as np
from bokeh.models import BoxAnnotation, ColumnDataSource
from bokeh.plotting import figure
from numpy.typing import NDArray

from analysis.plots.theme import Theme, canvas, hover, legend

MAX_POINTS = 2000
LOOK = {"kept": (0, "circle"), "rejected": (1, "x")}


@dataclass(frozen=True)
class TrainingSetPoints:
    """order, value (n,) numbers; verdict (n,) words; intervals: lower and upper bound for each composition."""

    order: NDArray[np.integer]
    value: NDArray[np.floating]
    verdict: NDArray[np.str_]
    place: NDArray[np.str_]
    intervals: list[tuple[float, float]]


def thinned(points: TrainingSetPoints, limit: int = MAX_POINTS) -> TrainingSetPoints:
    """At most about `limit` points: kept ones are thinned out evenly, the others, which one looks for, all stay."""
    kept = points.verdict == "kept"
    every = max(1, int(np.ceil(kept.sum() / limit)))
    chosen = ~kept
    chosen[np.flatnonzero(kept)[::every]] = True
    return TrainingSetPoints(points.order[chosen], points.value[chosen], points.verdict[chosen], points.place[chosen], points.intervals)


def training_set_figure(points: TrainingSetPoints, theme: Theme, y_title: str) -> figure:
    # A title longer than a narrow plot leaves marks beside it.
    plot = canvas(theme, "configuration number", y_title, height=320)
    for lower, upper in points.intervals:
        plot.add_layout(
            BoxAnnotation(
                bottom=lower,
                top=upper,
                fill_color=theme.colour(2),
                fill_alpha=0.10,
                line_color=theme.colour(2),
                line_alpha=0.5,
                line_dash="dashed",
                level="underlay",
            )
        )
    entries = []
    for verdict, (colour, marker) in LOOK.items():
        chosen = points.verdict == verdict
        if not chosen.any():
            continue
        source = ColumnDataSource(
            {"x": points.order[chosen], "y": points.value[chosen], "place": points.place[chosen], "verdict": points.verdict[chosen]}
        )
        drawn = plot.scatter(
            "x",
            "y",
            source=source,
            marker=marker,
            size=6 if verdict == "kept" else 9,
            color=theme.colour(colour),
            alpha=0.65 if verdict == "kept" else 1.0,
            line_width=1 if verdict == "kept" else 2,
        )
        entries.append((verdict, [drawn]))
    points = [drawn for _, (drawn,) in entries]
    hover(plot, points, ("no.", "@x"), ("loop.step", "@place"), ("value", "@y{0.0000}"), ("", "@verdict"))
    legend(plot, theme, entries)
    return plot
