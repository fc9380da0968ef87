import numpy as np
import pytest

from analysis.science import stationarity
from analysis.science.stationarity import Limits, Series


def series(values, error, where="600 K"):
    values = np.array(values, dtype=float)
    return Series(np.arange(1.0, len(values) + 1), values, np.broadcast_to(error, values.shape).astype(float), where)


def decide(values, error, energies=None, **limits):
    return stationarity.decide(series(values, error), energies, Limits(**limits))


def fractions(n, error, spread, n_series=150):
    """How often models that scatter by `spread` are called what."""
    rng = np.random.default_rng([n, int(1000 * error), int(1000 * spread)])
    found = [decide(-5 + np.hypot(error, spread) * rng.normal(size=n), error).decision for _ in range(n_series)]
    return {name: found.count(name) / n_series for name in ("stationary", "moving", "undecided")}


def test_one_model_is_undecided():
    assert decide([-5.0], 0.05).decision == "undecided"
    assert decide([], 0.05).decision == "undecided"


@pytest.mark.parametrize("n", [3, 4])
def test_models_that_agree_are_stationary_with_what_was_testable(n):
    found = decide(-5 + 0.01 * np.array([0, 1, -1, 0.5][:n]), 0.04)
    assert found.decision == "stationary"
    assert found.diffusivity.spread == 0
    assert f"a scatter of {found.diffusivity.visible_spread:.2f} would be noticed" in found.reason


@pytest.mark.parametrize("values", [[-6, -5.2], [-6.0, -5.6, -5.2], [-6, -5.5, -5.3, -5.1]])
def test_a_jump_or_a_trend_is_moving_and_names_the_numbers(values):
    found = decide(values, 0.05)
    assert found.decision == "moving"
    assert "-6.00 ± 0.05" in found.reason
    assert "600 K" in found.reason


def test_scatter_without_trend_is_moving():
    found = decide([-5.0, -5.5, -5.5, -5.0], 0.05)
    assert found.diffusivity.slope_sigmas < 2
    assert found.decision == "moving"
    assert "scatter more" in found.reason


def test_a_small_excess_below_the_limit_is_stationary():
    found = decide([-5.0, -5.05, -4.96, -5.01], 0.01)
    assert 0 < found.diffusivity.spread < Limits().spread_dex
    assert found.decision == "stationary"


def test_a_change_that_does_not_matter_is_stationary_however_certain():
    found = decide([-5.0, -5.005, -5.012, -5.02], 0.003)
    assert found.diffusivity.slope_sigmas > 3
    assert found.decision == "stationary"
    assert "changes by -0.02 ± 0.00; up to 0.2, 2 times the scatter that is allowed, counts as stationary" in found.reason
    assert f"a scatter of {found.diffusivity.visible_spread:.2f} would be noticed in half of the cases" in found.reason


@pytest.mark.parametrize("values", [[-5.0, -4.84], [-5.0, -5.0], [-5.0, -5.01]])
def test_two_models_are_too_few_however_well_they_agree(values):
    found = decide(values, 0.06)
    assert found.decision == "undecided"
    assert "2 models that agree are too few" in found.reason
    assert found.diffusivity.change_error == pytest.approx(0.06 * 2**0.5)


def test_a_change_that_is_not_excluded_is_not_stationary():
    found = decide([-5.00, -4.95, -4.88], 0.07)
    assert found.diffusivity.change_sigmas < 2
    assert found.decision == "undecided"
    assert "+0.12 ± 0.10, so that more than 0.2 is not excluded" in found.reason


def test_a_steady_trend_is_not_called_stationary():
    rng = np.random.default_rng(7)
    for n, error in ((3, 0.08), (5, 0.12), (5, 0.08), (4, 0.05)):
        found = [decide(-5 + 0.1 * np.arange(n) + error * rng.normal(size=n), error).decision for _ in range(150)]
        assert found.count("stationary") < 0.2 * 150, (n, error)


def test_a_model_of_which_nothing_is_known_is_named_and_not_counted():
    wild = decide([-5.0, -4.7, -5.0], np.array([0.03, 5.0, 0.03]))
    assert wild.decision == "undecided"
    assert "-4.70 ± 5 of step 2" in wild.reason
    assert "2 models" in wild.reason
    enough = decide([-5.0, -4.7, -5.01, -5.0], np.array([0.03, 5.0, 0.03, 0.03]))
    assert enough.decision == "stationary"
    assert "in the last 3 models (not counted" in enough.reason
    newest = decide([-5.0, -5.01, -5.0, -5.02], np.array([0.03, 0.03, 0.03, 0.15]))
    assert newest.decision == "undecided"
    assert "3 of 4 models can be counted" in newest.reason
    assert "3 times longer" in newest.reason


@pytest.mark.parametrize(("values", "error"), [([-5.0, -5.2, -4.9], 0.35), ([-5.0, -5.2, -4.9], 0.25), ([-5.0, -5.01], 0.12),
                                               (np.full(15, -5.0), 0.2)])  # fmt: skip
