"""Figures hold the numbers they are given, and survive a trip to JSON."""

import json

import numpy as np
import pytest
from bokeh.embed import json_item
from bokeh.models import BoxAnnotation, GlyphRenderer, Line, LinearAxis, Whisker

from analysis.plots.arrhenius import BOLTZMANN_EV_K, ArrheniusSeries, arrhenius_figure
from analysis.plots.bars import Bar, bars_figure
from analysis.plots.learning import learning_figure
from analysis.plots.msd import MAX_POINTS, MsdCurve, MsdFit, msd_figure
from analysis.plots.parity import ParityPoints, parity_figure
from analysis.plots.series import StepSeries, series_figure
from analysis.plots.theme import Theme
from analysis.plots.training_set import TrainingSetPoints, thinned, training_set_figure

SERIES = ArrheniusSeries(
    "step 1.2", [650.0, 900.0], [1.2e-5, 5e-5], [2e-6, 6e-6], ["diffusive", "too short"], [True, False], -3.0, 0.22, 0.5
)


def _columns(plot, *names):
    return [renderer.data_source.data for renderer in plot.select(type=GlyphRenderer) if set(names) <= set(renderer.data_source.data)]


@pytest.mark.parametrize("theme", [Theme(), Theme(dark=True, narrow=True)])
def test_arrhenius_points_lines_and_kelvin_axis(theme):
    plot = arrhenius_figure([SERIES], theme, extend_to_K=300)
    points = _columns(plot, "T", "D")[0]
    np.testing.assert_allclose(points["x"], [1000 / 650, 1000 / 900])
    assert points["fill"] == [0.9, 0.0]
    line = next(data for data in _columns(plot, "x", "y"))
    np.testing.assert_allclose(line["y"], 1e-3 * np.exp(-0.22 * np.array(line["x"]) / (1000 * BOLTZMANN_EV_K)))
    above = next(axis for axis in plot.above if isinstance(axis, LinearAxis))
    assert all(float(label) == pytest.approx(1000 / place) for place, label in above.major_label_overrides.items())
    bars = plot.select_one(Whisker).source.data
    np.testing.assert_allclose(bars["upper"], [1.4e-5, 5.6e-5])
    json.dumps(json_item(plot))


def test_an_arrhenius_line_is_solid_over_its_fit_and_dashed_beyond():
    """The runs at 500 and 900 K were kept out."""
    one = ArrheniusSeries("x", [500.0, 650.0, 800.0, 900.0], [1e-6, 1e-5, 3e-5, 5e-5], [1e-7] * 4, ["diffusive"] * 4,
                          [False, True, True, False], -3.0, 0.22)  # fmt: skip
    lines = [found for found in arrhenius_figure([one], Theme(), extend_to_K=300).renderers if isinstance(found.glyph, Line)]
    drawn = {(style(found.glyph), *np.round(1000 / np.array(found.data_source.data["x"]), 6)) for found in lines}
    assert drawn == {("solid", 800, 650), ("dashed", 900, 800), ("dashed", 650, 300)}


def test_a_line_that_may_not_be_extended_ends_with_the_points_of_its_fit():
    one = ArrheniusSeries("x", [500.0, 650.0, 800.0], [1e-6, 1e-5, 3e-5], [1e-7] * 3, ["diffusive"] * 3, [False, True, True], -3.0, 0.22,
                          covariance=[[6e-4, 4.2e-5], [4.2e-5, 3.24e-6]], is_extended=False)  # fmt: skip
    plot = arrhenius_figure([one], Theme(), extend_to_K=300)
    lines = [found for found in plot.renderers if isinstance(found.glyph, Line)]
    assert [(style(found.glyph), *np.round(1000 / np.array(found.data_source.data["x"]), 6)) for found in lines] == [("solid", 800, 650)]
    (band,) = _columns(plot, "y1", "y2")
    assert 1000 / max(band["x"]) == pytest.approx(650)
    assert plot.y_range.start > 1e-7  # the line at 300 K is 2e-7


def style(glyph):
    return "dashed" if glyph.line_dash else "solid"


def test_labels_of_bars_are_whole_on_a_narrow_page():
    names = ["LGPS, standard", "Matsui 2014 (quoted by Marcolongo 2019), experiment, from ln σ"]
    plot = bars_figure([Bar(name, 0.2, 0.1, 0.3, "x") for name in names], Theme(narrow=True), "Ea", "eV")
    assert [" ".join(label.split()) for label in plot.y_range.factors[::-1]] == names
    assert max(len(line) for label in plot.y_range.factors for line in label.split("\n")) <= 18


def test_an_empty_arrhenius_plot_is_a_plot():
    json.dumps(json_item(arrhenius_figure([], Theme())))


