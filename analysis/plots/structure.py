"""Radial distribution, van Hove functions and ion density of one run."""

from dataclasses import dataclass

import numpy as np
from bokeh.models import ColorBar, LinearColorMapper, Range1d
from bokeh.palettes import Cividis256, Greys256
from bokeh.plotting import figure
from numpy.typing import NDArray

from analysis.plots.theme import Theme, canvas, hover, legend

Floats = NDArray[np.floating]
AXES = "abc"


@dataclass(frozen=True)
class Curve:
    label: str
    r_A: Floats
    values: Floats


def curves_figure(curves: list[Curve], theme: Theme, title: str, *, level: float | None = None) -> figure:
    """Functions of a distance; `level` draws the line where nothing is correlated."""
    plot = canvas(theme, "r (Å)", title, height=320)
    if level is not None and curves:
        plot.line([0, float(curves[0].r_A[-1])], [level, level], line_color=theme.soft, line_dash="dotted")
    lines = []
    for index, curve in enumerate(curves):
        source = {"r": curve.r_A, "value": curve.values, "label": [curve.label] * len(curve.r_A)}
        lines.append(plot.line("r", "value", source=source, line_color=theme.colour(index), line_width=2, line_dash=theme.dash(index // 7)))
    hover(plot, lines, ("", "@label"), ("r", "@r{0.00} Å"), ("", "@value{0.00}"))
    legend(plot, theme, [(curve.label, [line]) for curve, line in zip(curves, lines, strict=True)])
    return plot


def density_figure(projection: Floats, cell_A: Floats, axis: int, theme: Theme) -> figure:
    """Mean number of ions per Å² seen along one axis; the two others are drawn at their lengths, as if they were at right angles."""
    across, up = (index for index in range(3) if index != axis)
    width_A, height_A = float(np.linalg.norm(cell_A[across])), float(np.linalg.norm(cell_A[up]))
    area_A2 = float(np.linalg.norm(np.cross(cell_A[across], cell_A[up]))) / projection.size
    image = projection.T / area_A2
    plot = canvas(theme, f"along {AXES[across]} (Å)", f"along {AXES[up]} (Å)", height=300, x_range=Range1d(0, width_A),
                  y_range=Range1d(0, height_A))  # fmt: skip
    mapper = LinearColorMapper(Cividis256 if theme.dark else Greys256[::-1], low=0, high=float(image.max()) or 1.0)
    shown = plot.image([image], x=0, y=0, dw=width_A, dh=height_A, color_mapper=mapper)
    plot.add_layout(ColorBar(color_mapper=mapper, title="ions/Å²", background_fill_color=None, title_text_color=theme.ink,
                             major_label_text_color=theme.soft, width=10), "right")  # fmt: skip
    hover(plot, [shown], ("density", "@image{0.000} ions/Å²"))
    return plot
