"""Cleaning of the training set: which configurations are outliers, by which rule and which number.

Marcolongo et al. 2019, section III: keep a configuration when m - f i <= x <= m + f i, with m the median and i the
interquartile range over the whole current training set. x is the energy per atom (f = 2; per atom because cells may
differ in size; each composition has its own median, since energies of different compositions are not comparable) and
the largest force on an atom (f = 10). Every configuration is tested by itself, and every one that was ever labelled
is tested again each time: a rejected one comes back when the medians move.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# An interquartile range can be zero (two frames, or equal energies): the interval keeps at least this half width.
MIN_HALF_WIDTH_EV_ATOM = 1e-3
MIN_HALF_WIDTH_EV_A = 0.1


@dataclass(frozen=True)
class Quantity:
    """What a rule tests. `explanation` says where the limits come from; a `magnitude` is never negative."""

    name: str
    unit: str
    explanation: str
    magnitude: bool = True


_ENERGY = Quantity(
    "energy", "eV/atom",
    "Kept is the median of all configurations of this composition, and a number of their interquartile ranges (a setting) to either side.",
    magnitude=False,
)  # fmt: skip
QUANTITIES = {  # by rule; a kept configuration, which no rule rejects, carries the energy test
    "": _ENERGY,
    "energy": _ENERGY,
    "force": Quantity(
        "largest force on an atom", "eV/Å",
        "Kept is the median of the largest forces of all configurations, and a number of their interquartile ranges (a setting) to either "
        "side.",
    ),
    "bond_variation": Quantity(
        "largest change of a framework bond", "% of its length",
        "Kept is a configuration in which no bond of the framework is stretched or compressed by more than a share (a setting) of its "
        "length in the relaxed cell.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Interval:
    median: float
    iqr: float
    lower: float
    upper: float

    def holds(self, value: float) -> bool:
        return self.lower <= value <= self.upper  # false for NaN


@dataclass(frozen=True)
class CleaningVerdict:
    """`rule` is empty for a kept configuration, else `energy`, `force` or `bond_variation`; `number` is what that rule tested.

    A kept configuration carries the energy test, the one that is closest to what a reader asks first.
    """

    kept: bool
    rule: str
    number: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Cleaning:
    verdicts: list[CleaningVerdict]
    energy_eV_atom: dict[str, Interval]  # by composition
    force_eV_A: Interval


def interval(values: NDArray[np.floating], factor: float, min_half_width: float) -> Interval:
    """Median and interquartile range of the finite values, and the interval they keep."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise ValueError("no finite value to take a median of")
    lower_quartile, median, upper_quartile = np.percentile(finite, [25, 50, 75])
    iqr = float(upper_quartile - lower_quartile)
    half_width = max(factor * iqr, min_half_width)
    return Interval(float(median), iqr, float(median) - half_width, float(median) + half_width)


def clean(
    energy_eV_atom: NDArray[np.floating],
    max_force_eV_A: NDArray[np.floating],
    composition: Sequence[str],
    *,
    energy_factor: float,
    force_factor: float,
    bond_variation: NDArray[np.floating] | None = None,
    max_bond_variation: float = np.inf,
) -> Cleaning:
    """Judge every configuration. Arrays are (n_frames,); `bond_variation` None means the rule is off (NaN: not known, kept)."""
    groups = np.asarray(composition)
    energies = {
        name: interval(energy_eV_atom[groups == name], energy_factor, MIN_HALF_WIDTH_EV_ATOM) for name in dict.fromkeys(composition)
    }
    forces = interval(max_force_eV_A, force_factor, MIN_HALF_WIDTH_EV_A)
    verdicts = []
    for row, name in enumerate(composition):
        energy = energies[name]
        if not energy.holds(energy_eV_atom[row]):
            verdicts.append(CleaningVerdict(False, "energy", float(energy_eV_atom[row]), energy.lower, energy.upper))
        elif not forces.holds(max_force_eV_A[row]):
            verdicts.append(CleaningVerdict(False, "force", float(max_force_eV_A[row]), forces.lower, forces.upper))
        elif bond_variation is not None and bond_variation[row] > max_bond_variation:
            verdicts.append(CleaningVerdict(False, "bond_variation", float(bond_variation[row]), 0.0, max_bond_variation))
        else:
            verdicts.append(CleaningVerdict(True, "", float(energy_eV_atom[row]), energy.lower, energy.upper))
    return Cleaning(verdicts, energies, forces)