def test_msd_is_decimated_to_its_ends():
    t_ps = np.linspace(0, 2000, 20001)
    plot = msd_figure([MsdCurve("Li", t_ps, 6 * t_ps, np.sqrt(t_ps))], Theme(), MsdFit((10.0, 900.0)))
    drawn = _columns(plot, "msd")[0]
    assert len(drawn["t"]) <= MAX_POINTS
    assert (drawn["t"][0], drawn["t"][-1]) == (0, 2000)


def test_the_band_of_an_msd_is_within_its_plot():
    t_ps = np.linspace(0, 10, 50)
    plot = msd_figure([MsdCurve("Li", t_ps, t_ps, 0.6 * t_ps), MsdCurve("S", t_ps, 0 * t_ps, np.full(50, np.nan))], Theme())
    assert plot.y_range.start == 0
    assert plot.y_range.end > 16


def test_bars_have_place_beside_their_labels_where_it_is_narrow():
    found = [Bar("Marcolongo and Marzari 2017, " + kind, 1e-5, 1e-6, 1e-4, "x", kind == "a") for kind in "ab"]
    for narrow in (False, True):
        plot = bars_figure(found, Theme(narrow=narrow), "D", "cm²/s", logarithmic=True)
        labels = plot.y_range.factors
        assert len(set(labels)) == 2
        assert all((max(map(len, label.split("\n"))) < 24) == narrow for label in labels)
        assert (plot.x_range.start, plot.x_range.end) == (5e-7, 2e-4)
        json.dumps(json_item(plot))


def test_titles_of_the_audit_fit_a_narrow_plot():
    """A longer one leaves marks beside the plot."""
    points = TrainingSetPoints(np.arange(3), np.arange(3.0), np.full(3, "kept"), np.full(3, "1.1"), [])
    values = ParityPoints(np.arange(3.0), np.arange(3.0), np.full(3, "Li"), np.arange(3))
    for plot in (training_set_figure(points, Theme(narrow=True), "largest force (eV/Å)"), parity_figure(values, Theme(), "eV/atom")):
        assert all(len(axis.axis_label) <= 24 for axis in plot.axis)


def test_learning_curve_leaves_out_what_a_logarithm_cannot_show():
    curve = {"step": np.array([0.0, 100, 200]), "rmse_f_trn": np.array([1.0, np.nan, 0.2]), "rmse_e_trn": np.zeros(3), "lr": np.ones(3)}
    drawn = _columns(learning_figure(curve, Theme()), "step", "value")
    assert len(drawn) == 1
    np.testing.assert_array_equal(drawn[0]["value"], [1.0, 0.2])


def test_step_series_names_its_steps_and_shows_its_error_bars():
    plot = series_figure([StepSeries("loop 1", [3, 4], ["1.3", "1.4"], [0.2, 0.24], [0.05, 0.02])], Theme(), "Ea (eV)", "eV")
    assert plot.xaxis.major_label_overrides == {3.0: "1.3", 4.0: "1.4"}
    assert plot.y_range.start < 0.15
    assert plot.y_range.end > 0.26


def test_thinning_keeps_every_rejected_configuration():
    n = 4500
    verdict = np.where(np.arange(n) % 50 == 7, "rejected", "kept")
    points = TrainingSetPoints(np.arange(n), np.linspace(-4, -3, n), verdict, np.full(n, "1.1"), [(-3.9, -3.2)])
    few = thinned(points, 1000)
    assert (few.verdict == "rejected").sum() == (verdict == "rejected").sum()
    assert (few.verdict == "kept").sum() <= 1000
    plot = training_set_figure(few, Theme(), "energy (eV/atom)")
    band = next(drawn for drawn in plot.center if isinstance(drawn, BoxAnnotation))
    assert (band.bottom, band.top) == (-3.9, -3.2)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_the_fitted_line_lies_on_the_msd_within_its_window(logarithmic):
    t_ps = np.arange(0, 100.0)
    curves = [MsdCurve("Li", t_ps, np.minimum(3 * t_ps, 2 + 0.5 * t_ps), 0.1 + 0.01 * t_ps), MsdCurve("S", t_ps, 0 * t_ps, 0 * t_ps)]
    plot = msd_figure(curves, Theme(), MsdFit((10.0, 50.0), 0.5), logarithmic=logarithmic)
    line = plot.renderers[-1].data_source.data
    assert (line["x"][0], line["x"][-1]) == (pytest.approx(10), pytest.approx(50))
    assert np.allclose(line["y"], 2 + 0.5 * np.array(line["x"]))
    assert (plot.y_range.start > 0) == logarithmic
