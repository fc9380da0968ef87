"""Radial distribution, van Hove functions and ion density of one run."""

from dataclasses import dataclass

import numpy as np
from bokeh.models import ColorBar, LinearColorMapper
from bokeh.palettes import Cividis256, Greys256
from bokeh.plotting import figure
from numpy.typing import NDArray

from analysis.plots.theme import Theme, canvas, hover, legend
from analysis.science import density

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
    """Mean number of ions per Å² seen along one axis of the cell, to scale."""
    seen = density.picture(projection, cell_A, axis)
    right, above = (AXES[index] for index in range(3) if index != axis)
    plot = canvas(theme, f"{right} to the right (Å)", f"{above} upwards (Å)", height=320, match_aspect=True)
    mapper = LinearColorMapper(Cividis256 if theme.dark else Greys256[::-1], low=0, high=float(np.nanmax(seen.ions_A2)) or 1.0,
                               nan_color=(0, 0, 0, 0))  # fmt: skip
    (x, y), (width, height) = seen.origin_A.tolist(), seen.size_A.tolist()
    shown = plot.image([seen.ions_A2], x=x, y=y, dw=width, dh=height, color_mapper=mapper)
    plot.patch(seen.corners_A[:, 0], seen.corners_A[:, 1], fill_color=None, line_color=theme.soft)
    plot.add_layout(ColorBar(color_mapper=mapper, title="ions/Å²", background_fill_color=None, title_text_color=theme.ink,
                             major_label_text_color=theme.soft, width=10), "right")  # fmt: skip
    hover(plot, [shown], ("density", "@image{0.000} ions/Å²"))
    return plot