def test_an_empty_test_is_undecided_and_says_how_much_longer(values, error):
    found = decide(values, error)
    assert found.decision == "undecided"
    assert "times longer" in found.reason


def test_a_spread_that_may_be_chance_is_undecided():
    found = decide([-5.0, -5.24, -5.01], 0.08)
    assert found.diffusivity.spread > Limits().spread_dex
    assert found.diffusivity.p_value > Limits().p_value
    assert found.decision == "undecided"
    assert "may scatter" in found.reason


@pytest.mark.parametrize(("n", "error"), [(3, 0.05), (4, 0.05), (5, 0.05), (5, 0.07)])
def test_equal_models_are_rarely_called_moving_and_mostly_stationary(n, error):
    found = fractions(n, error, 0.0)
    assert found["moving"] < 0.15
    assert found["stationary"] > 0.7


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("error", [0.03, 0.1, 0.25])
def test_models_that_differ_by_a_factor_of_two_or_three_are_rarely_called_stationary(n, error):
    assert fractions(n, error, 0.5)["stationary"] < 0.1
    assert fractions(n, error, 0.3)["stationary"] < 0.12


def test_the_visible_spread_is_seen_in_half_of_the_cases():
    errors, rng = np.array([0.05, 0.08, 0.1, 0.06]), np.random.default_rng(3)
    visible = stationarity.findings(Series(np.arange(4.0), np.zeros(4), errors, "")).visible_spread
    seen = [stationarity.findings(Series(np.arange(4.0), np.hypot(errors, visible) * rng.normal(size=4), errors, "")).p_value < 0.05
            for _ in range(1000)]  # fmt: skip
    assert np.mean(seen) == pytest.approx(0.5, abs=0.05)


def test_the_excess_spread_is_that_of_many_models():
    rng = np.random.default_rng(0)
    values, errors = 0.15 * rng.normal(size=4000) + 0.05 * rng.normal(size=4000), np.full(4000, 0.05)
    assert stationarity.excess_spread(values, errors) == pytest.approx(0.15, rel=0.05)


def test_only_the_last_models_count_and_the_window_before_must_agree():
    settled = [-5.0, -5.01, -4.99, -5.0, -5.01]
    assert decide([-7.0, -6.0, -5.5, *settled, -5.0], 0.03).decision == "stationary"
    early = decide([-6.0, *settled], 0.03)
    assert early.decision == "undecided"
    assert "still moved" in early.reason


def test_an_energy_that_moves_is_moving_though_d_stays():
    moved = decide([-5.0, -5.01, -5.0], 0.03, series([0.20, 0.27, 0.35], 0.02, ""))
    assert moved.decision == "moving"
    assert "0.35" in moved.reason
    steady = decide([-5.0, -5.01, -5.0], 0.03, series([0.20, 0.22, 0.21], 0.02, ""))
    assert steady.decision == "stationary"
    assert steady.energy.spread == 0


def test_repetitions_of_one_step_have_no_slope():
    found = stationarity.decide(Series(np.full(4, 3.0), np.array([-5.0, -5.0, -5.02, -5.02]), np.full(4, 0.05), "600 K"))
    assert found.decision == "stationary"
    assert found.diffusivity.change == pytest.approx(-0.02)
    assert "-0.02 ± 0.05" in found.reason


def test_limits_are_settings():
    assert decide([-5.0, -5.4, -5.0], 0.03).decision == "moving"
    assert decide([-5.0, -5.4, -5.0], 0.03, spread_dex=0.3).decision == "stationary"


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize(("error", "spread", "most"), [(0.03, 0.05, 0.05), (0.06, 0.05, 0.08), (0.03, 0.1, 0.25), (0.06, 0.1, 0.25)])
def test_models_that_scatter_as_they_may_are_rarely_called_moving(n, error, spread, most):
    """Before the allowed spread belonged to chance: 0.15 to 0.25 of those that scatter by 0.05, 0.45 to 0.64 of those that do so by 0.1."""
    assert fractions(n, error, spread, 400)["moving"] < most


@pytest.mark.parametrize(("n", "error", "least"), [(3, 0.03, 0.9), (5, 0.03, 0.9), (3, 0.06, 0.6), (5, 0.06, 0.7)])
def test_a_drift_by_a_factor_of_two_is_found(n, error, least):
    rng = np.random.default_rng([n, int(1000 * error)])
    found = [decide(np.linspace(-5, -4.7, n) + error * rng.normal(size=n), error).decision for _ in range(300)]
    assert found.count("moving") > least * 300
    assert found.count("stationary") < 0.02 * 300


def test_a_dip_that_the_allowed_spread_makes_is_undecided_and_ea_names_its_limit():
    assert decide([-5.0, -5.2, -5.0], 0.03).decision == "undecided"
    energies = decide([-5.0, -5.01, -5.0], 0.03, series([0.20, 0.27, 0.35], 0.02, ""))
    assert "it changes by +0.15 ± 0.03 eV; at most 0.1 eV counts as stationary" in energies.reason
