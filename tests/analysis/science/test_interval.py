import math

import pytest

from analysis.science.interval import is_known


@pytest.mark.parametrize(("low", "high", "known"), [(0.9, 2.2, True), (1.0, 100.0, True), (1.0, 101.0, False), (0.072, 311349.0, False),
                                                    (1e-9, math.inf, False), (0.0, 1.0, False), (math.nan, 1.0, False)])  # fmt: skip
def test_two_decades_are_the_most(low, high, known):
    assert is_known(low, high) == known
