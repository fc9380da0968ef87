"""D against 1000/T with the fitted lines, and a second axis in kelvin (Figs. 3 to 6 of Marcolongo et al. 2019)."""

import math
from dataclasses import dataclass

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, GlyphRenderer, LinearAxis, Range1d
from bokeh.plotting import figure

from analysis.plots.theme import Theme, canvas, hover, legend, plain_powers, style_axes, whiskers

BOLTZMANN_EV_K = 8.617333262e-5
SMALLEST_OF_AXIS = 1e-7  # of its top: bands of what is hardly known would press all else together
MOST_DECADES = 150  # a line far below its points leads out of what a number holds
SMALLEST_SHARE = 0.05  # of a value, where its error bar ends that would reach zero
BAND_POINTS = 30
MOST_IN_LEGEND = 24  # a longer one is taller than the plot; the page says so
KELVIN_TICKS = (300, 350, 400, 450, 500, 550, 600, 650, 700, 800, 900, 1000, 1200, 1500, 2000, 3000)


@dataclass(frozen=True)
class ArrheniusSeries:
    """One model's or campaign's points and line. Lists run over the runs that gave a D.

    `shade` (0 to 1) colours a step within a sequence; None takes the next colour of the palette.
    `colour`: the index in the palette, where it is not that of the place in the list.
    `in_fit` is False for a run that the gate kept out of the fit: it is drawn hollow.
    """

    label: str
    temperature_K: list[float]
    diffusivity_cm2_s: list[float]
    error_cm2_s: list[float]
    verdict: list[str]
    in_fit: list[bool]
    log10_prefactor_cm2_s: float | None = None
    activation_energy_eV: float | None = None
    shade: float | None = None
    marker: int = 0
    colour: int | None = None
    covariance: list[list[float]] | None = None  # of (ln D0, Ea in eV): a band of one standard error is drawn
    activation_energy_error_eV: float | None = None
    is_ours: bool = True  # or published
    is_extended: bool = True  # the line beyond the points of its fit, too


def arrhenius_figure(
    series: list[ArrheniusSeries], theme: Theme, extend_to_K: float | None = None, axis: tuple[str, str] = ("D (cm²/s)", "cm²/s")
) -> figure:
    """Lines are solid between the lowest and the highest temperature of the fit, dashed beyond: extrapolated, not measured.

    `extend_to_K` draws them on to that temperature. `axis`: title and unit of what the series hold, D unless they are scaled.
    """
    title, unit = axis
    temperatures = [T for one in series for T in one.temperature_K] + ([extend_to_K] if extend_to_K else [])
    low, high = (1000 / max(temperatures), 1000 / min(temperatures)) if temperatures else (0.8, 1.8)
    margin = 0.06 * (high - low) or 0.1
    plot = canvas(theme, "1000/T (K⁻¹)", title, height=430, y_axis_type="log", x_range=Range1d(low - margin, high + margin),
                  **_y_range(series, extend_to_K))  # fmt: skip
    colours = [_colour(theme, index, one) for index, one in enumerate(series)]
    drawn = [
        (one, _points(plot, one, colour, theme), _line(plot, one, colour, extend_to_K))
        for one, colour in zip(series, colours, strict=True)
        if one.temperature_K
    ]
    _error_bars(plot, series, colours)
    hover(
        plot,
        [points for _, points, _ in drawn],
        ("", "@label"),
        ("T", "@T{0} K"),
        (title.split(" ")[0], f"@D{{%0.2e}} ± @error{{%0.1e}} {unit}"),
        ("verdict", "@verdict"),
    )
    _kelvin_axis(plot, low - margin, high + margin, 0.12 if theme.narrow else 0.05)
    style_axes(plot, theme)
    plain_powers(plot)
    legend(plot, theme, [(one.label, [points, *lines]) for one, points, lines in drawn][:MOST_IN_LEGEND])
    return plot


def _colour(theme: Theme, index: int, one: ArrheniusSeries) -> str:
    return theme.shade(one.shade) if one.shade is not None else theme.colour(index if one.colour is None else one.colour)


def _y_range(series: list[ArrheniusSeries], extend_to_K: float | None) -> dict[str, Range1d]:
    """Wide enough for every error bar, and for the lines to where they are drawn; nothing where there is no point."""
    ends = [end for one in series for value, error in zip(one.diffusivity_cm2_s, one.error_cm2_s, strict=True)
            for end in (max(value - error, SMALLEST_SHARE * value), value + error)]  # fmt: skip
    if extend_to_K:
        last = np.array([1000 / extend_to_K])
        ends += [float(end[0]) for one in series if one.activation_energy_eV is not None and one.is_extended
                 for end in _band_ends(one, last)]  # fmt: skip
    ends = [end for end in ends if math.isfinite(end) and end > 0]
    if not ends:
        return {}
    top = 1.3 * max(ends)
    return {"y_range": Range1d(max(min(ends) / 1.3, SMALLEST_OF_AXIS * top), top)}


