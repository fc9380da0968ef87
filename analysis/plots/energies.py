"""Activation energies side by side: one bar a campaign, published values beside them."""

from dataclasses import dataclass

from bokeh.models import ColumnDataSource, FactorRange, Range1d, Whisker
from bokeh.plotting import figure

from analysis.plots.theme import Theme, canvas, hover, style_axes

OURS = "this installation"
ROW_PX = 26


@dataclass(frozen=True)
class Energy:
    """Ea with one standard error, or with half of the range that a source gives; `origin` is shown where one points."""

    label: str
    energy_eV: float
    error_eV: float
    origin: str


def energies_figure(found: list[Energy], theme: Theme) -> figure:
    """Bars from zero, ours filled, the first at the top. Labels that are the same are numbered: each is a row of its own."""
    labels = [one.label if [other.label for other in found].count(one.label) == 1 else f"{one.label} ({number})"
              for number, one in enumerate(found, start=1)]  # fmt: skip
    top = max(one.energy_eV + one.error_eV for one in found)
    plot = canvas(theme, "Ea (eV)", "", height=90 + ROW_PX * len(found), y_range=FactorRange(factors=labels[::-1]),
                  x_range=Range1d(0, 1.08 * top))  # fmt: skip
    source = ColumnDataSource(
        {
            "label": labels,
            "energy": [one.energy_eV for one in found],
            "error": [one.error_eV for one in found],
            "low": [max(one.energy_eV - one.error_eV, 0.0) for one in found],
            "high": [one.energy_eV + one.error_eV for one in found],
            "origin": [one.origin for one in found],
            "colour": [theme.colour(0) if one.origin == OURS else theme.soft for one in found],
            "fill": [0.75 if one.origin == OURS else 0.12 for one in found],
        }
    )
    bars = plot.hbar(y="label", right="energy", height=0.6, source=source, line_color="colour", fill_color="colour", fill_alpha="fill")
    whisker = Whisker(base="label", lower="low", upper="high", source=source, dimension="width", line_color=theme.ink, line_width=1.5)
    whisker.upper_head.size = whisker.lower_head.size = 7
    plot.add_layout(whisker)
    hover(plot, [bars], ("", "@label"), ("Ea", "@energy{0.000} ± @error{0.000} eV"), ("from", "@origin"))
    style_axes(plot, theme)
    return plot
