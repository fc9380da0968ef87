"""Numbers in sentences: rounded, and without a power of ten where people would not write one."""

import math

SMALLEST, LARGEST = 1e-3, 1e5


def plain(value: float, figures: int = 2) -> str:
    """`figures` significant figures: 310 and 0.0012, not 3.1e+02; a power of ten only below 0.001 and above 100000."""
    short = f"{value:.{figures}g}"
    if "e" not in short or not math.isfinite(value) or not SMALLEST <= abs(float(short)) <= LARGEST:
        return short
    return f"{float(short):.0f}"
