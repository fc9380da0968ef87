"""What a curve shows, in one sentence with its numbers: what somebody hears who does not see the plot."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

MOST_TOLD = 5  # lines that one sentence names


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


def of_lines(lines: Sequence[tuple[str, float | None, float | None]], n_points: int) -> str:
    """`lines`: label, Ea and its error (eV) of each, None where it has none."""
    with_line = [(label, energy_eV, error_eV) for label, energy_eV, error_eV in lines if energy_eV is not None]
    told = "; ".join(f"{label} {energy_eV:.3f} ± {error_eV or 0.0:.3f} eV" for label, energy_eV, error_eV in with_line[:MOST_TOLD])
    more = f"; {len(with_line) - MOST_TOLD} more" if len(with_line) > MOST_TOLD else ""
    without = f"; {len(lines) - len(with_line)} without a line" if len(lines) > len(with_line) and with_line else ""
    return f"{n_points} points. " + (f"Slopes, as Ea: {told}{more}{without}." if with_line else "No line goes through them.")


def of_steps(names: Sequence[str], values: Sequence[float], unit: str) -> str:
    """A quantity of successive models: the first, the last, and the range between."""
    low, high = min(values), max(values)
    if len(values) == 1:
        return f"{names[0]}: {low:.3g} {unit}."
    ends = f"{values[0]:.3g} {unit} (model {names[0]}) to {values[-1]:.3g} {unit} (model {names[-1]})"
    return f"From {ends}; between {low:.3g} and {high:.3g} {unit}."


def of_bars(bars: Sequence[tuple[str, float]], unit: str) -> str:
    """Label and value of each: the lowest and the highest."""
    ranked = sorted(bars, key=lambda bar: bar[1])
    (lowest, low), (highest, high) = ranked[0], ranked[-1]
    return f"{lowest}: {low:.3g} {unit}." if len(bars) == 1 else (
        f"{len(bars)} bars, from {low:.3g} {unit} ({lowest}) to {high:.3g} {unit} ({highest}).")  # fmt: skip


def _ends(by_time: Mapping[str, Floats]) -> list[tuple[str, Floats]]:
    rows = list(by_time.items())
    return [rows[0], rows[-1]] if len(rows) > 1 else rows


def _number(value: float) -> str:
    """Two significant figures, without a power of ten."""
    if not np.isfinite(value):
        return "an unknown number"
    digits = 1 - int(np.floor(np.log10(abs(value)))) if value else 0
    return f"{round(float(value), digits):.{max(digits, 0)}f}"
