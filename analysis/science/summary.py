"""What a curve shows, in one sentence with its numbers: what somebody hears who does not see the plot."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def of_msd(t_ps: Floats, msd_A2: Mapping[str, Floats]) -> str:
    """`msd_A2` by species, the mobile ion first: MSD of Li rises to 12 Å² at 40 ps; S stays below 0.4 Å²."""
    first, *others = msd_A2
    said = [f"MSD of {first} reaches {_number(msd_A2[first][-1])} Å² at {_number(t_ps[-1])} ps"]
    said += [f"{name} stays within {_number(np.max(msd_A2[name]))} Å²" for name in others]
    return "; ".join(said) + "."


def of_rdf(r_A: Floats, g: Mapping[str, Floats], most: int = 6) -> str:
    """The highest peak of each pair, the highest of all first."""
    ranked = sorted(g.items(), key=lambda item: -np.nan_to_num(item[1]).max())
    peaks = [f"{pair} {_number(values.max())} at {_number(r_A[values.argmax()])} Å" for pair, values in ranked[:most]]
    left = len(g) - most
    more = f"; {left} pair{'s' * (left > 1)} more, with lower peaks" if left > 0 else ""
    return f"Highest peak of g(r): {'; '.join(peaks)}{more}."


def of_self(r_A: Floats, by_time: Mapping[str, Floats]) -> str:
    """How far ions have most probably gone, at the first and the last time."""
    return "Most probable displacement: " + "; ".join(f"{_number(r_A[values.argmax()])} Å after {t}" for t, values in _ends(by_time)) + "."


def of_distinct(r_A: Floats, by_time: Mapping[str, Floats], hop_A: float = 1.0) -> str:
    """How much of the sites that ions have left is filled by others, at the first and the last time."""
    near = r_A <= hop_A
    filled = "; ".join(f"{_number(values[near].mean())} after {t}" for t, values in _ends(by_time))
    return f"Mean of Gd/ρ within {hop_A:g} Å of where another ion was: {filled}; 1 where nothing is correlated."


def of_density(projection: Floats) -> str:
    """How uneven the density is, and how much of the cell's area ions visit at all."""
    peak = float(projection.max())
    visited = 100 * float((projection > 0.1 * peak).mean())
    times = _number(peak / projection.mean())
    return f"The density reaches {times} times its mean; it is above a tenth of that on {visited:.2g} % of the area."


def _ends(by_time: Mapping[str, Floats]) -> list[tuple[str, Floats]]:
    rows = list(by_time.items())
    return [rows[0], rows[-1]] if len(rows) > 1 else rows


def _number(value: float) -> str:
    """Two significant figures, without a power of ten."""
    if not np.isfinite(value):
        return "an unknown number"
    digits = 1 - int(np.floor(np.log10(abs(value)))) if value else 0
    return f"{round(float(value), digits):.{max(digits, 0)}f}"
