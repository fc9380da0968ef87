import numpy as np
import pytest

from campaigns.science.cleaning import clean, interval

RULES = {"energy_factor": 2.0, "force_factor": 10.0}


def test_the_interval_is_median_and_interquartile_range():
    found = interval(np.arange(101.0), 2.0, 0.0)
    assert (found.median, found.iqr, found.lower, found.upper) == (50.0, 50.0, -50.0, 150.0)


def test_an_energy_outlier_is_rejected_with_its_number():
    energies = np.append(np.linspace(-4.0, -3.9, 50), -2.0)
    verdict = clean(energies, np.full(51, 2.0), ["a"] * 51, **RULES).verdicts[-1]
    assert (verdict.kept, verdict.rule, verdict.number) == (False, "energy", -2.0)
    assert verdict.upper < -2.0


def test_a_force_outlier_is_rejected_each_configuration_by_itself():
    forces = np.append(np.linspace(1, 3, 50), [50.0, 2.0])
    verdicts = clean(np.linspace(-4, -3.9, 52), forces, ["a"] * 52, **RULES).verdicts
    assert [verdict.rule for verdict in verdicts[-2:]] == ["force", ""]


def test_a_rejected_configuration_comes_back_when_the_median_moves():
    early = np.append(np.linspace(-4.0, -3.9, 20), -3.5)
    late = np.append(early, np.linspace(-3.7, -3.4, 40))
    assert not clean(early, np.full(21, 1.0), ["a"] * 21, **RULES).verdicts[20].kept
    assert clean(late, np.full(61, 1.0), ["a"] * 61, **RULES).verdicts[20].kept


def test_compositions_have_medians_of_their_own():
    energies = np.concatenate([np.linspace(-4.0, -3.9, 30), np.linspace(-6.0, -5.9, 30)])
    verdicts = clean(energies, np.full(60, 1.0), ["a"] * 30 + ["b"] * 30, **RULES).verdicts
    assert all(verdict.kept for verdict in verdicts)


def test_cells_of_different_size_are_compared_per_atom():
    small, large = np.linspace(-4.02, -3.98, 40), np.linspace(-4.01, -3.99, 40)
    verdicts = clean(np.concatenate([small, large]), np.full(80, 1.0), ["a"] * 80, **RULES).verdicts
    assert all(verdict.kept for verdict in verdicts)


def test_the_bond_rule_is_off_unless_asked_for():
    arrays = np.linspace(-4, -3.9, 10), np.full(10, 1.0), ["a"] * 10
    assert all(verdict.kept for verdict in clean(*arrays, **RULES).verdicts)
    variation = np.append(np.full(9, 0.1), 0.3)
    verdict = clean(*arrays, **RULES, bond_variation=variation, max_bond_variation=0.2).verdicts[-1]
    assert (verdict.kept, verdict.rule, verdict.number, verdict.upper) == (False, "bond_variation", 0.3, 0.2)


def test_equal_values_are_all_kept():
    assert all(verdict.kept for verdict in clean(np.full(5, -4.0), np.full(5, 1.0), ["a"] * 5, **RULES).verdicts)


def test_a_value_that_is_not_a_number_is_rejected():
    energies = np.append(np.linspace(-4, -3.9, 9), np.nan)
    assert clean(energies, np.full(10, 1.0), ["a"] * 10, **RULES).verdicts[-1].rule == "energy"


def test_nothing_to_judge_is_refused():
    with pytest.raises(ValueError, match="no finite value"):
        interval(np.array([np.nan]), 2.0, 0.0)
