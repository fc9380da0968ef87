"""How every plot looks: colours that colour-blind readers can tell apart, markers beside colours, light and dark, axes with units."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.models import BasicTickFormatter, ColumnDataSource, FixedTicker, GlyphRenderer, HoverTool, Legend, LegendItem, LogTicker, Whisker
from bokeh.palettes import Cividis256, Plasma256
from bokeh.plotting import figure

# Okabe and Ito 2008, https://jfly.uni-koeln.de/color/; the order differs so that the first ones stand out on each ground.
LIGHT_PALETTE = ("#0072B2", "#D55E00", "#007a59", "#A8467E", "#8a6100", "#3c8fc4", "#555555")
DARK_PALETTE = ("#56B4E9", "#E69F00", "#2fc99a", "#e29bc0", "#F0E442", "#ff8a4c", "#bbbbbb")
DASHES = ("solid", "dashed", "dotted", "dotdash")
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "plus", "star")

PAPER_HEIGHT = 220  # two figures side by side on a printed page


@dataclass(frozen=True)
class Theme:
    dark: bool = False
    narrow: bool = False
    vector: bool = False  # drawn as SVG: for papers

    @property
    def ink(self) -> str:
        return "#e5eaef" if self.dark else "#18222c"

    @property
    def soft(self) -> str:
        return "#a9b5c0" if self.dark else "#4d5a67"

    @property
    def grid(self) -> str:
        return "#2d3843" if self.dark else "#e3e8ec"

    @property
    def surface(self) -> str:
        return "#182027" if self.dark else "#ffffff"

    def colour(self, index: int) -> str:
        palette = DARK_PALETTE if self.dark else LIGHT_PALETTE
        return palette[index % len(palette)]

    def shade(self, fraction: float) -> str:
        """A step of a sequence, 0 first and 1 last, on a scale whose lightness alone tells the order."""
        position = min(max(fraction, 0.0), 1.0)
        if self.dark:
            return Plasma256[110 + round(position * 130)]
        return Cividis256[round((1 - position) * 190)]

    def dash(self, index: int) -> str:
        return DASHES[index % len(DASHES)]

    def marker(self, index: int) -> str:
        return MARKERS[index % len(MARKERS)]


def canvas(theme: Theme, x_title: str, y_title: str, *, height: int = 380, **options: Any) -> figure:
    """An empty figure as wide as its place, with axis titles that name the unit."""
    backend = "svg" if theme.vector else "canvas"
    if theme.vector and theme.narrow:
        height = min(height, PAPER_HEIGHT)
    plot = figure(sizing_mode="stretch_width", height=height, tools="pan,box_zoom,reset,save", toolbar_location="above",
                  output_backend=backend, **options)  # fmt: skip
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.xaxis.axis_label, plot.yaxis.axis_label = x_title, y_title
    plot.background_fill_color = plot.border_fill_color = plot.outline_line_color = None
    plot.min_border_right = 12
    plot.grid.grid_line_color = theme.grid
    style_axes(plot, theme)
    return plot


def style_axes(plot: figure, theme: Theme) -> None:
    for axis in plot.axis:
        axis.axis_label_text_color = theme.ink
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "13px"
        axis.major_label_text_color = theme.soft
        axis.major_label_text_font_size = "12px"
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = theme.soft


def plain_powers(plot: figure) -> None:
    """A logarithmic axis of few decades: labels such as 2e-5 instead of 2.000e-5, at 1, 2 and 5 of each.

    Bokeh's own ticker puts linear steps on an axis of less than two decades, which leaves the lower one without a label.
    """
    low, high = plot.y_range.start, plot.y_range.end
    if low and high and 10 * low < high < 1e3 * low:
        powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
        minor = [digit * power for power in powers for digit in range(1, 10)]
        plot.yaxis.ticker = FixedTicker(ticks=[digit * power for power in powers for digit in (1, 2, 5)], minor_ticks=minor)
    else:
        plot.yaxis.ticker = LogTicker(mantissas=[1, 2, 5], desired_num_ticks=6)
    plot.yaxis.formatter = BasicTickFormatter(precision=1, use_scientific=True, power_limit_low=-2)


def hover(plot: figure, renderers: list[GlyphRenderer], *rows: tuple[str, str]) -> None:
    """One tool for all curves: every Bokeh model costs milliseconds. `@name{%0.2e}` is printf's way, which knows powers of ten."""
    printf = {f"@{name}": "printf" for _, text in rows for name in re.findall(r"@(\w+)\{%", text)}
    if renderers:
        plot.add_tools(HoverTool(renderers=renderers, tooltips=list(rows), formatters=printf))


def whiskers(plot: figure, base: Sequence[float], lower: Sequence[float], upper: Sequence[float], colours: Sequence[str]) -> None:
    """Error bars of all series together, each in its colour."""
    source = ColumnDataSource({"base": list(base), "lower": list(lower), "upper": list(upper), "colour": list(colours)})
    bars = Whisker(source=source, base="base", lower="lower", upper="upper", line_color="colour", line_width=1.5)
    bars.upper_head = bars.lower_head = None
    plot.add_layout(bars)


def legend(plot: figure, theme: Theme, entries: list[tuple[str, list[GlyphRenderer]]]) -> None:
    """Beside the plot, below it where it is narrow, in it on narrow paper; a click on an entry hides its curve."""
    if len(entries) < 2:
        return
    box = Legend(items=[LegendItem(label=label, renderers=renderers) for label, renderers in entries], click_policy="hide")
    box.label_text_color, box.label_text_font_size = theme.ink, "12px"
    box.background_fill_color, box.border_line_color = None, None
    box.spacing, box.padding = 2, 4
    if theme.narrow and theme.vector:
        box.location, box.background_fill_color, box.background_fill_alpha = "top_right", theme.surface, 0.8
        plot.add_layout(box)
        return
    if theme.narrow:
        longest = max(len(label) for label, _ in entries)
        box.ncols = 3 if longest < 10 else 2 if longest < 18 else 1
    plot.add_layout(box, "below" if theme.narrow else "right")
