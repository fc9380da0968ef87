"""One quantity of several campaigns side by side, published values beside them; D and conductivity on a logarithmic axis."""

import textwrap
from dataclasses import dataclass

from bokeh.models import ColumnDataSource, FactorRange, Range1d, Whisker
from bokeh.plotting import figure

from analysis.plots.theme import Theme, canvas, hover, style_axes

OURS = "this installation"
ROW_PX = 26
LINE_PX = 15
LABEL_WIDTH, NARROW_LABEL_WIDTH = 44, 18  # characters of a line: longer ones would leave no place for the bars


@dataclass(frozen=True)
class Bar:
    """A value with the ends of its error bar; `origin` is shown where one points. `extrapolated` bars are hatched."""

    label: str
    value: float
    low: float
    high: float
    origin: str
    extrapolated: bool = False


def bars_figure(found: list[Bar], theme: Theme, title: str, unit: str, *, logarithmic: bool = False) -> figure:
    """The first at the top, ours filled. Labels that are the same are numbered: each is a row of its own."""
    names = [one.label for one in found]
    numbered = [name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names, start=1)]
    labels = [textwrap.fill(name, NARROW_LABEL_WIDTH if theme.narrow else LABEL_WIDTH) for name in numbered]
    row_px = ROW_PX + LINE_PX * max(label.count("\n") for label in labels)
    first, last = (min(one.low for one in found) / 2, 2 * max(one.high for one in found)) if logarithmic else (
        0.0, 1.08 * max(one.high for one in found))  # fmt: skip
    plot = canvas(theme, f"{title} ({unit})", "", height=90 + row_px * len(found), y_range=FactorRange(factors=labels[::-1]),
                  x_range=Range1d(first, last), x_axis_type="log" if logarithmic else "linear")  # fmt: skip
    source = ColumnDataSource(
        {
            "label": labels,
            "left": [first] * len(found),
            "colour": [theme.colour(0) if one.origin == OURS else theme.soft for one in found],
            "fill": [0.12 if one.origin != OURS else 0.35 if one.extrapolated else 0.75 for one in found],
            "hatch": ["/" if one.extrapolated else " " for one in found],
            "known": ["extrapolated" if one.extrapolated else "" for one in found],
            **{name: [getattr(one, name) for one in found] for name in ("value", "low", "high", "origin")},
        }
    )
    bars = plot.hbar(y="label", left="left", right="value", height=0.6, source=source, line_color="colour", fill_color="colour",
                     fill_alpha="fill", hatch_pattern="hatch", hatch_color="colour")  # fmt: skip
    whisker = Whisker(base="label", lower="low", upper="high", source=source, dimension="width", line_color=theme.ink, line_width=1.5)
    whisker.upper_head.size = whisker.lower_head.size = 7
    plot.add_layout(whisker)
    if theme.narrow:
        plot.xaxis.ticker.desired_num_ticks = 3
    number = "{%0.2e}" if logarithmic else "{%0.3f}"
    hover(plot, [bars], ("", "@label"), (title, f"@value{number} {unit}"), ("from", f"@low{number} to @high{number} {unit}"),
          ("origin", "@origin"), ("", "@known"))  # fmt: skip
    style_axes(plot, theme)
    return plot