def _points(plot: figure, one: ArrheniusSeries, colour: str, theme: Theme) -> GlyphRenderer:
    source = ColumnDataSource(
        {
            "x": 1000 / np.array(one.temperature_K),
            "T": one.temperature_K,
            "D": one.diffusivity_cm2_s,
            "error": one.error_cm2_s,
            "verdict": one.verdict,
            "label": [one.label] * len(one.temperature_K),
            "fill": [0.9 if used else 0.0 for used in one.in_fit],
        }
    )
    return plot.scatter("x", "D", source=source, marker=theme.marker(one.marker), size=9, line_color=colour, line_width=1.8,
                        fill_color=colour, fill_alpha="fill")  # fmt: skip


def _error_bars(plot: figure, series: list[ArrheniusSeries], colours: list[str]) -> None:
    rows = [
        # On a logarithmic axis an error bar may not reach zero.
        (1000 / T, max(value - error, SMALLEST_SHARE * value), value + error, colour)
        for one, colour in zip(series, colours, strict=True)
        for T, value, error in zip(one.temperature_K, one.diffusivity_cm2_s, one.error_cm2_s, strict=True)
    ]
    if rows:
        whiskers(plot, *zip(*rows, strict=True))


def _line(plot: figure, one: ArrheniusSeries, colour: str, extend_to_K: float | None) -> list[GlyphRenderer]:
    """Its pieces, solid and dashed, to the last of its points, in the fit or not; only solid where it may not be extended."""
    if one.activation_energy_eV is None or one.log10_prefactor_cm2_s is None:
        return []
    places = 1000 / np.array(one.temperature_K)
    fitted = places[np.array(one.in_fit)] if any(one.in_fit) else places
    first, last = fitted.min(), fitted.max()
    ends = np.append(places, 1000 / extend_to_K if extend_to_K else []) if one.is_extended else fitted
    _band(plot, one, colour, ends.min(), ends.max())
    pieces = [(first, last, "solid"), (ends.min(), first, "dashed"), (last, ends.max(), "dashed")]
    return [_piece(plot, one, colour, *piece) for piece in pieces if piece[0] < piece[1]]


def _piece(plot: figure, one: ArrheniusSeries, colour: str, first: float, last: float, dash: str) -> GlyphRenderer:
    x = np.array([first, last])
    return plot.line(x, _diffusivity(one, x), line_color=colour, line_width=1.8, line_dash=dash)


def _band(plot: figure, one: ArrheniusSeries, colour: str, first: float, last: float) -> None:
    """One standard error of the line."""
    if one.covariance is not None:
        x = np.linspace(first, last, BAND_POINTS)
        plot.varea(x, *_band_ends(one, x), fill_color=colour, fill_alpha=0.14)


def _band_ends(one: ArrheniusSeries, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the line at x = 1000/T, in cm²/s; both the line itself where its covariance is not known."""
    centre = _diffusivity(one, x)
    if one.covariance is None:
        return centre, centre
    gradient = np.stack([np.ones_like(x), -x / (1000 * BOLTZMANN_EV_K)], axis=1)
    error = np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", gradient, np.array(one.covariance, dtype=float), gradient), 0.0))
    factor = np.exp(np.minimum(error, MOST_DECADES))  # fewer decades than MOST_DECADES: their product is finite too
    return centre / factor, centre * factor


def _diffusivity(one: ArrheniusSeries, inverse_kK: np.ndarray) -> np.ndarray:
    exponent = one.log10_prefactor_cm2_s - one.activation_energy_eV * inverse_kK / (1000 * BOLTZMANN_EV_K * math.log(10))
    return 10.0 ** np.clip(exponent, -MOST_DECADES, MOST_DECADES)


def _kelvin_axis(plot: figure, low: float, high: float, least_share: float) -> None:
    """Round temperatures above the plot, no closer than `least_share` of its width."""
    ticks: dict[float, str] = {}
    for temperature_K in KELVIN_TICKS:
        place = 1000 / temperature_K
        if low <= place <= high and all(abs(place - other) > least_share * (high - low) for other in ticks):
            ticks[place] = f"{temperature_K}"
    axis = LinearAxis(ticker=FixedTicker(ticks=list(ticks)), major_label_overrides=ticks, axis_label="T (K)")
    plot.add_layout(axis, "above")
