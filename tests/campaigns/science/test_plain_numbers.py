"""Sentences hold no power of ten where nobody would write one."""

import math

import pytest

from analysis.report import with_error
from campaigns.science.plain_numbers import plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [(312.0, "310"), (0.00123, "0.0012"), (99999.0, "100000"), (-1234.0, "-1200"), (12.0, "12"), (0.0, "0"), (3.1e-7, "3.1e-07"),
     (2.4e6, "2.4e+06"), (math.inf, "inf")],
)  # fmt: skip
def test_plain(value, expected):
    assert plain(value) == expected


def test_a_report_gives_its_errors_so():
    assert with_error(1234.0, 201.0) == "1230 ± 200"
    assert with_error(1.2e-5, 2e-6) == "1.2e-05 ± 2e-06"
