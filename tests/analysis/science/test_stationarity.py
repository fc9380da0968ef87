import numpy as np
import pytest

from analysis.science import stationarity

LIMIT_DEX = 0.1


def decide(values, error, limit=LIMIT_DEX):
    values = np.array(values, dtype=float)
    errors = np.broadcast_to(error, values.shape).astype(float)
    return stationarity.decide(stationarity.Series(np.arange(1.0, len(values) + 1), values, errors, "600 K"), limit)


def test_one_model_is_undecided():
    assert decide([-5.0], 0.05).decision == "undecided"
    assert decide([], 0.05).decision == "undecided"


@pytest.mark.parametrize("n", [2, 3, 4])
def test_models_that_agree_are_stationary(n):
    found = decide(-5 + 0.01 * np.array([0, 1, -1, 0.5][:n]), 0.04)
    assert found.decision == "stationary"
    assert found.spread_dex == 0


@pytest.mark.parametrize("values", [[-6, -5.2], [-6.0, -5.6, -5.2], [-6, -5.5, -5.3, -5.1]])
def test_a_jump_or_a_trend_is_moving_and_names_the_numbers(values):
    found = decide(values, 0.05)
    assert found.decision == "moving"
    assert "-6.00" in found.reason
    assert "600 K" in found.reason


def test_scatter_without_trend_is_moving():
    found = decide([-5.0, -5.5, -5.5, -5.0], 0.05)
    assert found.slope_sigma < 2
    assert found.decision == "moving"
    assert "spread" in found.reason


def test_a_small_excess_below_the_limit_is_stationary():
    found = decide([-5.0, -5.05, -4.96, -5.01], 0.01)
    assert 0 < found.spread_dex < LIMIT_DEX
    assert found.decision == "stationary"


def test_large_errors_leave_it_undecided():
    found = decide([-5.0, -5.2, -4.9], 0.35)
    assert found.decision == "undecided"
    assert "hides" in found.reason


def test_the_spread_is_that_of_many_models():
    rng = np.random.default_rng(0)
    values, errors = 0.15 * rng.normal(size=4000) + 0.05 * rng.normal(size=4000), np.full(4000, 0.05)
    assert stationarity.excess_spread_dex(values, errors) == pytest.approx(0.15, rel=0.05)


def test_equal_models_are_rarely_called_moving():
    rng = np.random.default_rng(1)
    decisions = [decide(-5 + 0.08 * rng.normal(size=4), 0.08).decision for _ in range(300)]
    assert decisions.count("moving") / 300 < 0.12
    assert decisions.count("stationary") / 300 > 0.85
