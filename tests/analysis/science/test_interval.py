import math

import pytest

from analysis.science.interval import is_known, quantile_95


@pytest.mark.parametrize(("low", "high", "known"), [(0.9, 2.2, True), (1.0, 100.0, True), (1.0, 101.0, False), (0.072, 311349.0, False),
                                                    (1e-9, math.inf, False), (0.0, 1.0, False), (math.nan, 1.0, False)])  # fmt: skip
def test_two_decades_are_the_most(low, high, known):
    assert is_known(low, high) == known


@pytest.mark.parametrize(("n", "chi2_per_dof", "expected"), [
    (3, 0.2, 1.96), (3, 1.0, 1.96), (3, 1e9, 12.706), (5, 1e9, 3.182), (3, None, 12.706), (3, 2.0, 2.776), (50, 2.0, 1.972),
])  # fmt: skip
def test_from_the_normal_quantile_to_students(n, chi2_per_dof, expected):
    """n - 2 degrees of freedom for what scatter added; where it doubled the variance, four times as many."""
    assert quantile_95(n, chi2_per_dof) == pytest.approx(expected, abs=0.002)
