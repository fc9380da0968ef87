"""Materials: their names."""

import pytest

from campaigns.services.materials import MAX_DEFAULT_NAME, short_formula


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("Li20.056Ge2P4S24", "Li20.06Ge2P4S24"),
        ("Li50.2368La24Zr11.2Ta4.8O96", "Li50.24La24Zr11.2Ta4.8O96"),
        ("Li2.96N1", "Li2.96N"),
        ("Li1.001N10", "LiN10"),
        ("Li19.8666666667Ge2.0566666667P3.94333333S23.5", "Li19.87Ge2.06P3.94S23.5"),
        ("Li6.25Al0.251La3Zr1.751Ta0.251O11.875F0.1251Cl0.125", "Li6.25Al0.25La3Zr1.75Ta0.25O11.88F0.13…"),
        ("(" * 60, "(" * 39 + "…"),
    ],
)
def test_a_long_formula_makes_a_short_name(formula, name):
    assert short_formula(formula) == name
    assert len(name) <= MAX_DEFAULT_NAME
